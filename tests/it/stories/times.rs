//! Times that cannot be believed, reports that come too late, and repetition.

use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Answer, Reason};

use crate::world::*;

#[tokio::test]
async fn the_far_future_counts_as_the_moment_of_receipt() {
    for year_9999 in [i64::MAX, 253_402_300_799_000_000, start().plus(400 * DAY).micros()] {
        let world = World::new().await;
        world.receive(forwarding_on(ANN_SUB, ANN).at(Timestamp::from_micros(year_9999))).await;
        world.pass(HOUR);
        world.receive(forwarding_off(ANN_SUB, ANN)).await;
        assert_eq!(world.says(ANN).await, (Answer::Suppressed, Reason::ForwardingDisabled));
    }
}

#[tokio::test]
async fn a_time_from_1970_cannot_make_two_bounces_a_day_apart() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.receive_all(&[user_not_found(ANN).at(Timestamp::default()), user_not_found(ANN)]).await;
    world.control(NEWS).await;
    assert_eq!(world.says(ANN).await, (Answer::Hold, Reason::RecentBounce));
    world.pass(25 * HOUR);
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Released));
}

#[tokio::test]
async fn a_revocation_without_a_believable_time_counts_from_its_receipt() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(DAY);
    world.receive(revoked(ANN_SUB).at(Timestamp::default())).await;
    assert_eq!(world.says(ANN).await, (Answer::Suppressed, Reason::ConsentRevoked));
}

#[tokio::test]
async fn an_esps_report_older_than_35_days_has_no_effect() {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(40 * DAY);
    let (old, young) = (world.now().minus(35 * DAY + HOUR), world.now().minus(35 * DAY - HOUR));
    world.receive_all(&[complaint(ANN).at(old), user_not_found(ANN).at(old)]).await;
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
    let mut tx = world.read().await;
    let events = tx.events_after(1, 10).await.unwrap();
    assert!(events.len() == 2 && events.iter().all(|e| e.stale), "kept all the same");
    assert_eq!(tx.count_buckets().await.unwrap(), 0, "and not counted");
    drop(tx);
    world.receive(complaint(ANN).at(young)).await;
    assert_eq!(world.says(ANN).await.1, Reason::Complaint);
}

#[tokio::test]
async fn what_apple_says_is_never_too_old() {
    let world = World::new().await;
    world.pass(100 * DAY);
    world.receive_all(&[authorized(ANN_SUB, ANN).at(start()), revoked(ANN_SUB).at(start().plus(DAY))]).await;
    assert_eq!(world.says(ANN).await, (Answer::Suppressed, Reason::ConsentRevoked));
}

#[tokio::test]
async fn the_same_report_again_changes_nothing_whenever_it_comes() {
    let world = World::new().await;
    let told = [authorized(ANN_SUB, ANN).at(start()), user_not_found(ANN).at(start())];
    world.receive_all(&told).await;
    world.pass(HOUR);
    world.receive(delivered(ANN)).await;
    let before = world.verdict(ANN).await;
    let receipt = world.receive_all(&told).await;
    assert_eq!((receipt.new, receipt.repeated), (0, 2));
    assert_eq!(world.verdict(ANN).await, before);
}
