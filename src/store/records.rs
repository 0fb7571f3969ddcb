//! The records of addresses and subjects: read in bulk, joined by intake, written back in bulk.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;

use super::dialect::{Twin, batch, lookup, packed, unpack};
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::{AddressKey, SubKey, TeamId};
use crate::domain::record::{AddressRecord, SubjectRecord};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Glance, glance};

/// The record of one address, with what the store must know of it beside the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// The facts.
    pub record: AddressRecord,
    /// The log number of the last change.
    pub version: i64,
    /// When time alone may change its verdict (a hold that ends, a control that may have come).
    pub settle_at: Option<Timestamp>,
    /// When to drop it, for an `icloud.com` address that nobody flagged as a relay address.
    pub keep_until: Option<Timestamp>,
    /// Whether its subject's facts make the store to be asked about it.
    pub subject_asks: bool,
}

impl AddressRow {
    /// What one look can tell of it.
    pub fn glance(&self) -> Glance {
        glance(&self.record, self.subject_asks)
    }
}

/// The record of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRow {
    /// The facts.
    pub record: SubjectRecord,
    /// The log number of the last change.
    pub version: i64,
}

/// With the records comes what every reader of them wants next: the head of the log, and whether anybody was ever erased.
pub(super) const ADDRESSES: Twin = lookup!(
    concat!(
        "SELECT (SELECT n FROM log_head WHERE id = 1), (SELECT COUNT(*) FROM (SELECT 1 FROM tombstones LIMIT 1) AS t), ",
        packed!("r.version", "r.settle_at", "r.keep_until", "r.subject_asks", "r.facts")
    ),
    "address_records AS r",
    ["r.team" = text 0, "r.key" = bytes 1],
    ""
);
pub(super) const SUBJECTS: Twin = lookup!(
    concat!("SELECT ", packed!("r.version", "r.facts")),
    "subject_records AS r",
    ["r.team" = text 0, "r.key" = bytes 1],
    ""
);
pub(super) const PUT_ADDRESSES: Twin = batch!(
    "INSERT INTO address_records (team, key, facts, version, settle_at, keep_until, subject_asks, glance)",
    [text 0, bytes 1, text 2, int 3, int 4, int 5, int 6, int 7],
    "ON CONFLICT (team, key) DO UPDATE SET facts = excluded.facts, version = excluded.version, settle_at = excluded.settle_at, \
     keep_until = excluded.keep_until, subject_asks = excluded.subject_asks, glance = excluded.glance"
);
pub(super) const PUT_SUBJECTS: Twin = batch!(
    "INSERT INTO subject_records (team, key, facts, version)",
    [text 0, bytes 1, text 2, int 3],
    "ON CONFLICT (team, key) DO UPDATE SET facts = excluded.facts, version = excluded.version"
);
pub(super) const TO_SETTLE: &str = "SELECT team, key, settle_at FROM address_records WHERE settle_at IS NOT NULL AND settle_at <= $1 \
     ORDER BY settle_at LIMIT $2";
pub(super) const COUNT_RECORDS: &str =
    "SELECT (SELECT COUNT(*) FROM address_records), (SELECT COUNT(*) FROM subject_records)";
pub(super) const COUNT_OF_TEAM: &str = "SELECT (SELECT COUNT(*) FROM address_records WHERE team = $1), (SELECT COUNT(*) FROM \
     subject_records WHERE team = $1)";

/// A record's place: its team and key.
pub type AddressAt = (TeamId, AddressKey);
/// A subject's place: its team and key.
pub type SubjectAt = (TeamId, SubKey);

impl Tx {
    /// The records at these places; a place without one is missing from the answer.
    ///
    /// # Errors
    /// When the store fails or a record is corrupt.
    pub async fn addresses(&mut self, at: &[AddressAt]) -> Result<HashMap<AddressAt, AddressRow>> {
        if at.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(self.look_up(at).await?.rows)
    }

    /// The records at these places, and what stands beside them.
    pub(super) async fn look_up(&mut self, at: &[AddressAt]) -> Result<LookedUp> {
        let (sql, json) = (self.spell(&ADDRESSES), super::json(at)?);
        let (head, erased, packed): (i64, i64, Option<String>) =
            on!(self, c => sqlx::query_as(sql).bind(json).fetch_one(c).await)?;
        let corrupt = |column| StoreError::Corrupt { table: "address_records", column };
        let mut rows = HashMap::with_capacity(at.len());
        for row in unpack::<5>(packed.as_deref()) {
            let (i, [version, settle_at, keep_until, asks, facts]) = row.ok_or(corrupt("version"))?;
            let place = at.get(i).ok_or(corrupt("key"))?;
            let record = read_facts(facts, "address_records")?;
            let version = version.parse().map_err(|_| corrupt("version"))?;
            let settle_at = instant(settle_at).map_err(|()| corrupt("settle_at"))?;
            let keep_until = instant(keep_until).map_err(|()| corrupt("keep_until"))?;
            let row = AddressRow { record, version, settle_at, keep_until, subject_asks: asks != "0" };
            rows.insert(place.clone(), row);
        }
        Ok(LookedUp { head, any_erased: erased != 0, rows })
    }

    /// The subjects at these places.
    ///
    /// # Errors
    /// When the store fails or a record is corrupt.
    pub async fn subjects(&mut self, at: &[SubjectAt]) -> Result<HashMap<SubjectAt, SubjectRow>> {
        if at.is_empty() {
            return Ok(HashMap::new());
        }
        let (sql, json) = (self.spell(&SUBJECTS), super::json(at)?);
        let packed: Option<String> = on!(self, c => sqlx::query_scalar(sql).bind(json).fetch_one(c).await)?;
        let corrupt = |column| StoreError::Corrupt { table: "subject_records", column };
        let mut found = HashMap::with_capacity(at.len());
        for row in unpack::<2>(packed.as_deref()) {
            let (i, [version, facts]) = row.ok_or(corrupt("version"))?;
            let place = at.get(i).ok_or(corrupt("key"))?;
            let record = read_facts(facts, "subject_records")?;
            let version = version.parse().map_err(|_| corrupt("version"))?;
            found.insert(place.clone(), SubjectRow { record, version });
        }
        Ok(found)
    }

    /// Writes address records back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_addresses<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a AddressAt, &'a AddressRow)>,
    ) -> Result<()> {
        let mut batch = Vec::new();
        for ((team, key), row) in rows {
            let (settle, keep) = (row.settle_at.map(Timestamp::micros), row.keep_until.map(Timestamp::micros));
            let glance = glance_number(row.glance());
            let asks = u8::from(row.subject_asks);
            batch.push((team, key, super::json(&row.record)?, row.version, settle, keep, asks, glance));
        }
        self.put(&PUT_ADDRESSES, &batch).await
    }

    /// Writes subject records back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_subjects<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a SubjectAt, &'a SubjectRow)>,
    ) -> Result<()> {
        let mut batch = Vec::new();
        for ((team, key), row) in rows {
            batch.push((team, key, super::json(&row.record)?, row.version));
        }
        self.put(&PUT_SUBJECTS, &batch).await
    }

    /// Places of records that time may have changed by `now`, the longest due first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn addresses_to_settle(&mut self, now: Timestamp, limit: i64) -> Result<Vec<(AddressAt, Timestamp)>> {
        let now = now.micros();
        on!(self, c => {
            let rows = sqlx::query(TO_SETTLE).bind(now).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| {
                let team = TeamId::new(row.try_get::<String, _>(0)?);
                let key = key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(1)?, "address_records")?;
                Ok(((team, key), Timestamp::from_micros(row.try_get(2)?)))
            }).collect()
        })
    }

    /// How many addresses and subjects have a record.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_records(&mut self) -> Result<(i64, i64)> {
        on!(self, c => {
            let row = sqlx::query(COUNT_RECORDS).fetch_one(c).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        })
    }

    /// How many addresses and subjects of one team have a record.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_records_of(&mut self, team: &TeamId) -> Result<(i64, i64)> {
        on!(self, c => {
            let row = sqlx::query(COUNT_OF_TEAM).bind(team.as_str()).fetch_one(c).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        })
    }

    /// Runs a batch that returns nothing; an empty one costs nothing.
    pub(super) async fn put<T: Serialize>(&mut self, twin: &Twin, rows: &[T]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(twin, super::json(rows)?).await
    }

    /// Runs a statement that returns nothing and binds one text. On SQLite it may wait for the next read or the commit, and fail there.
    pub(super) async fn write(&mut self, twin: &Twin, parameter: String) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.later(twin.sqlite, parameter),
            Self::Postgres(tx) => {
                sqlx::query(twin.postgres).bind(parameter).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }
}

/// How a glance stands in its column. One digit: the bulk load reads it by position.
pub(super) fn glance_number(glance: Glance) -> u8 {
    match glance {
        Glance::Ok => 1,
        Glance::NotRelay => 2,
        Glance::Ask => 3,
    }
}

pub(super) fn key<K>(read: fn(&[u8]) -> Option<K>, bytes: &[u8], table: &'static str) -> Result<K> {
    read(bytes).ok_or(StoreError::Corrupt { table, column: "key" })
}

/// What one look at address records brings.
pub(super) struct LookedUp {
    /// The head of the log, in the same view.
    pub(super) head: i64,
    /// Whether anybody was ever erased.
    pub(super) any_erased: bool,
    /// The records by place.
    pub(super) rows: HashMap<AddressAt, AddressRow>,
}

fn instant(text: &str) -> std::result::Result<Option<Timestamp>, ()> {
    match text {
        "" => Ok(None),
        micros => micros.parse().map(|micros| Some(Timestamp::from_micros(micros))).map_err(drop),
    }
}

fn read_facts<T: DeserializeOwned>(text: &str, table: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { table, column: "facts" })
}
