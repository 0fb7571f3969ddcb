//! Apple's key set as a cache: fetched anew at a bounded rate, one fetch at a time, and served stale when a fetch fails.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::keys::{Key, KeySetError, Keys};
use crate::domain::time::Timestamp;
use crate::sources::fetch::Fetch;

/// A key set is about 2 KB.
const LARGEST: usize = 64 * 1024;

/// How often a key set is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The shortest time between two fetches, whatever arrives.
    pub at_most_every: Duration,
    /// The age at which a set that still serves is fetched anew.
    pub anew_after: Duration,
}

/// The keys that may sign. Shared by all endpoints, so that they share the bound on fetches.
pub struct KeySet {
    known: RwLock<Known>,
    remote: Option<Remote>,
}

struct Remote {
    fetch: Arc<dyn Fetch>,
    url: String,
    pace: Pace,
    /// Held by whoever fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct Known {
    keys: Option<Arc<Keys>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    failed: bool,
}

/// A key of a set, kept alive while it is used.
pub(super) struct Found {
    keys: Arc<Keys>,
    kid: String,
}

impl Found {
    pub(super) fn key(&self) -> Option<&Key> {
        self.keys.find(&self.kid)
    }
}

/// Why there is no key for a `kid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The set is recent and does not hold it.
    Unknown,
    /// The set could not be fetched, so it may hold it.
    Unavailable,
}

impl KeySet {
    /// A set that is fetched from `url`, at first when a key is asked for (or at [`KeySet::refresh`]).
    pub fn fetched(fetch: Arc<dyn Fetch>, url: impl Into<String>, pace: Pace) -> Self {
        let remote = Remote { fetch, url: url.into(), pace, turn: tokio::sync::Mutex::new(()) };
        Self { known: RwLock::default(), remote: Some(remote) }
    }

    /// A set that is never fetched.
    ///
    /// # Errors
    /// When `document` is not a JWK Set with at least one usable key.
    pub fn fixed(document: &[u8]) -> Result<Self, KeySetError> {
        let known = Known { keys: Some(Arc::new(Keys::parse(document)?)), ..Known::default() };
        Ok(Self { known: RwLock::new(known), remote: None })
    }

    /// When the set was last fetched with success; for a gauge of its age.
    pub fn fetched_at(&self) -> Option<Timestamp> {
        self.known().fetched_at
    }

    /// Fetches the set if its pace allows; for start-up, so that the first notification need not wait.
    pub async fn refresh(&self, now: Timestamp) {
        if let Some(remote) = &self.remote {
            let _turn = remote.turn.lock().await;
            self.fetch(remote, now).await;
        }
    }

    /// The key of that `kid`, fetching the set when it is unknown or old and the pace allows.
    pub(super) async fn find(&self, kid: &str, now: Timestamp) -> Result<Found, NoKey> {
        let Some(remote) = &self.remote else { return self.look_up(kid).ok_or(NoKey::Unknown) };
        match self.look_up(kid) {
            Some(found) => {
                if !self.is_old(remote, now) {
                    return Ok(found);
                }
                // One request fetches; the others go on with what is known.
                let Ok(_turn) = remote.turn.try_lock() else { return Ok(found) };
                self.fetch(remote, now).await;
            }
            None => {
                let _turn = remote.turn.lock().await;
                if self.look_up(kid).is_none() {
                    self.fetch(remote, now).await;
                }
            }
        }
        // Looked up again: a key that Apple has withdrawn verifies nothing any more.
        self.look_up(kid).ok_or(if self.known().failed { NoKey::Unavailable } else { NoKey::Unknown })
    }

    fn look_up(&self, kid: &str) -> Option<Found> {
        let keys = self.known().keys?;
        keys.find(kid)?;
        Some(Found { keys, kid: kid.to_owned() })
    }

    fn is_old(&self, remote: &Remote, now: Timestamp) -> bool {
        self.known().fetched_at.is_none_or(|at| now.since(at) >= remote.pace.anew_after)
    }

    /// Fetches once, unless the last try is too near. The caller holds the turn.
    async fn fetch(&self, remote: &Remote, now: Timestamp) {
        // Near in either direction: a clock that was set back must not stop fetching for good.
        let too_near = |at: Timestamp| now.since(at).max(at.since(now)) < remote.pace.at_most_every;
        if self.known().tried_at.is_some_and(too_near) {
            return;
        }
        // Written before the fetch: a caller that goes away meanwhile leaves a failure, not a free try.
        self.change(|known| (known.tried_at, known.failed) = (Some(now), true));
        let fetched = remote.fetch.get(&remote.url, LARGEST).await.map_err(|e| KeySetError(e.to_string()));
        match fetched.and_then(|document| Keys::parse(&document)) {
            Ok(keys) => {
                for left_out in &keys.left_out {
                    tracing::warn!(key = left_out, "a key of Apple's key set cannot be used");
                }
                self.change(|known| {
                    (known.keys, known.fetched_at, known.failed) = (Some(Arc::new(keys)), Some(now), false);
                });
            }
            Err(error) => tracing::warn!(%error, "Apple's key set could not be fetched; the known one is served"),
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}
