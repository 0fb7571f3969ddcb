//! The outbox: versions, leases, retries, the dead, and destinations that stand still.

use std::collections::HashSet;
use std::time::Duration;

use relaywatch::domain::time::Timestamp;
use relaywatch::store::{Attempt, Claiming, DesiredRow, Due, Store};

use super::{ODD, at, on_both, team};
use crate::world::World;

on_both! {
    an_older_version_never_replaces_a_newer_one,
    odd_states_come_back_as_they_went_in,
    what_is_due_is_leased_once_and_again_after_its_lease,
    a_delivered_state_is_due_no_more,
    a_state_that_changed_while_leased_stays_due,
    a_failed_state_comes_again_when_told,
    the_dead_wait_for_a_person,
    a_lease_that_ran_out_finishes_nothing,
    two_claimants_never_hold_the_same_state,
    a_destination_stands_still_until_somebody_says_go,
    what_was_only_observed_can_be_delivered_later,
    pages_of_a_destination_join_without_gap_or_overlap,
    changes_are_counted_per_destination,
    what_is_dropped_is_gone_everywhere,
}

const LEASE: Duration = Duration::from_secs(60);

fn row(who: &str, version: i64) -> DesiredRow {
    DesiredRow {
        team: team(),
        who: who.into(),
        destination: "crm".into(),
        version,
        state: format!("{{\"version\":{version}}}"),
        changed_at: at(version),
        due_at: Some(at(version)),
    }
}

async fn put(store: &Store, rows: &[DesiredRow]) {
    let mut tx = store.write().await.unwrap();
    tx.put_desired(rows).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(store: &Store, token: &str, now: Timestamp, limit: i64) -> Vec<Due> {
    let mut tx = store.write().await.unwrap();
    let due = tx.claim_due("crm", Claiming::All, token, now, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    due
}

async fn finish(store: &Store, due: &Due, attempt: &Attempt, now: Timestamp) -> bool {
    let mut tx = store.write().await.unwrap();
    let done = tx.finish_due(due, attempt, now).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn stored(store: &Store, who: &str) -> Option<DesiredRow> {
    let place = (team(), who.to_owned(), "crm".to_owned());
    store.read().await.unwrap().desired(std::slice::from_ref(&place)).await.unwrap().remove(&place)
}

fn retry(seconds: i64) -> Attempt {
    Attempt::Retry { at: at(seconds), error: "503".into() }
}

async fn an_older_version_never_replaces_a_newer_one(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 5)]).await;
    put(store, &[row("a:1", 4), row("a:2", 1)]).await;
    assert_eq!(stored(store, "a:1").await, Some(row("a:1", 5)));
    let same_version = DesiredRow { state: "other".into(), ..row("a:1", 5) };
    put(store, &[same_version]).await;
    assert_eq!(stored(store, "a:1").await, Some(row("a:1", 5)));
    put(store, &[row("a:1", 6)]).await;
    assert_eq!(stored(store, "a:1").await, Some(row("a:1", 6)));
    assert_eq!(stored(store, "a:2").await, Some(row("a:2", 1)));
    assert_eq!(stored(store, "a:3").await, None);
    put(store, &[]).await;
}

async fn odd_states_come_back_as_they_went_in(world: World) {
    for (n, text) in (1..).zip(ODD) {
        let odd = DesiredRow { state: text.into(), ..row(&format!("a:{n}{text}"), n) };
        put(&world.store, std::slice::from_ref(&odd)).await;
        assert_eq!(stored(&world.store, &odd.who).await, Some(odd));
    }
}

async fn what_is_due_is_leased_once_and_again_after_its_lease(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 30), row("a:2", 10), row("a:3", 20), row("a:4", 500)]).await;
    let first = claim(store, "one", at(100), 2).await;
    assert_eq!(first.iter().map(|d| d.row.who.as_str()).collect::<Vec<_>>(), ["a:2", "a:3"], "the longest due first");
    assert_eq!(first[0].row, row("a:2", 10));
    assert_eq!((first[0].attempts, first[0].token.as_str(), &first[0].delivered_state), (1, "one", &None));
    assert_eq!(claim(store, "two", at(100), 10).await.len(), 1, "the rest that is due");
    assert!(claim(store, "two", at(159), 10).await.is_empty());
    let again = claim(store, "three", at(160), 10).await;
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|due| due.attempts == 2));
}

async fn a_delivered_state_is_due_no_more(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 1)]).await;
    let due = claim(store, "one", at(5), 10).await.remove(0);
    assert!(finish(store, &due, &Attempt::Delivered, at(6)).await);
    assert!(claim(store, "two", at(1_000), 10).await.is_empty());
    let summary = store.read().await.unwrap().outbox_summary("crm").await.unwrap();
    assert_eq!((summary.waiting, summary.dead, summary.delivered, summary.oldest_waiting_micros), (0, 0, 1, None));
    put(store, &[row("a:1", 2)]).await;
    let due = claim(store, "three", at(7), 10).await.remove(0);
    assert_eq!((due.delivered_state.as_deref(), due.attempts), (Some("{\"version\":1}"), 1), "what it was last told");
}

async fn a_state_that_changed_while_leased_stays_due(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 1)]).await;
    let due = claim(store, "one", at(5), 10).await.remove(0);
    put(store, &[row("a:1", 2)]).await;
    assert!(claim(store, "two", at(6), 10).await.is_empty(), "the lease still holds");
    assert!(finish(store, &due, &Attempt::Delivered, at(6)).await);
    let again = claim(store, "two", at(6), 10).await.remove(0);
    assert_eq!((again.row.version, again.delivered_state.as_deref()), (2, Some("{\"version\":1}")));
    // Likewise when the delivery failed: neither a later try nor death of the old state holds back the new one.
    put(store, &[row("a:1", 3)]).await;
    assert!(finish(store, &again, &Attempt::Dead { error: "400".into() }, at(7)).await);
    let again = claim(store, "three", at(7), 10).await.remove(0);
    assert_eq!(again.row.version, 3);
    put(store, &[row("a:1", 4)]).await;
    assert!(finish(store, &again, &retry(9_000), at(8)).await);
    assert_eq!(claim(store, "four", at(8), 10).await.remove(0).row.version, 4);
}

async fn a_failed_state_comes_again_when_told(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 1)]).await;
    let due = claim(store, "one", at(5), 10).await.remove(0);
    assert!(finish(store, &due, &retry(50), at(6)).await);
    assert!(claim(store, "two", at(49), 10).await.is_empty());
    let again = claim(store, "two", at(50), 10).await.remove(0);
    assert_eq!((again.attempts, again.row.version), (2, 1));
}

async fn the_dead_wait_for_a_person(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 1), row("a:2", 1)]).await;
    for due in claim(store, "one", at(5), 10).await {
        assert!(finish(store, &due, &Attempt::Dead { error: "400".into() }, at(6)).await);
    }
    assert!(claim(store, "two", at(10_000), 10).await.is_empty());
    assert_eq!(store.read().await.unwrap().outbox_summary("crm").await.unwrap().dead, 2);
    // A new state is a new chance.
    put(store, &[row("a:1", 2)]).await;
    assert_eq!(store.read().await.unwrap().outbox_summary("crm").await.unwrap().dead, 1);
    let mut tx = store.write().await.unwrap();
    assert_eq!((tx.revive("crm", at(20)).await.unwrap(), tx.revive("other", at(20)).await.unwrap()), (1, 0));
    tx.commit().await.unwrap();
    let due = claim(store, "three", at(20), 10).await;
    assert_eq!(due.len(), 2);
    assert!(due.iter().all(|due| due.attempts == 1), "counted anew");
}

async fn a_lease_that_ran_out_finishes_nothing(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 1)]).await;
    let slow = claim(store, "slow", at(5), 10).await.remove(0);
    let quick = claim(store, "quick", at(65), 10).await.remove(0);
    for attempt in [Attempt::Delivered, retry(9_000), Attempt::Dead { error: "400".into() }] {
        assert!(!finish(store, &slow, &attempt, at(66)).await);
    }
    assert!(finish(store, &quick, &Attempt::Delivered, at(67)).await);
    assert!(!finish(store, &quick, &Attempt::Delivered, at(68)).await, "a lease finishes once");
}

async fn two_claimants_never_hold_the_same_state(world: World) {
    let store = world.store.clone();
    put(&store, &(0..400).map(|n| row(&format!("a:{n:03}"), 1)).collect::<Vec<_>>()).await;
    let claimants = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let due = claim(&store, &format!("claimant{n}"), at(5), 20).await;
                assert!(due.len() <= 20, "{}", due.len());
                if due.is_empty() {
                    return held;
                }
                held.extend(due.into_iter().map(|due| due.row.who));
            }
        })
    });
    let mut held = Vec::new();
    for claimant in claimants.collect::<Vec<_>>() {
        held.extend(claimant.await.unwrap());
    }
    assert_eq!(held.len(), 400);
    assert_eq!(held.into_iter().collect::<HashSet<_>>().len(), 400);
}

async fn a_destination_stands_still_until_somebody_says_go(world: World) {
    let mut tx = world.store.write().await.unwrap();
    assert_eq!(tx.halt_of("crm").await.unwrap(), Default::default());
    tx.halt("crm", at(1), "too many changes").await.unwrap();
    let halt = tx.halt_of("crm").await.unwrap();
    assert_eq!((halt.halted, halt.resumed_at), (Some((at(1), "too many changes".into())), None));
    tx.resume("crm", at(2)).await.unwrap();
    let halt = tx.halt_of("crm").await.unwrap();
    assert_eq!((halt.halted, halt.resumed_at), (None, Some(at(2))));
    tx.halt("crm", at(3), "again").await.unwrap();
    let halt = tx.halt_of("crm").await.unwrap();
    assert_eq!((halt.halted, halt.resumed_at), (Some((at(3), "again".into())), Some(at(2))));
    assert_eq!(tx.halt_of("other").await.unwrap(), Default::default());
}

async fn what_was_only_observed_can_be_delivered_later(world: World) {
    let store = &world.store;
    let observed = |who: &str| DesiredRow { due_at: None, ..row(who, 1) };
    put(store, &[observed("a:1"), observed("a:2"), row("a:3", 1)]).await;
    let due = claim(store, "one", at(5), 10).await;
    assert_eq!(due.len(), 1);
    assert!(finish(store, &due[0], &Attempt::Delivered, at(6)).await);
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.start_delivery("crm", at(10)).await.unwrap(), 2, "what was delivered is not delivered again");
    assert_eq!(tx.start_delivery("crm", at(11)).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(claim(store, "two", at(10), 10).await.len(), 2);
}

async fn pages_of_a_destination_join_without_gap_or_overlap(world: World) {
    let store = &world.store;
    // Names whose order differs between collations.
    let names = ["a:B", "a:a", "a:_", "a:é", "a:Z", "s:0", "s:-", "A:1", "a:10", "a:9"];
    put(store, &names.map(|who| row(who, 1))).await;
    put(store, &[DesiredRow { destination: "other".into(), ..row("a:x", 1) }]).await;
    let mut tx = store.read().await.unwrap();
    let (mut after, mut read) = ((String::new(), String::new()), Vec::new());
    loop {
        let page = tx.desired_of("crm", (&after.0, &after.1), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = (last.team.to_string(), last.who.clone());
        read.extend(page.into_iter().map(|row| row.who));
    }
    assert_eq!(read.len(), names.len());
    assert_eq!(read.iter().map(String::as_str).collect::<HashSet<_>>(), names.into());
}

async fn changes_are_counted_per_destination(world: World) {
    let store = &world.store;
    put(store, &[row("a:1", 10), row("a:2", 20), DesiredRow { destination: "other".into(), ..row("a:1", 30) }]).await;
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.changed_since("crm", at(10)).await.unwrap(), 1);
    assert_eq!(tx.changed_since("crm", at(9)).await.unwrap(), 2);
    let summary = tx.outbox_summary("crm").await.unwrap();
    assert_eq!((summary.waiting, summary.oldest_waiting_micros), (2, Some(at(10).micros())));
    assert_eq!(tx.outbox_summary("nobody").await.unwrap(), Default::default());
}

async fn what_is_dropped_is_gone_everywhere(world: World) {
    let store = &world.store;
    let elsewhere = DesiredRow { destination: "other".into(), ..row("a:1", 1) };
    put(store, &[row("a:1", 1), elsewhere, row("a:2", 1)]).await;
    let mut tx = store.write().await.unwrap();
    assert!(tx.drop_desired(&team(), "a:1").await.unwrap());
    assert!(!tx.drop_desired(&team(), "a:1").await.unwrap(), "nothing left");
    tx.commit().await.unwrap();
    assert_eq!(stored(store, "a:1").await, None);
    assert!(store.read().await.unwrap().desired_of("other", ("", ""), 10).await.unwrap().is_empty());
    assert!(stored(store, "a:2").await.is_some());
}
