//! The checks of streams' records: leased row by row, remembered, and every record that was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use relaywatch::domain::cell::Cell;
use relaywatch::domain::dns::{Kind, Name};
use relaywatch::domain::finding::State;
use relaywatch::domain::ids::{Esp, StreamName};
use relaywatch::domain::posture::{Known, Memory, Posture, Published};
use relaywatch::store::{CellCount, CheckDone, Cutoffs, Store, bucket};

use super::{ODD, at, on_both};
use crate::world::World;

on_both! {
    a_stream_is_claimed_when_it_is_due_by_one_alone,
    claimants_at_once_share_the_streams,
    what_a_check_found_is_read_back,
    a_lost_lease_writes_nothing,
    changes_wait_until_they_are_told,
    records_and_their_changes_are_remembered,
    changes_are_read_page_by_page,
    what_was_replaced_goes_by_age_and_what_stands_stays,
    senders_that_nobody_registered_are_counted,
}

const LEASE: Duration = Duration::from_secs(60);

fn stream(name: &str) -> StreamName {
    StreamName::new(name)
}

async fn declared(store: &Store, due: &[(&str, i64)]) {
    let mut tx = store.write().await.unwrap();
    for (name, seconds) in due {
        tx.declare_check(&stream(name), at(*seconds)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn claim(store: &Store, names: &[&str], token: &str, seconds: i64, limit: i64) -> Vec<String> {
    let names: Vec<_> = names.iter().map(|name| stream(name)).collect();
    let mut tx = store.write().await.unwrap();
    let claimed = tx.claim_checks(&names, token, at(seconds), LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    claimed.iter().map(ToString::to_string).collect()
}

fn memory(posture: Posture, seconds: i64) -> Memory {
    let known = Known { state: State::Warn, at: at(seconds) };
    let last_known = BTreeMap::from([("spf".to_owned(), known)]);
    Memory { posture, since: Some(at(seconds)), unknown_since: Some(at(seconds + 1)), last_known }
}

fn done<'a>(name: &'a StreamName, token: &'a str, memory: &'a Memory, report: &'a str) -> CheckDone<'a> {
    let (checked_at, due_at) = (at(20), Some(at(3_600)));
    CheckDone { stream: name, token, registration: "r1", checked_at, due_at, memory, report, untold: None }
}

async fn a_stream_is_claimed_when_it_is_due_by_one_alone(world: World) {
    let store = &world.store;
    declared(store, &[("a", 5), ("b", 3), ("c", 100), ("other's", 1)]).await;
    declared(store, &[("a", 0)]).await;
    let names = ["a", "b", "c", "never declared"];
    assert!(claim(store, &names, "one", 2, 10).await.is_empty(), "declared twice, it stays as it was");
    assert_eq!(claim(store, &names, "one", 10, 1).await, ["b"], "the longest due first");
    assert_eq!(claim(store, &names, "two", 10, 10).await, ["a"]);
    assert!(claim(store, &names, "three", 69, 10).await.is_empty());
    assert_eq!(claim(store, &names, "three", 70, 10).await, ["a", "b"], "their leases ran out");
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.release_checks("three").await.unwrap(), 2);
    assert!(tx.claim_check(&stream("c"), "four", at(71), LEASE).await.unwrap(), "due or not");
    assert!(!tx.claim_check(&stream("c"), "five", at(72), LEASE).await.unwrap());
    assert!(!tx.claim_check(&stream("nobody"), "five", at(72), LEASE).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(claim(store, &names, "six", 101, 10).await, ["a", "b"], "what is asked for by hand is held too");
}

async fn claimants_at_once_share_the_streams(world: World) {
    let names: Vec<String> = (0..60).map(|n| format!("s{n:02}")).collect();
    let due: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    declared(&world.store, &due).await;
    let claimants = (0..6).map(|n| {
        let (store, names) = (world.store.clone(), names.clone());
        tokio::spawn(async move {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let mut held = Vec::new();
            for _ in 0..4 {
                held.extend(claim(&store, &names, &format!("token{n}"), 5, 7).await);
            }
            held
        })
    });
    let mut held = Vec::new();
    for claimant in claimants.collect::<Vec<_>>() {
        held.extend(claimant.await.unwrap());
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    held.extend(claim(&world.store, &names, "last", 5, 100).await);
    assert_eq!((held.len(), held.into_iter().collect::<BTreeSet<_>>().len()), (60, 60));
}

async fn what_a_check_found_is_read_back(world: World) {
    let store = &world.store;
    declared(store, &[("a", 0), ("b", 0)]).await;
    claim(store, &["a", "b"], "one", 5, 10).await;
    let (name, memory) = (stream("a"), memory(Posture::Failing, 7));
    let mut tx = store.write().await.unwrap();
    let fresh = tx.check(&name).await.unwrap().unwrap();
    assert_eq!((fresh.memory, fresh.report, fresh.checked_at), (Memory::default(), None, None));
    assert!(tx.hold_check(&name, "one").await.unwrap());
    assert!(tx.finish_check(&done(&name, "one", &memory, ODD[3])).await.unwrap());
    assert!(!tx.hold_check(&name, "one").await.unwrap(), "a lease is given back once");
    let row = tx.check(&name).await.unwrap().unwrap();
    assert_eq!((&row.memory, row.report.as_deref(), row.checked_at), (&memory, Some(ODD[3]), Some(at(20))));
    assert_eq!((row.registration.as_str(), row.due_at, row.untold), ("r1", at(3_600), None));
    assert_eq!(tx.checks().await.unwrap().len(), 2);
    assert_eq!(tx.check(&stream("nobody")).await.unwrap(), None);
    assert_eq!(tx.failing_streams().await.unwrap(), BTreeMap::from([(name.clone(), at(7))]));
    // Asked for by hand: the schedule stays as it is.
    assert!(tx.claim_check(&name, "two", at(30), LEASE).await.unwrap());
    let memory = Memory { posture: Posture::Pass, ..memory };
    tx.finish_check(&CheckDone { due_at: None, ..done(&name, "two", &memory, "{}") }).await.unwrap();
    assert!(tx.failing_streams().await.unwrap().is_empty());
    let slots = tx.check_slots().await.unwrap();
    assert_eq!(
        slots.iter().map(|s| (s.stream.as_str(), s.due_at)).collect::<Vec<_>>(),
        [("a", at(3_600)), ("b", at(0))]
    );
    assert!(tx.move_check(&slots[0], at(9)).await.unwrap());
    assert!(!tx.move_check(&slots[0], at(10)).await.unwrap(), "somebody was first");
}

async fn a_lost_lease_writes_nothing(world: World) {
    let store = &world.store;
    declared(store, &[("a", 0)]).await;
    claim(store, &["a"], "slow", 5, 10).await;
    claim(store, &["a"], "quick", 65, 10).await;
    let (name, memory) = (stream("a"), memory(Posture::Failing, 7));
    let mut tx = store.write().await.unwrap();
    assert!(!tx.hold_check(&name, "slow").await.unwrap());
    assert!(!tx.finish_check(&done(&name, "slow", &memory, "{}")).await.unwrap());
    assert_eq!(tx.release_checks("slow").await.unwrap(), 0);
    assert_eq!(tx.check(&name).await.unwrap().unwrap().memory, Memory::default());
    assert!(tx.finish_check(&done(&name, "quick", &memory, "{}")).await.unwrap());
}

async fn changes_wait_until_they_are_told(world: World) {
    let store = &world.store;
    declared(store, &[("a", 0), ("b", 0)]).await;
    claim(store, &["a", "b"], "one", 5, 10).await;
    let mut tx = store.write().await.unwrap();
    for (name, seconds) in [("a", 9), ("b", 8)] {
        let (name, memory) = (stream(name), memory(Posture::Pass, seconds));
        tx.finish_check(&CheckDone { untold: Some("[1]"), ..done(&name, "one", &memory, "{}") }).await.unwrap();
    }
    let untold = tx.untold_changes(10).await.unwrap();
    assert_eq!(untold, [(stream("b"), "[1]".to_owned()), (stream("a"), "[1]".to_owned())], "the older first");
    assert_eq!(tx.untold_changes(1).await.unwrap().len(), 1);
    tx.changes_are_told(&stream("a"), "[0]").await.unwrap();
    assert_eq!(tx.untold_changes(10).await.unwrap().len(), 2, "others came meanwhile, and all stay");
    tx.changes_are_told(&stream("a"), "[1]").await.unwrap();
    assert_eq!(tx.untold_changes(10).await.unwrap().len(), 1);
}

fn published(name: &str, records: &[&str]) -> Published {
    let records = records.iter().map(|record| (*record).to_owned()).collect();
    Published { name: Name::parse(name).unwrap(), kind: Kind::Txt, records }
}

async fn records_and_their_changes_are_remembered(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let (news, other) = (stream("news"), stream("other"));
    let first = [published("a.test", &["x"]), published("b.test", &[])];
    assert_eq!(tx.remember_records(&news, &first, at(1)).await.unwrap(), 0, "the first sight is no change");
    assert_eq!(tx.remember_records(&other, &first, at(1)).await.unwrap(), 0);
    assert_eq!(tx.remember_records(&news, &first, at(2)).await.unwrap(), 0);
    let expected = tx.expected_records().await.unwrap();
    assert_eq!(expected, BTreeSet::from([("a.test.".to_owned(), "TXT".to_owned())]), "only where records stood");
    let second = [published("a.test", &["y", "z"]), published("b.test", &[ODD[3]])];
    assert_eq!(tx.remember_records(&news, &second, at(3)).await.unwrap(), 2);
    // Not asked for this time: nothing is said of it.
    assert_eq!(tx.remember_records(&news, &[published("b.test", &[])], at(4)).await.unwrap(), 1);
    assert_eq!(tx.remember_records(&news, &[published("a.test", &["x"])], at(5)).await.unwrap(), 1);
    let records = tx.records_of(&news, 100).await.unwrap();
    let read: Vec<_> =
        records.iter().map(|r| (r.name.as_str(), r.records.join(" "), r.current, r.first_seen, r.last_seen)).collect();
    assert_eq!(
        read,
        [
            ("a.test.", "x".to_owned(), true, at(1), at(5)),
            ("b.test.", String::new(), true, at(1), at(4)),
            ("a.test.", "y z".to_owned(), false, at(3), at(3)),
            ("b.test.", ODD[3].to_owned(), false, at(3), at(3)),
        ]
    );
    let changes = tx.changes_of(&news, None, 100).await.unwrap().unwrap();
    let read: Vec<_> = changes.iter().map(|c| (c.at, c.old.join(" "), c.new.join(" "))).collect();
    assert_eq!(read[0], (at(5), "y z".to_owned(), "x".to_owned()));
    assert_eq!(read[1], (at(4), ODD[3].to_owned(), String::new()));
    assert_eq!(read.len(), 4);
    assert!(tx.changes_of(&other, None, 100).await.unwrap().unwrap().is_empty());
}

async fn changes_are_read_page_by_page(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let news = stream("news");
    // Two changes at every instant, so that a page ends between them.
    for n in 0..6 {
        let text = n.to_string();
        let both = [published("a.test", &[&text]), published("b.test", &[&text])];
        tx.remember_records(&news, &both, at(n)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = tx.changes_of(&news, before.as_deref(), 3).await.unwrap().unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        seen.extend(page);
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.windows(2).all(|pair| pair[0].at >= pair[1].at && pair[0].id != pair[1].id));
    assert_eq!(seen.iter().map(|c| &c.id).collect::<BTreeSet<_>>().len(), 10);
    assert_eq!(tx.changes_of(&news, Some("nothing"), 3).await.unwrap(), None);
    assert_eq!(tx.changes_of(&stream("other"), before.as_deref(), 3).await.unwrap(), None, "another stream's");
}

async fn senders_that_nobody_registered_are_counted(world: World) {
    let count = |domain: &str, stream: &str, relay: &str, seconds: i64, n| {
        let cell = Cell {
            relay_domain: relay.into(),
            sending_domain: domain.into(),
            esp: Esp::new("ses"),
            stream: StreamName::new(stream),
        };
        CellCount { bucket: bucket(at(seconds)), team: super::team(), cell, kind: "delivered", n }
    };
    let mut tx = world.store.write().await.unwrap();
    let counts = [
        count("a.test", "unregistered", "other", 0, 2),
        count("a.test", "unregistered", "privaterelay.appleid.com", 600, 3),
        count("b.test", "unregistered", "other", 600, 9),
        count("c.test", "news", "other", 600, 99),
        count("", "unregistered", "other", 600, 99),
        count("old.test", "unregistered", "other", -86_400, 99),
    ];
    tx.add_counts(&counts).await.unwrap();
    let senders = tx.senders_of("unregistered", at(0), 10).await.unwrap();
    let read: Vec<_> = senders.iter().map(|s| (s.from_domain.as_str(), s.events, s.last_seen)).collect();
    assert_eq!(read, [("b.test", 9, bucket(at(600))), ("a.test", 5, bucket(at(600)))]);
    assert_eq!(tx.senders_of("unregistered", at(0), 1).await.unwrap().len(), 1);
}

async fn what_was_replaced_goes_by_age_and_what_stands_stays(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let news = stream("news");
    for n in 1..=5 {
        tx.remember_records(&news, &[published("a.test", &[&n.to_string()])], at(n)).await.unwrap();
    }
    let old = at(0);
    let cutoffs = Cutoffs {
        events: old,
        seen: old,
        quarantine: old,
        audit: old,
        cells: old,
        deliveries: old,
        tee: old,
        dns: at(4),
        observed: old,
    };
    assert_eq!(tx.prune(&cutoffs, at(100), 100).await.unwrap(), 3 + 2);
    let cutoffs = Cutoffs { dns: at(1_000), ..cutoffs };
    assert_eq!(tx.prune(&cutoffs, at(1_000), 1).await.unwrap(), 2, "bounded");
    assert_eq!(tx.prune(&cutoffs, at(1_000), 100).await.unwrap(), 1);
    let records = tx.records_of(&news, 100).await.unwrap();
    assert_eq!((records.len(), records[0].current), (1, true));
    assert!(tx.changes_of(&news, None, 100).await.unwrap().unwrap().is_empty());
}
