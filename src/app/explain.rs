//! What a webhook body would mean to a hook: the sources, wired without a store and without the network.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use http::HeaderMap;

use super::rules;
use crate::config::Config;
use crate::config::braze::{BrazeEndpoint, ExternalUserId};
use crate::config::hook_auth::HookAuth;
use crate::config::ses::SesEndpoint;
use crate::config::sparkpost::SparkpostEndpoint;
use crate::domain::bounce::RuleBook;
use crate::domain::ids::TeamId;
use crate::domain::time::Timestamp;
use crate::http::body::BodyError;
use crate::sources::apple::{self, AppleSource, Audiences, KeySet, translate_unverified};
use crate::sources::braze::BrazeSource;
use crate::sources::fetch::NoNetwork;
use crate::sources::ses::{self, SesSource};
use crate::sources::sns::{Trust, Verifier};
use crate::sources::sparkpost::SparkpostSource;
use crate::sources::{HookSource, Refusal, Request, Translation};

/// Stands for the endpoint and its team where no configuration names them. Neither is shown.
const NAMELESS: &str = "explain";

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// The whole envelope of Amazon SNS, as `/hooks/ses` takes it.
    Sns,
    /// The inner event of Amazon SES.
    Ses,
    /// A batch of SparkPost's event webhooks.
    Sparkpost,
    /// A batch of Braze Currents.
    Braze,
    /// A notification of Apple's.
    Apple,
}

impl Provider {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sns => "sns",
            Self::Ses => "ses",
            Self::Sparkpost => "sparkpost",
            Self::Braze => "braze",
            Self::Apple => "apple",
        }
    }
}

/// What is known beside the body. The default knows nothing, so nothing can be proved.
#[derive(Debug, Default)]
pub struct Given {
    /// Rules, teams, topics and trust. Without it: the defaults.
    pub config: Option<Config>,
    /// The endpoint of the configuration that is to answer, with its own secret. Without one, no secret is asked for.
    pub endpoint: Option<String>,
    /// The topics that are taken. Empty: those of the configuration, and without any there, every topic.
    pub topics: Vec<String>,
    /// SNS's certificates by URL, in PEM.
    pub certificates: Vec<(String, Vec<u8>)>,
    /// The roots that certificates must chain to, in PEM.
    pub trust_roots: Vec<Vec<u8>>,
    /// Apple's key set. Without one there and in the configuration, signatures of Apple are not checked.
    pub key_set: Option<Vec<u8>>,
    /// The audiences that are known. Empty: those of the configuration, and without any there, every audience.
    pub audiences: Vec<String>,
}

/// Explains the bodies of one provider.
pub struct Explainer {
    provider: Provider,
    reader: Reader,
}

enum Reader {
    /// As the hook itself does.
    Hook(Box<dyn HookSource>),
    /// The inner event alone.
    InnerEvent { team: TeamId, rules: Arc<RuleBook> },
    /// A notification whose signature nothing can check.
    Unverified { audiences: Audiences, max_age: Duration },
}

/// What one body means.
#[derive(Debug)]
pub struct Explanation {
    /// Whose body it is.
    pub provider: Provider,
    /// What a hook would make of it.
    pub outcome: Result<Translation, Refusal>,
}

impl Explanation {
    /// True when something was proved, false when the hook would refuse it, `None` where nothing could be checked.
    pub fn authentic(&self) -> Option<bool> {
        match &self.outcome {
            Ok(translation) => translation.authentic,
            // Too large to be looked at, or the means to check it are missing.
            Err(refusal) if matches!(refusal.answer, 413 | 503) => None,
            Err(_) => Some(false),
        }
    }

    /// Why, in one sentence. Holds no address.
    pub fn because(&self) -> &str {
        match &self.outcome {
            Ok(translation) => &translation.because,
            Err(refusal) => &refusal.because,
        }
    }

    /// The HTTP status that the hook would answer with.
    pub fn answer(&self) -> u16 {
        self.outcome.as_ref().err().map_or(200, |refusal| refusal.answer)
    }
}

impl Explainer {
    /// For the bodies of this provider.
    ///
    /// # Errors
    /// Names what was given and cannot be used, or the endpoint that is not configured.
    pub fn new(provider: Provider, given: Given) -> anyhow::Result<Self> {
        let config = given.config.as_ref();
        let rules = config.map(rules).transpose()?.unwrap_or_default();
        let reader = match provider {
            Provider::Ses => Reader::InnerEvent { team: TeamId::new(NAMELESS), rules },
            Provider::Sns => Reader::Hook(Box::new(sns(&given, rules)?)),
            Provider::Sparkpost => {
                let known = config.map_or(&[][..], |c| &c.endpoints.sparkpost);
                let nameless =
                    SparkpostEndpoint { name: NAMELESS.into(), team: TeamId::new(NAMELESS), auth: HookAuth::None };
                let endpoint = pick(&given, known, |e| &e.name)?.unwrap_or(&nameless);
                Reader::Hook(Box::new(SparkpostSource::new(endpoint, rules)))
            }
            Provider::Braze => {
                let known = config.map_or(&[][..], |c| &c.endpoints.braze);
                let nameless = BrazeEndpoint {
                    name: NAMELESS.into(),
                    team: TeamId::new(NAMELESS),
                    auth: HookAuth::None,
                    external_user_id: ExternalUserId::Own,
                };
                let endpoint = pick(&given, known, |e| &e.name)?.unwrap_or(&nameless);
                Reader::Hook(Box::new(BrazeSource::new(endpoint, rules)))
            }
            Provider::Apple => notifications(&given)?,
        };
        Ok(Self { provider, reader })
    }

    /// The largest body that the hook takes, in bytes.
    pub fn body_limit(&self) -> usize {
        match &self.reader {
            Reader::Hook(source) => source.body_limit(),
            Reader::InnerEvent { .. } => ses::BODY_LIMIT,
            Reader::Unverified { .. } => apple::LARGEST_BODY,
        }
    }

    /// Explains one body as if it had been received at `now`.
    pub async fn explain(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Explanation {
        Explanation { provider: self.provider, outcome: self.read(headers, body, now).await }
    }

    async fn read(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Translation, Refusal> {
        let limit = self.body_limit();
        // The order of a hook: the secret, the size, the body.
        if let Reader::Hook(source) = &self.reader {
            source.admit(headers)?;
        }
        if body.len() > limit {
            let error = BodyError::TooLarge(limit);
            return Err(Refusal::new(error.status().as_u16(), error.reason(), error.to_string()));
        }
        match &self.reader {
            Reader::Hook(source) => source.receive(Request { headers, body, received_at: now }).await,
            Reader::InnerEvent { team, rules } => {
                Ok(ses::translate(body, &ses::Context { team, rules, signed_at: now }))
            }
            Reader::Unverified { audiences, max_age } => translate_unverified(body, audiences, *max_age, now),
        }
    }
}

/// The configured endpoint of the asked name; `None` when no name was asked for.
fn pick<'c, E>(given: &Given, known: &'c [E], name: impl Fn(&E) -> &str) -> anyhow::Result<Option<&'c E>> {
    let Some(wanted) = &given.endpoint else { return Ok(None) };
    if let Some(found) = known.iter().find(|e| name(e) == wanted) {
        return Ok(Some(found));
    }
    let names: Vec<_> = known.iter().map(name).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    bail!("the configuration has no endpoint {wanted:?} of this source; it has: {names}")
}

fn sns(given: &Given, rules: Arc<RuleBook>) -> anyhow::Result<SesSource> {
    let config = given.config.as_ref();
    let mut trust = config.map(|c| Trust::from_config(&c.sns)).transpose()?.unwrap_or_default();
    for (url, pem) in &given.certificates {
        trust.add_certificate(url, pem).map_err(anyhow::Error::msg).with_context(|| format!("certificate {url}"))?;
    }
    for pem in &given.trust_roots {
        trust.roots.add_pem(pem).map_err(anyhow::Error::msg).context("trust root")?;
    }
    let verifier = Arc::new(Verifier::new(trust, Arc::new(NoNetwork)));
    let known = config.map_or(&[][..], |c| &c.endpoints.ses);
    let chosen = pick(given, known, |e| &e.name)?;
    let configured = known.iter().filter(|e| chosen.is_none_or(|c| c.name == e.name)).flat_map(|e| &e.topics);
    let topics: Vec<String> =
        if given.topics.is_empty() { configured.cloned().collect() } else { given.topics.clone() };
    if chosen.is_none() && topics.is_empty() {
        return Ok(SesSource::of_any_topic(TeamId::new(NAMELESS), verifier, rules));
    }
    let endpoint = SesEndpoint {
        name: NAMELESS.into(),
        team: chosen.map_or_else(|| TeamId::new(NAMELESS), |c| c.team.clone()),
        topics,
        raw_delivery: chosen.and_then(|c| c.raw_delivery.clone()),
    };
    Ok(SesSource::new(&endpoint, verifier, rules)?)
}

fn notifications(given: &Given) -> anyhow::Result<Reader> {
    let config = given.config.as_ref();
    let known = config.map_or(&[][..], |c| &c.endpoints.apple);
    pick(given, known, |e| &e.name)?;
    let team = TeamId::new(NAMELESS);
    let teams = config.map(|c| &c.teams).filter(|teams| teams.iter().any(|team| !team.apps.is_empty()));
    let audiences = match (given.audiences.as_slice(), teams) {
        ([], Some(teams)) => Audiences::of(teams),
        ([], None) => Audiences::any(team),
        (listed, _) => Audiences::listed(&team, listed.iter().cloned()),
    };
    let apple = config.map(|c| c.apple.clone()).unwrap_or_default();
    let key_set = match (&given.key_set, &apple.keys_file) {
        (Some(document), _) => Some(document.clone()),
        (None, Some(file)) => {
            let read = std::fs::read(file).with_context(|| format!("apple.keys_file: cannot read {}", file.display()));
            Some(read?)
        }
        (None, None) => None,
    };
    let max_age = apple.max_age();
    let Some(document) = key_set else { return Ok(Reader::Unverified { audiences, max_age }) };
    let keys = KeySet::fixed(&document).context("the key set")?;
    Ok(Reader::Hook(Box::new(AppleSource::new(Arc::new(keys), Arc::new(audiences), max_age))))
}
