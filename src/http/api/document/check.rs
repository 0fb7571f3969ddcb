//! The shapes of checks: the report, what is remembered of a stream, and its history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::words;
use crate::domain::posture::Posture;

/// What a look at a stream's records found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Check {
    /// The stream.
    stream: String,
    /// Domain of the header From.
    from_domain: String,
    /// When the look began. RFC 3339.
    #[schema(format = "date-time")]
    checked_at: String,
    /// What the findings come to.
    #[schema(schema_with = postures)]
    posture: String,
    /// Per area.
    status: Status,
    /// Apple's two paths.
    apple: Apple,
    /// The worst first.
    findings: Vec<Finding>,
    /// How many questions it needed.
    queries: u64,
    /// How long it took, in seconds.
    seconds: f64,
}

/// The states of the areas.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Status {
    /// SPF.
    #[schema(schema_with = states)]
    spf: String,
    /// DKIM.
    #[schema(schema_with = states)]
    dkim: String,
    /// DMARC.
    #[schema(schema_with = states)]
    dmarc: String,
}

/// Whether the relay takes the stream's mail. One open path is enough.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Apple {
    /// Whether it does.
    #[schema(schema_with = apple_verdicts)]
    verdict: String,
    /// The path by SPF.
    #[schema(schema_with = states)]
    spf_path: String,
    /// The path by DKIM.
    #[schema(schema_with = states)]
    dkim_path: String,
    /// Why, in a sentence.
    because: String,
}

/// One fact about a record.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Finding {
    /// What it is about.
    #[schema(schema_with = areas)]
    area: String,
    /// Which fact. Never renamed.
    code: String,
    /// How much it matters.
    #[schema(schema_with = severities)]
    severity: String,
    /// The name that was asked.
    name: String,
    /// The record as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// Where in it the fault stands, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// What was seen.
    evidence: String,
    /// What to do.
    remedy: String,
    /// The section that says so.
    rfc: String,
}

/// What is known of a stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct Known {
    /// The stream.
    stream: String,
    /// The last known posture: a check that finds nothing out leaves it. `unknown` only until one is known.
    #[schema(schema_with = postures)]
    posture: String,
    /// Since when it stands; null when none is known. RFC 3339.
    #[schema(required = true, format = "date-time")]
    since: Option<String>,
    /// Since when checks cannot tell; null when the last one could. RFC 3339.
    #[schema(required = true, format = "date-time")]
    unknown_since: Option<String>,
    /// When it was last looked at; null when never. RFC 3339.
    #[schema(required = true, format = "date-time")]
    checked_at: Option<String>,
    /// How long ago that was, in seconds.
    #[schema(required = true)]
    age_seconds: Option<f64>,
    /// When it is next due by schedule. RFC 3339.
    #[schema(format = "date-time")]
    due_at: String,
    /// Per part (spf, dkim, dmarc, mailfrom, relay, dns, spf_path, dkim_path) the last state that was not unknown, and when it was seen.
    last_known: std::collections::BTreeMap<String, LastKnown>,
    /// The last report; null when there is none.
    #[schema(required = true)]
    report: Option<Check>,
}

/// A state, and when it was seen last.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
struct LastKnown {
    /// The state; never `unknown`.
    #[schema(schema_with = states)]
    state: String,
    /// When it was last seen. RFC 3339.
    #[schema(format = "date-time")]
    at: String,
}

/// What was seen of a stream's records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct History {
    /// The stream.
    stream: String,
    /// What stands now first, then what stood before.
    records: Vec<Records>,
    /// The newest first.
    changes: Vec<RecordChange>,
    /// Where to go on; null when there is no more.
    #[schema(required = true)]
    before: Option<String>,
}

/// One set of records.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
struct Records {
    /// The name.
    name: String,
    /// The type.
    kind: String,
    /// The records as text; empty: there were none.
    records: Vec<String>,
    /// Whether it is what was seen there last.
    current: bool,
    /// When it was first seen. RFC 3339.
    #[schema(format = "date-time")]
    first_seen: String,
    /// When it was last seen. RFC 3339.
    #[schema(format = "date-time")]
    last_seen: String,
}

/// One change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
struct RecordChange {
    /// Its id.
    id: String,
    /// When it was seen. RFC 3339.
    #[schema(format = "date-time")]
    at: String,
    /// The name.
    name: String,
    /// The type.
    kind: String,
    /// What stood there.
    old: Vec<String>,
    /// What stands there; empty: the records are gone.
    new: Vec<String>,
}

fn postures() -> ObjectBuilder {
    words(Posture::ALL.map(Posture::as_str))
}

fn states() -> ObjectBuilder {
    words(["pass", "warn", "fail", "unknown"])
}

fn apple_verdicts() -> ObjectBuilder {
    words(["accept", "reject", "unknown"])
}

fn areas() -> ObjectBuilder {
    words(["spf", "dkim", "dmarc", "mailfrom", "relay", "dns"])
}

fn severities() -> ObjectBuilder {
    words(["critical", "error", "warning", "info"])
}
