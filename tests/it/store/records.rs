//! The records of addresses and subjects, and the counts of cells.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use relaywatch::domain::cell::Cell;
use relaywatch::domain::ids::{AppId, Esp, StreamName, TeamId};
use relaywatch::domain::record::{
    AddressRecord, Bounce, Bounces, Claim, Consent, Fact, Join, Override, OverrideAction, SubjectRecord,
};
use relaywatch::store::{AddressAt, AddressRow, CellCount, SubjectAt, SubjectRow, bucket};

use super::{ODD, at, event_key, key, on_both, sub, team};
use crate::world::World;

on_both! {
    a_full_record_comes_back_as_it_went_in,
    five_thousand_rows_go_in_and_come_back_at_once,
    a_place_is_team_and_key,
    odd_names_inside_a_record_come_back,
    what_is_due_comes_longest_due_first,
    counts_add_up_in_their_cell,
}

fn fact(n: u64) -> Fact {
    Fact { at: at(n as i64), event: event_key(n) }
}

fn cell() -> Cell {
    Cell {
        relay_domain: "privaterelay.appleid.com".into(),
        sending_domain: "news.shop.example".into(),
        esp: Esp::new("sparkpost"),
        stream: StreamName::new("news"),
    }
}

/// A record in which every fact is known.
pub fn full() -> AddressRecord {
    let mut bounces = Bounces::default();
    for (n, not_found) in [(1, true), (90_000, true), (5, false), (200_000, false)] {
        let bounce = Bounce { fact: fact(n), not_found, of_recipient: not_found, cell: not_found.then(cell) };
        bounces.join(&Bounces::of(bounce));
    }
    let streams = |n| BTreeMap::from([(StreamName::new("*"), fact(n)), (StreamName::new("news"), fact(n + 1))]);
    let esps = |n| BTreeMap::from([(Esp::new("ses"), fact(n)), (Esp::new("sparkpost"), fact(n + 1))]);
    AddressRecord {
        relay_domain: Some("privaterelay.appleid.com".into()),
        forwarding_on: Some(fact(10)),
        forwarding_off: Some(fact(11)),
        complaint: Some(fact(12)),
        unsubscribed: streams(13),
        opted_in: streams(15),
        listed: esps(17),
        unlisted: esps(19),
        accepted: Some(fact(21)),
        bounces,
        subjects: BTreeMap::from([
            (sub(1), Claim { present: true, fact: fact(22) }),
            (sub(2), Claim { present: false, fact: fact(23) }),
        ]),
        overrides: BTreeMap::from([
            (OverrideAction::Lift, Override { fact: fact(24), until_micros: None }),
            (OverrideAction::Suppress, Override { fact: fact(25), until_micros: Some(at(99).micros()) }),
        ]),
    }
}

fn full_subject() -> SubjectRecord {
    SubjectRecord {
        apps: BTreeMap::from([
            (AppId::new("shop"), Consent { authorized: Some(fact(1)), revoked: Some(fact(2)) }),
            (AppId::new("game"), Consent { authorized: None, revoked: Some(fact(3)) }),
        ]),
        deleted: Some(fact(4)),
        addresses: BTreeMap::from([(key(1), Claim { present: true, fact: fact(5) })]),
    }
}

async fn put(world: &World, addresses: &HashMap<AddressAt, AddressRow>, subjects: &HashMap<SubjectAt, SubjectRow>) {
    let mut tx = world.store.write().await.unwrap();
    tx.put_addresses(addresses.iter()).await.unwrap();
    tx.put_subjects(subjects.iter()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_full_record_comes_back_as_it_went_in(world: World) {
    let row =
        AddressRow { record: full(), version: 7, settle_at: Some(at(1)), keep_until: Some(at(2)), subject_asks: false };
    let addresses = HashMap::from([((team(), key(1)), row.clone())]);
    let subjects = HashMap::from([((team(), sub(1)), SubjectRow { record: full_subject(), version: 8 })]);
    put(&world, &addresses, &subjects).await;
    let mut tx = world.read().await;
    assert_eq!(tx.addresses(&[(team(), key(1)), (team(), key(2))]).await.unwrap(), addresses);
    assert_eq!(tx.subjects(&[(team(), sub(1)), (team(), sub(2))]).await.unwrap(), subjects);
    assert!(tx.addresses(&[]).await.unwrap().is_empty() && tx.subjects(&[]).await.unwrap().is_empty());
    drop(tx);
    // Written again, all of it is replaced.
    let blank = AddressRow {
        record: AddressRecord::default(),
        version: 9,
        settle_at: None,
        keep_until: None,
        subject_asks: false,
    };
    let addresses = HashMap::from([((team(), key(1)), blank)]);
    let subjects = HashMap::from([((team(), sub(1)), SubjectRow { record: SubjectRecord::default(), version: 9 })]);
    put(&world, &addresses, &subjects).await;
    let mut tx = world.read().await;
    assert_eq!(tx.addresses(&[(team(), key(1))]).await.unwrap(), addresses);
    assert_eq!(tx.subjects(&[(team(), sub(1))]).await.unwrap(), subjects);
    assert_eq!(tx.count_records().await.unwrap(), (1, 1));
}

async fn five_thousand_rows_go_in_and_come_back_at_once(world: World) {
    let row = |n| AddressRow { record: full(), version: n, settle_at: None, keep_until: None, subject_asks: false };
    let addresses: HashMap<_, _> = (0..5_000).map(|n| ((team(), key(n)), row(n as i64))).collect();
    let subject = |n| SubjectRow { record: full_subject(), version: n };
    let subjects: HashMap<_, _> = (0..5_000).map(|n| ((team(), sub(n)), subject(n as i64))).collect();
    put(&world, &addresses, &subjects).await;
    put(&world, &addresses, &subjects).await;
    let mut tx = world.read().await;
    let (mut at, mut of): (Vec<_>, Vec<_>) = (addresses.keys().cloned().collect(), subjects.keys().cloned().collect());
    at.push((team(), key(9_999)));
    of.push((team(), sub(9_999)));
    assert!(tx.addresses(&at).await.unwrap() == addresses);
    assert!(tx.subjects(&of).await.unwrap() == subjects);
    assert_eq!(tx.count_records().await.unwrap(), (5_000, 5_000));
}

async fn a_place_is_team_and_key(world: World) {
    let row = |n| AddressRow {
        record: AddressRecord::default(),
        version: n,
        settle_at: None,
        keep_until: None,
        subject_asks: false,
    };
    let teams = ODD.map(TeamId::new);
    let addresses: HashMap<_, _> = (1..).zip(&teams).map(|(n, team)| ((team.clone(), key(1)), row(n))).collect();
    put(&world, &addresses, &HashMap::new()).await;
    let mut tx = world.read().await;
    for (n, team) in (1..).zip(teams) {
        let place = (team, key(1));
        assert_eq!(tx.addresses(std::slice::from_ref(&place)).await.unwrap(), HashMap::from([(place, row(n))]));
    }
}

async fn odd_names_inside_a_record_come_back(world: World) {
    let mut record = full();
    let mut subject = full_subject();
    for (n, text) in (1..).zip(ODD) {
        record.unsubscribed.insert(StreamName::new(text), fact(n));
        record.listed.insert(Esp::new(text), fact(n));
        subject.apps.insert(AppId::new(text), Consent { authorized: Some(fact(n)), revoked: None });
    }
    let row = AddressRow { record, version: 1, settle_at: None, keep_until: None, subject_asks: false };
    let addresses = HashMap::from([((team(), key(1)), row)]);
    let subjects = HashMap::from([((team(), sub(1)), SubjectRow { record: subject, version: 1 })]);
    put(&world, &addresses, &subjects).await;
    let mut tx = world.read().await;
    assert_eq!(tx.addresses(&[(team(), key(1))]).await.unwrap(), addresses);
    assert_eq!(tx.subjects(&[(team(), sub(1))]).await.unwrap(), subjects);
}

async fn what_is_due_comes_longest_due_first(world: World) {
    let due = |seconds: Option<i64>| AddressRow {
        record: AddressRecord::default(),
        version: 1,
        settle_at: seconds.map(at),
        keep_until: None,
        subject_asks: false,
    };
    let addresses: HashMap<_, _> = [Some(30), Some(10), None, Some(20), Some(21)]
        .into_iter()
        .zip(1..)
        .map(|(seconds, n)| ((team(), key(n)), due(seconds)))
        .collect();
    put(&world, &addresses, &HashMap::new()).await;
    let mut tx = world.read().await;
    let place = |n| (team(), key(n));
    assert!(tx.addresses_to_settle(at(9), 10).await.unwrap().is_empty());
    assert_eq!(tx.addresses_to_settle(at(20), 10).await.unwrap(), [(place(2), at(10)), (place(4), at(20))]);
    assert_eq!(tx.addresses_to_settle(at(99), 1).await.unwrap(), [(place(2), at(10))]);
}

async fn counts_add_up_in_their_cell(world: World) {
    let count = |seconds, cell: Cell, kind, n| CellCount { bucket: bucket(at(seconds)), team: team(), cell, kind, n };
    let elsewhere = Cell { stream: StreamName::new("receipts"), ..cell() };
    for _ in 0..2 {
        let mut tx = world.store.write().await.unwrap();
        tx.add_counts(&[
            count(0, cell(), "delivered", 3),
            count(0, cell(), "hard_bounce", 5),
            count(600, cell(), "delivered", 7),
            count(0, elsewhere.clone(), "delivered", 11),
        ])
        .await
        .unwrap();
        tx.add_counts(&[]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.read().await;
    assert_eq!(tx.count_buckets().await.unwrap(), 4);
    let mut sum = async |from, to, cell: &Cell, kind: &str| {
        tx.count_in_cell(&team(), cell, kind, at(from), at(to)).await.unwrap()
    };
    assert_eq!(sum(0, 600, &cell(), "delivered").await, 20);
    assert_eq!(sum(0, 0, &cell(), "delivered").await, 6, "a whole bucket counts");
    assert_eq!(sum(0, 600, &cell(), "hard_bounce").await, 10);
    assert_eq!(sum(0, 600, &cell(), "echo").await, 0);
    assert_eq!(sum(0, 600, &elsewhere, "delivered").await, 22);
    assert_eq!(sum(900, 2_000, &cell(), "delivered").await, 0);
    let other_team = tx.count_in_cell(&TeamId::new("other"), &cell(), "delivered", at(0), at(600)).await.unwrap();
    assert_eq!(other_team, 0);
    // Five minutes, on the clock.
    assert_eq!(bucket(at(299)).micros() % Duration::from_secs(300).as_micros() as i64, 0);
    assert!(bucket(at(299)) <= at(299) && at(299) < bucket(at(299)).plus(Duration::from_secs(300)));
}
