//! The head, the identities and the events of the log.

use std::collections::HashSet;

use relaywatch::domain::event::{Kind, Scope, Source};
use relaywatch::domain::ids::{AppId, Esp, EventKey, StreamName, TeamId};
use relaywatch::store::{EventRow, Tombstone, Tx};

use super::{ODD, at, event_key, key, on_both, sub, team};
use crate::world::World;

on_both! {
    numbers_are_given_in_order_and_only_by_a_commit,
    an_identity_is_new_once,
    who_enters_learns_where_the_log_stands,
    writes_that_wait_are_seen_by_every_read_and_refused_by_the_commit,
    an_event_comes_back_as_it_went_in,
    odd_text_comes_back_as_it_went_in,
    pages_of_the_log_join_without_gap_or_overlap,
    an_address_has_its_newest_events,
    a_reading_transaction_sees_one_moment_and_writes_nothing,
}

pub fn event(n: i64) -> EventRow {
    EventRow {
        n,
        id: event_key(n.unsigned_abs()),
        received_at: at(n),
        occurred_at: at(n - 5),
        source: Source::Sparkpost,
        endpoint: "main".into(),
        kind: Kind::HardBounce,
        scope: Scope::Recipient,
        fresh: true,
        stale: false,
        rule: "apple.user_not_found".into(),
        team: team(),
        app: Some(AppId::new("shop")),
        stream: Some(StreamName::new("news")),
        esp: Some(Esp::new("sparkpost")),
        relay_domain: Some("privaterelay.appleid.com".into()),
        sending_domain: Some("news.shop.example".into()),
        mail_from_domain: Some("bounces.shop.example".into()),
        address_key: Some(key(7)),
        subject_key: Some(sub(7)),
        status: Some("5.1.1".into()),
        code: Some(550),
        diagnostic: Some("550 5.1.1 <recipient>: user not found".into()),
        provider_id: Some("92356927693813856".into()),
        detail: Some("{\"action\":\"lift\"}".into()),
    }
}

fn bare(n: i64) -> EventRow {
    EventRow {
        fresh: false,
        stale: true,
        app: None,
        stream: None,
        esp: None,
        relay_domain: None,
        sending_domain: None,
        mail_from_domain: None,
        address_key: None,
        subject_key: None,
        status: None,
        code: None,
        diagnostic: None,
        provider_id: None,
        detail: None,
        ..event(n)
    }
}

async fn append(world: &World, rows: &[EventRow]) {
    let mut tx = world.store.write().await.unwrap();
    tx.append_events(rows).await.unwrap();
    tx.commit().await.unwrap();
}

async fn numbers_are_given_in_order_and_only_by_a_commit(world: World) {
    let mut tx = world.store.write().await.unwrap();
    assert_eq!(tx.lock_head().await.unwrap(), 0);
    assert_eq!(tx.lock_head().await.unwrap(), 0, "the lock gives no number");
    assert_eq!(tx.advance_head(0, 3).await.unwrap(), 3);
    assert_eq!(tx.advance_head(3, 2).await.unwrap(), 5);
    assert_eq!(tx.head().await.unwrap(), 5);
    tx.commit().await.unwrap();
    let mut dropped = world.store.write().await.unwrap();
    assert_eq!(dropped.advance_head(5, 10).await.unwrap(), 15);
    assert_eq!(dropped.head().await.unwrap(), 15);
    drop(dropped);
    assert_eq!(world.read().await.head().await.unwrap(), 5, "dropped is rolled back");
}

/// Which of these are new; marks them.
async fn new_of(tx: &mut Tx, n: &[u64], second: i64) -> HashSet<EventKey> {
    let ids: Vec<EventKey> = n.iter().map(|n| event_key(*n)).collect();
    let new = tx.enter(&ids).await.unwrap().new;
    tx.mark_seen(&new.iter().copied().collect::<Vec<_>>(), at(second)).await.unwrap();
    new
}

async fn an_identity_is_new_once(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let new = new_of(&mut tx, &[1, 2, 1], 0).await;
    assert_eq!(new, [event_key(1), event_key(2)].into(), "also when it stands twice in one batch");
    assert_eq!(new_of(&mut tx, &[2, 3], 1).await, [event_key(3)].into());
    assert!(new_of(&mut tx, &[], 1).await.is_empty());
    tx.commit().await.unwrap();
    let mut dropped = world.store.write().await.unwrap();
    assert_eq!(new_of(&mut dropped, &[4], 2).await.len(), 1);
    assert!(dropped.is_seen(event_key(4)).await.unwrap());
    drop(dropped);
    let mut tx = world.store.write().await.unwrap();
    assert!(tx.is_seen(event_key(3)).await.unwrap() && !tx.is_seen(event_key(4)).await.unwrap());
    assert!(new_of(&mut tx, &[1, 2, 3], 9).await.is_empty());
}

async fn who_enters_learns_where_the_log_stands(world: World) {
    let mut tx = world.store.write().await.unwrap();
    tx.advance_head(0, 7).await.unwrap();
    let entered = tx.enter(&[event_key(1)]).await.unwrap();
    assert_eq!((entered.head, entered.any_erased, entered.new), (7, false, [event_key(1)].into()));
    let mark = Tombstone { team: team(), kind: "sub", key: "00".repeat(16), hash_key_id: 1 };
    tx.put_tombstones(&[mark], at(1)).await.unwrap();
    assert!(tx.enter(&[]).await.unwrap().any_erased);
}

/// What is only written may wait, but nobody can tell: it is there for the next who reads, in its order, and a refusal stops the commit.
async fn writes_that_wait_are_seen_by_every_read_and_refused_by_the_commit(world: World) {
    let mut tx = world.store.write().await.unwrap();
    tx.append_events(&[event(1)]).await.unwrap();
    tx.mark_seen(&[event_key(1)], at(1)).await.unwrap();
    tx.advance_head(0, 1).await.unwrap();
    assert!(tx.is_seen(event_key(1)).await.unwrap());
    assert_eq!(tx.events_after(0, 10).await.unwrap(), [event(1)]);
    assert_eq!(tx.head().await.unwrap(), 1);
    tx.commit().await.unwrap();
    let mut tx = world.store.write().await.unwrap();
    tx.mark_seen(&[event_key(2)], at(2)).await.unwrap();
    let refused = match tx.append_events(&[event(1)]).await {
        Ok(()) => tx.commit().await.unwrap_err(),
        Err(refused) => refused,
    };
    assert!(!refused.is_unavailable(), "a number is given once: {refused}");
    assert!(!world.read().await.is_seen(event_key(2)).await.unwrap(), "nothing of it stays");
}

async fn an_event_comes_back_as_it_went_in(world: World) {
    let rows = [event(1), bare(2)];
    append(&world, &rows).await;
    append(&world, &[]).await;
    assert_eq!(world.read().await.events_after(0, 10).await.unwrap(), rows);
}

async fn odd_text_comes_back_as_it_went_in(world: World) {
    let rows: Vec<_> = (1..)
        .zip(ODD)
        .map(|(n, text)| EventRow {
            endpoint: text.into(),
            rule: text.into(),
            team: TeamId::new(text),
            app: Some(AppId::new(text)),
            diagnostic: Some(text.into()),
            detail: Some(text.into()),
            ..event(n)
        })
        .collect();
    append(&world, &rows).await;
    assert_eq!(world.read().await.events_after(0, 100).await.unwrap(), rows);
}

async fn pages_of_the_log_join_without_gap_or_overlap(world: World) {
    let rows: Vec<_> = (1..=250).map(event).collect();
    append(&world, &rows).await;
    let mut tx = world.read().await;
    assert_eq!(tx.oldest_event().await.unwrap(), Some(1));
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = tx.events_after(after, 100).await.unwrap();
        assert!(page.len() <= 100);
        let Some(last) = page.last() else { break };
        after = last.n;
        read.extend(page);
    }
    assert_eq!(read, rows);
    assert!(tx.events_after(250, 100).await.unwrap().is_empty());
    assert!(tx.events_after(i64::MAX, 100).await.unwrap().is_empty());
}

async fn an_address_has_its_newest_events(world: World) {
    let other_team = EventRow { team: TeamId::new("other"), ..event(4) };
    let other_address = EventRow { address_key: Some(key(8)), ..event(5) };
    append(&world, &[event(1), event(2), event(3), other_team, other_address, bare(6)]).await;
    let mut tx = world.read().await;
    let events = tx.events_of_address(&team(), key(7), 2).await.unwrap();
    assert_eq!(events, [event(3), event(2)]);
    assert!(tx.events_of_address(&team(), key(9), 2).await.unwrap().is_empty());
}

async fn a_reading_transaction_sees_one_moment_and_writes_nothing(world: World) {
    let mut reading = world.read().await;
    assert_eq!(reading.oldest_event().await.unwrap(), None);
    append(&world, &[event(1)]).await;
    assert_eq!(reading.oldest_event().await.unwrap(), None, "as it was when the reading began");
    assert_eq!(world.read().await.oldest_event().await.unwrap(), Some(1));
    drop(reading);
    let mut reading = world.read().await;
    assert!(reading.advance_head(1, 1).await.is_err() || reading.head().await.is_err());
}
