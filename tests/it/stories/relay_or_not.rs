//! Which addresses are ours to judge: relay domains, flagged ones on icloud.com, and everybody else.

use relaywatch::domain::cell::Cell;
use relaywatch::domain::ids::{Esp, StreamName, Sub, TeamId};
use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reason};
use relaywatch::store::Cutoffs;

use crate::world::*;

const CLOUD: &str = "quiet.fox-0a@icloud.com";
const OTHER: &str = "somebody@mail.example";

#[tokio::test]
async fn an_unseen_relay_address_is_unknown_and_the_class_decides() {
    let world = World::new().await;
    for (class, send) in [(Class::Security, true), (Class::Transactional, true), (Class::Marketing, false)] {
        let verdict = world.verdict(may(ANN).class(class)).await;
        assert_eq!((verdict.verdict, verdict.reason, verdict.send), (Answer::Unknown, Reason::NotSeen, send));
    }
    let verdict = world.verdict(OTHER).await;
    assert_eq!((verdict.verdict, verdict.reason, verdict.send), (Answer::Sendable, Reason::NotRelay, true));
}

#[tokio::test]
async fn that_mail_was_sent_does_not_make_an_address_known() {
    let world = World::new().await;
    world.receive(sent(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Unknown, Reason::NotSeen));
    world.receive(delivered(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
}

#[tokio::test]
async fn ordinary_recipients_are_counted_and_leave_nothing() {
    let world = World::new().await;
    let told = [delivered(OTHER), user_not_found(OTHER), complaint(OTHER), unsubscribed(OTHER)];
    assert_eq!(world.receive_all(&told).await.new, 4);
    assert_eq!(world.receive_all(&told).await.repeated, 4);
    let mut tx = world.read().await;
    assert_eq!((tx.head().await.unwrap(), tx.count_records().await.unwrap()), (0, (0, 0)));
    assert_eq!(tx.count_buckets().await.unwrap(), 4, "one count for each kind");
    let cell = Cell {
        relay_domain: "other".into(),
        sending_domain: NEWS.from.into(),
        esp: Esp::new(NEWS.esp),
        stream: StreamName::new(NEWS.stream),
    };
    let counted = tx.count_in_cell(&TeamId::new(TEAM), &cell, "delivered", world.now(), world.now()).await;
    assert_eq!(counted.unwrap(), 1, "whose domain it was is nobody's business either");
    assert_eq!(world.says(OTHER).await, (Answer::Sendable, Reason::NotRelay));
}

#[tokio::test]
async fn a_sub_that_an_esp_repeats_is_not_kept() {
    let world = World::new().await;
    let told = delivered(ANN).but(|event| event.who.sub = Sub::parse(BEN_SUB));
    world.receive(told).await;
    let key = world.sub_key(BEN_SUB).to_string();
    let mut tx = world.read().await;
    assert!(tx.sealed(&TeamId::new(TEAM), "sub", &[key]).await.unwrap().is_empty(), "there is no record it belongs to");
    assert_eq!(tx.count_records().await.unwrap(), (1, 0));
}

#[tokio::test]
async fn an_unflagged_icloud_address_is_forgotten_after_seven_days() {
    let world = World::new().await;
    world.receive_all(&[user_not_found(CLOUD), sent(CLOUD)]).await;
    assert_eq!(world.says(CLOUD).await, (Answer::Hold, Reason::RecentBounce));
    let of_cloud = async || {
        let events = world.read().await.events_after(0, 10).await.unwrap();
        events.iter().filter(|e| e.address_key == Some(world.key(CLOUD))).count()
    };
    assert_eq!(of_cloud().await, 1, "what adds nothing to the record keeps no key");
    world.pass(3 * DAY);
    world.receive(delivered(CLOUD)).await;
    world.pass(6 * DAY);
    prune(&world).await;
    assert_eq!(world.read().await.count_records().await.unwrap(), (1, 0), "each report counts seven days anew");
    world.pass(2 * DAY);
    prune(&world).await;
    assert_eq!(world.read().await.count_records().await.unwrap(), (0, 0));
    assert_eq!(of_cloud().await, 0);
    assert_eq!(world.says(CLOUD).await, (Answer::Sendable, Reason::NotRelay));
}

#[tokio::test]
async fn an_icloud_address_flagged_later_stays_with_all_that_was_known() {
    let world = World::new().await;
    world.receive(user_not_found(CLOUD)).await;
    world.pass(HOUR);
    world.receive(authorized(ANN_SUB, CLOUD).private(true)).await;
    assert_eq!(world.says(CLOUD).await, (Answer::Hold, Reason::RecentBounce));
    world.pass(10 * DAY);
    world.receive_all(&[user_not_found(CLOUD), sent(CLOUD)]).await;
    prune(&world).await;
    world.pass(10 * DAY);
    prune(&world).await;
    let verdict = world.verdict(CLOUD).await;
    assert_eq!((verdict.verdict, verdict.reason), (Answer::Sendable, Reason::Released));
    let (mut tx, team) = (world.read().await, TeamId::new(TEAM));
    let events = tx.events_of_address(&team, world.key(CLOUD), 10).await.unwrap();
    assert_eq!(events.len(), 4, "its events keep their key");
    drop(tx);
    world.receive(delivered(CLOUD)).await;
    assert_eq!(world.says(CLOUD).await, (Answer::Sendable, Reason::Ok), "a relay address now");
}

#[tokio::test]
async fn an_imported_icloud_address_that_is_not_private_stays_but_is_no_relay_address() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, CLOUD).private(false)).await;
    world.pass(10 * DAY);
    prune(&world).await;
    assert_eq!(world.says(CLOUD).await, (Answer::Sendable, Reason::NotRelay));
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.says(CLOUD).await, (Answer::Suppressed, Reason::ConsentRevoked), "consent is the person's");
}

async fn prune(world: &World) {
    let long_ago = start();
    let cutoffs = Cutoffs {
        events: long_ago,
        seen: long_ago,
        quarantine: long_ago,
        audit: long_ago,
        cells: long_ago,
        deliveries: long_ago,
        tee: long_ago,
        dns: long_ago,
        observed: long_ago,
    };
    let mut tx = world.store.write().await.unwrap();
    tx.prune(&cutoffs, world.now(), 100).await.unwrap();
    tx.commit().await.unwrap();
}
