//! Counts per cell in buckets of five minutes: what the population did, without anybody's address.

use std::time::Duration;

use super::dialect::{Twin, batch};
use super::{Result, Tx, on};
use crate::domain::cell::Cell;
use crate::domain::ids::{Esp, TeamId};
use crate::domain::time::Timestamp;

/// How long a bucket is.
pub const BUCKET: Duration = Duration::from_secs(300);

/// How many events of one kind a cell saw in one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCount {
    /// The bucket's start.
    pub bucket: Timestamp,
    /// The team.
    pub team: TeamId,
    /// The cell.
    pub cell: Cell,
    /// The word for the kind; an echo is `echo`.
    pub kind: &'static str,
    /// How many more.
    pub n: i64,
}

pub(super) const ADD: Twin = batch!(
    "INSERT INTO cell_counts (bucket, team, relay_domain, sending_domain, esp, stream, kind, n)",
    [int 0, text 1, text 2, text 3, text 4, text 5, text 6, int 7],
    "ON CONFLICT (bucket, team, relay_domain, sending_domain, esp, stream, kind) DO UPDATE SET n = cell_counts.n + excluded.n"
);
pub(super) const SUM: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM cell_counts WHERE bucket >= $1 AND bucket <= $2 \
     AND team = $3 AND relay_domain = $4 AND sending_domain = $5 AND esp = $6 AND stream = $7 AND kind = $8";
pub(super) const SENDERS: &str = "SELECT team, sending_domain, esp, CAST(SUM(n) AS BIGINT), MAX(bucket) FROM cell_counts WHERE stream = $1 \
     AND bucket >= $2 AND sending_domain <> '' GROUP BY team, sending_domain, esp ORDER BY 4 DESC, 1, 2, 3 LIMIT $3";
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM cell_counts";

/// A domain that mail was sent from, by what its ESP reported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SenderRow {
    /// The team of the endpoint that the reports came to.
    pub team: TeamId,
    /// Domain of the header From.
    pub from_domain: String,
    /// The provider.
    pub esp: Esp,
    /// How many reports there were.
    pub events: i64,
    /// When the last of them happened, to the bucket.
    pub last_seen: Timestamp,
}

/// The start of the bucket an instant falls in.
pub fn bucket(at: Timestamp) -> Timestamp {
    let len = i64::try_from(BUCKET.as_micros()).unwrap_or(1);
    Timestamp::from_micros(at.micros() - at.micros().rem_euclid(len))
}

impl Tx {
    /// Adds to the counts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_counts(&mut self, counts: &[CellCount]) -> Result<()> {
        let rows: Vec<_> = counts
            .iter()
            .map(|c| {
                let cell = &c.cell;
                (
                    c.bucket.micros(),
                    &c.team,
                    &cell.relay_domain,
                    &cell.sending_domain,
                    &cell.esp,
                    &cell.stream,
                    c.kind,
                    c.n,
                )
            })
            .collect();
        self.put(&ADD, &rows).await
    }

    /// How many events of a kind a cell saw between two instants, in whole buckets.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_in_cell(
        &mut self,
        team: &TeamId,
        cell: &Cell,
        kind: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<i64> {
        let (from, to) = (bucket(from).micros(), bucket(to).micros());
        Ok(on!(self, c => sqlx::query_scalar(SUM)
            .bind(from).bind(to).bind(team.as_str()).bind(&cell.relay_domain).bind(&cell.sending_domain)
            .bind(cell.esp.as_str()).bind(cell.stream.as_str()).bind(kind)
            .fetch_one(c).await)?)
    }

    /// The senders of a stream since an instant, those with the most reports first. Under [`UNREGISTERED`](crate::domain::ids::UNREGISTERED)
    /// stand those that no stream registers.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn senders_of(&mut self, stream: &str, since: Timestamp, limit: i64) -> Result<Vec<SenderRow>> {
        let since = bucket(since).micros();
        let rows: Vec<(String, String, String, i64, i64)> =
            on!(self, c => sqlx::query_as(SENDERS).bind(stream).bind(since).bind(limit).fetch_all(c).await)?;
        let read = |(team, from_domain, esp, events, last): (String, String, String, i64, i64)| SenderRow {
            team: TeamId::new(team),
            from_domain,
            esp: Esp::new(esp),
            events,
            last_seen: Timestamp::from_micros(last),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// How many counts are kept; for the operations page.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_buckets(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(COUNT).fetch_one(c).await)?)
    }
}
