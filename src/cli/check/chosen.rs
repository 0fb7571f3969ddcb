//! Which streams are checked: registered ones by name, all of them, or a domain that needs no registration.

use anyhow::Context as _;

use super::row::Row;
use crate::app::all_streams;
use crate::config::Config;
use crate::domain::address::domain_of;
use crate::domain::ids::{StreamName, TeamId};
use crate::domain::stream::{AppleAccount, Provider, Stream};
use crate::store::Store;

/// What is to be checked.
pub enum Chosen {
    /// These, in this order.
    Rows(Vec<Row>),
    /// Nothing: one of the arguments means nothing.
    NoSuchStream(String),
}

/// All registered streams.
///
/// # Errors
/// When the store cannot be read.
pub async fn all(config: &Config) -> anyhow::Result<Chosen> {
    Ok(Chosen::Rows(registered(config).await?.into_iter().map(Row::from).collect()))
}

/// What the arguments name: first a stream of the configuration, then one of the store, then a domain.
///
/// The store is opened only where something cannot be told without it: with a configuration file that somebody named, or for a name that
/// is no domain name.
///
/// # Errors
/// When the store cannot be read and something can only be found there.
pub async fn named(config: &Config, has_file: bool, targets: &[String]) -> anyhow::Result<Chosen> {
    let in_file = |name: &str| config.streams.0.iter().find(|stream| stream.name.as_str() == name);
    let needs_store = targets.iter().any(|name| in_file(name).is_none() && (has_file || !is_dotted(name)));
    let may_be_domains = targets.iter().all(|name| in_file(name).is_some() || is_dotted(name));
    let known = if needs_store { registered(config).await } else { Ok(config.streams.0.clone()) };
    let streams = match known {
        Ok(streams) => streams,
        Err(error) if may_be_domains => {
            eprintln!("relaywatch: {error:#}; what the configuration does not name is checked as a domain");
            config.streams.0.clone()
        }
        Err(error) => return Err(error),
    };
    let mut rows = Vec::new();
    for target in targets {
        match streams.iter().find(|stream| stream.name.as_str() == target) {
            Some(stream) => rows.push(Row::from(stream.clone())),
            None if is_dotted(target) => rows.push(Row::from(ad_hoc(target))),
            None => return Ok(Chosen::NoSuchStream(target.clone())),
        }
    }
    Ok(Chosen::Rows(rows))
}

/// Whether a word can only be meant as a domain.
fn is_dotted(word: &str) -> bool {
    word.trim_end_matches('.').contains('.')
}

/// The streams of the file and of the store, where there is one. A SQLite file that is missing is not made here.
async fn registered(config: &Config) -> anyhow::Result<Vec<Stream>> {
    let url = &config.store.url;
    if url.is_missing() {
        return Ok(config.streams.0.clone());
    }
    let store = Store::open(url.expose()).await.context("opening the store")?;
    let streams = match store.check_schema().await {
        Ok(()) => all_streams(config, &store).await,
        Err(error) => Err(error.into()),
    };
    store.close().await;
    streams.context("reading the registered streams")
}

/// The registration of a domain of which nothing else is known: it is its own From and envelope domain.
fn ad_hoc(domain: &str) -> Stream {
    // As the DNS has it, where it is a name at all; otherwise the check says what is wrong with it.
    let domain = domain_of(domain).filter(|_| !domain.contains('@')).unwrap_or_else(|| domain.trim().to_owned());
    Stream {
        name: StreamName::new(domain.clone()),
        team: TeamId::new(""),
        mail_from_domain: domain.clone(),
        from_domain: domain,
        dkim: Vec::new(),
        provider: Provider::Other,
        region: None,
        sending_ips: Vec::new(),
        apple_sources: None,
        apple_account: AppleAccount::default(),
        sends_mail: true,
        bulk: false,
    }
}
