//! Certificates by URL: the configured ones for good, fetched ones in a bounded cache, failures for a short while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::certificate::Certificate;
use crate::domain::time::Timestamp;
use crate::sources::fetch::{Fetch, FetchError};

/// SNS has one certificate per region at a time.
const MOST_KEPT: usize = 64;

/// Failures kept; a body can name any number of certificates that do not exist.
const MOST_FAILED: usize = 256;

/// How long a failure answers for the next request. Shorter than the 20 s after which SNS tries again.
const FAILURE_LASTS: Duration = Duration::from_secs(10);

/// Fetches under way at a time, over all URLs.
const MOST_FETCHES: usize = 4;

/// A signing certificate has about 2 KB.
const LARGEST: usize = 64 * 1024;

/// Where certificates come from.
pub struct Certificates {
    fetch: Arc<dyn Fetch>,
    configured: HashMap<String, Arc<Certificate>>,
    fetched: Mutex<Fetched>,
    turns: Semaphore,
}

#[derive(Default)]
struct Fetched {
    kept: HashMap<String, (Arc<Certificate>, Timestamp)>,
    failed: HashMap<String, (FetchError, Timestamp)>,
}

impl Certificates {
    /// A cache over `fetch`; the configured certificates are never fetched.
    pub fn new(fetch: Arc<dyn Fetch>, configured: HashMap<String, Arc<Certificate>>) -> Self {
        Self { fetch, configured, fetched: Mutex::default(), turns: Semaphore::new(MOST_FETCHES) }
    }

    /// The certificate at a URL that was found acceptable before.
    ///
    /// # Errors
    /// When it can be had neither from the configuration nor by a fetch, now or a moment ago.
    pub async fn at(&self, url: &str, now: Timestamp) -> Result<Arc<Certificate>, FetchError> {
        if let Some(known) = self.known(url, now) {
            return known;
        }
        let _turn = self.turns.acquire().await.map_err(|_| FetchError("no more fetches".to_owned()))?;
        // Whoever held the turn before may have fetched this very one.
        if let Some(known) = self.known(url, now) {
            return known;
        }
        let got = match self.fetch.get(url, LARGEST).await {
            Ok(pem) => Certificate::from_pem(&pem).map(Arc::new).map_err(FetchError),
            Err(error) => Err(error),
        };
        let mut fetched = self.lock();
        match &got {
            Ok(certificate) => {
                fetched.failed.remove(url);
                put(&mut fetched.kept, MOST_KEPT, url, certificate.clone(), now);
            }
            Err(error) => put(&mut fetched.failed, MOST_FAILED, url, error.clone(), now),
        }
        got
    }

    fn known(&self, url: &str, now: Timestamp) -> Option<Result<Arc<Certificate>, FetchError>> {
        if let Some(certificate) = self.configured.get(url) {
            return Some(Ok(certificate.clone()));
        }
        let mut fetched = self.lock();
        if let Some((certificate, used)) = fetched.kept.get_mut(url) {
            *used = now;
            return Some(Ok(certificate.clone()));
        }
        let (error, at) = fetched.failed.get(url)?;
        // A clock that was set back must not make a failure last.
        (now >= *at && now.since(*at) < FAILURE_LASTS).then(|| Err(error.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Fetched> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inserts, and drops what was used longest ago when there are too many.
fn put<V>(map: &mut HashMap<String, (V, Timestamp)>, most: usize, url: &str, value: V, now: Timestamp) {
    if map.len() >= most
        && !map.contains_key(url)
        && let Some(oldest) = map.iter().min_by_key(|(_, (_, used))| *used).map(|(url, _)| url.clone())
    {
        map.remove(&oldest);
    }
    map.insert(url.to_owned(), (value, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut map = HashMap::new();
        for n in 0..10 {
            put(&mut map, 3, &format!("u{n}"), n, Timestamp::from_secs(n));
        }
        let mut left: Vec<_> = map.into_keys().collect();
        left.sort();
        assert_eq!(left, ["u7", "u8", "u9"]);
    }
}
