//! The shapes of registered streams.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::words;
use crate::domain::observed::ObservedKind;

/// A registered way of sending.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Registration {
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
    #[schema(schema_with = providers, required = false)]
    provider: String,
    /// The ESP's region, where it has regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The addresses it sends from, where they are its own.
    #[schema(required = false)]
    sending_ips: Vec<String>,
    /// What is registered with Apple for mail: domains, subdomains, addresses. Missing: not known; empty: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apple_sources: Option<Vec<String>>,
    /// The kind of Apple developer account.
    #[schema(schema_with = accounts, required = false)]
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
pub(in super::super) struct DkimIdentity {
    /// `d=`.
    domain: String,
    /// `s=`.
    selector: String,
}

/// One registration or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) enum Registrations {
    /// One.
    One(Box<Registration>),
    /// Several: all are registered or none.
    Several(Vec<Registration>),
}

/// Streams, each as it can be registered again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct Registered {
    /// The registrations.
    streams: Vec<Registration>,
    /// Which of them stand in the configuration file and cannot be changed here.
    read_only: Vec<String>,
    /// What is known of their DNS records.
    checks: Vec<super::Known>,
    /// Who else sent within seven days, by what ESPs reported; no stream registers them. Those with the most reports first.
    unregistered_senders: Vec<UnregisteredSender>,
    /// Domains that ESPs reported within seven days and that no stream of the team registers; those seen last first, at most 100.
    unregistered_domains: Vec<UnregisteredDomain>,
}

/// A domain that stood in mail of the team's and in no registration.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
struct UnregisteredDomain {
    /// The team of the endpoint that the reports came to.
    team: String,
    /// The stream that the mail was found to belong to; `unregistered` when to none.
    stream: String,
    /// The ESP.
    esp: String,
    /// Domain of the header From; empty where the reports did not say.
    from_domain: String,
    /// Where the domain stood: in the header From, in the envelope as the ESP reports it, or in `d=` of a signature.
    #[schema(schema_with = observed_kinds)]
    kind: String,
    /// The domain.
    value: String,
    /// When it was first seen, to an hour. RFC 3339.
    #[schema(format = "date-time")]
    first_seen: String,
    /// When it was last seen, to an hour. RFC 3339.
    #[schema(format = "date-time")]
    last_seen: String,
}

/// A domain that mail was sent from and that no stream registers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
struct UnregisteredSender {
    /// The team of the endpoint that the reports came to.
    team: String,
    /// Domain of the header From.
    from_domain: String,
    /// The ESP.
    esp: String,
    /// How many reports there were.
    events: u64,
    /// When the last of them happened, to five minutes. RFC 3339.
    #[schema(format = "date-time")]
    last_seen: String,
}

/// A registration, and what is known of its DNS records. Without `check` it can be registered again as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct Shown {
    #[serde(flatten)]
    registration: Registration,
    /// What is known; null before the first check.
    #[schema(required = true)]
    check: Option<super::Known>,
}

fn observed_kinds() -> ObjectBuilder {
    words(ObservedKind::DOMAINS.map(ObservedKind::as_str))
}

fn providers() -> ObjectBuilder {
    words(["ses", "sparkpost", "other"])
}

fn accounts() -> ObjectBuilder {
    words(["individual", "organization"])
}
