//! What an operator's check asks of the store: does it keep what it is given, and when did each feed last say something.

use sqlx::Row;

use super::{Result, StoreError, Tx, on};
use crate::domain::keyring::Sealed;
use crate::domain::time::Timestamp;

/// A setting that decides whether a commit survives a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// Its name in the database.
    pub setting: &'static str,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub wanted: &'static str,
    /// Whether what it is will do.
    pub holds: bool,
}

pub(super) const JOURNAL_MODE: &str = "PRAGMA journal_mode";
pub(super) const SYNCHRONOUS: &str = "PRAGMA synchronous";
pub(super) const SETTING: &str = "SELECT current_setting($1)";
pub(super) const NEWEST: &str = "SELECT received_at FROM events ORDER BY n DESC LIMIT 1";
pub(super) const LAST_OF_FEED: &str =
    "SELECT received_at FROM events WHERE n > $1 AND source = $2 AND endpoint = $3 ORDER BY n DESC LIMIT 1";
pub(super) const ONE_SEALED: &str = "SELECT team, kind, key, key_id, value FROM sealed_values LIMIT 1";

impl Tx {
    /// The settings of this connection that decide whether a commit reaches the disk.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn durability(&mut self) -> Result<Vec<Durability>> {
        match self {
            Self::Sqlite(tx) => {
                let connection = tx.now().await?;
                let journal: String = sqlx::query_scalar(JOURNAL_MODE).fetch_one(&mut *connection).await?;
                let synchronous: i64 = sqlx::query_scalar(SYNCHRONOUS).fetch_one(connection).await?;
                Ok(vec![
                    Durability { setting: "journal_mode", holds: journal == "wal", value: journal, wanted: "wal" },
                    Durability {
                        setting: "synchronous",
                        holds: synchronous >= 2,
                        value: match synchronous {
                            0 => "off".to_owned(),
                            1 => "normal".to_owned(),
                            2 => "full".to_owned(),
                            3 => "extra".to_owned(),
                            other => other.to_string(),
                        },
                        wanted: "full",
                    },
                ])
            }
            Self::Postgres(tx) => {
                let mut all = Vec::new();
                for setting in ["synchronous_commit", "fsync", "full_page_writes"] {
                    let value: String = sqlx::query_scalar(SETTING).bind(setting).fetch_one(&mut **tx).await?;
                    let holds = value == "on" || (setting == "synchronous_commit" && value == "remote_apply");
                    all.push(Durability { setting, value, wanted: "on", holds });
                }
                Ok(all)
            }
        }
    }

    /// When the newest event was received; `None` when the log is empty.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn newest_event(&mut self) -> Result<Option<Timestamp>> {
        let at: Option<i64> = on!(self, c => sqlx::query_scalar(NEWEST).fetch_optional(c).await)?;
        Ok(at.map(Timestamp::from_micros))
    }

    /// When an endpoint last brought an event that was new, looking at the events above `after` only: of one that was silent for
    /// long, the answer would cost a walk through the whole log.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_of_feed(&mut self, source: &str, endpoint: &str, after: i64) -> Result<Option<Timestamp>> {
        let at: Option<i64> = on!(self, c => {
            sqlx::query_scalar(LAST_OF_FEED).bind(after).bind(source).bind(endpoint).fetch_optional(c).await
        })?;
        Ok(at.map(Timestamp::from_micros))
    }

    /// Some sealed value with the place it is sealed to, to try a key on. `None` when nothing is sealed yet.
    ///
    /// # Errors
    /// When the store fails or the row is corrupt.
    pub async fn one_sealed(&mut self) -> Result<Option<(String, Sealed)>> {
        let corrupt = |column| StoreError::Corrupt { table: "sealed_values", column };
        on!(self, c => {
            let Some(row) = sqlx::query(ONE_SEALED).fetch_optional(c).await? else { return Ok(None) };
            let (team, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let key: Vec<u8> = row.try_get(2)?;
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            let key_id = u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| corrupt("key_id"))?;
            Ok(Some((format!("{team}/{kind}/{key}"), Sealed { key_id, bytes: row.try_get(4)? })))
        })
    }
}
