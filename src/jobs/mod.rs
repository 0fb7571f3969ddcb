//! Scheduled work. Each job does one bounded turn at a time and says whether more is left.
//!
//! A job that one replica must do alone is leased as a whole; one that leases its own rows runs in every replica. No transaction is
//! held across the network. To add a job, add its file and hand it to the [`Scheduler`] in `app`.

mod attempt;
mod canary_gauges;
mod check_domains;
mod check_gauges;
mod collect_canaries;
mod deliver_outbox;
mod outbox_gauges;
mod pass_on_tee;
mod prune;
mod scheduler;
mod send_canaries;
mod settle_canaries;
mod settle_holds;

pub use canary_gauges::{CanaryGauges, watch_canaries};
pub use check_domains::CheckDomains;
pub use check_gauges::{CheckGauges, watch_checks};
pub use collect_canaries::CollectCanaries;
pub use deliver_outbox::{DeliverOutbox, OutboxMetrics, Outgoing, start_deliveries};
pub use outbox_gauges::{OutboxGauges, OutboxWatch};
pub use pass_on_tee::{PassOnTee, TeeMetrics, watch_tee};
pub use prune::Prune;
pub use scheduler::{JobMetrics, Scheduler, Turned};
pub use send_canaries::{Post, SendCanaries};
pub use settle_canaries::SettleCanaries;
pub use settle_holds::SettleHolds;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::keyring::Keyring;
use crate::domain::time::Timestamp;
use crate::store::Store;

/// What most jobs work with. Cheap to clone.
#[derive(Clone)]
pub struct Means {
    /// The store.
    pub store: Store,
    /// The keys, to open what is delivered.
    pub keyring: Arc<Keyring>,
    /// Time.
    pub clock: Clock,
    /// Randomness, for lease tokens and jitter.
    pub random: fn(&mut [u8]),
}

impl Means {
    /// A lease token nobody can guess or meet twice.
    pub(crate) fn token(&self) -> String {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        bytes.iter().fold(String::new(), |token, byte| token + &format!("{byte:02x}"))
    }

    /// A number anywhere in its range, for jitter.
    pub(crate) fn jitter(&self) -> u16 {
        let mut bytes = [0; 2];
        (self.random)(&mut bytes);
        u16::from_be_bytes(bytes)
    }
}

/// One turn of a job.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// When it began.
    pub now: Timestamp,
    /// Cancelled when nothing new is to be begun; what is in hand may be finished.
    pub stop: &'a CancellationToken,
}

/// What a turn did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// How many of what; the words are labels of metrics.
    pub counts: Vec<(&'static str, u64)>,
    /// Whether there is more to do at once.
    pub more: bool,
}

impl Done {
    /// How many of this word.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.iter().filter(|(word, _)| *word == what).map(|(_, n)| n).sum()
    }
}

/// A turn under way.
pub type Turning<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Done>> + Send + 'a>>;

/// Waiting for a reason to take a turn early.
pub type Listening<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Scheduled work.
pub trait Job: Send + Sync {
    /// Its name: in metrics, in the log, and for its lease.
    fn name(&self) -> &'static str;

    /// What tells it from other jobs of its name, each of which is leased by itself. `None`: it is the only one.
    fn about(&self) -> Option<&str> {
        None
    }

    /// How often it is done when nothing calls for it earlier.
    fn period(&self) -> Duration;

    /// How long one replica may hold it: longer than a turn takes. `None` when it leases its own rows and so may run in every
    /// replica at once.
    fn lease(&self) -> Option<Duration>;

    /// Returns when there is a reason to take a turn before the period is over; `None` when nothing tells of any. Asked for after each turn,
    /// and dropped when the next is due or the process stops.
    fn listen(&self) -> Option<Listening<'_>> {
        None
    }

    /// Does one bounded turn.
    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a>;
}
