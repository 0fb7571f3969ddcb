//! Loads the index and keeps it at the head of the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Index;
use super::table::slot_key;
use crate::clock::Clock;
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::policy::Policy;
use crate::domain::verdict::{Glance, glance, subject_asks};
use crate::store::{AddressAt, Result, Store};

/// How often the head of the log is looked at: commits of other processes are seen after this much.
const POLL: Duration = Duration::from_millis(200);

/// Events read at a time.
const PAGE: i64 = 5_000;

/// Loads the index, then follows the log until told to stop.
pub async fn follow(index: Arc<Index>, store: Store, policy: Policy, clock: Clock, stop: CancellationToken) {
    loop {
        match load(&index, &store, &policy, &clock).await {
            Ok(()) => break,
            Err(error) => tracing::warn!(%error, "the index could not be loaded, the store is asked meanwhile"),
        }
        tokio::select! { () = tokio::time::sleep(POLL * 5) => (), () = stop.cancelled() => return }
    }
    let (addresses, bytes) = index.size();
    tracing::info!(addresses, bytes, "the index is loaded");
    loop {
        if let Err(error) = catch_up(&index, &store, &policy, &clock).await {
            tracing::warn!(%error, "the index may be out of date, the store is asked meanwhile");
        }
        tokio::select! { () = tokio::time::sleep(POLL) => (), () = stop.cancelled() => return }
    }
}

/// Reads every glance, in parts side by side, and then stands where the log stood before the first was read: what was committed
/// meanwhile is read once more, which changes nothing.
async fn load(index: &Arc<Index>, store: &Store, policy: &Policy, clock: &Clock) -> anyhow::Result<()> {
    // Also when it had been loaded and could not be brought to the head of the log: commits that come in meanwhile would be lost to the
    // older glances that are being read.
    index.loaded.store(false, Ordering::Release);
    let head = store.read().await?.head().await?;
    let parts = store.glance_parts();
    let loading = (0..parts).map(|part| {
        let (index, store) = (Arc::clone(index), store.clone());
        tokio::spawn(async move {
            let mut tx = store.read().await?;
            let shards = &index.shards;
            tx.load_glances(part, parts, |team, key, glance| shards.set(slot_key(team, key), glance)).await
        })
    });
    all(loading).await?;
    let mut tx = store.read().await?;
    for (team, key) in tx.erased_addresses().await? {
        index.shards.set(slot_key(&team, key), Glance::Ask);
    }
    index.cursor.store(head, Ordering::Release);
    index.sure_at.store(0, Ordering::Release);
    index.loaded.store(true, Ordering::Release);
    Ok(catch_up(index, store, policy, clock).await?)
}

/// Waits for all parts; one that ends by itself has not been read.
async fn all(parts: impl Iterator<Item = JoinHandle<Result<()>>>) -> anyhow::Result<()> {
    for part in futures_util::future::join_all(parts).await {
        // Without the words of a panic: they may hold what was being read.
        part.ok().context("a part of the load ended by itself")??;
    }
    Ok(())
}

/// Reads the log from where the index stands to its head.
async fn catch_up(index: &Index, store: &Store, policy: &Policy, clock: &Clock) -> Result<()> {
    loop {
        let from = index.cursor();
        let now = clock.now();
        let mut tx = store.read().await?;
        let head = tx.head().await?;
        let events = if head == from { Vec::new() } else { tx.events_after(from, PAGE).await? };
        let to =
            if events.len() < usize::try_from(PAGE).unwrap_or(0) { head } else { events.last().map_or(head, |e| e.n) };
        let mut places: BTreeSet<AddressAt> = BTreeSet::new();
        let mut subjects = BTreeSet::new();
        for event in &events {
            places.extend(event.address_key.map(|key| (event.team.clone(), key)));
            subjects.extend(event.subject_key.map(|key| (event.team.clone(), key)));
        }
        for ((team, _), row) in tx.subjects(&subjects.into_iter().collect::<Vec<_>>()).await? {
            places.extend(row.record.addresses.keys().map(|key| (team.clone(), *key)));
        }
        let places: Vec<AddressAt> = places.into_iter().collect();
        let mut glances: Vec<(TeamId, AddressKey, Glance)> = Vec::with_capacity(places.len());
        for (place, view) in places.iter().zip(tx.views(&places, policy).await?) {
            let asks = view.subject.as_ref().is_some_and(|(_, s)| subject_asks(s, place.1, policy));
            let seen = match &view.address {
                Some(record) => glance(record, asks || view.erased_at.is_some()),
                None => Glance::Ask,
            };
            glances.push((place.0.clone(), place.1, seen));
        }
        // An erasure leaves no key in the log, only its mark; tombstones are few.
        if events.iter().any(|e| e.kind == crate::domain::event::Kind::Erased) {
            glances.extend(tx.erased_addresses().await?.into_iter().map(|(team, key)| (team, key, Glance::Ask)));
        }
        let done = to == head;
        // When the index has moved meanwhile, what was read is thrown away and read anew.
        if index.advance(from, to, &glances, if done { now } else { Default::default() }) && done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[tokio::test]
    async fn a_part_that_panics_was_not_loaded() {
        assert!(all([tokio::spawn(async { Ok(()) })].into_iter()).await.is_ok());
        let parts = [tokio::spawn(async { Ok(()) }), tokio::spawn(async { panic!("a bug") })];
        let error = all(parts.into_iter()).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "a part of the load ended by itself");
    }

    #[tokio::test]
    async fn commits_are_not_taken_in_while_the_load_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("relaywatch.db").display())).await.unwrap();
        let (index, policy, (clock, _)) =
            (Arc::<Index>::default(), Policy::default(), Clock::manual(Timestamp::from_secs(1_750_000_000)));
        store.migrate().await.unwrap();
        load(&index, &store, &policy, &clock).await.unwrap();
        assert!(index.is_loaded());
        store.close().await;
        assert!(load(&index, &store, &policy, &clock).await.is_err());
        assert!(!index.is_loaded(), "it is read anew from the beginning");
    }
}
