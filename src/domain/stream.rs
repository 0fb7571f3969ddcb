//! Registered streams, and how an ESP's event finds its own.

use serde::{Deserialize, Serialize};

use super::event::Origin;
use super::ids::{StreamName, TeamId, UNREGISTERED};

/// The registration of a stream: one way of sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its name, unique.
    pub name: StreamName,
    /// The Apple developer team whose users it mails.
    pub team: TeamId,
    /// Domain of the header From.
    pub from_domain: String,
    /// Domain of the envelope sender; `provider_default` (or nothing) when the ESP uses its own.
    #[serde(default = "provider_default")]
    pub mail_from_domain: String,
    /// The DKIM identities that sign.
    #[serde(default)]
    pub dkim: Vec<DkimIdentity>,
    /// The ESP.
    #[serde(default)]
    pub provider: Provider,
    /// The ESP's region, where it has regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The addresses it sends from, where they are its own.
    #[serde(default)]
    pub sending_ips: Vec<std::net::IpAddr>,
    /// What is registered with Apple for mail: domains, subdomains, addresses. Missing: not known; empty: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apple_sources: Option<Vec<String>>,
    /// The kind of Apple developer account.
    #[serde(default)]
    pub apple_account: AppleAccount,
    /// Whether mail goes out on it at all.
    #[serde(default = "yes")]
    pub sends_mail: bool,
    /// Whether it sends in bulk.
    #[serde(default)]
    pub bulk: bool,
}

/// The word for "the ESP's own envelope domain".
pub const PROVIDER_DEFAULT: &str = "provider_default";

fn provider_default() -> String {
    PROVIDER_DEFAULT.to_owned()
}

fn yes() -> bool {
    true
}

/// A DKIM `d=` and `s=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimIdentity {
    /// `d=`.
    pub domain: String,
    /// `s=`.
    pub selector: String,
}

/// The ESP of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Amazon SES.
    Ses,
    /// SparkPost.
    Sparkpost,
    /// Any other.
    #[default]
    Other,
}

/// The kind of Apple developer account: it bounds the number of email sources (32 or 100).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppleAccount {
    /// 32 email sources.
    Individual,
    /// 100 email sources.
    #[default]
    Organization,
}

impl AppleAccount {
    /// How many email sources Apple lets it register (Apple's account help, "Configure private email relay service").
    pub fn most_sources(self) -> usize {
        match self {
            Self::Individual => 32,
            Self::Organization => 100,
        }
    }
}

impl Provider {
    /// The word for it, as events' `esp` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ses => "ses",
            Self::Sparkpost => "sparkpost",
            Self::Other => "other",
        }
    }
}

/// The registered streams.
#[derive(Debug, Clone, Default)]
pub struct StreamBook {
    streams: Vec<Stream>,
}

impl StreamBook {
    /// The book of these streams.
    pub fn new(mut streams: Vec<Stream>) -> Self {
        for stream in &mut streams {
            stream.from_domain.make_ascii_lowercase();
            stream.mail_from_domain.make_ascii_lowercase();
        }
        Self { streams }
    }

    /// All of them.
    pub fn all(&self) -> &[Stream] {
        &self.streams
    }

    /// The stream of that name.
    pub fn get(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|s| s.name.as_str() == name)
    }

    /// The stream an event belongs to: by (ESP, From, envelope), the envelope only where the stream names its own and the report
    /// names one. Of several that fit, the one that says most: its own envelope, then its ESP. `None`: it counts as the endpoint's
    /// team, stream `unregistered`.
    pub fn find(&self, origin: &Origin) -> Option<&Stream> {
        let from = origin.from_domain.as_deref()?;
        let envelope = |s: &Stream| match origin.mail_from_domain.as_deref() {
            _ if s.mail_from_domain == PROVIDER_DEFAULT => Some(false),
            Some(named) => (named == s.mail_from_domain).then_some(true),
            None => Some(false),
        };
        let esp = |s: &Stream| match &origin.esp {
            _ if s.provider == Provider::Other => Some(false),
            Some(esp) => (esp.as_str() == s.provider.as_str()).then_some(true),
            None => Some(false),
        };
        let own = self.streams.iter().filter(|s| s.team == origin.team && s.from_domain == from);
        let ranked = own.filter_map(|s| Some(((envelope(s)?, esp(s)?), s)));
        // The first of equals: a stream registered later must not take another's events over.
        ranked.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, stream)| stream)
    }

    /// The name of the stream an event belongs to.
    pub fn name(&self, origin: &Origin) -> StreamName {
        if let Some(named) = &origin.stream {
            return named.clone();
        }
        self.find(origin).map_or_else(|| StreamName::new(UNREGISTERED), |s| s.name.clone())
    }
}
