//! Quarantine: what was authentic but could not be read, sealed, for fourteen days.

use sqlx::Row;

use super::{Result, StoreError, Tx, on};
use crate::domain::keyring::Sealed;
use crate::domain::time::Timestamp;

/// One part of a body that could not be read.
#[derive(Debug, Clone)]
pub struct QuarantineRow {
    /// Its id, `qua_…`.
    pub summary: QuarantineSummary,
    /// The part as it came, sealed to its id.
    pub body: Sealed,
}

/// What may be shown of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct QuarantineSummary {
    /// Its id, `qua_…`.
    pub id: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Which source.
    pub source: String,
    /// Which endpoint.
    pub endpoint: String,
    /// Where in the body (RFC 6901).
    pub at: String,
    /// Why it could not be read.
    pub because: String,
    /// When it was read after all.
    pub rerun_at: Option<Timestamp>,
}

pub(super) const PUT: &str = "INSERT INTO quarantine (id, received_at, source, endpoint, pointer, because, key_id, body) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
pub(super) const LIST: &str = "SELECT id, received_at, source, endpoint, pointer, because, rerun_at, key_id, body FROM quarantine \
     ORDER BY received_at, id LIMIT $1";
pub(super) const GET: &str = "SELECT id, received_at, source, endpoint, pointer, because, rerun_at, key_id, body FROM quarantine \
     WHERE id = $1";
pub(super) const MARK_RERUN: &str = "UPDATE quarantine SET rerun_at = $2 WHERE id = $1";
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM quarantine WHERE rerun_at IS NULL";

impl Tx {
    /// Stores a part. The same part twice is one row.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_quarantine(&mut self, row: &QuarantineRow) -> Result<()> {
        let s = &row.summary;
        on!(self, c => sqlx::query(PUT)
            .bind(&s.id).bind(s.received_at.micros()).bind(&s.source).bind(&s.endpoint).bind(&s.at).bind(&s.because)
            .bind(i64::from(row.body.key_id)).bind(&row.body.bytes)
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// The oldest parts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn quarantined(&mut self, limit: i64) -> Result<Vec<QuarantineRow>> {
        on!(self, c => {
            let rows = sqlx::query(LIST).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| read!(row)).collect()
        })
    }

    /// One part by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn quarantined_one(&mut self, id: &str) -> Result<Option<QuarantineRow>> {
        on!(self, c => {
            let row = sqlx::query(GET).bind(id).fetch_optional(c).await?;
            row.as_ref().map(|row| read!(row)).transpose()
        })
    }

    /// Notes that a part has been read after all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mark_rerun(&mut self, id: &str, at: Timestamp) -> Result<()> {
        on!(self, c => sqlx::query(MARK_RERUN).bind(id).bind(at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// How many parts wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_quarantined(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(COUNT).fetch_one(c).await)?)
    }
}

macro_rules! read {
    ($row:expr) => {{
        let row = $row;
        let key_id = u32::try_from(row.try_get::<i64, _>(7)?)
            .map_err(|_| StoreError::Corrupt { table: "quarantine", column: "key_id" })?;
        Ok::<_, StoreError>(QuarantineRow {
            summary: QuarantineSummary {
                id: row.try_get(0)?,
                received_at: Timestamp::from_micros(row.try_get(1)?),
                source: row.try_get(2)?,
                endpoint: row.try_get(3)?,
                at: row.try_get(4)?,
                because: row.try_get(5)?,
                rerun_at: row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_micros),
            },
            body: Sealed { key_id, bytes: row.try_get(8)? },
        })
    }};
}
use read;
