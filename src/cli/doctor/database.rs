//! The store: reachable, up to date, durable, opened by the right key, and fed.

use std::time::Duration;

use super::finding::Finding;
use super::settings::places;
use crate::config::Config;
use crate::config::duration::Span;
use crate::domain::keyring::Keyring;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError, Tx};

/// How far back in the log a feed's last event is looked for.
const LOOK_BACK: i64 = 1_000_000;

/// How far ahead of this machine the newest event may have been received: replicas' clocks differ.
const AHEAD: Duration = Duration::from_secs(60);

/// 2026-01-01: no machine that runs this version lives before it.
const EARLIEST: i64 = 1_767_225_600;

/// Everything to say about the store.
pub async fn findings(config: &Config, keyring: Option<&Keyring>, now: Timestamp) -> Vec<Finding> {
    // Not made here.
    if config.store.url.is_missing() {
        let finding = format!("{} is not there yet; the first start makes it", config.store.url);
        return vec![Finding::info("store", finding), clock(now, None)];
    }
    let store = match Store::open(config.store.url.expose()).await {
        Ok(store) => store,
        Err(error) => {
            let finding = format!("{}: {error}", config.store.url);
            return vec![
                Finding::fail("store", finding, "check store.url, and that the database runs"),
                clock(now, None),
            ];
        }
    };
    let mut found = vec![Finding::ok("store", format!("{} answers", config.store.url))];
    found.extend(schema(&store).await);
    if found.len() == 1 {
        found.push(Finding::ok("schema", "up to date"));
        if let Err(error) = look(&store, config, keyring, now, &mut found).await {
            found.push(Finding::fail("store", error.to_string(), "see the database's own log"));
        }
    } else {
        found.push(clock(now, None));
    }
    store.close().await;
    found
}

/// What is wrong with the schema; nothing when it is up to date.
async fn schema(store: &Store) -> Option<Finding> {
    match store.check_schema().await {
        Ok(()) => None,
        Err(StoreError::Schema(why)) if why.contains("pending") => {
            let remedy = "`relaywatch migrate` brings it up to date; so does `serve`, unless told --no-migrate";
            Some(Finding::warn("schema", format!("not up to date: {why}"), remedy))
        }
        Err(StoreError::Schema(why)) => {
            let remedy = "this database belongs to another version: run that one, or another database";
            Some(Finding::fail("schema", why, remedy))
        }
        Err(error) => Some(Finding::fail("schema", error.to_string(), "see the database's own log")),
    }
}

async fn look(
    store: &Store,
    config: &Config,
    keyring: Option<&Keyring>,
    now: Timestamp,
    found: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    // The writer's own connection, and proof that there is one: rolled back when it is dropped.
    found.extend(durability(&mut store.write().await?).await?);
    let mut tx = store.read().await?;
    if let (Some(keyring), Some((place, sealed))) = (keyring, tx.one_sealed().await?)
        && let Err(error) = keyring.open(place.as_bytes(), &sealed)
    {
        let finding = format!("the key file does not open what this store holds: {error}");
        found.push(Finding::fail("keys", finding, "put the key file back that this store was begun with"));
    }
    found.push(clock(now, tx.newest_event().await?));
    found.extend(feeds(&mut tx, config, now).await?);
    found.push(match tx.count_quarantined().await? {
        0 => Finding::ok("quarantine", "nothing waits"),
        n => {
            let finding =
                format!("{n} unreadable part{} wait{}", if n == 1 { "" } else { "s" }, if n == 1 { "s" } else { "" });
            let remedy =
                "`relaywatch quarantine list` says why; after a fix `quarantine rerun --all`. They are kept 14 days";
            Finding::warn("quarantine", finding, remedy)
        }
    });
    Ok(())
}

async fn durability(tx: &mut Tx) -> Result<Vec<Finding>, StoreError> {
    let settings = tx.durability().await?;
    let all: Vec<_> = settings.iter().map(|s| format!("{} is {}", s.setting, s.value)).collect();
    let broken = settings.iter().filter(|s| !s.holds).map(|s| {
        let finding = format!("{} is {}, so what was acknowledged can be lost in a power cut", s.setting, s.value);
        Finding::fail("durability", finding, format!("set {} to {} for this database", s.setting, s.wanted))
    });
    let broken: Vec<_> = broken.collect();
    Ok(if broken.is_empty() { vec![Finding::ok("durability", all.join(", "))] } else { broken })
}

fn clock(now: Timestamp, newest: Option<Timestamp>) -> Finding {
    const REMEDY: &str = "set the clock, and keep it by NTP: holds, tokens and leases go by it";
    match newest {
        _ if now.secs() < EARLIEST => Finding::fail("clock", format!("this machine thinks it is {now}"), REMEDY),
        Some(newest) if newest > now.plus(AHEAD) => {
            let finding = format!("the newest event was received at {newest}, but it is only {now} here");
            Finding::fail("clock", finding, REMEDY)
        }
        _ => Finding::ok("clock", now.to_string()),
    }
}

async fn feeds(tx: &mut Tx, config: &Config, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let after = tx.head().await?.saturating_sub(LOOK_BACK).max(0);
    let mut found = Vec::new();
    for (source, name) in places(config) {
        let place = format!("/hooks/{source}/{name}");
        let Some(last) = tx.last_of_feed(source, name, after).await? else {
            let finding = match after {
                0 => format!("{place} has never brought an event"),
                _ => format!("{place} brought none of the newest {LOOK_BACK} events"),
            };
            let remedy = format!("check at {source} that its webhook posts to this path, and the answers it gets");
            found.push(Finding::warn("feeds", finding, remedy));
            continue;
        };
        let age = Span::secs(now.since(last).as_secs() / 60 * 60);
        let said = format!("{place} brought its last event {age} ago");
        found.push(if age > patience(source) {
            let remedy = format!("silence may be a broken feed: look at {source}'s own log of its webhook");
            Finding::warn("feeds", said, remedy)
        } else {
            Finding::ok("feeds", said)
        });
    }
    Ok(found)
}

/// How long a feed may be silent. Apple has something to tell only when a user changes something.
fn patience(source: &str) -> Span {
    if source == "apple" { Span::days(7) } else { Span::days(1) }
}
