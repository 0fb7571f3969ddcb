//! Verified bodies of Apple that are to be passed on to other services, sealed until delivered.

use std::time::Duration;

use sqlx::Row;

use super::outbox::Attempt;
use super::{Result, StoreError, Tx, on};
use crate::domain::keyring::Sealed;
use crate::domain::time::Timestamp;

/// One body for one target.
#[derive(Debug, Clone)]
pub struct TeeRow {
    /// Its id: the body's identity and the target, so that the same body twice is passed on once.
    pub id: String,
    /// The configured target's name.
    pub target: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// The body, sealed to its id.
    pub body: Sealed,
    /// How often it was tried.
    pub attempts: i64,
}

pub(super) const PUT: &str = "INSERT INTO tee (id, target, received_at, key_id, body, attempts, next_attempt_at) \
     VALUES ($1, $2, $3, $4, $5, 0, $3) ON CONFLICT (id) DO NOTHING";
pub(super) const CLAIM: &str = "UPDATE tee SET lease_token = $1, lease_until = $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM tee \
     WHERE target = $5 AND next_attempt_at IS NOT NULL AND next_attempt_at <= $3 AND (lease_until IS NULL OR lease_until <= $3) \
     ORDER BY next_attempt_at LIMIT $4) AND (lease_until IS NULL OR lease_until <= $3) \
     RETURNING id, target, received_at, key_id, body, attempts";
pub(super) const DELIVERED: &str = "DELETE FROM tee WHERE id = $1 AND lease_token = $2";
pub(super) const FAILED: &str = "UPDATE tee SET lease_token = NULL, lease_until = NULL, next_attempt_at = $3, dead_at = $4, last_error = $5 \
     WHERE id = $1 AND lease_token = $2";
pub(super) const UNTRIED: &str = "UPDATE tee SET lease_token = NULL, lease_until = NULL, attempts = attempts - 1 WHERE id = $1 AND \
     lease_token = $2";
pub(super) const SUMMARY: &str = "SELECT COUNT(*) FILTER (WHERE next_attempt_at IS NOT NULL), COUNT(*) FILTER (WHERE dead_at IS NOT NULL), \
     MIN(CASE WHEN next_attempt_at IS NOT NULL THEN received_at END) FROM tee WHERE target = $1";
pub(super) const COUNT: &str =
    "SELECT COUNT(*) FILTER (WHERE next_attempt_at IS NOT NULL), COUNT(*) FILTER (WHERE dead_at IS NOT NULL) FROM tee";

/// How the bodies for one target stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct TeeSummary {
    /// Bodies that wait.
    pub waiting: i64,
    /// Bodies given up.
    pub dead: i64,
    /// When the oldest waiting one was received, in microseconds.
    pub oldest_waiting_micros: Option<i64>,
}

impl Tx {
    /// Stores bodies to pass on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_tee(&mut self, rows: &[TeeRow]) -> Result<()> {
        for r in rows {
            on!(self, c => sqlx::query(PUT)
                .bind(&r.id).bind(&r.target).bind(r.received_at.micros()).bind(i64::from(r.body.key_id)).bind(&r.body.bytes)
                .execute(c).await.map(drop))?;
        }
        Ok(())
    }

    /// Leases bodies that are due at one target. `token` must be random.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_tee(
        &mut self,
        target: &str,
        token: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<TeeRow>> {
        on!(self, c => {
            let rows = sqlx::query(CLAIM).bind(token).bind(now.plus(lease).micros()).bind(now.micros()).bind(limit).bind(target)
                .fetch_all(c).await?;
            rows.iter().map(|row| {
                let key_id = u32::try_from(row.try_get::<i64, _>(3)?)
                    .map_err(|_| StoreError::Corrupt { table: "tee", column: "key_id" })?;
                Ok(TeeRow {
                    id: row.try_get(0)?,
                    target: row.try_get(1)?,
                    received_at: Timestamp::from_micros(row.try_get(2)?),
                    body: Sealed { key_id, bytes: row.try_get(4)? },
                    attempts: row.try_get(5)?,
                })
            }).collect()
        })
    }

    /// Writes down how passing on ended; a delivered body is dropped. False when the lease had run out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_tee(&mut self, row: &TeeRow, token: &str, attempt: &Attempt, now: Timestamp) -> Result<bool> {
        let (next, dead, error) = match attempt {
            Attempt::Delivered | Attempt::Untried => {
                let sql = if *attempt == Attempt::Delivered { DELIVERED } else { UNTRIED };
                let rows = on!(self, c => sqlx::query(sql).bind(&row.id).bind(token).execute(c).await?.rows_affected());
                return Ok(rows > 0);
            }
            Attempt::Retry { at, error } => (Some(at.micros()), None, error),
            Attempt::Dead { error } => (None, Some(now.micros()), error),
        };
        let rows = on!(self, c => sqlx::query(FAILED)
            .bind(&row.id).bind(token).bind(next).bind(dead).bind(error).execute(c).await?.rows_affected());
        Ok(rows > 0)
    }

    /// How many bodies wait at all targets, configured or not, and how many were given up.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_tee(&mut self) -> Result<(i64, i64)> {
        on!(self, c => {
            let row = sqlx::query(COUNT).fetch_one(c).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        })
    }

    /// How the bodies for one target stand.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tee_summary(&mut self, target: &str) -> Result<TeeSummary> {
        on!(self, c => {
            let row = sqlx::query(SUMMARY).bind(target).fetch_one(c).await?;
            Ok(TeeSummary { waiting: row.try_get(0)?, dead: row.try_get(1)?, oldest_waiting_micros: row.try_get(2)? })
        })
    }
}
