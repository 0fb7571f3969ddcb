//! Room for questions in flight, such that the silent ones do not take it from the others.
//!
//! Most answers come within milliseconds; a question to a silent server takes its whole timeout. If both shared one bound, a
//! few silent domains would hold all of it. So a question that has waited a while moves to a second, larger room and makes
//! place for the next; when that one is full too, it stays where it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a question counts among the quick.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many slow questions there may be for each quick one.
const SLOW: usize = 4;

/// Room for a number of questions. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Places {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    patience: Duration,
}

impl Places {
    /// Room for so many questions that were asked just now, and four times as many that wait for long.
    pub fn new(in_flight: usize) -> Self {
        Self::with(in_flight, PATIENCE)
    }

    fn with(in_flight: usize, patience: Duration) -> Self {
        let quick = in_flight.clamp(1, Semaphore::MAX_PERMITS / SLOW);
        let room = |places| Arc::new(Semaphore::new(places));
        Self { quick: room(quick), slow: room(quick * SLOW), patience }
    }

    /// Waits for a place and then for what is done in it.
    pub async fn hold<T>(&self, doing: impl Future<Output = T>) -> T {
        let mut place = self.quick.clone().acquire_owned().await.ok();
        let mut doing = std::pin::pin!(doing);
        if let Ok(done) = tokio::time::timeout(self.patience, doing.as_mut()).await {
            return done;
        }
        place = self.slow.clone().try_acquire_owned().ok().or(place);
        let done = doing.await;
        drop::<Option<OwnedSemaphorePermit>>(place);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn what_waits_long_makes_room_for_as_many_as_there_is_room_for() {
        let places = Places::with(1, SHORT);
        let mut silent = tokio::task::JoinSet::new();
        let mut keep_silent = || {
            let places = places.clone();
            silent.spawn(async move { places.hold(pending::<()>()).await });
        };
        for _ in 0..SLOW {
            keep_silent();
        }
        // Each takes the only quick place for a while, then leaves it: somebody else comes through.
        let waiting = places.hold(async {});
        timeout(Duration::from_secs(10), waiting).await.expect("room was made");
        while places.slow.available_permits() > 0 {
            tokio::time::sleep(SHORT).await;
        }
        // With both rooms full the next one waits until one leaves.
        keep_silent();
        tokio::time::sleep(SHORT * 3).await;
        assert!(timeout(SHORT * 5, places.hold(async {})).await.is_err());
        drop(silent);
        timeout(Duration::from_secs(10), places.hold(async {})).await.expect("room was left");
    }
}
