//! Signed webhooks by the Standard Webhooks specification.
//!
//! The body is JSON:
//!
//! ```json
//! {"type":"user.updated","mode":"enforce","team":"…","app":"…","idempotency_key":"upd_…","version":42,
//!  "subject":{"kind":"address","key":"…","sub":"…","address":"…"},
//!  "change":{"state":"suppressed","reason":"consent_revoked","since":"…Z","unsubscribed":["news"]},
//!  "previous":{"state":"sendable","reason":"ok"},
//!  "why":[{"event":"evt_…","kind":"consent_revoked","at":"…Z"}],
//!  "changed_at":"…Z","reversal":false}
//! ```
//!
//! `version` rises per subject `kind` and `key`: one that is not above the last taken came late and is to be answered 2xx and
//! ignored. A user with several addresses has one such row for each, and `address` says which one is meant. `webhook-id` is the
//! `idempotency_key`, the same at every try. With mode `advise` nothing is to be done but to look. `reversal` is true when an
//! operator takes back what was written; the change is then what the destination held before.

use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::client::Client;
use super::error::OutputError;
use super::{Change, Delivering, Output, SubjectKind};
use crate::domain::address::Address;
use crate::domain::delivery::Mode;
use crate::domain::ids::{AppId, Sub, TeamId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Desired, DesiredState, Proof, Reason};
use crate::domain::webhook_signature::{SigningKey, signatures};

/// One destination that takes signed webhooks.
pub struct Webhook {
    client: Client,
    keys: Vec<SigningKey>,
}

impl Webhook {
    /// Posts with `client`, signed with every one of `keys`.
    pub fn new(client: Client, keys: Vec<SigningKey>) -> Self {
        Self { client, keys }
    }
}

impl Output for Webhook {
    fn deliver<'a>(&'a self, change: &'a Change, now: Timestamp) -> Delivering<'a> {
        Box::pin(async move {
            let body = body(change)?;
            let headers = headers(&self.keys, &change.idempotency_key, now, &body)?;
            self.client.post(headers, body, now).await
        })
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    mode: Mode,
    team: &'a TeamId,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a AppId>,
    subject: SubjectPart<'a>,
    change: State<'a>,
    previous: Option<State<'a>>,
    why: &'a [Proof],
    version: i64,
    changed_at: Timestamp,
    reversal: bool,
    idempotency_key: &'a str,
}

#[derive(Serialize)]
struct SubjectPart<'a> {
    kind: SubjectKind,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

#[derive(Serialize)]
struct State<'a> {
    state: DesiredState,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unsubscribed: &'a [String],
}

impl<'a> State<'a> {
    fn of(desired: &'a Desired) -> Self {
        let Desired { state, reason, since, unsubscribed, evidence: _ } = desired;
        Self { state: *state, reason: *reason, since: *since, unsubscribed }
    }
}

/// The body: the same bytes at every try of one version.
fn body(change: &Change) -> Result<Vec<u8>, OutputError> {
    let subject = &change.subject;
    let payload = Payload {
        r#type: "user.updated",
        mode: change.mode,
        team: &change.team,
        app: change.app.as_ref(),
        subject: SubjectPart {
            kind: subject.kind,
            key: &subject.key,
            sub: subject.sub.as_ref().map(Sub::expose),
            address: subject.address.as_ref().map(Address::expose),
        },
        change: State::of(&change.desired),
        previous: change.previous.as_ref().map(State::of),
        why: &change.desired.evidence,
        version: change.version,
        changed_at: change.changed_at,
        reversal: change.reversal,
        idempotency_key: &change.idempotency_key,
    };
    serde_json::to_vec(&payload).map_err(|_| OutputError::Unusable)
}

fn headers(keys: &[SigningKey], id: &str, now: Timestamp, body: &[u8]) -> Result<HeaderMap, OutputError> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| OutputError::Unusable);
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", value(id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(now.secs()));
    headers.insert("webhook-signature", value(&signatures(keys, id, now.secs(), body))?);
    Ok(headers)
}
