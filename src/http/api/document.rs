//! The shapes of what the API takes and answers, for `/openapi.json`.
//!
//! The domain writes its own JSON and knows nothing of documents. These types repeat its shapes; a test reads what the domain writes with
//! them, strictly, and finds nothing missing and nothing more.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::{IntoResponses, ToSchema};

use super::ndjson::WrongLine;
use super::problem::Problem;
use crate::domain::verdict::Reason;

/// What every route may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum Refused {
    /// The request is wrong: `field` names where.
    #[response(status = 400)]
    Wrong(Problem),
    /// No good bearer token.
    #[response(status = 401)]
    Unauthorized(Problem),
    /// The token lacks the scope.
    #[response(status = 403)]
    MissingScope(Problem),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Slow(Problem),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(Problem),
    /// No store to ask, or too much at once: come again after `Retry-After`.
    #[response(status = 503)]
    Unavailable(Problem),
}

/// May this address be mailed, and why?
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
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
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
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
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    /// Its id.
    event: String,
    /// What it was.
    kind: String,
    /// When. RFC 3339.
    #[schema(format = "date-time")]
    at: String,
}

/// One line of a batch: a question, and what the caller calls it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct BatchQuestion {
    /// Comes back with the answer.
    #[schema(schema_with = ids)]
    id: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    question: super::question::Written,
}

/// One line of the answer.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum BatchAnswer {
    /// The verdict on the line's address.
    Verdict(BatchVerdict),
    /// What is wrong with the line. As the last line it says why the answers end here.
    Wrong(WrongLine),
}

/// A verdict of a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct BatchVerdict {
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
pub(super) struct Change {
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
pub(super) struct GateOfStream {
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

/// A registered way of sending.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    /// Its name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    name: String,
    /// The team whose users it mails.
    #[schema(min_length = 1)]
    team: String,
    /// Domain of the header From.
    from_domain: String,
    /// Domain of the envelope sender; `provider_default` when the ESP uses its own.
    #[schema(required = false)]
    mail_from_domain: String,
    /// The DKIM identities that sign.
    #[schema(required = false)]
    dkim: Vec<DkimIdentity>,
    /// The ESP.
    #[schema(required = false, schema_with = providers)]
    provider: String,
    /// The ESP's region, where it has regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The addresses it sends from, where they are its own.
    #[schema(required = false)]
    sending_ips: Vec<String>,
    /// What is registered with Apple for mail: domains, subdomains, addresses.
    #[schema(required = false)]
    apple_sources: Vec<String>,
    /// The kind of Apple developer account.
    #[schema(required = false, schema_with = accounts)]
    apple_account: String,
    /// Whether mail goes out on it at all.
    #[schema(required = false)]
    sends_mail: bool,
    /// Whether it sends in bulk.
    #[schema(required = false)]
    bulk: bool,
}

/// A DKIM `d=` and `s=`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DkimIdentity {
    /// `d=`.
    domain: String,
    /// `s=`.
    selector: String,
}

/// One registration or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum Registrations {
    /// One.
    One(Box<Registration>),
    /// Several: all are registered or none.
    Several(Vec<Registration>),
}

/// Streams, each as it can be registered again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct Registered {
    /// The registrations.
    streams: Vec<Registration>,
    /// Which of them stand in the configuration file and cannot be changed here.
    read_only: Vec<String>,
}

/// One row of users. One of `sub` and `address` must be given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct User {
    /// The team; may be missing when exactly one is configured.
    team: Option<String>,
    /// The app, by its id or one of its audiences; may be missing when the team has exactly one.
    app: Option<String>,
    /// Apple's user id.
    sub: Option<String>,
    /// The address the user has now, private or real.
    address: Option<String>,
    /// Apple's flag: the only way to tell a relay address on `icloud.com`.
    is_private_email: Option<bool>,
    /// When the user last authorized with Apple (an identity token or a code exchange, never an app session): RFC 3339 text, or whole
    /// seconds or milliseconds since 1970.
    authorized_at: Option<String>,
}

/// What became of an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tally {
    /// Rows that were read and taken.
    accepted: usize,
    /// Of these, rows that said something new.
    new: usize,
    /// Of these, rows that had been imported before.
    repeated: usize,
    /// Rows that were wrong. Nothing of them is stored.
    rejected: usize,
    /// The first thousand of the wrong rows.
    errors: Vec<RowError>,
    /// Wrong rows beyond those in `errors`.
    errors_left_out: usize,
    /// Whether all accepted rows are on disk.
    durable: bool,
    /// The head of the log afterwards.
    cursor: String,
}

/// One wrong row.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowError {
    /// Its line, from 1.
    line: u64,
    /// A stable word: `bad_field`, `bad_row` or `line_too_long`.
    reason: String,
    /// The field, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong, in words.
    detail: String,
}

/// What was erased.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Erased {
    /// Addresses forgotten.
    addresses: usize,
    /// Subjects forgotten.
    subjects: usize,
    /// The head of the log after it.
    head: i64,
}

/// A decision in force.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct Ruled {
    /// The event it is in the log.
    event: String,
    /// The key of the address.
    key: String,
    /// The head of the log after it.
    cursor: String,
    /// What the address's verdict is now, on marketing mail.
    verdict: Verdict,
}

fn words(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words))
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

fn providers() -> ObjectBuilder {
    words(["ses", "sparkpost", "other"])
}

fn accounts() -> ObjectBuilder {
    words(["individual", "organization"])
}

fn ids() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]))
}
