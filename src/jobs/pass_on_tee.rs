//! Passes Apple's verified notifications on to one target, with retries of its own.

use std::time::Duration;

use futures_util::StreamExt;

use super::attempt::judge;
use super::{Done, Job, Means, Turn, Turning};
use crate::config::tee::TeeTarget;
use crate::domain::time::Timestamp;
use crate::metrics::{Configured, Label, Metrics, declare};
use crate::outputs::tee::Tee;
use crate::outputs::{Lookup, OutputError};
use crate::store::{Attempt, TeeRow};

/// Bodies claimed at a time, and sent at once: Apple sends a few a second at most.
const BATCH: i64 = 16;
const AT_ONCE: usize = 4;
const MARGIN: Duration = Duration::from_secs(30);

declare! {
    /// What is passed on.
    pub struct TeeMetrics {
        /// Tries to pass a notification on, by target, outcome (`delivered`, `retry`, `dead`, `lease_lost`) and reason.
        tee_deliveries_total: Counter(target, outcome, reason),
        /// Notifications that wait to be passed on, by target.
        tee_waiting: Gauge(target),
        /// Notifications given up, by target.
        tee_dead: Gauge(target),
        /// Age of the oldest notification that waits, in seconds, by target.
        tee_oldest_waiting_seconds: Gauge(target),
    }
}

/// The job of one target.
pub struct PassOnTee {
    means: Means,
    name: String,
    timeout: Duration,
    target: Tee,
    metrics: TeeMetrics,
}

impl PassOnTee {
    /// The job of a configured target.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn open(means: Means, section: &TeeTarget, lookup: Lookup, metrics: TeeMetrics) -> Result<Self, OutputError> {
        let (name, timeout) = (section.name.clone(), section.timeout.get());
        Ok(Self { means, name, timeout, target: Tee::open(section, lookup)?, metrics })
    }

    async fn pass_on(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        let now = self.means.clock.now();
        let rounds = u32::try_from(BATCH).unwrap_or(u32::MAX).div_ceil(AT_ONCE as u32);
        let lease = self.timeout * rounds + MARGIN;
        let token = self.means.token();
        let mut tx = self.means.store.write().await?;
        let claimed = tx.claim_tee(&self.name, &token, now, lease, BATCH).await?;
        tx.commit().await?;
        let more = i64::try_from(claimed.len()).is_ok_and(|n| n == BATCH);
        let mut counts = vec![("delivered", 0), ("retry", 0), ("dead", 0), ("untried", 0), ("lease_lost", 0)];
        let tries = futures_util::stream::iter(claimed).map(|row| self.try_once(row, now.plus(lease), turn));
        let mut ended = tries.buffer_unordered(AT_ONCE);
        while let Some((row, attempt, outcome, reason)) = ended.next().await {
            let mut tx = self.means.store.write().await?;
            let held = tx.finish_tee(&row, &token, &attempt, self.means.clock.now()).await?;
            tx.commit().await?;
            let outcome = if held { outcome } else { "lease_lost" };
            counts.iter_mut().filter(|(word, _)| *word == outcome).for_each(|(_, n)| *n += 1);
            if outcome != "untried" {
                self.metrics.tee_deliveries_total.inc([&Configured(&self.name), &outcome, &reason]);
            }
            if outcome == "dead" {
                tracing::warn!(target = self.name, reason, "a notification was given up for {}: {reason}", self.name);
            }
        }
        Ok(Done { counts, more })
    }

    async fn try_once(
        &self,
        row: TeeRow,
        lease_ends: Timestamp,
        turn: Turn<'_>,
    ) -> (TeeRow, Attempt, &'static str, &'static str) {
        let now = self.means.clock.now();
        if turn.stop.is_cancelled() || now.plus(self.timeout) > lease_ends {
            return (row, Attempt::Untried, "untried", "ok");
        }
        let result = match self.means.keyring.open(row.id.as_bytes(), &row.body) {
            Ok(body) => self.target.pass_on(&row.id, body, now).await,
            Err(_) => Err(OutputError::Sealed),
        };
        let (attempt, outcome, reason) = judge(result, row.attempts, self.means.clock.now(), self.means.jitter());
        (row, attempt, outcome, reason)
    }
}

impl Job for PassOnTee {
    fn name(&self) -> &'static str {
        "pass_on_tee"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn lease(&self) -> Option<Duration> {
        None
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.pass_on(turn))
    }
}

/// Has the gauges of these targets read before every scrape.
pub fn watch_tee(means: Means, set: TeeMetrics, targets: Vec<String>, metrics: &Metrics) {
    metrics.on_scrape("tee", move || {
        let (means, set, targets) = (means.clone(), set.clone(), targets.clone());
        async move { refresh(&means, &set, &targets).await.map_err(|error| error.to_string()) }
    });
}

async fn refresh(means: &Means, set: &TeeMetrics, targets: &[String]) -> crate::store::Result<()> {
    let now = means.clock.now();
    let mut tx = means.store.read().await?;
    let mut read = Vec::new();
    for name in targets {
        read.push((Configured(name), tx.tee_summary(name).await?));
    }
    let age = |micros| now.since(Timestamp::from_micros(micros)).as_secs_f64();
    set.tee_waiting.set_all(read.iter().map(|(name, s)| ([name as &dyn Label], s.waiting as f64)));
    set.tee_dead.set_all(read.iter().map(|(name, s)| ([name as &dyn Label], s.dead as f64)));
    let ages = read.iter().map(|(name, s)| ([name as &dyn Label], s.oldest_waiting_micros.map_or(0.0, age)));
    set.tee_oldest_waiting_seconds.set_all(ages);
    Ok(())
}
