//! What is dropped by age. Every statement is bounded, so that pruning never holds the writer long.

use super::{Result, Tx, on};
use crate::domain::time::Timestamp;

/// What is older than these goes.
#[derive(Debug, Clone, Copy)]
pub struct Cutoffs {
    /// Events of the log.
    pub events: Timestamp,
    /// Identities.
    pub seen: Timestamp,
    /// Quarantined parts.
    pub quarantine: Timestamp,
    /// The audit trail.
    pub audit: Timestamp,
    /// Counts per cell.
    pub cells: Timestamp,
}

pub(super) const PRUNE_EVENTS: &str =
    "DELETE FROM events WHERE n IN (SELECT n FROM events WHERE received_at < $1 ORDER BY n LIMIT $2)";
pub(super) const PRUNE_SEEN: &str =
    "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE at < $1 ORDER BY at LIMIT $2)";
pub(super) const PRUNE_QUARANTINE: &str = "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_at < $1 ORDER BY received_at LIMIT $2)";
pub(super) const PRUNE_AUDIT: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)";
pub(super) const PRUNE_CELLS: &str = "DELETE FROM cell_counts WHERE bucket < $1 AND $2 > 0";
pub(super) const PRUNE_UNFLAGGED: &str =
    "DELETE FROM address_records WHERE keep_until IS NOT NULL AND keep_until < $1 AND $2 > 0";
pub(super) const PRUNE_ORPHANS: &str = "DELETE FROM sealed_values WHERE kind = 'address' AND NOT EXISTS (SELECT 1 FROM \
     address_records AS r WHERE r.team = sealed_values.team AND r.key = sealed_values.key) AND $1 > 0";

impl Tx {
    /// Drops at most `limit` rows of each kind; returns how many went, so that the caller goes on until none does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prune(&mut self, cutoffs: &Cutoffs, now: Timestamp, limit: i64) -> Result<u64> {
        let mut gone = 0;
        for (sql, cutoff) in [
            (PRUNE_EVENTS, cutoffs.events),
            (PRUNE_SEEN, cutoffs.seen),
            (PRUNE_QUARANTINE, cutoffs.quarantine),
            (PRUNE_AUDIT, cutoffs.audit),
            (PRUNE_CELLS, cutoffs.cells),
        ] {
            let cutoff = cutoff.micros();
            gone += on!(self, c => sqlx::query(sql).bind(cutoff).bind(limit).execute(c).await?.rows_affected());
        }
        let now = now.micros();
        let dropped =
            on!(self, c => sqlx::query(PRUNE_UNFLAGGED).bind(now).bind(limit).execute(c).await?.rows_affected());
        if dropped > 0 {
            on!(self, c => sqlx::query(PRUNE_ORPHANS).bind(limit).execute(c).await.map(drop))?;
        }
        Ok(gone + dropped)
    }
}
