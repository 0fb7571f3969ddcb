//! Amazon SES over SNS: one endpoint, from the request to the events in it.

mod bounce;
mod complaint;
mod delivery;
mod mail;
mod message;
mod raw;
mod reader;
mod translate;

pub use translate::{Context, translate};

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use super::json::parse_lossy;
use super::sns::{Envelope, MessageType, Topic, TrustError, Verified, Verifier, Version};
use super::{Action, HookSource, Receiving, Refusal, Request, Translation};
use crate::config::ses::SesEndpoint;
use crate::domain::bounce::RuleBook;
use crate::domain::ids::TeamId;
use crate::domain::time::Timestamp;
use raw::RawDelivery;

/// The largest body taken. SNS sends at most 256 KB of message; escaped into an envelope it may be several times that.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// One configured endpoint of SES.
pub struct SesSource {
    team: TeamId,
    topics: Topics,
    raw: RawDelivery,
    verifier: Arc<Verifier>,
    rules: Arc<RuleBook>,
}

/// Whose messages are taken.
enum Topics {
    /// Those of the topics on the list, compared exactly.
    Listed(BTreeSet<String>),
    /// Everybody's.
    Any,
}

impl SesSource {
    /// An endpoint over the shared verifier and rules.
    ///
    /// # Errors
    /// Names the field: a topic that is no ARN of SNS, or neither topics nor a secret for raw delivery, so that nothing could ever be taken.
    pub fn new(endpoint: &SesEndpoint, verifier: Arc<Verifier>, rules: Arc<RuleBook>) -> Result<Self, TrustError> {
        let raw = RawDelivery::new(endpoint.raw_delivery.as_ref());
        let field = format!("endpoints.ses {:?}", endpoint.name);
        if let Some(arn) = endpoint.topics.iter().find(|arn| Topic::parse(arn).is_none()) {
            return Err(TrustError(format!("{field}: topics: {arn:?} is not the ARN of an SNS topic")));
        }
        if endpoint.topics.is_empty() && !raw.is_allowed() {
            return Err(TrustError(format!("{field}: topics is empty, so every message would be refused")));
        }
        Ok(Self {
            team: endpoint.team.clone(),
            topics: Topics::Listed(endpoint.topics.iter().cloned().collect()),
            raw,
            verifier,
            rules,
        })
    }

    /// An endpoint of every topic there is. Only for showing what a body would mean: a sound signature alone proves just that some
    /// topic of some AWS account sent it.
    pub fn of_any_topic(team: TeamId, verifier: Arc<Verifier>, rules: Arc<RuleBook>) -> Self {
        Self { team, topics: Topics::Any, raw: RawDelivery::new(None), verifier, rules }
    }

    async fn read(&self, request: Request<'_>) -> Result<Translation, Refusal> {
        if request.body.len() > BODY_LIMIT {
            return Err(Refusal::new(413, "too_large", "the body is larger than any message of SNS"));
        }
        // The body alone tells whether it is an envelope. Headers are not signed: whoever wrote the body wrote them.
        let body = match parse_lossy(request.body) {
            Ok(body) if raw::is_raw(&body) => None,
            Ok(body) => Some(body),
            // Raw delivery may bring SES's plain greeting; without a secret only JSON can be anything.
            Err(_) if self.raw.is_allowed() => None,
            Err(error) => return Err(Refusal::new(400, "not_json", format!("the body is {error}"))),
        };
        match body {
            Some(body) => self.read_envelope(&body, request.received_at).await,
            None => {
                let proof = self.raw.check(request.headers)?;
                let translation = self.translate(request.body, request.received_at);
                Ok(Translation {
                    authentic: Some(true),
                    because: format!("raw delivery: {proof}").into(),
                    ..translation
                })
            }
        }
    }

    async fn read_envelope(&self, body: &Value, received_at: Timestamp) -> Result<Translation, Refusal> {
        let envelope = Envelope::read(body).map_err(|because| Refusal::new(403, "malformed_envelope", because))?;
        let listed = |arn: &str| match &self.topics {
            Topics::Listed(topics) => topics.contains(arn),
            Topics::Any => true,
        };
        let Verified { envelope, version } = self.verifier.verify(envelope, listed, received_at).await?;
        let mut translation = Translation::default();
        match (envelope.message_type, envelope.confirmation) {
            (MessageType::Notification, _) => {
                translation = self.translate(envelope.message.as_bytes(), envelope.sent_at);
            }
            (MessageType::SubscriptionConfirmation, Some((_, token))) => {
                translation.actions.push(Action::ConfirmSubscription { topic_arn: envelope.topic_arn, token });
            }
            // Its SubscribeURL would subscribe again.
            (_, _) => translation.actions.push(Action::SubscriptionEnded { topic_arn: envelope.topic_arn }),
        }
        translation.authentic = Some(true);
        translation.because = match (version, &self.topics) {
            (Version::One, Topics::Listed(_)) => "signature version 1 verified, topic allowed".into(),
            (Version::Two, Topics::Listed(_)) => "signature version 2 verified, topic allowed".into(),
            (Version::One, Topics::Any) => "signature version 1 verified, topic not checked".into(),
            (Version::Two, Topics::Any) => "signature version 2 verified, topic not checked".into(),
        };
        Ok(translation)
    }

    fn translate(&self, inner: &[u8], signed_at: Timestamp) -> Translation {
        translate(inner, &Context { team: &self.team, rules: &self.rules, signed_at })
    }
}

impl HookSource for SesSource {
    fn name(&self) -> &'static str {
        "ses"
    }

    fn body_limit(&self) -> usize {
        BODY_LIMIT
    }

    /// Nothing is asked here of a signed body. A wrong secret is refused before the body is read.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.raw.admit(headers)
    }

    fn receive<'a>(&'a self, request: Request<'a>) -> Receiving<'a> {
        Box::pin(self.read(request))
    }
}
