//! Settles what time alone changes, through intake: holds that lapse, bounces whose controls are in, decisions that end.

use std::time::Duration;

use super::{Done, Job, Turn, Turning};
use crate::intake::Intake;

/// Addresses settled in one transaction: it holds the head of the log, and intake waits meanwhile.
const BATCH: i64 = 500;

/// The job.
pub struct SettleHolds {
    intake: Intake,
}

impl SettleHolds {
    /// Settles through this door.
    pub fn new(intake: Intake) -> Self {
        Self { intake }
    }
}

impl Job for SettleHolds {
    fn name(&self) -> &'static str {
        "settle_holds"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lease(&self) -> Option<Duration> {
        Some(Duration::from_secs(120))
    }

    fn turn<'a>(&'a self, _: Turn<'a>) -> Turning<'a> {
        Box::pin(async move {
            let settled = self.intake.settle_due(BATCH).await?;
            let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            Ok(Done {
                counts: vec![
                    ("looked_at", count(settled.looked_at)),
                    ("released", count(settled.released)),
                    ("convicted", count(settled.convicted)),
                ],
                more: i64::try_from(settled.looked_at).is_ok_and(|n| n == BATCH),
            })
        })
    }
}
