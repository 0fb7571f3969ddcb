//! How events come in: each source verifies one provider's bytes and translates them. Bytes in, values out.
//!
//! A source knows neither store nor network. What must be fetched (certificates, key sets) comes through a passed-in
//! fetcher that has its own allow-list.

pub mod apple;
mod batch;
pub mod braze;
pub mod elements;
pub mod fetch;
pub mod import;
pub mod json;
pub mod lines;
pub mod loose;
pub mod ses;
pub mod shared_secret;
pub mod sns;
pub mod sparkpost;
pub mod written;

use std::borrow::Cow;
use std::pin::Pin;

use http::HeaderMap;

use crate::domain::event::Event;
use crate::domain::time::Timestamp;

/// One webhook request as it came over the wire.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Request headers. Unsigned: they may refuse a request, they never decide what an authentic one means.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
    /// When it was received.
    pub received_at: Timestamp,
}

/// What an accepted request means.
#[derive(Debug, Default)]
pub struct Translation {
    /// True when something was proved, `None` where nothing could be checked (no secret, no signature).
    pub authentic: Option<bool>,
    /// Why, in one sentence for a person. Holds no address.
    pub because: Cow<'static, str>,
    /// The events, in the order of the body.
    pub events: Vec<Event>,
    /// What could not be read, each part on its own.
    pub quarantined: Vec<Quarantined>,
    /// What else the provider wants of us.
    pub actions: Vec<Action>,
    /// Kinds this version has no meaning for, counted and kept visible: names of at most 64 bytes.
    pub unknown: Vec<String>,
    /// The provider's id of the whole batch, where there are batches: a known one is answered at once. A message of SNS is known by
    /// its events.
    pub batch: Option<String>,
}

/// A part of an authentic body that could not be read. Goes to sealed quarantine, never lost.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where in the body, as a JSON pointer (RFC 6901); empty for the whole.
    pub at: String,
    /// Why, naming the field. Holds no address.
    pub because: String,
    /// The part as it came. Personal: `Debug` shows only its length.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Quarantined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quarantined {{ at: {:?}, because: {:?}, body: {} bytes }}", self.at, self.because, self.body.len())
    }
}

/// Something a provider asks for that is not an event about a recipient.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Confirm the SNS subscription of a listed topic, by `ConfirmSubscription` built from these two.
    ConfirmSubscription {
        /// The topic, from the signed body and on the list.
        topic_arn: String,
        /// SNS's token. Whoever has it can confirm: `Debug` does not show it.
        token: String,
    },
    /// SNS says the subscription has ended: the feed will fall silent. Never followed, always an alert.
    SubscriptionEnded {
        /// The topic.
        topic_arn: String,
    },
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, topic_arn) = match self {
            Self::ConfirmSubscription { topic_arn, token: _ } => ("ConfirmSubscription", topic_arn),
            Self::SubscriptionEnded { topic_arn } => ("SubscriptionEnded", topic_arn),
        };
        f.debug_struct(name).field("topic_arn", topic_arn).finish_non_exhaustive()
    }
}

/// Why a request is not accepted, and the HTTP status that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{because}")]
pub struct Refusal {
    /// 400, 401, 403, 413 or 503.
    pub answer: u16,
    /// One sentence naming the field. Holds no address and no secret.
    pub because: Cow<'static, str>,
    /// A short stable label for metrics, e.g. `bad_signature`, `foreign_topic`, `bad_secret`, `certificate_fetch`.
    pub reason: &'static str,
}

impl Refusal {
    /// A refusal with its status, metric label and sentence.
    pub fn new(answer: u16, reason: &'static str, because: impl Into<Cow<'static, str>>) -> Self {
        Self { answer, because: because.into(), reason }
    }
}

/// A request being verified and translated.
pub type Receiving<'a> = Pin<Box<dyn Future<Output = Result<Translation, Refusal>> + Send + 'a>>;

/// One configured endpoint of one provider.
pub trait HookSource: Send + Sync {
    /// The path segment, e.g. `ses` in `/hooks/ses/main`.
    fn name(&self) -> &'static str;

    /// The largest body taken, in bytes; a larger one is refused with 413.
    fn body_limit(&self) -> usize;

    /// Checks the secret of a provider that sends one, before any of the body is read.
    ///
    /// # Errors
    /// 401 or 403.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal>;

    /// Verifies and translates a whole request that was admitted.
    fn receive<'a>(&'a self, request: Request<'a>) -> Receiving<'a>;
}

/// The name of an unknown kind as it may be shown: of at most 64 bytes, and of letters, digits and plain signs. Anything may stand in the place
/// of a name, even an address; then it is not shown.
fn kind_name(said: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-/".contains(&byte);
    if said.bytes().all(is_plain) { said[..said.len().min(64)].to_owned() } else { "(not a name)".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_name_is_shown_only_if_it_is_one() {
        assert_eq!(kind_name("Bounce Permanent/General"), "Bounce Permanent/General");
        assert_eq!(kind_name(&"a".repeat(99)), "a".repeat(64));
        for odd in ["email-disabled abc@privaterelay.appleid.com", "é", "a\nb"] {
            assert_eq!(kind_name(odd), "(not a name)");
        }
    }
}
