//! The shapes of the canaries' matrix.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::words;

/// How the canaries stand.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Canaries {
    /// When it was looked at. RFC 3339.
    #[schema(format = "date-time")]
    as_of: String,
    /// Every round.
    rounds: Vec<CanaryRound>,
}

/// Routes that are sent together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryRound {
    /// Its name.
    round: String,
    /// The number of the last one that was begun; 0 before the first.
    n: i64,
    /// When the next is due. RFC 3339.
    #[schema(format = "date-time")]
    next_at: String,
    /// Until when a burst lasts. RFC 3339.
    #[schema(format = "date-time")]
    burst_until: Option<String>,
    /// How many more rounds the budgets of its relay addresses bear now.
    rounds_left: u64,
    /// The part that is broken, by the newest round that tells.
    #[schema(schema_with = parts)]
    broken: String,
    /// The same in words.
    because: String,
    /// Whether the relay still says who does not exist.
    #[schema(schema_with = negatives)]
    negative: String,
    /// The number of the round that tells it; null when none of the newest does.
    told_by: Option<i64>,
    /// Its routes.
    routes: Vec<CanaryRoute>,
}

/// One way to one mailbox.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryRoute {
    /// Its name.
    route: String,
    /// What it is for.
    #[schema(schema_with = roles)]
    role: String,
    /// As which stream it is sent.
    stream: String,
    /// That stream's team.
    team: String,
    /// The mailbox behind it; null for an address that does not exist.
    mailbox: Option<String>,
    /// When all of that mailbox was last read. RFC 3339.
    #[schema(format = "date-time")]
    mailbox_read_at: Option<String>,
    /// Why the last look into it failed.
    mailbox_error: Option<String>,
    /// What has become of its last canary; null before the first.
    #[schema(schema_with = states)]
    state: Option<String>,
    /// When that was sent. RFC 3339.
    #[schema(format = "date-time")]
    sent_at: Option<String>,
    /// When it arrived. RFC 3339.
    #[schema(format = "date-time")]
    arrived_at: Option<String>,
    /// How long it took, in seconds.
    seconds: Option<f64>,
    /// How it was refused.
    refused: Option<CanaryRefusal>,
    /// What became of its last canaries, the newest first.
    states: Vec<String>,
    /// How long the next one is waited for, in seconds.
    timeout_seconds: f64,
    /// Whether that was learned from its arrivals; the configured ceiling until then.
    learned: bool,
    /// When its last canary arrived. RFC 3339.
    #[schema(format = "date-time")]
    last_arrived_at: Option<String>,
    /// What that one showed of its way.
    last_way: Option<CanaryWay>,
}

/// What a canary showed of its way when it arrived.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryWay {
    /// What the receiving host found out (Authentication-Results, RFC 8601), if it is trusted.
    authentication: CanaryAuthentication,
    /// The domain of the header From as it arrived: the relay rewrites it.
    from_domain: Option<String>,
    /// The domain of the envelope sender as it arrived.
    return_domain: Option<String>,
    /// Which of our headers came through.
    survived: CanaryHeaders,
    /// Every host that took it, from first to last.
    hops: Vec<CanaryHop>,
}

/// What the receiving host found out, in the words of RFC 8601.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryAuthentication {
    /// SPF of the last hop.
    spf: Option<String>,
    /// The DKIM signatures.
    dkim: Vec<CanarySignature>,
    /// DMARC of the header From.
    dmarc: Option<String>,
}

/// A DKIM signature as the receiving host saw it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanarySignature {
    /// Whether it holds.
    verdict: String,
    /// Whose it is.
    domain: Option<String>,
}

/// Which of our headers came through unchanged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryHeaders {
    /// Message-ID.
    message_id: bool,
    /// A header of our own.
    marker: bool,
    /// Auto-Submitted.
    auto_submitted: bool,
}

/// One host on the way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryHop {
    /// What it calls itself.
    by: Option<String>,
    /// When it took the message, by its own clock. RFC 3339.
    #[schema(format = "date-time")]
    at: Option<String>,
}

/// How a canary was refused, read like any bounce.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CanaryRefusal {
    /// The rule that read it.
    rule: String,
    /// For good (`hard_bounce`) or for now (`soft_bounce`).
    kind: String,
    /// Whose fault.
    scope: String,
    /// SMTP reply code.
    code: Option<u16>,
    /// Enhanced status code (RFC 3463).
    status: Option<String>,
    /// The words, every address replaced by its role.
    text: Option<String>,
}

fn parts() -> ObjectBuilder {
    words([
        "nothing",
        "stream_at_relay",
        "address",
        "refused_by_provider",
        "stream",
        "relay",
        "relay_or_team",
        "provider",
        "control",
        "plain",
        "unknown",
    ])
}

fn negatives() -> ObjectBuilder {
    words(["refused", "refused_otherwise", "accepted", "unknown"])
}

fn roles() -> ObjectBuilder {
    words(["production", "control", "plain", "negative"])
}

fn states() -> ObjectBuilder {
    words([
        "planned",
        "sent",
        "accepted",
        "arrived",
        "spam",
        "late",
        "refused",
        "uncertain",
        "not_sent",
        "lost",
        "delivered_never_arrived",
        "unknown",
    ])
}
