//! The shapes of questions and verdicts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::words;
use crate::domain::verdict::Reason;
use crate::http::api::ndjson::WrongLine;

/// May this address be mailed, and why?
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Verdict {
    /// The answer.
    #[schema(schema_with = answers)]
    verdict: String,
    /// What to do with the message asked about.
    send: bool,
    /// The first reason of the table that applies.
    #[schema(schema_with = reasons)]
    reason: String,
    /// How far that reason reaches.
    #[schema(schema_with = scopes)]
    scope: String,
    /// Reasons that hold for other ways of sending too.
    limits: Vec<Limit>,
    /// How fresh the answer is (not when the evidence happened). RFC 3339.
    #[schema(format = "date-time")]
    as_of: String,
    /// Until when it may be used without asking again. RFC 3339.
    #[schema(format = "date-time")]
    valid_until: String,
    /// What it rests on, newest first.
    evidence: Vec<Proof>,
    /// Where in the log it stands.
    cursor: String,
    /// The policy that decided.
    policy_version: String,
}

/// A reason that holds for one way of sending.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Limit {
    /// How far it reaches.
    #[schema(schema_with = scopes)]
    scope: String,
    /// The ESP, for `esp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    esp: Option<String>,
    /// The stream, for `stream` and `cell`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// The app, where only one of several is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// Why.
    #[schema(schema_with = reasons)]
    reason: String,
    /// The wave behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    wave: Option<String>,
}

/// One event that speaks for the verdict.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Proof {
    /// Its id.
    event: String,
    /// What it was.
    kind: String,
    /// When. RFC 3339.
    #[schema(format = "date-time")]
    at: String,
}

/// One line of a batch: a question, and what the caller calls it. What it leaves out stands in the URL.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct BatchQuestion {
    /// Comes back with the answer.
    #[schema(schema_with = ids, required = false)]
    id: Option<String>,
    /// The team; may be missing when exactly one is configured.
    team: Option<String>,
    /// The address.
    address: Option<String>,
    /// Or its key.
    key: Option<String>,
    /// The app.
    app: Option<String>,
    /// The stream.
    stream: Option<String>,
    /// `security`, `transactional` or `marketing`; missing means marketing.
    class: Option<String>,
}

/// One line of the answer.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) enum BatchAnswer {
    /// The verdict on the line's address.
    Verdict(BatchVerdict),
    /// What is wrong with the line. As the last line it says why the answers end here.
    Wrong(WrongLine),
}

/// A verdict of a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct BatchVerdict {
    /// What the caller called the question.
    #[schema(schema_with = ids)]
    id: Option<String>,
    /// The key of the address.
    key: String,
    #[serde(flatten)]
    verdict: Verdict,
}

/// One line of the feed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct Change {
    /// Go on from here when this line has been dealt with.
    cursor: String,
    /// The team.
    team: String,
    /// The key of the address; null when none is known of the subject.
    #[schema(required = true)]
    key: Option<String>,
    /// Apple's user id, when it is known.
    sub: Option<String>,
    /// The verdict now, on marketing mail.
    verdict: Verdict,
}

/// What a stream should do now.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct GateOfStream {
    /// The stream.
    stream: String,
    /// What to do.
    #[schema(schema_with = gates)]
    gate: String,
    /// Since when; null when nothing has ever been in the way. RFC 3339.
    #[schema(required = true, format = "date-time")]
    since: Option<String>,
    /// Why; null when nothing is in the way.
    #[schema(required = true)]
    because: Option<String>,
    /// How fresh the answer is. RFC 3339.
    #[schema(format = "date-time")]
    as_of: String,
    /// The policy that decided.
    policy_version: String,
}

fn answers() -> ObjectBuilder {
    words(["sendable", "hold", "suppressed", "unknown"])
}

fn reasons() -> ObjectBuilder {
    words(Reason::ALL.map(Reason::as_str))
}

fn scopes() -> ObjectBuilder {
    words(["user", "esp", "stream", "cell"])
}

fn gates() -> ObjectBuilder {
    words(["open", "trickle", "closed"])
}

fn ids() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]))
}
