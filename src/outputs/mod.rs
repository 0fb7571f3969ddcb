//! How decisions go out: an output tells one destination what it should hold of one user, and says whether trying again can help.
//!
//! An output knows neither store nor schedule: a value goes in, an outcome comes out. To add one, add its file here, a kind to
//! `config::destinations`, and one line to [`open`].

mod client;
mod error;
mod retry_after;
pub mod tee;
pub mod webhook;

use std::pin::Pin;
use std::sync::Arc;

pub use client::{Client, Lookup, system_lookup};
pub use error::{OutputError, Retry};

use crate::config::destinations::{Destination, DestinationKind};
use crate::domain::address::Address;
use crate::domain::delivery::Mode;
use crate::domain::ids::{AppId, Sub, TeamId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Desired;

/// What a destination should hold of one user, and what it held.
#[derive(Debug, Clone)]
pub struct Change {
    /// The same at every try of the same version.
    pub idempotency_key: String,
    /// Advice, or to be acted on.
    pub mode: Mode,
    /// The team.
    pub team: TeamId,
    /// The app the destination serves.
    pub app: Option<AppId>,
    /// Whom it is about.
    pub subject: Subject,
    /// What the destination should hold.
    pub desired: Desired,
    /// What it was last told; `None` when it was told nothing of this user.
    pub previous: Option<Desired>,
    /// Rises with every change of this user at this destination: a lower one that comes late is to be ignored.
    pub version: i64,
    /// When it changed.
    pub changed_at: Timestamp,
    /// Whether it takes back what was written, by an operator's order.
    pub reversal: bool,
}

/// Whom a change is about. Opened only to be delivered; `Debug` shows neither address nor `sub`.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What `key` is the keyed hash of.
    pub kind: SubjectKind,
    /// 32 hexadecimal digits, the same as in the API's answers.
    pub key: String,
    /// Apple's user id, when known.
    pub sub: Option<Sub>,
    /// The address, when known.
    pub address: Option<Address>,
}

/// What names a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// One of the user's addresses.
    Address,
    /// Apple's user id; no address is known.
    Sub,
}

/// A delivery under way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<(), OutputError>> + Send + 'a>>;

/// One destination that can be told.
pub trait Output: Send + Sync {
    /// Tells it of one change, once. `now` is signed where the destination checks it.
    fn deliver<'a>(&'a self, change: &'a Change, now: Timestamp) -> Delivering<'a>;
}

/// The output for a configured destination.
///
/// # Errors
/// When no HTTP client can be built, which says what is missing on this machine.
pub fn open(destination: &Destination, lookup: Lookup) -> Result<Arc<dyn Output>, OutputError> {
    let client = Client::new(&destination.url, destination.allow_private_addresses, destination.timeout.get(), lookup)?;
    Ok(match destination.kind {
        DestinationKind::Webhook => Arc::new(webhook::Webhook::new(client, destination.signing_keys())),
    })
}
