//! What is personal: sealed values, tombstones, and erasure.

use std::collections::HashMap;

use sqlx::Row;

use super::dialect::{Twin, batch, lookup};
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::{AddressKey, SubKey, TeamId};
use crate::domain::keyring::Sealed;
use crate::domain::time::Timestamp;

/// A sealed address (`kind` = `address`) or `sub` (`kind` = `sub`).
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// The team.
    pub team: TeamId,
    /// `address` or `sub`.
    pub kind: &'static str,
    /// Its keyed hash, as hexadecimal.
    pub key: String,
    /// The sealed text.
    pub value: Sealed,
}

/// Where a tombstone may lie: team, kind (`address` or `sub`), hexadecimal key.
pub type Mark = (TeamId, &'static str, String);

/// The mark of an erased person: nothing but a keyed hash.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// The team.
    pub team: TeamId,
    /// `address` or `sub`.
    pub kind: &'static str,
    /// The keyed hash, as hexadecimal.
    pub key: String,
    /// Under which hash key.
    pub hash_key_id: u32,
}

pub(super) const PUT_SEALED: Twin = batch!(
    "INSERT INTO sealed_values (team, kind, key, key_id, value)",
    [text 0, text 1, bytes 2, int 3, bytes 4],
    "ON CONFLICT (team, kind, key) DO NOTHING"
);
pub(super) const SEALED: Twin = lookup!(
    "SELECT s.key, s.key_id, s.value",
    "sealed_values AS s",
    ["s.team" = text 0, "s.kind" = text 1, "s.key" = bytes 2],
    ""
);
pub(super) const TOMBSTONES: Twin = lookup!(
    "SELECT s.team, s.kind, s.key, s.erased_at",
    "tombstones AS s",
    ["s.team" = text 0, "s.kind" = text 1, "s.key" = bytes 2],
    ""
);
pub(super) const PUT_TOMBSTONES: Twin = batch!(
    "INSERT INTO tombstones (team, kind, key, hash_key_id, erased_at)",
    [text 0, text 1, bytes 2, int 3, int 4],
    "ON CONFLICT (team, kind, key) DO UPDATE SET erased_at = excluded.erased_at WHERE excluded.erased_at > tombstones.erased_at"
);
pub(super) const ERASE_SEALED: &str = "DELETE FROM sealed_values WHERE team = $1 AND key = $2";
pub(super) const ERASE_ADDRESS: &str = "DELETE FROM address_records WHERE team = $1 AND key = $2";
pub(super) const ERASE_SUBJECT: &str = "DELETE FROM subject_records WHERE team = $1 AND key = $2";
pub(super) const ERASE_EVENTS_OF_ADDRESS: &str = "UPDATE events SET address_key = NULL, subject_key = NULL, diagnostic = NULL, \
     provider_id = NULL, detail = NULL WHERE team = $1 AND address_key = $2";
pub(super) const ERASE_EVENTS_OF_SUBJECT: &str = "UPDATE events SET address_key = NULL, subject_key = NULL, diagnostic = NULL, \
     provider_id = NULL, detail = NULL WHERE team = $1 AND subject_key = $2";

impl Tx {
    /// Stores sealed values; one that is there already stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_sealed(&mut self, rows: &[SealedRow]) -> Result<()> {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |s, b| s + &format!("{b:02x}"));
        let rows: Vec<_> =
            rows.iter().map(|r| (&r.team, r.kind, &r.key, r.value.key_id, hex(&r.value.bytes))).collect();
        self.put(&PUT_SEALED, &rows).await
    }

    /// Reads sealed values of one kind back, by hexadecimal key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sealed(&mut self, team: &TeamId, kind: &str, keys: &[String]) -> Result<HashMap<String, Sealed>> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<_> = keys.iter().map(|k| (team, kind, k)).collect();
        let (sql, json) = (self.spell(&SEALED), super::json(&rows)?);
        on!(self, c => {
            let mut found = HashMap::new();
            for row in sqlx::query(sql).bind(json).fetch_all(c).await? {
                let key = super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "sealed_values")?;
                let key_id = u32::try_from(row.try_get::<i64, _>(1)?)
                    .map_err(|_| StoreError::Corrupt { table: "sealed_values", column: "key_id" })?;
                found.insert(key.to_string(), Sealed { key_id, bytes: row.try_get(2)? });
            }
            Ok(found)
        })
    }

    /// When the people behind these marks were erased; who was not is missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tombstones(&mut self, of: &[Mark]) -> Result<HashMap<Mark, Timestamp>> {
        if of.is_empty() {
            return Ok(HashMap::new());
        }
        let (sql, json) = (self.spell(&TOMBSTONES), super::json(of)?);
        on!(self, c => {
            let mut found = HashMap::new();
            for row in sqlx::query(sql).bind(json).fetch_all(c).await? {
                let team = TeamId::new(row.try_get::<String, _>(0)?);
                let kind = if row.try_get::<String, _>(1)? == "sub" { "sub" } else { "address" };
                let key = super::records::key(SubKey::from_slice, &row.try_get::<Vec<u8>, _>(2)?, "tombstones")?;
                found.insert((team, kind, key.to_string()), Timestamp::from_micros(row.try_get(3)?));
            }
            Ok(found)
        })
    }

    /// Sets tombstones; a later erasure moves one forward.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_tombstones(&mut self, rows: &[Tombstone], at: Timestamp) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(|t| (&t.team, t.kind, &t.key, t.hash_key_id, at.micros())).collect();
        self.put(&PUT_TOMBSTONES, &rows).await
    }

    /// Removes everything kept of an address: record, sealed text, desired states; its events stay as bare counts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn erase_address(&mut self, team: &TeamId, key: AddressKey) -> Result<()> {
        self.erase(team, key.0, &[ERASE_SEALED, ERASE_ADDRESS, ERASE_EVENTS_OF_ADDRESS]).await?;
        self.drop_desired(team, &format!("a:{key}")).await.map(drop)
    }

    /// Removes everything kept of a subject.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn erase_subject(&mut self, team: &TeamId, key: SubKey) -> Result<()> {
        self.erase(team, key.0, &[ERASE_SEALED, ERASE_SUBJECT, ERASE_EVENTS_OF_SUBJECT]).await?;
        self.drop_desired(team, &format!("s:{key}")).await.map(drop)
    }

    async fn erase(&mut self, team: &TeamId, key: [u8; 16], statements: &[&'static str]) -> Result<()> {
        for sql in statements {
            let (team, key) = (team.as_str().to_owned(), key.to_vec());
            on!(self, c => sqlx::query(*sql).bind(team).bind(key).execute(c).await.map(drop))?;
        }
        Ok(())
    }
}

pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
pub(super) const VACUUM: [&str; 6] = [
    "VACUUM sealed_values",
    "VACUUM address_records",
    "VACUUM subject_records",
    "VACUUM events",
    "VACUUM desired_states",
    "VACUUM deliveries",
];

/// How often a checkpoint is tried; each time it waits for readers as long as a writer would.
const CHECKPOINTS: u32 = 3;

impl super::Store {
    /// After an erasure: makes the freed pages unreadable too (SQLite: truncating checkpoint, with `secure_delete` on; PostgreSQL:
    /// VACUUM).
    ///
    /// # Errors
    /// When the store fails, or a reader on SQLite looks at the old pages all the time.
    pub async fn scrub(&self) -> Result<()> {
        match self {
            Self::Sqlite { write, .. } => {
                for _ in 0..CHECKPOINTS {
                    let busy: i64 = sqlx::query(CHECKPOINT).fetch_one(write).await?.try_get(0)?;
                    if busy == 0 {
                        return Ok(());
                    }
                }
                Err(StoreError::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ResourceBusy.into())))
            }
            Self::Postgres(pool) => {
                for sql in VACUUM {
                    sqlx::query(sql).execute(pool).await?;
                }
                Ok(())
            }
        }
    }
}
