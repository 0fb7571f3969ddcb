//! The head, the identities and the events of the log.

use relaywatch::domain::event::{Kind, Scope, Source};
use relaywatch::domain::ids::{AppId, Esp, StreamName, TeamId};
use relaywatch::store::EventRow;

use super::{ODD, at, event_key, key, on_both, sub, team};
use crate::world::World;

on_both! {
    numbers_are_given_in_order_and_only_by_a_commit,
    an_identity_is_new_once,
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
    assert_eq!(tx.advance_head(3).await.unwrap(), 3);
    assert_eq!(tx.advance_head(2).await.unwrap(), 5);
    tx.commit().await.unwrap();
    let mut dropped = world.store.write().await.unwrap();
    assert_eq!(dropped.advance_head(10).await.unwrap(), 15);
    drop(dropped);
    assert_eq!(world.read().await.head().await.unwrap(), 5, "dropped is rolled back");
}

async fn an_identity_is_new_once(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let new = tx.mark_seen(&[event_key(1), event_key(2), event_key(1)], at(0)).await.unwrap();
    assert_eq!(new, [event_key(1), event_key(2)].into(), "also when it stands twice in one batch");
    assert_eq!(tx.mark_seen(&[event_key(2), event_key(3)], at(1)).await.unwrap(), [event_key(3)].into());
    assert!(tx.mark_seen(&[], at(1)).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    let mut dropped = world.store.write().await.unwrap();
    assert_eq!(dropped.mark_seen(&[event_key(4)], at(2)).await.unwrap().len(), 1);
    drop(dropped);
    let mut tx = world.store.write().await.unwrap();
    assert!(tx.is_seen(event_key(3)).await.unwrap() && !tx.is_seen(event_key(4)).await.unwrap());
    assert!(tx.mark_seen(&[event_key(1), event_key(2), event_key(3)], at(9)).await.unwrap().is_empty());
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
    assert!(reading.advance_head(1).await.is_err());
}
