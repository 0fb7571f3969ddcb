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
}

impl Places {
    /// Room for so many questions that were asked just now, and four times as many that wait for long.
    pub fn new(in_flight: usize) -> Self {
        let quick = in_flight.clamp(1, Semaphore::MAX_PERMITS / SLOW);
        Self { quick: Arc::new(Semaphore::new(quick)), slow: Arc::new(Semaphore::new(quick * SLOW)) }
    }

    /// Waits for a place and then for what is done in it.
    pub async fn hold<T>(&self, doing: impl Future<Output = T>) -> T {
        let mut place = self.quick.clone().acquire_owned().await.ok();
        let mut doing = std::pin::pin!(doing);
        if let Ok(done) = tokio::time::timeout(PATIENCE, doing.as_mut()).await {
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

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_long_makes_room_and_never_for_more_than_there_is() {
        let places = Places::new(1);
        let mut silent = tokio::task::JoinSet::new();
        for _ in 0..SLOW {
            let places = places.clone();
            silent.spawn(async move { places.hold(pending::<()>()).await });
        }
        // Each takes the only quick place for a while, then leaves it.
        sleep(PATIENCE * 5).await;
        let began = Instant::now();
        places.hold(async {}).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        // With both rooms full the next one waits until one leaves.
        silent.spawn({
            let places = places.clone();
            async move { places.hold(pending::<()>()).await }
        });
        sleep(PATIENCE * 2).await;
        let waiting = places.hold(async {});
        assert!(tokio::time::timeout(Duration::from_secs(60), waiting).await.is_err());
        drop(silent);
        tokio::task::yield_now().await;
        places.hold(async {}).await;
    }
}
