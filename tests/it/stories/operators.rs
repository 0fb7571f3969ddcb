//! An operator's decisions: what they lift, what they stop, and until when.

use relaywatch::domain::policy::Class;
use relaywatch::domain::record::OverrideAction::{Lift, Suppress};
use relaywatch::domain::verdict::{Answer, Reason};

use crate::world::*;

async fn ann() -> World {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(DAY);
    world
}

#[tokio::test]
async fn a_lift_ends_complaint_unsubscription_and_hold() {
    for told in [complaint(ANN), unsubscribed(ANN).by_no_way(), unsubscribed(ANN).by(NEWS), user_not_found(ANN)] {
        let world = ann().await;
        world.receive(told.clone()).await;
        assert!(!world.verdict(may(ANN).on(NEWS)).await.send);
        world.pass(HOUR);
        world.receive(decided(ANN, Lift, None)).await;
        let verdict = world.verdict(may(ANN).on(NEWS)).await;
        assert_eq!((verdict.verdict, verdict.send, verdict.limits.len()), (Answer::Sendable, true, 0), "{told:?}");
        assert!(world.desired(CRM).await.is_empty(), "{told:?}");
        // What happens after it counts again.
        world.pass(HOUR);
        world.receive(told.but(|event| event.identity = relaywatch::domain::event::Identity::new("again", &[]))).await;
        assert!(!world.verdict(may(ANN).on(NEWS)).await.send);
    }
}

#[tokio::test]
async fn nothing_lifts_what_apple_said() {
    for told in [revoked(ANN_SUB), deleted(ANN_SUB), forwarding_off(ANN_SUB, ANN)] {
        let world = ann().await;
        world.receive(told).await;
        let before = world.says(ANN).await;
        world.pass(HOUR);
        world.receive(decided(ANN, Lift, None)).await;
        assert_eq!(world.says(ANN).await, before);
        assert_eq!(before.0, Answer::Suppressed);
    }
}

#[tokio::test]
async fn a_lift_that_runs_out_lets_the_complaint_stand_again() {
    let world = ann().await;
    world.receive(complaint(ANN)).await;
    world.pass(HOUR);
    world.receive(decided(ANN, Lift, Some(world.now().plus(2 * HOUR)))).await;
    let verdict = world.verdict(ANN).await;
    assert_eq!((verdict.send, verdict.valid_until), (true, world.now().plus(2 * HOUR)), "not valid beyond it");
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
    world.pass(2 * HOUR);
    assert_eq!(world.says(ANN).await.1, Reason::Complaint);
    world.settle().await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Complaint), "destinations hear of it");
}

#[tokio::test]
async fn a_suppression_until_then_ends_then() {
    let world = ann().await;
    let until = world.now().plus(3 * DAY);
    world.receive(decided(ANN, Suppress, Some(until))).await;
    let verdict = world.verdict(ANN).await;
    assert_eq!((verdict.verdict, verdict.reason, verdict.send), (Answer::Suppressed, Reason::Unsubscribed, false));
    assert!(world.verdict(may(ANN).class(Class::Security)).await.send);
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Unsubscribed));
    world.pass(3 * DAY - MINUTE);
    world.settle().await;
    assert_eq!((world.says(ANN).await.0, world.verdict(ANN).await.valid_until), (Answer::Suppressed, until));
    world.pass(MINUTE);
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
    world.settle().await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
}

#[tokio::test]
async fn the_later_decision_counts_and_at_the_same_instant_the_careful_one() {
    let world = ann().await;
    world.receive_all(&[decided(ANN, Lift, None), decided(ANN, Suppress, None)]).await;
    assert!(!world.verdict(ANN).await.send);
    world.pass(HOUR);
    world.receive(decided(ANN, Lift, None)).await;
    assert!(world.verdict(ANN).await.send);
    world.pass(HOUR);
    world.receive(decided(ANN, Suppress, Some(world.now().plus(DAY)))).await;
    assert!(!world.verdict(ANN).await.send);
}
