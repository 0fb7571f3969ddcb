//! Apple's server-to-server notifications: `{"payload":"<JWT>"}`, from Apple itself or forwarded unchanged.
//!
//! The signature is the only authentication: Apple sends no secret, and neither headers nor the sender's address decide
//! anything. So whoever owns the one URL that Apple allows per app group may pass the body on.

mod audience;
mod claims;
mod instant;
mod jws;
mod key_set;
mod keys;
mod notification;
mod unverified;

pub use audience::Audiences;
pub use key_set::{KeySet, Pace};
pub use keys::KeySetError;
pub use unverified::translate_unverified;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;

use self::jws::{Token, Verified};
use self::key_set::NoKey;
use self::notification::Reading;
use super::{HookSource, Receiving, Refusal, Request, Translation};

/// The largest body taken. A notification is about 1 KB.
pub const LARGEST_BODY: usize = 256 * 1024;

/// One endpoint for Apple's notifications.
pub struct AppleSource {
    keys: Arc<KeySet>,
    audiences: Arc<Audiences>,
    max_age: Duration,
}

impl AppleSource {
    /// An endpoint that believes `keys`, knows `audiences`, and quarantines what was signed more than `max_age` ago.
    pub fn new(keys: Arc<KeySet>, audiences: Arc<Audiences>, max_age: Duration) -> Self {
        Self { keys, audiences, max_age }
    }

    async fn translate(&self, request: Request<'_>) -> Result<Translation, Refusal> {
        let payload = payload(request.body)?;
        let verified = self.verify(Token::parse(&payload)?, request).await?;
        let reading = Reading {
            audiences: &self.audiences,
            max_age: self.max_age,
            received_at: request.received_at,
            body: request.body,
        };
        let mut translation = reading.translate(verified.claims())?;
        translation.authentic = Some(true);
        translation.because = explained("RS256 signature verified", &translation.because);
        Ok(translation)
    }

    async fn verify(&self, token: Token<'_>, request: Request<'_>) -> Result<Verified, Refusal> {
        let unknown = || Refusal::new(403, "unknown_key", "/kid of the token's header is not in Apple's key set");
        let found = self.keys.find(token.kid(), request.received_at).await.map_err(|none| match none {
            NoKey::Unknown => unknown(),
            NoKey::Unavailable => Refusal::new(
                503,
                "key_set_unavailable",
                "Apple's key set could not be fetched, and /kid of the token's header is not known yet",
            ),
        })?;
        token.verify(found.key().ok_or_else(unknown)?)
    }
}

impl HookSource for AppleSource {
    fn name(&self) -> &'static str {
        "apple"
    }

    fn body_limit(&self) -> usize {
        LARGEST_BODY
    }

    fn admit(&self, _headers: &HeaderMap) -> Result<(), Refusal> {
        Ok(())
    }

    fn receive<'a>(&'a self, request: Request<'a>) -> Receiving<'a> {
        Box::pin(self.translate(request))
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

fn payload(body: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    match serde_json::from_slice::<Body<'_>>(body) {
        Ok(body) => Ok(body.payload),
        // serde's own message may quote the value.
        Err(_) => Err(Refusal::new(400, "malformed_body", "the body is not a JSON object with one text /payload")),
    }
}

fn explained(proof: &str, remarks: &str) -> Cow<'static, str> {
    if remarks.is_empty() { proof.to_owned().into() } else { format!("{proof}; {remarks}").into() }
}
