//! Drops what is older than it is kept.

use std::time::Duration;

use super::{Done, Job, Means, Turn, Turning};
use crate::config::retention::Retention;
use crate::domain::time::Timestamp;
use crate::store::Cutoffs;

/// Rows of each kind dropped in one transaction, and transactions in one turn.
const BATCH: i64 = 2_000;
const ROUNDS: usize = 50;

/// The job.
pub struct Prune {
    means: Means,
    retention: Retention,
}

impl Prune {
    /// Keeps to this retention.
    pub fn new(means: Means, retention: Retention) -> Self {
        Self { means, retention }
    }

    fn cutoffs(&self, now: Timestamp) -> Cutoffs {
        let kept = &self.retention;
        Cutoffs {
            events: now.minus(kept.events.get()),
            seen: now.minus(kept.identities.get()),
            quarantine: now.minus(kept.quarantine.get()),
            audit: now.minus(kept.audit.get()),
            cells: now.minus(kept.cells.get()),
            deliveries: now.minus(kept.audit.get()),
            tee: now.minus(kept.quarantine.get()),
            dns: now.minus(kept.dns.get()),
            observed: now.minus(kept.observed.get()),
        }
    }
}

impl Job for Prune {
    fn name(&self) -> &'static str {
        "prune"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn lease(&self) -> Option<Duration> {
        Some(Duration::from_secs(600))
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(async move {
            let cutoffs = self.cutoffs(turn.now);
            let (mut dropped, mut more) = (0, true);
            for _ in 0..ROUNDS {
                if !more || turn.stop.is_cancelled() {
                    break;
                }
                let mut tx = self.means.store.write().await?;
                let gone = tx.prune(&cutoffs, turn.now, BATCH).await?;
                tx.commit().await?;
                dropped += gone;
                more = gone > 0;
            }
            Ok(Done { counts: vec![("dropped", dropped)], more })
        })
    }
}
