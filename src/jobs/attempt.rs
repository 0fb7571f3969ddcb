//! From how a delivery went to what is written down: the output says whether trying again can help, the schedule is ours.

use crate::domain::delivery::retry_delay;
use crate::domain::time::Timestamp;
use crate::outputs::{OutputError, Retry};
use crate::store::Attempt;

/// The outcome of the `attempts`-th try, ended at `now`, and its words for metrics: outcome and reason.
pub(super) fn judge(
    result: Result<(), OutputError>,
    attempts: i64,
    now: Timestamp,
    random: u16,
) -> (Attempt, &'static str, &'static str) {
    let error = match result {
        Ok(()) => return (Attempt::Delivered, "delivered", "ok"),
        Err(error) => error,
    };
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    match (error.retry(), retry_delay(attempts, random)) {
        (Retry::Later(asked), Some(wait)) => {
            let at = now.plus(wait.max(asked.unwrap_or_default()));
            (Attempt::Retry { at, error: error.to_string() }, "retry", error.label())
        }
        (Retry::Later(_), None) => {
            (Attempt::Dead { error: format!("{error}; given up after {attempts} tries") }, "dead", error.label())
        }
        (Retry::Never, _) => (Attempt::Dead { error: error.to_string() }, "dead", error.label()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longer_of_schedule_and_retry_after_counts() {
        let now = Timestamp::from_secs(1_800_000_000);
        let busy = |seconds| OutputError::Status { status: 429, retry_after: Some(Duration::from_secs(seconds)) };
        let at = |error, attempts| match judge(Err(error), attempts, now, 0).0 {
            Attempt::Retry { at, .. } => Some(at.since(now).as_secs()),
            _ => None,
        };
        assert_eq!(at(busy(90), 1), Some(90));
        assert_eq!(at(busy(1), 1), Some(4));
        assert_eq!(at(OutputError::Timeout, 2), Some(24));
        assert_eq!(at(OutputError::Timeout, 10), None, "the tenth was the last");
        let (attempt, outcome, reason) = judge(Err(busy(1)), 10, now, 0);
        assert_eq!(attempt, Attempt::Dead { error: "it answered 429; given up after 10 tries".to_owned() });
        assert_eq!((outcome, reason), ("dead", "asked_to_wait"));
        let gone = OutputError::Status { status: 410, retry_after: Some(Duration::from_secs(5)) };
        assert_eq!(judge(Err(gone), 1, now, 0).1, "dead");
    }
}
