//! Builds the configured hooks.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;

use crate::config::Config;
use crate::domain::bounce::RuleBook;
use crate::sources::HookSource;
use crate::sources::apple::{AppleSource, Audiences, KeySet, Pace};
use crate::sources::braze::BrazeSource;
use crate::sources::fetch::{Fetch, WebFetcher};
use crate::sources::ses::SesSource;
use crate::sources::sns::{Trust, Verifier};
use crate::sources::sparkpost::SparkpostSource;

/// The hooks, and what else of them the daemon needs.
pub struct Endpoints {
    /// By source and name.
    pub hooks: HashMap<(String, String), Arc<dyn HookSource>>,
    /// Checks SNS's signatures, and knows where subscriptions are confirmed.
    pub verifier: Arc<Verifier>,
    /// Fetches SNS's certificates and confirms subscriptions.
    pub sns_fetch: Arc<dyn Fetch>,
    /// Apple's keys; `None` without an Apple endpoint.
    pub key_set: Option<Arc<KeySet>>,
}

/// The rules by which bounces are read.
///
/// # Errors
/// Names the rule and field that cannot stand.
pub fn rules(config: &Config) -> anyhow::Result<Arc<RuleBook>> {
    Ok(Arc::new(config.bounce_rules.book().context("bounce_rules")?))
}

/// Builds every configured hook.
///
/// # Errors
/// Names the setting that cannot stand.
pub fn endpoints(config: &Config) -> anyhow::Result<Endpoints> {
    let rules = rules(config)?;
    let trust = Trust::from_config(&config.sns).context("sns")?;
    let hosts = trust.hosts.clone();
    let sns_fetch: Arc<dyn Fetch> = Arc::new(WebFetcher::new(move |url| hosts.allows(url))?);
    let verifier = Arc::new(Verifier::new(trust, Arc::clone(&sns_fetch)));
    let key_set = if config.endpoints.apple.is_empty() { None } else { Some(Arc::new(key_set(config)?)) };
    let mut hooks: HashMap<(String, String), Arc<dyn HookSource>> = HashMap::new();
    for endpoint in &config.endpoints.ses {
        let source = SesSource::new(endpoint, Arc::clone(&verifier), Arc::clone(&rules))?;
        hooks.insert(("ses".into(), endpoint.name.clone()), Arc::new(source));
    }
    for endpoint in &config.endpoints.sparkpost {
        let source = SparkpostSource::new(endpoint, Arc::clone(&rules));
        hooks.insert(("sparkpost".into(), endpoint.name.clone()), Arc::new(source));
    }
    for endpoint in &config.endpoints.braze {
        let source = BrazeSource::new(endpoint, Arc::clone(&rules));
        hooks.insert(("braze".into(), endpoint.name.clone()), Arc::new(source));
    }
    if let Some(key_set) = &key_set {
        let audiences = Arc::new(Audiences::of(&config.teams));
        for endpoint in &config.endpoints.apple {
            let source = AppleSource::new(Arc::clone(key_set), Arc::clone(&audiences), config.apple.max_age());
            hooks.insert(("apple".into(), endpoint.name.clone()), Arc::new(source));
        }
    }
    Ok(Endpoints { hooks, verifier, sns_fetch, key_set })
}

fn key_set(config: &Config) -> anyhow::Result<KeySet> {
    let apple = &config.apple;
    if let Some(file) = &apple.keys_file {
        let bytes = std::fs::read(file).with_context(|| format!("apple.keys_file: cannot read {}", file.display()))?;
        return KeySet::fixed(&bytes).context("apple.keys_file");
    }
    let allowed = apple.keys_url.clone();
    let fetch = Arc::new(WebFetcher::new(move |url| url == allowed)?);
    let pace = Pace { at_most_every: apple.keys_refetch(), anew_after: apple.keys_refresh() };
    Ok(KeySet::fetched(fetch, &apple.keys_url, pace))
}
