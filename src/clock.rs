//! The time of day for everything outside the domain: the system's, or one that a test moves by hand.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::domain::time::Timestamp;

/// The longest single wait on the system clock: a clock set forward meanwhile is noticed after this much.
const SLICE: Duration = Duration::from_secs(60);

/// Tells the time and waits for a time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Hands);

#[derive(Debug, Clone)]
enum Hands {
    System,
    Manual(watch::Receiver<Timestamp>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Hands::System)
    }

    /// A clock that stands at `at` until its other half moves it.
    pub fn manual(at: Timestamp) -> (Self, ManualClock) {
        let (hand, face) = watch::channel(at);
        (Self(Hands::Manual(face)), ManualClock(hand))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Hands::System => system_now(),
            Hands::Manual(face) => *face.borrow(),
        }
    }

    /// Returns once it is `at` or later. On a manual clock whose other half is gone, a later time never comes.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.0 {
            Hands::System => loop {
                let left = at.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(SLICE)).await;
            },
            Hands::Manual(face) => {
                if face.clone().wait_for(|now| *now >= at).await.is_err() {
                    std::future::pending().await
                }
            }
        }
    }

    /// Returns after `span`. On the system clock a change of the time of day does not move it.
    pub async fn sleep(&self, span: Duration) {
        match &self.0 {
            Hands::System => tokio::time::sleep(span).await,
            Hands::Manual(_) => self.sleep_until(self.now().plus(span)).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The hand of a manual clock. Time only goes forward, as verdicts and leases assume.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

/// A manual clock was told to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock stands at {stands} and cannot go back to {asked}")]
pub struct GoesBack {
    /// Where the clock stands.
    pub stands: Timestamp,
    /// Where it was to be set.
    pub asked: Timestamp,
}

impl ManualClock {
    /// Moves forward by `span` and wakes who waited for a time now reached.
    pub fn advance(&self, span: Duration) {
        self.0.send_modify(|now| *now = now.plus(span));
    }

    /// Moves forward to `at` and wakes who waited for a time now reached.
    ///
    /// # Errors
    /// When `at` is earlier than where the clock stands; it then stays there.
    pub fn set(&self, at: Timestamp) -> Result<(), GoesBack> {
        let mut refused = Ok(());
        self.0.send_if_modified(|now| {
            if at < *now {
                refused = Err(GoesBack { stands: *now, asked: at });
                return false;
            }
            *now = at;
            true
        });
        refused
    }
}

/// Measures how long something took, for metrics. Not a time of day.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000;

    #[test]
    fn the_system_clock_reads_this_century() {
        let now = Clock::system().now();
        assert!(now > Timestamp::from_secs(START) && now < Timestamp::from_secs(4_102_444_800), "{now}");
    }

    #[test]
    fn every_clone_sees_the_hand_move_and_never_back() {
        let (clock, hand) = Clock::manual(Timestamp::from_secs(START));
        let other = clock.clone();
        hand.advance(Duration::from_secs(5));
        assert_eq!(other.now(), Timestamp::from_secs(START + 5));
        hand.set(Timestamp::from_secs(START + 5)).unwrap();
        let refused = hand.set(Timestamp::from_secs(START)).unwrap_err();
        assert_eq!(refused.stands, Timestamp::from_secs(START + 5));
        assert_eq!(clock.now(), Timestamp::from_secs(START + 5));
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let (clock, hand) = Clock::manual(Timestamp::from_secs(START));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp::from_secs(START + 60)).await }
        });
        tokio::task::yield_now().await;
        hand.advance(Duration::from_secs(59));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!sleeper.is_finished());
        hand.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        clock.sleep_until(Timestamp::from_secs(START)).await;
    }

    #[tokio::test]
    async fn a_span_counts_from_the_call() {
        let (clock, hand) = Clock::manual(Timestamp::from_secs(START));
        let sleep = clock.sleep(Duration::from_secs(10));
        tokio::pin!(sleep);
        assert!(futures_util::poll!(&mut sleep).is_pending());
        hand.advance(Duration::from_secs(10));
        sleep.await;
    }

    #[tokio::test]
    async fn the_system_clock_waits_too() {
        let clock = Clock::system();
        let at = clock.now().plus(Duration::from_millis(20));
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
        let watch = Stopwatch::start();
        clock.sleep(Duration::from_millis(20)).await;
        assert!(watch.elapsed() >= Duration::from_millis(20));
    }
}
