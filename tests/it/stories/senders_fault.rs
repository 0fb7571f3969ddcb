//! Faults that are not the user's: the sender's registration, the ESP's own list.

use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reach, Reason};

use crate::world::*;

#[tokio::test]
async fn an_unregistered_sender_writes_nothing_on_the_user() {
    let world = World::new().await;
    world.receive_all(&[authorized(ANN_SUB, ANN), delivered(ANN)]).await;
    world.pass(DAY);
    for _ in 0..3 {
        world.receive_all(&[unauthorized_sender(ANN), unauthorized_sender(BEN)]).await;
        world.pass(DAY);
    }
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
    assert_eq!(world.says(BEN).await, (Answer::Unknown, Reason::NotSeen), "that it failed does not make him known");
    assert_eq!(world.read().await.count_records().await.unwrap(), (1, 1));
    assert_eq!(world.read().await.head().await.unwrap(), 8, "the log has it all");
}

#[tokio::test]
async fn an_echo_limits_that_esp_alone() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.receive(echo(ANN).by(NEWS)).await;
    let verdict = world.verdict(may(ANN).on(NEWS)).await;
    assert_eq!((verdict.reason, verdict.scope, verdict.send), (Reason::EspSuppressed, Reach::Esp, false));
    assert_eq!(verdict.evidence.len(), 1);
    let verdict = world.verdict(may(ANN).on(NEWS).class(Class::Security)).await;
    assert!(!verdict.send, "the ESP will not send a password reset either");
    let verdict = world.verdict(may(ANN).on(RECEIPTS)).await;
    assert_eq!((verdict.verdict, verdict.reason, verdict.send), (Answer::Sendable, Reason::Ok, true));
    assert_eq!(verdict.limits.len(), 1, "told all the same");
    assert!(world.verdict(ANN).await.send, "another ESP is left");
    assert_eq!(world.suppressed_at(CRM, ANN).await, None, "no fault of the user is pushed");
    world.receive(echo(ANN).by(RECEIPTS)).await;
    assert!(!world.verdict(ANN).await.send, "none is left");
}

#[tokio::test]
async fn an_esps_listing_ends_by_removal_or_by_mail_it_took() {
    for end in [unlisted as fn(&str) -> Told, delivered] {
        let world = World::new().await;
        world.receive_all(&[authorized(ANN_SUB, ANN), echo(ANN)]).await;
        world.receive(end(ANN).by(NEWS)).await;
        assert!(!world.verdict(may(ANN).on(NEWS)).await.send, "in the same second the listing stands");
        world.pass(HOUR);
        world.receive(end(ANN).by(RECEIPTS)).await;
        assert!(!world.verdict(may(ANN).on(NEWS)).await.send, "another ESP's word is no answer");
        world.receive(end(ANN).by(NEWS)).await;
        assert!(world.verdict(may(ANN).on(NEWS)).await.send);
    }
}

#[tokio::test]
async fn an_echo_of_an_unseen_address_is_no_bounce() {
    let world = World::new().await;
    for _ in 0..2 {
        world.receive(echo(ANN)).await;
        world.control(NEWS).await;
        world.pass(25 * HOUR);
    }
    let verdict = world.verdict(may(ANN).on(RECEIPTS)).await;
    assert_eq!((verdict.verdict, verdict.reason), (Answer::Sendable, Reason::Ok));
}
