//! What destinations should hold: which rows there are, and that they follow the records.

use relaywatch::domain::verdict::{DesiredState, Reason};

use crate::world::*;

#[tokio::test]
async fn a_user_of_whom_nothing_bad_was_said_needs_no_row() {
    let world = World::new().await;
    world
        .receive_all(&[authorized(ANN_SUB, ANN), delivered(ANN), user_not_found(BEN), forwarding_on(BEN_SUB, BEN)])
        .await;
    world.settle().await;
    assert!(world.desired_rows(CRM).await.is_empty() && world.desired_rows(SHOP).await.is_empty());
}

#[tokio::test]
async fn a_subject_without_a_known_address_has_a_row_of_its_own_until_one_is_known() {
    let world = World::new().await;
    let (by_sub, by_address) = (format!("s:{}", world.sub_key(ANN_SUB)), format!("a:{}", world.key(ANN)));
    world.receive(revoked(ANN_SUB)).await;
    let rows = world.desired_rows(CRM).await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), [&by_sub]);
    assert_eq!(rows[&by_sub].reason, Reason::ConsentRevoked);
    world.pass(DAY);
    world.receive(linked(ANN_SUB, ANN)).await;
    let rows = world.desired_rows(CRM).await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), [&by_address], "the other row is gone");
    assert_eq!(rows[&by_address].reason, Reason::ConsentRevoked);
}

#[tokio::test]
async fn who_was_suppressed_by_subject_and_signs_in_is_told_as_sendable() {
    let world = World::new().await;
    world.receive(revoked(ANN_SUB)).await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN)).await;
    for destination in [CRM, SHOP] {
        let rows = world.desired_rows(destination).await;
        assert_eq!(rows.len(), 1);
        let told = &rows[&format!("a:{}", world.key(ANN))];
        assert_eq!((told.state, told.reason), (DesiredState::Sendable, Reason::Ok), "or nobody would lift it");
    }
}

#[tokio::test]
async fn a_row_changes_only_with_what_it_says() {
    let world = World::new().await;
    world.receive_all(&[authorized(ANN_SUB, ANN), complaint(ANN)]).await;
    let version = async || {
        let mut tx = world.read().await;
        tx.desired_of(CRM, ("", ""), 10).await.unwrap().iter().map(|row| row.version).collect::<Vec<_>>()
    };
    let first = version().await;
    assert_eq!(first, [2], "the number of the event that made it");
    world.pass(HOUR);
    world.receive_all(&[delivered(ANN), user_not_found(ANN), sent(ANN)]).await;
    world.settle().await;
    assert_eq!(version().await, first);
    world.pass(HOUR);
    world.receive(forwarding_off(ANN_SUB, ANN)).await;
    assert_eq!(version().await, [6]);
}

#[tokio::test]
async fn time_alone_raises_the_version_too() {
    use relaywatch::domain::record::OverrideAction::Suppress;
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.receive(decided(ANN, Suppress, Some(world.now().plus(HOUR)))).await;
    world.pass(HOUR);
    world.settle().await;
    let rows = world.read().await.desired_of(CRM, ("", ""), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.version).collect::<Vec<_>>(), [3], "although the log stands at 2");
    assert!(world.desired(CRM).await.is_empty());
    // The next event's row must win over it.
    world.pass(HOUR);
    world.receive(complaint(ANN)).await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Complaint));
}

#[tokio::test]
async fn a_new_owner_of_an_address_is_judged_by_his_own_consent() {
    let world = World::new().await;
    world.receive_all(&[authorized(ANN_SUB, ANN), revoked(ANN_SUB)]).await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::ConsentRevoked));
    world.pass(DAY);
    world.receive(authorized(BEN_SUB, ANN)).await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
    world.pass(DAY);
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, None, "it is not hers any more");
}
