//! The rounds that canaries are sent in: when the last one was, what was asked for since, and the numbers on each route.

use super::{Result, StoreError, Tx, on};
use crate::domain::canary::RouteKey;
use crate::domain::time::Timestamp;

/// When a round was last sent, and what was asked for since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundRow {
    /// Its name.
    pub round: String,
    /// The number of the last one that was begun; 0 before the first.
    pub n: i64,
    /// When one was last tried.
    pub tried_at: Option<Timestamp>,
    /// When one was last asked for.
    pub asked_at: Option<Timestamp>,
    /// Until when a burst lasts.
    pub burst_until: Option<Timestamp>,
}

pub(super) const NEXT_SEQUENCE: &str = "INSERT INTO canary_routes (route_key, sequence, delays) VALUES ($1, 1, '{}') \
     ON CONFLICT (route_key) DO UPDATE SET sequence = canary_routes.sequence + 1 RETURNING sequence";
pub(super) const ROUND: &str = "SELECT n, tried_at, asked_at, burst_until FROM canary_rounds WHERE round = $1";
pub(super) const TRY_ROUND: &str = "INSERT INTO canary_rounds (round, n, tried_at) VALUES ($1, $2, $3) ON CONFLICT (round) DO UPDATE SET \
     n = excluded.n, tried_at = excluded.tried_at";
pub(super) const ASK_ROUND: &str = "INSERT INTO canary_rounds (round, n, asked_at, burst_until) VALUES ($1, 0, $2, $3) ON CONFLICT (round) \
     DO UPDATE SET asked_at = excluded.asked_at, burst_until = COALESCE(excluded.burst_until, canary_rounds.burst_until)";

impl Tx {
    /// The next number on a route. Numbers are never given twice, also when canaries were pruned.
    ///
    /// # Errors
    /// When the store fails, or the route has had four billion canaries.
    pub async fn next_sequence(&mut self, route: RouteKey) -> Result<u32> {
        let n: i64 = on!(self, c => sqlx::query_scalar(NEXT_SEQUENCE).bind(i64::from(route.0)).fetch_one(c).await)?;
        u32::try_from(n).map_err(|_| StoreError::Corrupt { table: "canary_routes", column: "sequence" })
    }

    /// When a round was last sent, and what was asked for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn canary_round(&mut self, round: &str) -> Result<RoundRow> {
        type Row = (i64, Option<i64>, Option<i64>, Option<i64>);
        let row: Option<Row> = on!(self, c => sqlx::query_as(ROUND).bind(round).fetch_optional(c).await)?;
        let (n, tried_at, asked_at, burst_until) = row.unwrap_or_default();
        let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
        let (tried_at, asked_at, burst_until) = (at(tried_at), at(asked_at), at(burst_until));
        Ok(RoundRow { round: round.to_owned(), n, tried_at, asked_at, burst_until })
    }

    /// A round was tried; `n` is the number of the last one that was begun.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn try_round(&mut self, round: &str, n: i64, at: Timestamp) -> Result<()> {
        on!(self, c => sqlx::query(TRY_ROUND).bind(round).bind(n).bind(at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// A round is asked for, or a burst of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask_round(&mut self, round: &str, at: Timestamp, burst_until: Option<Timestamp>) -> Result<()> {
        let until = burst_until.map(Timestamp::micros);
        on!(self, c => sqlx::query(ASK_ROUND).bind(round).bind(at.micros()).bind(until).execute(c).await.map(drop))?;
        Ok(())
    }
}
