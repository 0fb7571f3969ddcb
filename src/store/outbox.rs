//! The outbox: per user and destination the desired state with a rising version, leased for delivery.
//!
//! What was delivered, and the way back, is in `deliveries`.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Row;

use super::dialect::{Twin, batch, lookup};
use super::{Result, Tx, on};
use crate::domain::ids::TeamId;
use crate::domain::time::Timestamp;

/// The desired state of one user at one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredRow {
    /// The team.
    pub team: TeamId,
    /// `a:` and an address key, or `s:` and a subject key when the subject has no known address.
    pub who: String,
    /// The destination.
    pub destination: String,
    /// Rises with every change: the log number that made it.
    pub version: i64,
    /// The state, as JSON.
    pub state: String,
    /// When it changed.
    pub changed_at: Timestamp,
    /// When to deliver it; `None` in a mode that only writes down.
    pub due_at: Option<Timestamp>,
}

/// A desired state leased for delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What to deliver.
    pub row: DesiredRow,
    /// What the destination was last told, as JSON.
    pub delivered_state: Option<String>,
    /// An earlier state to deliver in place of the desired one: somebody takes back what was written.
    pub reversal: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// Proof of the lease.
    pub token: String,
}

impl Due {
    /// The state to deliver, as JSON.
    pub fn sends(&self) -> &str {
        self.reversal.as_deref().unwrap_or(&self.row.state)
    }
}

/// Which due states are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claiming {
    /// All.
    All,
    /// Only those that take something back: all that may leave for a halted destination.
    Reversals,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The destination took it.
    Delivered,
    /// Try again then.
    Retry {
        /// When.
        at: Timestamp,
        /// What went wrong; no address, no secret.
        error: String,
    },
    /// No further try: a person must look.
    Dead {
        /// What went wrong.
        error: String,
    },
    /// It was not tried after all: the lease was given back.
    Untried,
}

/// How a destination's outbox stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OutboxSummary {
    /// States that wait.
    pub waiting: i64,
    /// States given up.
    pub dead: i64,
    /// States the destination holds.
    pub delivered: i64,
    /// When the oldest waiting one changed, in microseconds.
    pub oldest_waiting_micros: Option<i64>,
}

pub(super) const STATES: Twin = lookup!(
    "SELECT s.team, s.who, s.destination, s.version, s.state, s.changed_at, s.next_attempt_at",
    "desired_states AS s",
    ["s.team" = text 0, "s.who" = text 1, "s.destination" = text 2],
    ""
);
pub(super) const PUT: Twin = batch!(
    "INSERT INTO desired_states (team, who, destination, version, state, changed_at, next_attempt_at, delivered_version, attempts)",
    [text 0, text 1, text 2, int 3, text 4, int 5, int 6, int 7, int 8],
    "ON CONFLICT (team, who, destination) DO UPDATE SET version = excluded.version, state = excluded.state, changed_at = \
     excluded.changed_at, next_attempt_at = excluded.next_attempt_at, attempts = 0, dead_at = NULL, last_error = NULL, \
     reversal = NULL WHERE excluded.version > desired_states.version"
);
pub(super) const DROP_WHO: &str = "DELETE FROM desired_states WHERE team = $1 AND who = $2";
pub(super) const CLAIM: Twin = Twin {
    sqlite: "UPDATE desired_states SET lease_token = $1, lease_until = $2, attempts = attempts + 1 WHERE (team, who, destination) IN \
         (SELECT team, who, destination FROM desired_states WHERE destination = $3 AND next_attempt_at IS NOT NULL AND \
         next_attempt_at <= $4 AND (lease_until IS NULL OR lease_until <= $4) AND \
         (CAST($6 AS BIGINT) = 0 OR reversal IS NOT NULL) ORDER BY next_attempt_at LIMIT $5) RETURNING team, who, \
         destination, version, state, changed_at, next_attempt_at, delivered_state, attempts, reversal",
    postgres: "UPDATE desired_states SET lease_token = $1, lease_until = $2, attempts = attempts + 1 WHERE (team, who, destination) IN \
         (SELECT team, who, destination FROM desired_states WHERE destination = $3 AND next_attempt_at IS NOT NULL AND \
         next_attempt_at <= $4 AND (lease_until IS NULL OR lease_until <= $4) AND \
         (CAST($6 AS BIGINT) = 0 OR reversal IS NOT NULL) ORDER BY next_attempt_at LIMIT $5 FOR UPDATE SKIP LOCKED) \
         RETURNING team, who, destination, version, state, changed_at, next_attempt_at, delivered_state, attempts, reversal",
};
pub(super) const IS_DUE: &str = "SELECT 1 FROM desired_states WHERE destination = $1 AND next_attempt_at IS NOT NULL AND \
     next_attempt_at <= $2 AND (lease_until IS NULL OR lease_until <= $2) AND (CAST($3 AS BIGINT) = 0 OR reversal IS NOT NULL) LIMIT 1";
pub(super) const DELIVERED: &str = "UPDATE desired_states SET lease_token = NULL, lease_until = NULL, delivered_version = $5, \
     delivered_state = $6, last_error = NULL, attempts = 0, next_attempt_at = CASE WHEN version = $5 THEN NULL ELSE next_attempt_at END \
     WHERE team = $1 AND who = $2 AND destination = $3 AND lease_token = $4";
pub(super) const FAILED: &str = "UPDATE desired_states SET lease_token = NULL, lease_until = NULL, last_error = $5, next_attempt_at = \
     CASE WHEN version = $8 THEN $6 ELSE next_attempt_at END, dead_at = CASE WHEN version = $8 THEN $7 ELSE dead_at END \
     WHERE team = $1 AND who = $2 AND destination = $3 AND lease_token = $4";
pub(super) const UNTRIED: &str = "UPDATE desired_states SET lease_token = NULL, lease_until = NULL, attempts = CASE WHEN attempts > 0 \
     THEN attempts - 1 ELSE 0 END WHERE team = $1 AND who = $2 AND destination = $3 AND lease_token = $4";
pub(super) const SUMMARY: &str = "SELECT COUNT(*) FILTER (WHERE next_attempt_at IS NOT NULL), COUNT(*) FILTER (WHERE dead_at IS NOT NULL), \
     COUNT(*) FILTER (WHERE delivered_version > 0), MIN(CASE WHEN next_attempt_at IS NOT NULL THEN changed_at END) \
     FROM desired_states WHERE destination = $1";
pub(super) const CHANGED_SINCE: &str = "SELECT COUNT(*) FROM desired_states WHERE destination = $1 AND changed_at > $2";
pub(super) const HALT: &str = "INSERT INTO destinations (name, halted_at, halted_why) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
     SET halted_at = excluded.halted_at, halted_why = excluded.halted_why";
pub(super) const RESUME: &str = "INSERT INTO destinations (name, resumed_at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE \
     SET halted_at = NULL, halted_why = NULL, resumed_at = excluded.resumed_at";
pub(super) const HALTED: &str = "SELECT halted_at, halted_why, resumed_at FROM destinations WHERE name = $1";
pub(super) const OF_DESTINATION: &str = "SELECT team, who, destination, version, state, changed_at, next_attempt_at FROM desired_states \
     WHERE destination = $1 AND (team > $2 OR (team = $2 AND who > $3)) ORDER BY team, who LIMIT $4";
pub(super) const REVIVE: &str = "UPDATE desired_states SET dead_at = NULL, attempts = 0, next_attempt_at = $2 WHERE destination = $1 \
     AND dead_at IS NOT NULL";
pub(super) const START: &str = "UPDATE desired_states SET next_attempt_at = $2, changed_at = $2 WHERE destination = $1 AND next_attempt_at IS NULL \
     AND dead_at IS NULL AND delivered_version < version";

/// Whether and why a destination stands still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halt {
    /// Since when, and why.
    pub halted: Option<(Timestamp, String)>,
    /// When a person last said go.
    pub resumed_at: Option<Timestamp>,
}

macro_rules! desired {
    ($row:expr) => {
        DesiredRow {
            team: TeamId::new($row.try_get::<String, _>(0)?),
            who: $row.try_get(1)?,
            destination: $row.try_get(2)?,
            version: $row.try_get(3)?,
            state: $row.try_get(4)?,
            changed_at: Timestamp::from_micros($row.try_get(5)?),
            due_at: $row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_micros),
        }
    };
}

impl Tx {
    /// The states at these (team, who, destination).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn desired(
        &mut self,
        at: &[(TeamId, String, String)],
    ) -> Result<HashMap<(TeamId, String, String), DesiredRow>> {
        if at.is_empty() {
            return Ok(HashMap::new());
        }
        let (sql, json) = (self.spell(&STATES), super::json(at)?);
        on!(self, c => {
            let mut found = HashMap::new();
            for row in sqlx::query(sql).bind(json).fetch_all(c).await? {
                let row = desired!(row);
                found.insert((row.team.clone(), row.who.clone(), row.destination.clone()), row);
            }
            Ok(found)
        })
    }

    /// Sets desired states; an older version never replaces a newer one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_desired(&mut self, rows: &[DesiredRow]) -> Result<()> {
        let rows: Vec<_> = rows
            .iter()
            .map(|r| {
                let due = r.due_at.map(Timestamp::micros);
                (&r.team, &r.who, &r.destination, r.version, &r.state, r.changed_at.micros(), due, 0, 0)
            })
            .collect();
        self.put(&PUT, &rows).await
    }

    /// Forgets what destinations should hold of someone; false when there was nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_desired(&mut self, team: &TeamId, who: &str) -> Result<bool> {
        let rows =
            on!(self, c => sqlx::query(DROP_WHO).bind(team.as_str()).bind(who).execute(c).await?.rows_affected());
        self.drop_deliveries(team, who).await?;
        Ok(rows > 0)
    }

    /// Whether there is something to claim.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_due(&mut self, destination: &str, claiming: Claiming, now: Timestamp) -> Result<bool> {
        let reversals_only = i64::from(claiming == Claiming::Reversals);
        Ok(on!(self, c => sqlx::query(IS_DUE).bind(destination).bind(now.micros()).bind(reversals_only)
            .fetch_optional(c).await?.is_some()))
    }

    /// Leases due states of one destination, the longest due first. `token` must be random.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_due(
        &mut self,
        destination: &str,
        claiming: Claiming,
        token: &str,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Due>> {
        let sql = self.spell(&CLAIM);
        let reversals_only = i64::from(claiming == Claiming::Reversals);
        on!(self, c => {
            let rows = sqlx::query(sql).bind(token).bind(now.plus(lease).micros()).bind(destination).bind(now.micros()).bind(limit)
                .bind(reversals_only).fetch_all(c).await?;
            let due = rows.iter().map(|row| Ok(Due {
                row: desired!(row),
                delivered_state: row.try_get(7)?,
                attempts: row.try_get(8)?,
                reversal: row.try_get(9)?,
                token: token.to_owned(),
            }));
            let mut due: Vec<Due> = due.collect::<Result<_>>()?;
            // What an UPDATE returns has no order.
            due.sort_by_key(|due| due.row.due_at);
            Ok(due)
        })
    }

    /// Writes down how a delivery ended, and what was delivered; false when the lease had run out. A state that changed meanwhile
    /// stays due.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_due(&mut self, due: &Due, attempt: &Attempt, now: Timestamp) -> Result<bool> {
        let r = &due.row;
        let rows = match attempt {
            Attempt::Delivered => on!(self, c => sqlx::query(DELIVERED)
                .bind(r.team.as_str()).bind(&r.who).bind(&r.destination).bind(&due.token).bind(r.version).bind(due.sends())
                .execute(c).await?.rows_affected()),
            Attempt::Retry { at, error } => on!(self, c => sqlx::query(FAILED)
                .bind(r.team.as_str()).bind(&r.who).bind(&r.destination).bind(&due.token).bind(error)
                .bind(Some(at.micros())).bind(None::<i64>).bind(r.version)
                .execute(c).await?.rows_affected()),
            Attempt::Dead { error } => on!(self, c => sqlx::query(FAILED)
                .bind(r.team.as_str()).bind(&r.who).bind(&r.destination).bind(&due.token).bind(error)
                .bind(None::<i64>).bind(Some(now.micros())).bind(r.version)
                .execute(c).await?.rows_affected()),
            Attempt::Untried => on!(self, c => sqlx::query(UNTRIED)
                .bind(r.team.as_str()).bind(&r.who).bind(&r.destination).bind(&due.token)
                .execute(c).await?.rows_affected()),
        };
        if rows > 0 && *attempt == Attempt::Delivered {
            self.put_delivery(due, now).await?;
        }
        Ok(rows > 0)
    }

    /// How a destination's outbox stands.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn outbox_summary(&mut self, destination: &str) -> Result<OutboxSummary> {
        on!(self, c => {
            let row = sqlx::query(SUMMARY).bind(destination).fetch_one(c).await?;
            Ok(OutboxSummary {
                waiting: row.try_get(0)?,
                dead: row.try_get(1)?,
                delivered: row.try_get(2)?,
                oldest_waiting_micros: row.try_get(3)?,
            })
        })
    }

    /// How many users' states changed at a destination after an instant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn changed_since(&mut self, destination: &str, since: Timestamp) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(CHANGED_SINCE).bind(destination).bind(since.micros()).fetch_one(c).await)?)
    }

    /// Stops a destination until a person says go.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn halt(&mut self, destination: &str, at: Timestamp, why: &str) -> Result<()> {
        on!(self, c => sqlx::query(HALT).bind(destination).bind(at.micros()).bind(why).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Lets a destination go on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&mut self, destination: &str, at: Timestamp) -> Result<()> {
        on!(self, c => sqlx::query(RESUME).bind(destination).bind(at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Whether a destination stands still.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn halt_of(&mut self, destination: &str) -> Result<Halt> {
        on!(self, c => {
            let Some(row) = sqlx::query(HALTED).bind(destination).fetch_optional(c).await? else { return Ok(Halt::default()) };
            let at = row.try_get::<Option<i64>, _>(0)?.map(Timestamp::from_micros);
            let why = row.try_get::<Option<String>, _>(1)?.unwrap_or_default();
            Ok(Halt {
                halted: at.map(|at| (at, why)),
                resumed_at: row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_micros),
            })
        })
    }

    /// A page of a destination's states, after (team, who).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn desired_of(&mut self, destination: &str, after: (&str, &str), limit: i64) -> Result<Vec<DesiredRow>> {
        on!(self, c => {
            let rows = sqlx::query(OF_DESTINATION).bind(destination).bind(after.0).bind(after.1).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| Ok(desired!(row))).collect()
        })
    }

    /// Makes given-up states due again; returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revive(&mut self, destination: &str, at: Timestamp) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(REVIVE).bind(destination).bind(at.micros()).execute(c).await?.rows_affected()))
    }

    /// Makes states due that were only written down while the destination observed; returns how many. They count as changed now,
    /// so that the breaker sees them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start_delivery(&mut self, destination: &str, at: Timestamp) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(START).bind(destination).bind(at.micros()).execute(c).await?.rows_affected()))
    }
}
