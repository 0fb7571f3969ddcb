//! What destinations were told, and the way back: everything written since a time can be reversed.

use sqlx::Row;

use super::outbox::Due;
use super::{Result, Tx, on};
use crate::domain::ids::TeamId;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Desired;

/// One state that a destination took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The team.
    pub team: TeamId,
    /// Whose, as in the outbox.
    pub who: String,
    /// Its version.
    pub version: i64,
    /// The state, as JSON.
    pub state: String,
    /// What the destination held before, as JSON; `None` when it had never been told of this user.
    pub previous_state: Option<String>,
    /// When it took it.
    pub delivered_at: Timestamp,
}

pub(super) const PUT: &str = "INSERT INTO deliveries (team, who, destination, version, state, previous_state, delivered_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (team, who, destination, version) DO NOTHING";
pub(super) const DROP_WHO: &str = "DELETE FROM deliveries WHERE team = $1 AND who = $2";
pub(super) const SINCE: &str = "SELECT team, who, version, state, previous_state, delivered_at FROM deliveries WHERE destination = $1 \
     AND delivered_at >= $2 AND (delivered_at, team, who, version) > ($3, $4, $5, $6) ORDER BY delivered_at, team, who, version LIMIT $7";
// The first delivery since then knows what was held before all of them. A state now on its way is taken back too: it may arrive.
pub(super) const REVERSE: &str = "UPDATE desired_states SET version = version + 1, next_attempt_at = $3, attempts = 0, dead_at = NULL, \
     last_error = NULL, reversal = CASE WHEN EXISTS (SELECT 1 FROM deliveries AS d WHERE d.team = desired_states.team AND \
     d.who = desired_states.who AND d.destination = desired_states.destination AND d.delivered_at >= $2) \
     THEN COALESCE((SELECT d.previous_state FROM deliveries AS d WHERE d.team = desired_states.team AND d.who = desired_states.who \
     AND d.destination = desired_states.destination AND d.delivered_at >= $2 ORDER BY d.delivered_at, d.version LIMIT 1), $4) \
     ELSE COALESCE(delivered_state, $4) END \
     WHERE destination = $1 AND ((lease_until IS NOT NULL AND lease_until > $3) OR EXISTS (SELECT 1 FROM deliveries AS d \
     WHERE d.team = desired_states.team AND d.who = desired_states.who AND d.destination = desired_states.destination \
     AND d.delivered_at >= $2))";
pub(super) const RESTATE: &str = "UPDATE desired_states SET reversal = NULL, version = version + 1, changed_at = $2, next_attempt_at = $2, \
     attempts = 0, dead_at = NULL, last_error = NULL WHERE destination = $1 AND reversal IS NOT NULL";
pub(super) const COUNT_REVERSED: &str =
    "SELECT COUNT(*) FROM desired_states WHERE destination = $1 AND reversal IS NOT NULL";
pub(super) const DEAD_BECAUSE: &str = "SELECT COALESCE(last_error, ''), COUNT(*) FROM desired_states WHERE destination = $1 AND \
     dead_at IS NOT NULL GROUP BY last_error ORDER BY COUNT(*) DESC LIMIT $2";

impl Tx {
    /// Writes down what a destination took.
    pub(super) async fn put_delivery(&mut self, due: &Due, at: Timestamp) -> Result<()> {
        let r = &due.row;
        on!(self, c => sqlx::query(PUT)
            .bind(r.team.as_str()).bind(&r.who).bind(&r.destination).bind(r.version).bind(due.sends()).bind(&due.delivered_state)
            .bind(at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Forgets what destinations were told of someone.
    pub(super) async fn drop_deliveries(&mut self, team: &TeamId, who: &str) -> Result<()> {
        on!(self, c => sqlx::query(DROP_WHO).bind(team.as_str()).bind(who).execute(c).await.map(drop))?;
        Ok(())
    }

    /// A page of what a destination took since an instant, in that order, after a row of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliveries_since(
        &mut self,
        destination: &str,
        since: Timestamp,
        after: Option<&DeliveryRow>,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>> {
        let (at, team, who, version) =
            after.map_or((-1, "", "", -1), |d| (d.delivered_at.micros(), d.team.as_str(), d.who.as_str(), d.version));
        on!(self, c => {
            let rows = sqlx::query(SINCE).bind(destination).bind(since.micros()).bind(at).bind(team).bind(who).bind(version).bind(limit)
                .fetch_all(c).await?;
            rows.iter().map(|row| Ok(DeliveryRow {
                team: TeamId::new(row.try_get::<String, _>(0)?),
                who: row.try_get(1)?,
                version: row.try_get(2)?,
                state: row.try_get(3)?,
                previous_state: row.try_get(4)?,
                delivered_at: Timestamp::from_micros(row.try_get(5)?),
            })).collect()
        })
    }

    /// Takes back everything a destination was told since an instant: each user's state as it was before becomes due, under a new
    /// version, and stays in place of the desired one until that changes. Returns how many users.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reverse(&mut self, destination: &str, since: Timestamp, now: Timestamp) -> Result<u64> {
        let blank = super::json(&Desired::blank())?;
        let (since, now) = (since.micros(), now.micros());
        Ok(on!(self, c => sqlx::query(REVERSE).bind(destination).bind(since).bind(now).bind(blank)
            .execute(c).await?.rows_affected()))
    }

    /// Makes the desired states due again that a reversal stands in for; returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn restate(&mut self, destination: &str, now: Timestamp) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(RESTATE).bind(destination).bind(now.micros()).execute(c).await?.rows_affected()))
    }

    /// Why states were given up and how many for each reason, the most frequent first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dead_because(&mut self, destination: &str, limit: i64) -> Result<Vec<(String, i64)>> {
        on!(self, c => {
            let rows = sqlx::query(DEAD_BECAUSE).bind(destination).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
    }

    /// How many users of a destination a reversal stands for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_reversed(&mut self, destination: &str) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(COUNT_REVERSED).bind(destination).fetch_one(c).await)?)
    }
}
