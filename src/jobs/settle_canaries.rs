//! Settles what time alone decides of canaries, through intake: lost, unknown, uncertain after a crash, never begun.

use std::time::Duration;

use super::{Done, Job, Turn, Turning};
use crate::intake::Intake;

/// Canaries looked at in one transaction, so that no group of events waits long behind it.
const BATCH: usize = 500;

/// The job.
pub struct SettleCanaries {
    intake: Intake,
}

impl SettleCanaries {
    /// Settles through this door.
    pub fn new(intake: Intake) -> Self {
        Self { intake }
    }
}

impl Job for SettleCanaries {
    fn name(&self) -> &'static str {
        "settle_canaries"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lease(&self) -> Option<Duration> {
        Some(Duration::from_secs(120))
    }

    fn turn<'a>(&'a self, _: Turn<'a>) -> Turning<'a> {
        Box::pin(async move {
            let (told, more) = self.intake.settle_canaries(BATCH).await?;
            Ok(Done { counts: vec![("told", told as u64)], more })
        })
    }
}
