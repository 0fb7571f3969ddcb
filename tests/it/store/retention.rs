//! What goes by age, in bounded steps.

use std::collections::HashMap;

use relaywatch::domain::cell::Cell;
use relaywatch::domain::ids::{Esp, StreamName};
use relaywatch::domain::keyring::Sealed;
use relaywatch::domain::observed::ObservedKind;
use relaywatch::domain::record::AddressRecord;
use relaywatch::domain::time::Timestamp;
use relaywatch::store::{
    AddressRow, AuditRow, CellCount, Cutoffs, DesiredRow, EventRow, QuarantineRow, QuarantineSummary, SealedRow, Tx,
};

use super::recovery::until_somebody_waits;
use super::{at, event_key, key, log, observed, on_both, team};
use crate::world::World;

on_both! {
    each_kind_goes_by_its_own_age,
    a_step_is_bounded_and_steps_come_to_an_end,
    the_log_is_pruned_from_its_beginning_and_keeps_no_gap,
    an_unflagged_address_goes_with_all_that_names_it,
}

fn cutoffs(at: Timestamp) -> Cutoffs {
    Cutoffs {
        events: at,
        seen: at,
        quarantine: at,
        audit: at,
        cells: at,
        deliveries: at,
        tee: at,
        dns: at,
        observed: at,
    }
}

fn count(n: i64) -> CellCount {
    let cell = Cell {
        relay_domain: "privaterelay.appleid.com".into(),
        sending_domain: "news.shop.example".into(),
        esp: Esp::new("ses"),
        stream: StreamName::new("news"),
    };
    CellCount { bucket: at(n), team: team(), cell, kind: "delivered", n: 1 }
}

fn part(n: i64) -> QuarantineRow {
    let summary = QuarantineSummary {
        id: format!("qua_{n}"),
        received_at: at(n),
        source: "ses".into(),
        endpoint: "main".into(),
        at: String::new(),
        because: "unreadable".into(),
        rerun_at: None,
    };
    QuarantineRow { summary, body: Sealed { key_id: 1, bytes: vec![1] } }
}

/// Ten rows of every kind, of the seconds 1 to 10.
async fn fill(world: &World) {
    let mut tx = world.store.write().await.unwrap();
    for n in 1..=10 {
        tx.append_events(&[log::event(n)]).await.unwrap();
        tx.mark_seen(&[event_key(n as u64)], at(n)).await.unwrap();
        tx.put_quarantine(&part(n)).await.unwrap();
        let detail = "{}".to_owned();
        let row = AuditRow { id: n.to_string(), at: at(n), who: "ops".into(), action: "erase".into(), detail };
        tx.put_audit(&row).await.unwrap();
        tx.add_counts(&[count(n)]).await.unwrap();
        tx.put_observed(&[observed::seen("news", ObservedKind::SendingIp, &format!("192.0.2.{n}"), n)]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn each_kind_goes_by_its_own_age(world: World) {
    fill(&world).await;
    let mut tx = world.store.write().await.unwrap();
    let all = Cutoffs {
        events: at(2),
        seen: at(3),
        quarantine: at(4),
        audit: at(5),
        cells: at(6),
        deliveries: at(7),
        tee: at(8),
        dns: at(9),
        observed: at(4),
    };
    assert_eq!(tx.prune(&all, at(100), 100).await.unwrap(), 1 + 2 + 3 + 4 + 5 + 3);
    assert_eq!(tx.prune(&all, at(100), 100).await.unwrap(), 0);
    assert_eq!(tx.oldest_event().await.unwrap(), Some(2), "what is as old as the cutoff stays");
    assert!(!tx.is_seen(event_key(2)).await.unwrap() && tx.is_seen(event_key(3)).await.unwrap());
    assert_eq!(tx.count_quarantined().await.unwrap(), 7);
    assert_eq!((tx.count_buckets().await.unwrap(), tx.count_observed().await.unwrap()), (5, 7));
}

async fn a_step_is_bounded_and_steps_come_to_an_end(world: World) {
    fill(&world).await;
    let mut tx = world.store.write().await.unwrap();
    assert_eq!(tx.prune(&cutoffs(at(100)), at(100), 3).await.unwrap(), 18, "three of each kind");
    assert_eq!(tx.oldest_event().await.unwrap(), Some(4), "the oldest first");
    let mut steps = 0;
    while tx.prune(&cutoffs(at(100)), at(100), 3).await.unwrap() > 0 {
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!((tx.oldest_event().await.unwrap(), tx.count_buckets().await.unwrap()), (None, 0));
}

async fn the_log_is_pruned_from_its_beginning_and_keeps_no_gap(world: World) {
    let mut tx = world.store.write().await.unwrap();
    // A clock that went back between two replicas: the fourth event is the oldest.
    for (n, seconds) in [(1, 10), (2, 20), (3, 30), (4, 5), (5, 40)] {
        tx.append_events(&[EventRow { received_at: at(seconds), ..log::event(n) }]).await.unwrap();
    }
    assert_eq!(tx.prune(&cutoffs(at(25)), at(100), 100).await.unwrap(), 2);
    let left: Vec<_> = tx.events_after(0, 10).await.unwrap().into_iter().map(|e| e.n).collect();
    assert_eq!(left, [3, 4, 5]);
    assert_eq!(tx.prune(&cutoffs(at(35)), at(100), 100).await.unwrap(), 2);
}

fn address(keep: Option<i64>) -> AddressRow {
    let keep_until = keep.map(at);
    AddressRow { record: AddressRecord::default(), version: 1, settle_at: None, keep_until, subject_asks: false }
}

async fn an_unflagged_address_goes_with_all_that_names_it(world: World) {
    let row = address;
    let rows = HashMap::from([
        ((team(), key(1)), row(Some(10))),
        ((team(), key(2)), row(Some(60))),
        ((team(), key(3)), row(None)),
    ]);
    let mut tx = world.store.write().await.unwrap();
    tx.put_addresses(rows.iter()).await.unwrap();
    for n in 1..=3 {
        let name = key(n).to_string();
        let value = Sealed { key_id: 1, bytes: vec![1] };
        tx.put_sealed(&[SealedRow { team: team(), kind: "address", key: name.clone(), value }]).await.unwrap();
        tx.append_events(&[EventRow { address_key: Some(key(n)), ..log::event(n as i64) }]).await.unwrap();
        let desired = DesiredRow {
            team: team(),
            who: format!("a:{name}"),
            destination: "crm".into(),
            version: 1,
            state: "{}".into(),
            changed_at: at(1),
            due_at: None,
        };
        tx.put_desired(&[desired]).await.unwrap();
    }
    let old = cutoffs(at(0));
    assert_eq!(tx.prune(&old, at(10), 10).await.unwrap(), 0, "not before its time");
    assert_eq!(tx.prune(&old, at(11), 10).await.unwrap(), 1);
    let names: Vec<_> = (1..=3).map(|n| key(n).to_string()).collect();
    assert_eq!(tx.count_records().await.unwrap().0, 2);
    let sealed = tx.sealed(&team(), "address", &names).await.unwrap();
    assert!(!sealed.contains_key(&names[0]) && sealed.len() == 2);
    assert_eq!(tx.desired_of("crm", ("", ""), 10).await.unwrap().len(), 2);
    let events = tx.events_after(0, 10).await.unwrap();
    assert_eq!(events.iter().map(|e| e.address_key).collect::<Vec<_>>(), [None, Some(key(2)), Some(key(3))]);
    assert_eq!((events[0].subject_key, events[0].diagnostic.is_some()), (None, true), "the words can be read again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_a_group_renews_meanwhile_stays() {
    let world = World::on_postgres().await;
    let put = async |tx: &mut Tx, keep: i64| {
        let rows = HashMap::from([((team(), key(1)), address(Some(keep)))]);
        tx.put_addresses(rows.iter()).await.unwrap();
    };
    let mut tx = world.store.write().await.unwrap();
    put(&mut tx, 10).await;
    tx.commit().await.unwrap();
    // A group is under way: it has the head, and has renewed the address.
    let mut group = world.store.write().await.unwrap();
    group.lock_head().await.unwrap();
    put(&mut group, 100).await;
    let pruning = tokio::spawn({
        let store = world.store.clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let gone = tx.prune(&cutoffs(at(0)), at(11), 10).await.unwrap();
            tx.commit().await.unwrap();
            gone
        }
    });
    until_somebody_waits(&world.url()).await;
    group.commit().await.unwrap();
    assert_eq!(pruning.await.unwrap(), 0);
    assert_eq!(world.read().await.count_records().await.unwrap().0, 1);
}
