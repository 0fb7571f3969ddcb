//! Forwarding, which belongs to an address and holds for all apps of the team.

use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reason};

use crate::world::*;

const OFF: (Answer, Reason) = (Answer::Suppressed, Reason::ForwardingDisabled);
const ON: (Answer, Reason) = (Answer::Sendable, Reason::ForwardingEnabled);

#[tokio::test]
async fn off_ends_the_mail_and_on_begins_it_again() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(DAY);
    world.receive(forwarding_off(ANN_SUB, ANN)).await;
    for class in [Class::Security, Class::Transactional, Class::Marketing] {
        let verdict = world.verdict(may(ANN).class(class).app("game")).await;
        assert_eq!((verdict.verdict, verdict.reason, verdict.send), (OFF.0, OFF.1, false), "{class:?}, of any app");
    }
    world.pass(DAY);
    world.receive(forwarding_on(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, ON);
}

#[tokio::test]
async fn the_newer_notice_wins_in_either_order_of_arrival() {
    for (newer, want) in [(forwarding_on as fn(&str, &str) -> Told, ON), (forwarding_off, OFF)] {
        let older: fn(&str, &str) -> Told = if want == ON { forwarding_off } else { forwarding_on };
        for newer_first in [true, false] {
            let world = World::new().await;
            world.pass(2 * DAY);
            let mut told = [older(ANN_SUB, ANN).at(start()), newer(ANN_SUB, ANN).at(start().plus(DAY))];
            if newer_first {
                told.reverse();
            }
            for told in told {
                world.receive(told).await;
            }
            assert_eq!(world.says(ANN).await, want, "newer first: {newer_first}");
            assert_eq!(world.suppressed_at(CRM, ANN).await, (want == OFF).then_some(OFF.1));
        }
    }
}

#[tokio::test]
async fn at_the_same_instant_off_wins() {
    for n in 0..8 {
        let world = World::new().await;
        // Which event's hash is greater must not matter.
        world
            .receive_all(&[
                forwarding_on(ANN_SUB, ANN).identity(&format!("on{n}")),
                forwarding_off(ANN_SUB, ANN).identity(&format!("off{n}")),
            ])
            .await;
        assert_eq!(world.says(ANN).await, OFF);
    }
}

#[tokio::test]
async fn a_notice_alone_makes_the_address_and_its_owner_known() {
    let world = World::new().await;
    world.receive(forwarding_on(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, ON);
    world.pass(DAY);
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.says(ANN).await.1, Reason::ConsentRevoked, "the notice named whose it is");
}

#[tokio::test]
async fn on_again_clears_what_bounced_before() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.receive(user_not_found(ANN)).await;
    world.pass(HOUR);
    world.receive(forwarding_on(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, ON);
    world.pass(HOUR);
    world.receive(user_not_found(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Hold, Reason::RecentBounce));
}
