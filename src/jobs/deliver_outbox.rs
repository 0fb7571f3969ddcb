//! Delivers one destination's outbox: ask the breaker, claim some states, tell the destination, write down how it went.
//!
//! Rows are leased, not the job: replicas share the work, and what one that died had in hand comes back when its lease runs out.
//! The network stands between two transactions, never inside one, so a delivery can be repeated after a crash, under the same
//! idempotency key. A lease is longer than all its deliveries may take, and none is begun that could outlast it; whoever lost a
//! lease can write nothing down any more.

mod gate;
mod people;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;

use super::attempt::judge;
use super::{Done, Job, Means, Turn, Turning};
use crate::clock::Stopwatch;
use crate::config::destinations::Destination;
use crate::domain::breaker::Breaker;
use crate::domain::delivery::{Mode, idempotency_key};
use crate::domain::ids::{AppId, TeamId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Desired;
use crate::metrics::{Configured, SECONDS, declare};
use crate::outputs::{self, Change, Lookup, Output, OutputError, Subject};
use crate::store::{Attempt, Due, Store};

/// States claimed at a time, and delivered at once.
const BATCH: i64 = 64;
const AT_ONCE: usize = 16;

/// What a lease has beyond the time its deliveries may take.
const MARGIN: Duration = Duration::from_secs(30);

declare! {
    /// What was delivered by this process.
    pub struct OutboxMetrics {
        /// Tries to tell a destination of a change, by destination, outcome (`delivered`, `retry`, `dead`, `lease_lost`) and reason.
        outbox_deliveries_total: Counter(destination, outcome, reason),
        /// Time one try took, by destination.
        outbox_delivery_seconds: Histogram[SECONDS](destination),
        /// Time from the change to its delivery at the first try, by destination.
        outbox_latency_seconds: Histogram[SECONDS](destination),
        /// How often the breaker stopped a destination, in this process.
        outbox_breaker_trips_total: Counter(destination),
    }
}

/// A destination, ready to be told.
#[derive(Clone)]
pub struct Outgoing {
    /// Its name.
    pub name: String,
    /// The team whose users it holds.
    pub team: TeamId,
    /// The app it serves.
    pub app: Option<AppId>,
    /// What is done with its states.
    pub mode: Mode,
    /// When it stops by itself.
    pub breaker: Breaker,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// The way to it.
    pub output: Arc<dyn Output>,
}

impl Outgoing {
    /// The destination of a configured section.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn open(section: &Destination, lookup: Lookup) -> Result<Self, OutputError> {
        Ok(Self {
            name: section.name.clone(),
            team: section.team.clone(),
            app: section.app.clone(),
            mode: section.mode,
            breaker: section.breaker.breaker(),
            timeout: section.timeout.get(),
            output: outputs::open(section, lookup)?,
        })
    }
}

/// The job of one destination.
pub struct DeliverOutbox {
    means: Means,
    to: Outgoing,
    metrics: OutboxMetrics,
    /// How many users were known, and when that was counted.
    known: Mutex<Option<(Timestamp, u64)>>,
}

/// One state in hand: what is to be said, or why it cannot be.
type InHand = (Due, Result<Change, OutputError>);

impl DeliverOutbox {
    /// The job that tells `to`.
    pub fn new(means: Means, to: Outgoing, metrics: OutboxMetrics) -> Self {
        Self { means, to, metrics, known: Mutex::default() }
    }

    fn lease(&self) -> Duration {
        let rounds = u32::try_from(BATCH).unwrap_or(u32::MAX).div_ceil(AT_ONCE as u32);
        self.to.timeout * rounds + MARGIN
    }

    async fn deliver(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        if !self.to.mode.delivers() || !self.may_deliver(turn.now).await? {
            return Ok(Done::default());
        }
        let (claimed, ends) = self.claim().await?;
        if claimed.is_empty() {
            return Ok(Done::default());
        }
        let more = i64::try_from(claimed.len()).is_ok_and(|n| n == BATCH);
        let in_hand = self.prepare(claimed).await?;
        let mut counts = vec![("delivered", 0), ("retry", 0), ("dead", 0), ("untried", 0), ("lease_lost", 0)];
        let tries = futures_util::stream::iter(in_hand).map(|in_hand| self.try_once(in_hand, ends, turn));
        let mut ended = tries.buffer_unordered(AT_ONCE).ready_chunks(AT_ONCE);
        while let Some(chunk) = ended.next().await {
            for outcome in self.write_down(chunk).await? {
                counts.iter_mut().filter(|(word, _)| *word == outcome).for_each(|(_, n)| *n += 1);
            }
        }
        Ok(Done { counts, more })
    }

    async fn prepare(&self, claimed: Vec<Due>) -> anyhow::Result<Vec<InHand>> {
        let mut tx = self.means.store.read().await?;
        let mut people = people::open(&mut tx, &self.means.keyring, &claimed).await?;
        drop(tx);
        let in_hand = claimed.into_iter().map(|due| {
            let who = (due.row.team.clone(), due.row.who.clone());
            let change = people.remove(&who).unwrap_or(Err(OutputError::Unusable)).and_then(|s| self.change(&due, s));
            (due, change)
        });
        Ok(in_hand.collect())
    }

    fn change(&self, due: &Due, subject: Subject) -> Result<Change, OutputError> {
        let read = |text: &str| serde_json::from_str::<Desired>(text).map_err(|_| OutputError::Unusable);
        let row = &due.row;
        Ok(Change {
            idempotency_key: idempotency_key(&row.team, &row.who, &row.destination, row.version),
            mode: self.to.mode,
            team: row.team.clone(),
            app: self.to.app.clone(),
            subject,
            desired: read(due.sends())?,
            previous: due.delivered_state.as_deref().map(read).transpose()?,
            version: row.version,
            changed_at: row.changed_at,
            reversal: due.reversal.is_some(),
        })
    }

    async fn try_once(&self, (due, change): InHand, lease_ends: Timestamp, turn: Turn<'_>) -> Ended {
        let now = self.means.clock.now();
        if turn.stop.is_cancelled() || now.plus(self.to.timeout) > lease_ends {
            return Ended { due, attempt: Attempt::Untried, outcome: "untried", reason: "ok", at: now };
        }
        let watch = Stopwatch::start();
        let result = match &change {
            Ok(change) => self.to.output.deliver(change, now).await,
            Err(error) => Err(*error),
        };
        self.metrics.outbox_delivery_seconds.observe_span([&Configured(&self.to.name)], watch.elapsed());
        let at = self.means.clock.now();
        let (attempt, outcome, reason) = judge(result, due.attempts, at, self.means.jitter());
        Ended { due, attempt, outcome, reason, at }
    }

    /// Writes down how some tries ended, in one transaction, and counts them when it is on disk.
    async fn write_down(&self, chunk: Vec<Ended>) -> anyhow::Result<Vec<&'static str>> {
        let mut tx = self.means.store.write().await?;
        let mut held = Vec::with_capacity(chunk.len());
        for ended in &chunk {
            held.push(tx.finish_due(&ended.due, &ended.attempt, ended.at).await?);
        }
        tx.commit().await?;
        let to = &Configured(&self.to.name);
        let mut outcomes = Vec::with_capacity(chunk.len());
        for (ended, held) in chunk.into_iter().zip(held) {
            let outcome = if held { ended.outcome } else { "lease_lost" };
            outcomes.push(outcome);
            if outcome == "untried" {
                continue;
            }
            self.metrics.outbox_deliveries_total.inc([to, &outcome, &ended.reason]);
            if outcome == "delivered" && ended.due.attempts == 1 && ended.due.reversal.is_none() {
                self.metrics.outbox_latency_seconds.observe_span([to], ended.at.since(ended.due.row.changed_at));
            }
            if outcome == "dead" {
                let (destination, reason) = (&self.to.name, ended.reason);
                tracing::warn!(destination, reason, "a change was given up for {destination}: {reason}");
            }
        }
        Ok(outcomes)
    }
}

/// One try, ended.
struct Ended {
    due: Due,
    attempt: Attempt,
    outcome: &'static str,
    reason: &'static str,
    at: Timestamp,
}

impl Job for DeliverOutbox {
    fn name(&self) -> &'static str {
        "deliver_outbox"
    }

    /// What no commit of this process announces is seen after so long: retries that come due, changes by other replicas and commands.
    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn lease(&self) -> Option<Duration> {
        None
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.deliver(turn))
    }
}

/// Makes due at start-up what was only written down while a destination observed, now that it delivers. It counts as changed now, so
/// a long shadow time meets the breaker before it meets the destination. What was delivered stays so when the mode changes; what was
/// due before the mode went back to `observe` waits.
///
/// # Errors
/// When the store fails.
pub async fn start_deliveries(store: &Store, destinations: &[Outgoing], now: Timestamp) -> crate::store::Result<u64> {
    let mut started = 0;
    for to in destinations.iter().filter(|to| to.mode.delivers()) {
        let mut tx = store.write().await?;
        let n = tx.start_delivery(&to.name, now).await?;
        tx.commit().await?;
        if n > 0 {
            tracing::info!(destination = to.name, states = n, "what was written down while observing is now due");
        }
        started += n;
    }
    Ok(started)
}
