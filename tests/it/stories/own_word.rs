//! The user's own word about mail: complaints, unsubscriptions, opting in again.

use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reach, Reason};

use crate::world::*;

async fn ann() -> World {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(DAY);
    world
}

#[tokio::test]
async fn a_complaint_ends_the_mail_until_a_new_opt_in() {
    let world = ann().await;
    world.receive(complaint(ANN)).await;
    for class in [Class::Security, Class::Transactional, Class::Marketing] {
        let verdict = world.verdict(may(ANN).on(RECEIPTS).class(class)).await;
        assert_eq!((verdict.verdict, verdict.reason, verdict.send), (Answer::Suppressed, Reason::Complaint, false));
    }
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Complaint));
    world.pass(DAY);
    world.receive_all(&[delivered(ANN), forwarding_on(ANN_SUB, ANN), authorized(ANN_SUB, ANN)]).await;
    assert_eq!(world.says(ANN).await.1, Reason::Complaint, "no other good news ends it");
    world.receive(opted_in(ANN).by_no_way()).await;
    assert_eq!(world.says(ANN).await.0, Answer::Sendable);
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
}

#[tokio::test]
async fn a_complaint_that_names_several_convicts_none_of_them() {
    let world = ann().await;
    world.receive_all(&[complaint(ANN).naming(2), complaint(BEN).naming(2)]).await;
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
    assert_eq!(world.says(BEN).await, (Answer::Unknown, Reason::NotSeen));
}

#[tokio::test]
async fn an_unsubscription_concerns_its_stream_and_security_passes() {
    let world = ann().await;
    world.receive(unsubscribed(ANN).by(NEWS)).await;
    let verdict = world.verdict(may(ANN).on(NEWS)).await;
    assert_eq!((verdict.reason, verdict.scope, verdict.send), (Reason::Unsubscribed, Reach::Stream, false));
    assert!(!world.verdict(may(ANN).on(NEWS).class(Class::Transactional)).await.send);
    assert!(world.verdict(may(ANN).on(NEWS).class(Class::Security)).await.send, "a password reset");
    let verdict = world.verdict(may(ANN).on(RECEIPTS)).await;
    assert_eq!((verdict.verdict, verdict.send), (Answer::Sendable, true));
    let limits: Vec<_> = verdict.limits.iter().map(|l| (l.stream.as_ref().unwrap().as_str(), l.reason)).collect();
    assert_eq!(limits, [("news", Reason::Unsubscribed)]);
    let told = world.desired(CRM).await.remove(&format!("a:{}", world.key(ANN))).unwrap();
    assert_eq!((told.reason, told.unsubscribed), (Reason::Ok, vec!["news".to_owned()]));
}

#[tokio::test]
async fn an_unsubscription_from_nobody_knows_what_counts_for_all() {
    for told in [unsubscribed(ANN).by(NOBODYS), unsubscribed(ANN).by_no_way()] {
        let world = ann().await;
        world.receive(told).await;
        for asked in [may(ANN), may(ANN).on(NEWS), may(ANN).on(RECEIPTS)] {
            let verdict = world.verdict(asked).await;
            assert_eq!((verdict.reason, verdict.scope, verdict.send), (Reason::Unsubscribed, Reach::User, false));
        }
        assert!(world.verdict(may(ANN).class(Class::Security)).await.send);
        assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Unsubscribed));
    }
}

#[tokio::test]
async fn a_new_opt_in_ends_what_it_reaches() {
    let world = ann().await;
    world.receive_all(&[unsubscribed(ANN).by_no_way(), unsubscribed(ANN).by(NEWS)]).await;
    world.pass(DAY);
    world.receive(opted_in(ANN).by(NOBODYS)).await;
    assert!(!world.verdict(may(ANN).on(NEWS)).await.send, "into a stream nobody registered: that one alone");
    world.receive(opted_in(ANN).by(NEWS)).await;
    assert!(world.verdict(may(ANN).on(NEWS)).await.send, "the stream he came back to");
    assert!(!world.verdict(may(ANN).on(RECEIPTS)).await.send);
    assert!(!world.verdict(ANN).await.send);
    world.receive(opted_in(ANN).by_no_way()).await;
    assert!(world.verdict(may(ANN).on(RECEIPTS)).await.send && world.verdict(ANN).await.send);
    assert!(world.desired(CRM).await.is_empty());
}

#[tokio::test]
async fn opting_in_to_everything_ends_the_limit_of_one_stream_everywhere() {
    let world = ann().await;
    world.receive(unsubscribed(ANN).by(NEWS)).await;
    world.pass(DAY);
    world.receive(opted_in(ANN).by_no_way()).await;
    let verdict = world.verdict(may(ANN).on(NEWS)).await;
    assert_eq!((verdict.send, verdict.limits.len()), (true, 0));
    assert!(world.desired(CRM).await.is_empty(), "nor is it told to destinations any more");
    // Later than the opt-in, it counts again.
    world.pass(DAY);
    world.receive(unsubscribed(ANN).by(NEWS)).await;
    assert!(!world.verdict(may(ANN).on(NEWS)).await.send);
}
