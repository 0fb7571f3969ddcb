//! Erased people: mail about them goes on for a while, imports name them again, keys are rotated, and some come back.

use relaywatch::domain::ids::TeamId;
use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reason};

use crate::world::*;

const ERASED: (Answer, Reason) = (Answer::Suppressed, Reason::Erased);
const OK: (Answer, Reason) = (Answer::Sendable, Reason::Ok);

/// Ann came, and was erased a day later.
async fn erased() -> World {
    let world = World::new().await;
    world.receive_all(&[authorized(ANN_SUB, ANN), delivered(ANN)]).await;
    world.pass(DAY);
    world.erase(Some(ANN), None).await;
    world
}

async fn records(world: &World) -> (i64, i64) {
    world.read().await.count_records().await.unwrap()
}

#[tokio::test]
async fn the_erased_get_nothing_of_any_class() {
    let world = erased().await;
    for class in [Class::Security, Class::Transactional, Class::Marketing] {
        let verdict = world.verdict(may(ANN).class(class)).await;
        assert_eq!((verdict.verdict, verdict.reason, verdict.send), (ERASED.0, ERASED.1, false), "{class:?}");
        assert!(verdict.evidence.is_empty());
    }
}

#[tokio::test]
async fn what_esps_still_report_is_a_bare_count() {
    let world = erased().await;
    let before = world.read().await.head().await.unwrap();
    for _ in 0..2 {
        world.pass(HOUR);
        world.receive_all(&[delivered(ANN), user_not_found(ANN), complaint(ANN), unsubscribed(ANN)]).await;
        assert_eq!(world.says(ANN).await, ERASED);
    }
    let mut tx = world.read().await;
    assert_eq!((tx.head().await.unwrap(), records(&world).await), (before, (0, 0)), "not even a row in the log");
    assert!(tx.count_buckets().await.unwrap() >= 8, "but counted in their cell");
}

#[tokio::test]
async fn an_import_as_old_as_before_the_erasure_brings_nobody_back() {
    let world = erased().await;
    world.pass(DAY);
    let old = start().plus(HOUR);
    world.receive_all(&[authorized(ANN_SUB, ANN).at(old), linked(ANN_SUB, ANN)]).await;
    world.receive(authorized(ANN_SUB, "another@privaterelay.appleid.com").at(old)).await;
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (0, 0)));
    let sealed = world.read().await.sealed(&TeamId::new(TEAM), "sub", &[world.sub_key(ANN_SUB).to_string()]).await;
    assert!(sealed.unwrap().is_empty());
}

#[tokio::test]
async fn a_newer_authorization_brings_the_person_back() {
    let world = erased().await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, OK);
    world.pass(HOUR);
    world.receive(user_not_found(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Hold, Reason::RecentBounce), "and counts like anybody");
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.says(ANN).await.1, Reason::ConsentRevoked);
}

#[tokio::test]
async fn in_one_request_the_newer_authorization_counts_whatever_stands_before_it() {
    for reversed in [false, true] {
        let world = erased().await;
        world.pass(DAY);
        let mut told = [authorized(ANN_SUB, ANN).at(start()), user_not_found(ANN), authorized(ANN_SUB, ANN)];
        if reversed {
            told.reverse();
        }
        world.receive_all(&told).await;
        assert_eq!(world.says(ANN).await, (Answer::Hold, Reason::RecentBounce));
    }
}

#[tokio::test]
async fn who_comes_back_with_another_address_leaves_the_old_one_erased() {
    const NEWER: &str = "n5t8w2r6y1@privaterelay.appleid.com";
    let world = erased().await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, NEWER)).await;
    assert_eq!((world.says(NEWER).await, world.says(ANN).await), (OK, ERASED));
    // An old list still has the old address; an ESP still reports of it.
    world.receive_all(&[authorized(ANN_SUB, ANN).at(start().plus(HOUR)), user_not_found(ANN)]).await;
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (1, 1)));
    // What Apple says of it after the return counts again: he is no stranger any more.
    world.pass(DAY);
    world.receive(forwarding_off(ANN_SUB, ANN)).await;
    assert_eq!(records(&world).await, (2, 1));
    assert_eq!(world.says(ANN).await.0, Answer::Suppressed);
    assert_eq!(world.says(NEWER).await, OK);
}

#[tokio::test]
async fn erased_again_is_gone_again() {
    let world = erased().await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN)).await;
    let came_back = world.now();
    world.pass(DAY);
    let done = world.erase(None, Some(ANN_SUB)).await;
    assert_eq!((done.addresses, done.subjects), (1, 1));
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (0, 0)));
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN).at(came_back.plus(HOUR))).await;
    assert_eq!(world.says(ANN).await, ERASED, "older than the second erasure");
    // Twice in a row does no harm.
    world.erase(Some(ANN), Some(ANN_SUB)).await;
    world.pass(HOUR);
    world.receive(authorized(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, OK);
}

#[tokio::test]
async fn somebody_never_seen_can_be_erased_beforehand() {
    let world = World::new().await;
    let done = world.erase(Some(ANN), Some(ANN_SUB)).await;
    assert_eq!((done.addresses, done.subjects, done.head), (1, 1, 1));
    world.receive_all(&[delivered(ANN), linked(ANN_SUB, ANN)]).await;
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (0, 0)));
}

#[tokio::test]
async fn an_authorization_must_be_newer_than_the_erasure_of_everybody_it_names() {
    let world = World::new().await;
    world.erase(Some(ANN), None).await;
    let between = world.now().plus(HOUR);
    world.pass(DAY);
    world.erase(None, Some(ANN_SUB)).await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN).at(between)).await;
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (0, 0)));
    world.receive(authorized(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, OK);
}

#[tokio::test]
async fn all_addresses_of_the_person_go_and_nobody_elses() {
    const NEWER: &str = "n5t8w2r6y1@privaterelay.appleid.com";
    let world = World::new().await;
    world.receive_all(&[authorized(ANN_SUB, ANN), authorized(BEN_SUB, BEN)]).await;
    world.pass(DAY);
    world.receive_all(&[authorized(ANN_SUB, NEWER), revoked(ANN_SUB)]).await;
    let done = world.erase(Some(NEWER), None).await;
    assert_eq!((done.addresses, done.subjects), (2, 1));
    assert_eq!((world.says(ANN).await, world.says(NEWER).await, world.says(BEN).await), (ERASED, ERASED, OK));
    assert!(world.desired_rows(CRM).await.is_empty(), "nothing is left to deliver of the person");
}

#[tokio::test]
async fn a_tombstone_under_an_old_hash_key_still_stops_an_import() {
    let world = erased().await.restarted(&[2, 1]).await;
    world.pass(DAY);
    world.receive_all(&[authorized(ANN_SUB, ANN).at(start().plus(HOUR)), delivered(ANN)]).await;
    assert_eq!(records(&world).await, (0, 0));
    // Back by an authorization, erased under the new key, and the old key is dropped: the new tombstone is enough.
    world.receive(authorized(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, OK);
    world.pass(DAY);
    assert_eq!(world.erase(Some(ANN), None).await.addresses, 1);
    let world = world.restarted(&[2]).await;
    world.receive(authorized(ANN_SUB, ANN).at(start().plus(HOUR))).await;
    assert_eq!((world.says(ANN).await, records(&world).await), (ERASED, (0, 0)));
}
