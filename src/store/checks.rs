//! The checks of the streams' records: one row a stream, leased row by row, and what stands when a check has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{ColumnIndex, Decode, Row, Type};

use super::dialect::Twin;
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::StreamName;
use crate::domain::posture::{Known, Memory, Posture};
use crate::domain::time::Timestamp;

/// When a stream is due, and what was last checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSlot {
    /// The stream.
    pub stream: StreamName,
    /// A hash of the registration that was last checked; empty before the first check.
    pub registration: String,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it was last checked.
    pub checked_at: Option<Timestamp>,
}

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRow {
    /// The stream.
    pub stream: StreamName,
    /// A hash of the registration that was last checked; empty before the first check.
    pub registration: String,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it was last checked.
    pub checked_at: Option<Timestamp>,
    /// What stands.
    pub memory: Memory,
    /// The report of the last check, as JSON.
    pub report: Option<String>,
    /// Changes of posture that are not in the log yet, as JSON.
    pub untold: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone)]
pub struct CheckDone<'a> {
    /// The stream.
    pub stream: &'a StreamName,
    /// The token of the lease.
    pub token: &'a str,
    /// A hash of the registration that was checked.
    pub registration: &'a str,
    /// When the look began.
    pub checked_at: Timestamp,
    /// When it is next due; `None` leaves that as it was.
    pub due_at: Option<Timestamp>,
    /// What stands now.
    pub memory: &'a Memory,
    /// The report, as JSON.
    pub report: &'a str,
    /// All changes of posture that the log must still hear of, as JSON.
    pub untold: Option<&'a str>,
}

pub(super) const DECLARE: &str = "INSERT INTO checks (stream, registration, due_at, posture, last_known) \
     VALUES ($1, '', $2, 'unknown', '{}') ON CONFLICT (stream) DO NOTHING";
pub(super) const SLOTS: &str = "SELECT stream, registration, due_at, checked_at FROM checks ORDER BY stream";
pub(super) const MOVE: &str = "UPDATE checks SET due_at = $3 WHERE stream = $1 AND due_at = $2";
pub(super) const CLAIM: Twin = Twin {
    sqlite: "UPDATE checks SET lease_token = $1, lease_until = $2 WHERE stream IN (SELECT stream FROM checks WHERE due_at <= $3 AND \
         (lease_until IS NULL OR lease_until <= $3) AND stream IN (SELECT value FROM json_each($4)) ORDER BY due_at, stream LIMIT $5) \
         AND (lease_until IS NULL OR lease_until <= $3) AND due_at <= $3 RETURNING stream",
    postgres: "UPDATE checks SET lease_token = $1, lease_until = $2 WHERE stream IN (SELECT stream FROM checks WHERE due_at <= $3 AND \
         (lease_until IS NULL OR lease_until <= $3) AND stream IN (SELECT jsonb_array_elements_text(CAST($4 AS jsonb))) \
         ORDER BY due_at, stream LIMIT $5) AND (lease_until IS NULL OR lease_until <= $3) AND due_at <= $3 RETURNING stream",
};
pub(super) const CLAIM_NOW: &str = "UPDATE checks SET lease_token = $2, lease_until = $3 WHERE stream = $1 AND \
     (lease_until IS NULL OR lease_until <= $4) RETURNING stream";
pub(super) const RELEASE: &str = "UPDATE checks SET lease_token = NULL, lease_until = NULL WHERE lease_token = $1";
pub(super) const HOLD: &str = "UPDATE checks SET lease_token = lease_token WHERE stream = $1 AND lease_token = $2";
pub(super) const FINISH: &str = "UPDATE checks SET lease_token = NULL, lease_until = NULL, registration = $3, checked_at = $4, \
     due_at = COALESCE($5, due_at), posture = $6, posture_since = $7, unknown_since = $8, last_known = $9, report = $10, \
     untold = $11 WHERE stream = $1 AND lease_token = $2";
pub(super) const ALL: &str = "SELECT stream, due_at, checked_at, posture, posture_since, unknown_since, last_known, report, untold, \
     registration FROM checks ORDER BY stream";
pub(super) const ONE: &str = "SELECT stream, due_at, checked_at, posture, posture_since, unknown_since, last_known, report, untold, \
     registration FROM checks WHERE stream = $1";
pub(super) const UNTOLD: &str =
    "SELECT stream, untold FROM checks WHERE untold IS NOT NULL ORDER BY posture_since, stream LIMIT $1";
pub(super) const TOLD: &str = "UPDATE checks SET untold = NULL WHERE stream = $1 AND untold = $2";
pub(super) const FAILING: &str = "SELECT stream, posture_since FROM checks WHERE posture = 'failing' ORDER BY stream";

impl Tx {
    /// Makes a stream known, first due at `due_at`; one that is known already stays as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn declare_check(&mut self, stream: &StreamName, due_at: Timestamp) -> Result<()> {
        on!(self, c => sqlx::query(DECLARE).bind(stream.as_str()).bind(due_at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// When each known stream is due.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check_slots(&mut self) -> Result<Vec<CheckSlot>> {
        on!(self, c => {
            let rows = sqlx::query(SLOTS).fetch_all(c).await?;
            rows.iter().map(|row| Ok(CheckSlot {
                stream: StreamName::new(row.try_get::<String, _>(0)?),
                registration: row.try_get(1)?,
                due_at: Timestamp::from_micros(row.try_get(2)?),
                checked_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_micros),
            })).collect()
        })
    }

    /// Makes a stream due at another time, unless somebody else has done so meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn move_check(&mut self, slot: &CheckSlot, due_at: Timestamp) -> Result<bool> {
        let (stream, from, to) = (slot.stream.as_str(), slot.due_at.micros(), due_at.micros());
        Ok(on!(self, c => sqlx::query(MOVE).bind(stream).bind(from).bind(to).execute(c).await?.rows_affected()) > 0)
    }

    /// Leases at most `limit` of these streams that are due and that nobody holds, the longest due first. `token` must be random.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_checks(
        &mut self,
        streams: &[StreamName],
        token: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<StreamName>> {
        let (sql, names) = (self.spell(&CLAIM), super::json(streams)?);
        let (until, now) = (now.plus(lease).micros(), now.micros());
        let mut claimed: Vec<String> = on!(self, c => sqlx::query_scalar(sql)
            .bind(token).bind(until).bind(now).bind(names).bind(limit).fetch_all(c).await)?;
        claimed.sort_unstable();
        Ok(claimed.into_iter().map(StreamName::new).collect())
    }

    /// Leases one stream, due or not; false when somebody holds it. It must have been declared.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_check(
        &mut self,
        stream: &StreamName,
        token: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool> {
        let (until, now) = (now.plus(lease).micros(), now.micros());
        let claimed: Option<String> = on!(self, c => sqlx::query_scalar(CLAIM_NOW)
            .bind(stream.as_str()).bind(token).bind(until).bind(now).fetch_optional(c).await)?;
        Ok(claimed.is_some())
    }

    /// Gives back whatever is still held under this token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn release_checks(&mut self, token: &str) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(RELEASE).bind(token).execute(c).await?.rows_affected()))
    }

    /// Locks the row of a stream that is held under this token until the transaction ends; false when the lease is another's by now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hold_check(&mut self, stream: &StreamName, token: &str) -> Result<bool> {
        Ok(on!(self, c => sqlx::query(HOLD).bind(stream.as_str()).bind(token).execute(c).await?.rows_affected()) > 0)
    }

    /// Writes down how a check ended and gives its lease back; false when the lease is another's by now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_check(&mut self, done: &CheckDone<'_>) -> Result<bool> {
        let memory = done.memory;
        let last_known = super::json(&memory.last_known)?;
        let rows = on!(self, c => sqlx::query(FINISH)
            .bind(done.stream.as_str()).bind(done.token).bind(done.registration).bind(done.checked_at.micros())
            .bind(done.due_at.map(Timestamp::micros)).bind(memory.posture.as_str()).bind(memory.since.map(Timestamp::micros))
            .bind(memory.unknown_since.map(Timestamp::micros)).bind(last_known).bind(done.report).bind(done.untold)
            .execute(c).await?.rows_affected());
        Ok(rows > 0)
    }

    /// What is known of every stream.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn checks(&mut self) -> Result<Vec<CheckRow>> {
        on!(self, c => {
            let rows = sqlx::query(ALL).fetch_all(c).await?;
            rows.iter().map(read).collect()
        })
    }

    /// What is known of one stream.
    ///
    /// # Errors
    /// When the store fails or the row is corrupt.
    pub async fn check(&mut self, stream: &StreamName) -> Result<Option<CheckRow>> {
        on!(self, c => {
            let row = sqlx::query(ONE).bind(stream.as_str()).fetch_optional(c).await?;
            row.as_ref().map(read).transpose()
        })
    }

    /// Changes of posture that the log must still hear of, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn untold_changes(&mut self, limit: i64) -> Result<Vec<(StreamName, String)>> {
        let rows: Vec<(String, String)> = on!(self, c => sqlx::query_as(UNTOLD).bind(limit).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(stream, text)| (StreamName::new(stream), text)).collect())
    }

    /// The log has heard of these changes; if there are others by now, they all stay.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn changes_are_told(&mut self, stream: &StreamName, untold: &str) -> Result<()> {
        on!(self, c => sqlx::query(TOLD).bind(stream.as_str()).bind(untold).execute(c).await.map(drop))?;
        Ok(())
    }

    /// The streams whose last known posture is `failing`, and since when.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn failing_streams(&mut self) -> Result<BTreeMap<StreamName, Timestamp>> {
        let rows: Vec<(String, Option<i64>)> = on!(self, c => sqlx::query_as(FAILING).fetch_all(c).await)?;
        let since = |micros: Option<i64>| Timestamp::from_micros(micros.unwrap_or_default());
        Ok(rows.into_iter().map(|(stream, at)| (StreamName::new(stream), since(at))).collect())
    }
}

fn read<R: Row>(row: &R) -> Result<CheckRow>
where
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
{
    let corrupt = |column| StoreError::Corrupt { table: "checks", column };
    let time = |i: usize| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(i)?.map(Timestamp::from_micros));
    let posture: String = row.try_get(3)?;
    let last_known: String = row.try_get(6)?;
    let last_known: BTreeMap<String, Known> = serde_json::from_str(&last_known).map_err(|_| corrupt("last_known"))?;
    let memory = Memory {
        posture: Posture::parse(&posture).ok_or_else(|| corrupt("posture"))?,
        since: time(4)?,
        unknown_since: time(5)?,
        last_known,
    };
    Ok(CheckRow {
        stream: StreamName::new(row.try_get::<String, _>(0)?),
        due_at: Timestamp::from_micros(row.try_get(1)?),
        checked_at: time(2)?,
        memory,
        report: row.try_get(7)?,
        untold: row.try_get(8)?,
        registration: row.try_get(9)?,
    })
}
