//! The one door: number, de-duplicate, store, fold into the record, set the outbox, in one transaction.
//!
//! Every event of every source enters here, and nothing else writes events, users or holds. Requests that arrive together share a
//! transaction (group commit); each is answered only after the commit reached the disk. When the queue is full or the store is
//! down the caller is told so at once, and passes it on as 503.

mod canaries;
mod desired;
mod erased;
mod erasure;
mod group;
mod observe;
mod posture;
mod prepare;
mod quarantine;
mod reveal;
mod ruling;
mod settle;
mod subjects;
mod touched;
mod verdicts;
mod worker;

pub use canaries::{
    Begun, CanaryBook, FoundToken, Handover, Matrix, Planned, Refused, RoundStanding, RouteStanding, Tokens,
};
pub use erasure::{Erasure, ErasureDone};
pub use posture::{Checked, FailingStreams, registration_hash};
pub use prepare::Prepared;
pub use quarantine::Part as UnreadPart;
pub use ruling::{Ruled, Ruling, wrong_words};
pub use settle::Settled;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::domain::daily_limit::DailyCounts;
use crate::domain::event::Event;
use crate::domain::ids::{AppId, TeamId};
use crate::domain::keyring::Keyring;
use crate::domain::policy::Policy;
use crate::domain::stream::StreamBook;
use crate::domain::time::Timestamp;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::store::{QuarantineRow, Store};

/// What one request brings.
#[derive(Debug, Default)]
pub struct Submission {
    /// The endpoint's name, or `import`, `api`, `cli`.
    pub endpoint: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its events.
    pub events: Vec<Event>,
    /// What could not be read, sealed already.
    pub quarantined: Vec<QuarantineRow>,
    /// The provider's id of the batch, already made unique to the endpoint.
    pub batch: Option<crate::domain::ids::EventKey>,
    /// Copies of the verified body that are to be passed on, sealed already.
    pub tee: Vec<crate::store::TeeRow>,
}

/// What became of it. Everything is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Events that were new.
    pub new: usize,
    /// Events known already.
    pub repeated: usize,
    /// The head of the log after it.
    pub head: i64,
}

/// Why a submission was not taken. The sender should try again: what of it is on disk all the same is met there as a repetition, and it is
/// not known as a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Too much is waiting already.
    #[error("the intake queue is full")]
    Full,
    /// The store does not take writes.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

/// A destination of user-record updates, as far as intake must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// The team whose users it holds.
    pub team: TeamId,
    /// The app it serves; without one, the whole team.
    pub app: Option<AppId>,
    /// Whether changes are delivered, or only written down (mode `observe`).
    pub delivers: bool,
}

impl From<&crate::config::destinations::Destination> for Destination {
    fn from(section: &crate::config::destinations::Destination) -> Self {
        Self {
            name: section.name.clone(),
            team: section.team.clone(),
            app: section.app.clone(),
            delivers: section.mode.delivers(),
        }
    }
}

/// What intake needs to know to turn an event into rows. Shared, replaced as a whole when streams change.
pub struct Context {
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// The registered streams.
    pub streams: arc_swap::ArcSwap<StreamBook>,
    /// The streams that Apple refuses at present.
    pub failing: FailingStreams,
    /// The policy in force.
    pub policy: Policy,
    /// Its version.
    pub policy_version: String,
    /// Hears of every commit before it is acknowledged.
    pub index: Arc<Index>,
    /// Where changes of users go.
    pub destinations: Vec<Destination>,
    /// How much mail each relay address gets, as far as reports of this process tell.
    pub daily: std::sync::Mutex<DailyCounts>,
    /// The canaries' routes.
    pub canaries: CanaryBook,
    /// Randomness, passed in like time.
    pub random: fn(&mut [u8]),
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
}

/// How large the queue and its groups may grow.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Events waiting or being written, over all requests.
    pub queue_events: usize,
    /// Events in one transaction, unless one request brings more. Large enough that its fixed cost does not count, small enough that the
    /// next requests are read and verified while it is written.
    pub group_events: usize,
    /// How long a group waits for company when it is small. Zero: not at all; the commit under way gathers the next group anyway.
    pub linger: Duration,
    /// How long one transaction may take. A database that falls silent must not keep everybody waiting.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { queue_events: 50_000, group_events: 10_000, linger: Duration::ZERO, patience: Duration::from_secs(30) }
    }
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    context: Arc<Context>,
    store: Store,
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    bounds: Bounds,
    head: watch::Receiver<i64>,
}

/// Shows how full the queue is, and no more.
#[derive(Clone)]
pub struct QueueView {
    room: Arc<Semaphore>,
    whole: usize,
    queue: mpsc::WeakSender<Waiting>,
}

impl QueueView {
    /// How many events wait or are being written.
    pub fn waiting(&self) -> usize {
        self.whole.saturating_sub(self.room.available_permits())
    }

    /// Whether the worker is there to write.
    pub fn is_open(&self) -> bool {
        self.queue.upgrade().is_some_and(|queue| !queue.is_closed())
    }
}

struct Waiting {
    work: Vec<Prepared>,
    batch: Option<crate::domain::ids::EventKey>,
    quarantined: Vec<QuarantineRow>,
    tee: Vec<crate::store::TeeRow>,
    done: oneshot::Sender<Result<Receipt, IntakeError>>,
    _room: OwnedSemaphorePermit,
}

impl Intake {
    /// Opens the door: returns it, and the worker to run. The worker ends when every clone of the door is gone and the queue is
    /// drained.
    pub fn open(context: Arc<Context>, store: Store, bounds: Bounds) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(4_096);
        let (announce, head) = watch::channel(0);
        let room = Arc::new(Semaphore::new(bounds.queue_events));
        let worker = worker::run(Arc::clone(&context), store.clone(), bounds, waiting, announce);
        (Self { context, store, queue, room, bounds, head }, worker)
    }

    /// Takes a submission in. Returns when it is on disk.
    ///
    /// # Errors
    /// [`IntakeError`]; then it is to be sent again.
    pub async fn submit(&self, submission: Submission) -> Result<Receipt, IntakeError> {
        let Submission { endpoint, received_at, events, quarantined, batch, tee } = submission;
        // One request may be larger than the whole queue: it then takes all of it.
        let weight = (events.len() + quarantined.len()).clamp(1, self.bounds.queue_events);
        let permits = u32::try_from(weight).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| IntakeError::Full)?;
        let work =
            events.into_iter().map(|event| prepare::prepare(&self.context, event, &endpoint, received_at)).collect();
        let (done, answer) = oneshot::channel();
        let waiting = Waiting { work, batch, quarantined, tee, done, _room: room };
        self.queue.try_send(waiting).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => IntakeError::Full,
            mpsc::error::TrySendError::Closed(_) => IntakeError::Stopping,
        })?;
        answer.await.unwrap_or(Err(IntakeError::Stopping))
    }

    /// Whether an identity (an event's or a batch's) is on disk already.
    ///
    /// # Errors
    /// [`IntakeError::Unavailable`] when the store cannot say.
    pub async fn knows(&self, id: crate::domain::ids::EventKey) -> Result<bool, IntakeError> {
        let known = async { self.store.read().await?.is_seen(id).await };
        known.await.map_err(|e: crate::store::StoreError| IntakeError::Unavailable(e.to_string()))
    }

    /// How many events wait or are being written.
    pub fn waiting(&self) -> usize {
        self.bounds.queue_events - self.room.available_permits()
    }

    /// Returns when the worker has ended, and nothing is taken any more.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// A view of the queue that does not keep the door open.
    pub fn downgrade(&self) -> QueueView {
        QueueView { room: Arc::clone(&self.room), whole: self.bounds.queue_events, queue: self.queue.downgrade() }
    }

    /// Follows the head of the log as this process moves it.
    pub fn head(&self) -> watch::Receiver<i64> {
        self.head.clone()
    }

    /// What intake knows.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Where it writes.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
