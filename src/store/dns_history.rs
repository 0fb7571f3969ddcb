//! Every DNS record that was ever seen, per stream, and how they changed.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest;
use sqlx::Row;

use super::{Result, StoreError, Tx, on};
use crate::domain::ids::StreamName;
use crate::domain::posture::Published;
use crate::domain::time::Timestamp;

/// One set of records, as it stood at a name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordRow {
    /// The name, with its trailing dot.
    pub name: String,
    /// The type.
    pub kind: String,
    /// The records as text; none: the DNS said that there were none.
    pub records: Vec<String>,
    /// Whether it is what was seen there last.
    pub current: bool,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// One change of what stands at a name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ChangeRow {
    /// Its id; later ones are behind it.
    pub id: String,
    /// When it was seen.
    pub at: Timestamp,
    /// The name, with its trailing dot.
    pub name: String,
    /// The type.
    pub kind: String,
    /// What stood there.
    pub old: Vec<String>,
    /// What stands there.
    pub new: Vec<String>,
}

pub(super) const CURRENT: &str =
    "SELECT name, kind, digest, records FROM dns_records WHERE stream = $1 AND is_current = 1";
pub(super) const EXPECTED: &str =
    "SELECT DISTINCT name, kind FROM dns_records WHERE is_current = 1 AND records <> '[]'";
pub(super) const RETIRE: &str =
    "UPDATE dns_records SET is_current = 0 WHERE stream = $1 AND name = $2 AND kind = $3 AND is_current = 1";
pub(super) const SEEN: &str = "INSERT INTO dns_records (stream, name, kind, digest, records, is_current, first_seen, last_seen) \
     VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT (stream, name, kind, digest) DO UPDATE SET is_current = 1, \
     last_seen = excluded.last_seen";
pub(super) const PUT_CHANGE: &str = "INSERT INTO dns_changes (id, stream, at, name, kind, records_before, records_after) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(super) const RECORDS: &str = "SELECT name, kind, records, is_current, first_seen, last_seen FROM dns_records WHERE stream = $1 \
     ORDER BY is_current DESC, last_seen DESC, name, kind, digest LIMIT $2";
pub(super) const CHANGES: &str = "SELECT id, at, name, kind, records_before, records_after FROM dns_changes WHERE stream = $1 \
     ORDER BY at DESC, id DESC LIMIT $2";
pub(super) const CHANGES_BEFORE: &str = "SELECT id, at, name, kind, records_before, records_after FROM dns_changes WHERE stream = $1 \
     AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $2";
pub(super) const CHANGE_AT: &str = "SELECT at FROM dns_changes WHERE stream = $1 AND id = $2";

impl Tx {
    /// Remembers what was seen at once, and returns how many names had stood otherwise before. What is seen for the first time is no
    /// change. To be called by whoever holds the stream's check.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remember_records(&mut self, stream: &StreamName, seen: &[Published], at: Timestamp) -> Result<u64> {
        let rows: Vec<(String, String, String, String)> =
            on!(self, c => sqlx::query_as(CURRENT).bind(stream.as_str()).fetch_all(c).await)?;
        let known: BTreeMap<(&str, &str), (&str, &str)> = rows
            .iter()
            .map(|(name, kind, digest, records)| ((name.as_str(), kind.as_str()), (digest.as_str(), records.as_str())))
            .collect();
        let (stream, micros) = (stream.as_str(), at.micros());
        let mut changes = 0;
        for published in seen {
            let (name, kind) = (published.name.to_string(), published.kind.to_string());
            let records = super::json(&published.records)?;
            let digest = digest_of(&records);
            match known.get(&(name.as_str(), kind.as_str())) {
                Some((old, _)) if *old == digest => {}
                Some((_, old)) => {
                    changes += 1;
                    on!(self, c => sqlx::query(RETIRE).bind(stream).bind(&name).bind(&kind).execute(c).await.map(drop))?;
                    let id = uuid::Uuid::now_v7().to_string();
                    on!(self, c => sqlx::query(PUT_CHANGE).bind(id).bind(stream).bind(micros).bind(&name).bind(&kind)
                        .bind(*old).bind(&records).execute(c).await.map(drop))?;
                }
                None => {}
            }
            on!(self, c => sqlx::query(SEEN).bind(stream).bind(&name).bind(&kind).bind(digest).bind(records).bind(micros)
                .execute(c).await.map(drop))?;
        }
        Ok(changes)
    }

    /// Where records stood when they were last looked for, by name and type: there their absence is news.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expected_records(&mut self) -> Result<BTreeSet<(String, String)>> {
        let rows: Vec<(String, String)> = on!(self, c => sqlx::query_as(EXPECTED).fetch_all(c).await)?;
        Ok(rows.into_iter().collect())
    }

    /// The records of a stream: what stands first, then what stood before, the latest first.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn records_of(&mut self, stream: &StreamName, limit: i64) -> Result<Vec<RecordRow>> {
        on!(self, c => {
            let rows = sqlx::query(RECORDS).bind(stream.as_str()).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| Ok(RecordRow {
                name: row.try_get(0)?,
                kind: row.try_get(1)?,
                records: texts("dns_records", &row.try_get::<String, _>(2)?)?,
                current: row.try_get::<i64, _>(3)? == 1,
                first_seen: Timestamp::from_micros(row.try_get(4)?),
                last_seen: Timestamp::from_micros(row.try_get(5)?),
            })).collect()
        })
    }

    /// The changes of a stream's records before the change of that id, or the latest; the newest first. `None` when there is no change of
    /// that id.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn changes_of(
        &mut self,
        stream: &StreamName,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Option<Vec<ChangeRow>>> {
        let stream = stream.as_str();
        let at: Option<i64> = match before {
            None => None,
            Some(id) => {
                let at: Option<i64> =
                    on!(self, c => sqlx::query_scalar(CHANGE_AT).bind(stream).bind(id).fetch_optional(c).await)?;
                let Some(at) = at else { return Ok(None) };
                Some(at)
            }
        };
        on!(self, c => {
            let rows = match (at, before) {
                (Some(at), Some(id)) => {
                    sqlx::query(CHANGES_BEFORE).bind(stream).bind(limit).bind(at).bind(id).fetch_all(c).await?
                }
                _ => sqlx::query(CHANGES).bind(stream).bind(limit).fetch_all(c).await?,
            };
            let changes: Result<Vec<ChangeRow>> = rows.iter().map(|row| Ok(ChangeRow {
                id: row.try_get(0)?,
                at: Timestamp::from_micros(row.try_get(1)?),
                name: row.try_get(2)?,
                kind: row.try_get(3)?,
                old: texts("dns_changes", &row.try_get::<String, _>(4)?)?,
                new: texts("dns_changes", &row.try_get::<String, _>(5)?)?,
            })).collect();
            changes.map(Some)
        })
    }
}

fn texts(table: &'static str, json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt { table, column: "records" })
}

fn digest_of(records: &str) -> String {
    let digest = digest::digest(&digest::SHA256, records.as_bytes());
    digest.as_ref().iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
