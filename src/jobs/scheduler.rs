//! Runs the jobs: each in a task of its own, by its period or when it is woken, until stopping begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Done, Job, Means, Turn};
use crate::clock::Stopwatch;
use crate::domain::time::Timestamp;
use crate::metrics::{SECONDS, declare};
use crate::shutdown::Stage;
use crate::store::Lease;

/// How long a woken job waits for company: one commit is seldom alone, and a turn is a transaction.
const GATHER: Duration = Duration::from_millis(100);

declare! {
    /// What the jobs did in this process.
    pub struct JobMetrics {
        /// Turns of jobs, by job and outcome (`ok`, `error`, `lease_lost`).
        job_turns_total: Counter(job, outcome),
        /// Time one turn took, by job.
        job_turn_seconds: Histogram[SECONDS](job),
        /// What the turns did, by job and word.
        job_items_total: Counter(job, item),
        /// When a turn last went well in this process, in seconds since the Unix epoch, by job.
        job_last_success_timestamp_seconds: Gauge(job),
    }
}

/// What became of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// It is not due, or another replica holds it.
    NotOurs,
    /// It was done.
    Done(Done),
    /// It failed. No address, no secret.
    Failed(String),
}

struct Scheduled {
    job: Arc<dyn Job>,
    wake: Option<watch::Receiver<i64>>,
    /// When this process next does it. A leased job is also due in the store, for all replicas together.
    due: Mutex<Timestamp>,
}

/// The jobs of one process.
pub struct Scheduler {
    means: Means,
    metrics: JobMetrics,
    jobs: Vec<Arc<Scheduled>>,
}

impl Scheduler {
    /// Without any job yet.
    pub fn new(means: Means, metrics: JobMetrics) -> Self {
        Self { means, metrics, jobs: Vec::new() }
    }

    /// Adds a job that is done by its period.
    #[must_use]
    pub fn every(self, job: Arc<dyn Job>) -> Self {
        self.add(job, None)
    }

    /// Adds a job that is done by its period, and whenever `head` moves.
    #[must_use]
    pub fn woken_by(self, head: watch::Receiver<i64>, job: Arc<dyn Job>) -> Self {
        self.add(job, Some(head))
    }

    fn add(mut self, job: Arc<dyn Job>, wake: Option<watch::Receiver<i64>>) -> Self {
        self.jobs.push(Arc::new(Scheduled { job, wake, due: Mutex::default() }));
        self
    }

    /// Does every job that is due at `now` once, one after another, in the order they were added.
    pub async fn run_due_once(&self, now: Timestamp) -> Vec<(&'static str, Turned)> {
        let stop = CancellationToken::new();
        let mut all = Vec::new();
        for scheduled in &self.jobs {
            let due = *scheduled.due.lock().unwrap_or_else(PoisonError::into_inner) <= now;
            let turned = if due { self.turn(scheduled, now, &stop).await } else { Turned::NotOurs };
            all.push((scheduled.job.name(), turned));
        }
        all
    }

    /// Runs until `stage` stops: turns in hand are finished, or dropped when it aborts. A job that panics ends the whole, so that
    /// the process does not live on without it.
    pub async fn run(self, stage: Stage) {
        let jobs = self.jobs.clone();
        let scheduler = Arc::new(self);
        let mut tasks = JoinSet::new();
        for job in jobs {
            let (scheduler, stage) = (Arc::clone(&scheduler), stage.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = scheduler.keep_at(&job, &stage) => (),
                    () = stage.abort().cancelled() => (),
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(panicked = error.is_panic(), "a job ended by itself");
                return;
            }
        }
    }

    async fn keep_at(&self, scheduled: &Scheduled, stage: &Stage) {
        let mut wake = scheduled.wake.clone();
        while !stage.stop().is_cancelled() {
            let turned = self.turn(scheduled, self.means.clock.now(), stage.stop()).await;
            if matches!(turned, Turned::Done(Done { more: true, .. })) {
                continue;
            }
            let due = *scheduled.due.lock().unwrap_or_else(PoisonError::into_inner);
            tokio::select! {
                () = stage.stop().cancelled() => (),
                () = self.means.clock.sleep_until(due) => (),
                () = woken(&mut wake) => tokio::time::sleep(GATHER).await,
                () = heard(&*scheduled.job) => (),
            }
        }
    }

    /// One turn, leased where the job must be done by one replica alone.
    async fn turn(&self, scheduled: &Scheduled, now: Timestamp, stop: &CancellationToken) -> Turned {
        let job = &scheduled.job;
        let next = now.plus(self.spread(job.period()));
        *scheduled.due.lock().unwrap_or_else(PoisonError::into_inner) = next;
        let lease = match job.lease() {
            None => None,
            Some(span) => match self.claim(&lease_name(&**job), now, span).await {
                Ok(Some(lease)) => Some(lease),
                Ok(None) => return Turned::NotOurs,
                Err(error) => return self.failed(job.name(), &error.into()),
            },
        };
        let watch = Stopwatch::start();
        let result = job.turn(Turn { now, stop }).await;
        self.metrics.job_turn_seconds.observe_span([&job.name()], watch.elapsed());
        let more = result.as_ref().is_ok_and(|done| done.more);
        if let Some(lease) = lease {
            let error = result.as_ref().err().map(|error| format!("{error:#}"));
            // What may be called for early must not be barred by its period, which then holds for each process alone.
            let next = if more || job.listen().is_some() { now } else { next };
            match self.finish(&lease, next, error.as_deref()).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(job = job.name(), "the turn took longer than its lease");
                    self.metrics.job_turns_total.inc([&job.name(), &"lease_lost"]);
                }
                Err(error) => return self.failed(job.name(), &error.into()),
            }
        }
        match result {
            Ok(done) => {
                self.metrics.job_turns_total.inc([&job.name(), &"ok"]);
                let at = self.means.clock.now().micros() as f64 / 1e6;
                self.metrics.job_last_success_timestamp_seconds.set([&job.name()], at);
                for (item, n) in &done.counts {
                    self.metrics.job_items_total.add([&job.name(), item], *n);
                }
                Turned::Done(done)
            }
            Err(error) => self.failed(job.name(), &error),
        }
    }

    fn failed(&self, job: &'static str, error: &anyhow::Error) -> Turned {
        let error = format!("{error:#}");
        tracing::error!(job, error, "{job} failed");
        self.metrics.job_turns_total.inc([&job, &"error"]);
        Turned::Failed(error)
    }

    async fn claim(&self, job: &str, now: Timestamp, lease: Duration) -> crate::store::Result<Option<Lease>> {
        let mut tx = self.means.store.write().await?;
        let lease = tx.claim_job(job, &self.means.token(), now, lease).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn finish(&self, lease: &Lease, next: Timestamp, error: Option<&str>) -> crate::store::Result<bool> {
        let mut tx = self.means.store.write().await?;
        let held = tx.finish_job(lease, self.means.clock.now(), next, error).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// The period, give or take a tenth, so that replicas and jobs do not march in step.
    fn spread(&self, period: Duration) -> Duration {
        period.mul_f64(0.9 + 0.2 * f64::from(self.means.jitter()) / f64::from(u16::MAX))
    }
}

/// What a job is leased as.
fn lease_name(job: &dyn Job) -> String {
    job.about().map_or_else(|| job.name().to_owned(), |about| format!("{}/{about}", job.name()))
}

/// Returns when the job hears of a reason for a turn; never when it listens to nothing.
async fn heard(job: &dyn Job) {
    match job.listen() {
        Some(listening) => listening.await,
        None => std::future::pending().await,
    }
}

/// Returns when the head has moved; never when there is none to follow.
async fn woken(wake: &mut Option<watch::Receiver<i64>>) {
    if let Some(head) = wake {
        if head.changed().await.is_ok() {
            return;
        }
        *wake = None;
    }
    std::future::pending().await
}
