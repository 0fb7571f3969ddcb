//! Bearer tokens with scopes. Only their digests are kept; a token is 256 random bits, so a plain digest is enough.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use ring::digest;
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError, TokenRow};

/// How long the list of tokens may be out of date: a revoked token is refused within this.
const REFRESH: Duration = Duration::from_secs(5);

/// How soon the list is read again for a token that is not on it: one made a moment ago is good at once, and whoever guesses tokens costs
/// the store little.
const REFRESH_FOR_UNKNOWN: Duration = Duration::from_millis(100);

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Ask whether mail may be sent: single, batch, gate.
    Sendability,
    /// Follow the change feed.
    Changes,
    /// Import users, set overrides.
    Users,
    /// Erase people.
    Erase,
    /// Read and register streams.
    Streams,
    /// Everything.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] = [Self::Sendability, Self::Changes, Self::Users, Self::Erase, Self::Streams, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sendability => "sendability",
            Self::Changes => "changes",
            Self::Users => "users",
            Self::Erase => "erase",
            Self::Streams => "streams",
            Self::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes a token out of 32 random bytes: the text to hand out once, and the digest to keep.
pub fn mint(random: [u8; 32]) -> (String, Vec<u8>) {
    let token = format!("rlw_{}", URL_SAFE_NO_PAD.encode(random));
    let digest = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
    (token, digest)
}

/// The tokens in force, read from the store every few seconds.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
    clock: Clock,
    held: Arc<ArcSwap<Held>>,
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

struct Held {
    read_at: Option<Timestamp>,
    tokens: Vec<Token>,
}

struct Token {
    digest: Vec<u8>,
    scopes: BTreeSet<Scope>,
    expires_at: Option<Timestamp>,
    name: String,
}

impl Held {
    /// The token of this digest. Every digest is compared, in constant time each.
    fn find(&self, digest: &[u8]) -> Option<&Token> {
        let mut found = None;
        for candidate in &self.tokens {
            if bool::from(candidate.digest.as_slice().ct_eq(digest)) {
                found = Some(candidate);
            }
        }
        found
    }
}

impl Tokens {
    /// The tokens of a store.
    pub fn of(store: Store, clock: Clock) -> Self {
        let held = Arc::new(ArcSwap::from_pointee(Held { read_at: None, tokens: Vec::new() }));
        Self { store, clock, held, refreshing: Arc::default() }
    }

    /// Checks the bearer token of a request; returns its name, for the audit trail.
    ///
    /// # Errors
    /// 401 without a good token, 403 without the scope, 503 when the tokens cannot be read.
    pub async fn allow(&self, headers: &HeaderMap, scope: Scope) -> Result<String, Problem> {
        let said = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = said
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| unauthorized("a bearer token is missing"))?;
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        let now = self.clock.now();
        self.refresh(now, REFRESH).await?;
        let mut held = self.held.load();
        if held.find(digest.as_ref()).is_none() {
            self.refresh(now, REFRESH_FOR_UNKNOWN).await?;
            held = self.held.load();
        }
        let token = held.find(digest.as_ref()).ok_or_else(|| unauthorized("the bearer token is not known"))?;
        if token.expires_at.is_some_and(|at| at <= now) {
            return Err(unauthorized("the bearer token has expired"));
        }
        if token.scopes.contains(&scope) || token.scopes.contains(&Scope::Admin) {
            Ok(token.name.clone())
        } else {
            let detail = format!("the token lacks the scope {scope}");
            Err(Problem::new(StatusCode::FORBIDDEN, "missing_scope", detail))
        }
    }

    /// Reads the list anew when it is `older` or more.
    async fn refresh(&self, now: Timestamp, older: Duration) -> Result<(), Problem> {
        if self.is_fresh(now, older) {
            return Ok(());
        }
        // In a box: it is rare and large, and every request would carry room for it.
        Box::pin(self.read_anew(now, older)).await
    }

    fn is_fresh(&self, now: Timestamp, older: Duration) -> bool {
        self.held.load().read_at.is_some_and(|at| now.since(at) < older)
    }

    async fn read_anew(&self, now: Timestamp, older: Duration) -> Result<(), Problem> {
        let _single = self.refreshing.lock().await;
        if self.is_fresh(now, older) {
            return Ok(());
        }
        let rows = async { self.store.read().await?.tokens().await };
        let rows: Vec<TokenRow> = rows.await.map_err(|e: StoreError| Problem::from(e))?;
        let tokens = rows
            .into_iter()
            .filter(|row| row.revoked_at.is_none())
            .map(|row| Token {
                digest: row.digest,
                scopes: row.scopes.split(' ').filter_map(Scope::parse).collect(),
                expires_at: row.expires_at,
                name: row.name,
            })
            .collect();
        self.held.store(Arc::new(Held { read_at: Some(now), tokens }));
        Ok(())
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}
