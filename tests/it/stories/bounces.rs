//! Bounces: what holds, for how long, what lifts, and what it takes to convict.

use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reason};

use crate::world::*;

const HOLD: (Answer, Reason) = (Answer::Hold, Reason::RecentBounce);
const GONE: (Answer, Reason) = (Answer::Suppressed, Reason::RecipientGone);
const RELEASED: (Answer, Reason) = (Answer::Sendable, Reason::Released);

async fn ann() -> World {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world
}

#[tokio::test]
async fn one_bounce_holds_for_25_hours_and_never_for_good() {
    let world = ann().await;
    world.receive(user_not_found(ANN)).await;
    let verdict = world.verdict(ANN).await;
    assert_eq!((verdict.verdict, verdict.reason, verdict.send), (HOLD.0, HOLD.1, false));
    let verdict = world.verdict(may(ANN).class(Class::Security)).await;
    assert_eq!((verdict.verdict, verdict.send), (Answer::Hold, true), "a password reset passes");
    world.pass(25 * HOUR - MINUTE);
    let verdict = world.verdict(ANN).await;
    assert_eq!((verdict.verdict, verdict.valid_until), (Answer::Hold, world.now().plus(MINUTE)));
    world.pass(MINUTE);
    assert_eq!(world.says(ANN).await, RELEASED);
    world.settle().await;
    assert!(world.desired_rows(CRM).await.is_empty(), "nothing of it was ever pushed");
}

#[tokio::test]
async fn holds_double_up_to_thirty_days() {
    let world = ann().await;
    for hours in [25, 50, 100, 200, 400, 720, 720] {
        world.receive(user_not_found(ANN)).await;
        world.pass(hours * HOUR - MINUTE);
        assert_eq!(world.says(ANN).await, HOLD, "{hours} h");
        world.pass(MINUTE);
        assert_eq!(world.says(ANN).await, RELEASED, "{hours} h");
    }
}

#[tokio::test]
async fn a_bounce_inside_a_hold_neither_lengthens_nor_doubles_it() {
    let world = ann().await;
    world.receive(user_not_found(ANN)).await;
    world.pass(24 * HOUR);
    world.receive(user_not_found(ANN)).await;
    world.pass(HOUR);
    assert_eq!(world.says(ANN).await, RELEASED);
}

#[tokio::test]
async fn who_bounces_every_day_for_weeks_is_judged_by_the_newest_days() {
    let world = ann().await;
    for _ in 0..20 {
        world.pass(DAY);
        world.receive(user_not_found(ANN)).await;
        assert_eq!(world.says(ANN).await, HOLD);
    }
    world.control(NEWS).await;
    assert_eq!(world.says(ANN).await, HOLD, "only the last has a control");
    world.pass(30 * DAY);
    assert_eq!(world.says(ANN).await, RELEASED, "no hold is longer than thirty days");
}

#[tokio::test]
async fn accepted_mail_lifts_the_hold_and_the_count() {
    let world = ann().await;
    for _ in 0..3 {
        world.receive(user_not_found(ANN)).await;
        world.pass(HOUR);
        assert_eq!(world.says(ANN).await, HOLD);
        world.receive(delivered(ANN)).await;
        assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
        world.pass(30 * HOUR);
    }
    // After proof the next bounce is a first one again.
    world.receive(user_not_found(ANN)).await;
    world.pass(25 * HOUR);
    assert_eq!(world.says(ANN).await, RELEASED);
}

#[tokio::test]
async fn accepted_in_the_same_second_does_not_lift() {
    let world = ann().await;
    world.receive_all(&[user_not_found(ANN), delivered(ANN)]).await;
    assert_eq!(world.says(ANN).await, HOLD);
}

#[tokio::test]
async fn two_a_day_apart_with_controls_convict() {
    let world = ann().await;
    let first = world.now();
    world.receive(user_not_found(ANN)).await;
    world.control(NEWS).await;
    world.pass(25 * HOUR);
    let second = world.now();
    world.receive(user_not_found(ANN)).await;
    assert_eq!(world.says(ANN).await, HOLD, "the second has no control yet");
    world.pass(HOUR);
    world.control(NEWS).await;
    let verdict = world.verdict(may(ANN).class(Class::Security)).await;
    assert_eq!((verdict.verdict, verdict.reason, verdict.send), (GONE.0, GONE.1, false));
    assert_eq!(verdict.evidence.iter().map(|p| p.at).collect::<Vec<_>>(), [second, first], "newest first");
    // Destinations hear of it when no control can be reported in time any more.
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
    world.pass(5 * HOUR);
    world.settle().await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::RecipientGone));
    world.pass(90 * DAY);
    assert_eq!(world.says(ANN).await, GONE);
    // Until the address takes mail again.
    world.receive(delivered(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Sendable, Reason::Ok));
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
}

#[tokio::test]
async fn without_controls_in_their_own_cell_nobody_is_convicted() {
    let world = ann().await;
    for _ in 0..2 {
        world.receive(user_not_found(ANN)).await;
        // Nineteen in the cell, any number elsewhere: another stream, ordinary recipients.
        let told: Vec<_> = (0..19).map(|n| delivered(&format!("c{n}@privaterelay.appleid.com"))).collect();
        world.receive_all(&told).await;
        world.control(RECEIPTS).await;
        let told: Vec<_> = (0..30).map(|n| delivered(&format!("c{n}@mail.example"))).collect();
        world.receive_all(&told).await;
        world.pass(25 * HOUR);
    }
    world.settle().await;
    assert_eq!(world.says(ANN).await, HOLD, "the second hold lasts 50 h");
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
}

#[tokio::test]
async fn a_control_six_hours_off_is_none() {
    for (off, want) in [(6 * HOUR, GONE), (7 * HOUR, HOLD)] {
        let world = ann().await;
        for _ in 0..2 {
            world.receive(user_not_found(ANN)).await;
            world.pass(off);
            world.control(NEWS).await;
            world.pass(25 * HOUR - off);
        }
        world.settle().await;
        assert_eq!(world.says(ANN).await, want, "{off:?}");
        assert_eq!(world.suppressed_at(CRM, ANN).await, (want == GONE).then_some(GONE.1));
    }
}

#[tokio::test]
async fn a_control_reported_days_late_still_counts_at_destinations() {
    let world = ann().await;
    let bounced = [world.now(), world.now().plus(25 * HOUR)];
    world.pass(30 * HOUR);
    world.receive_all(&bounced.map(|at| user_not_found(ANN).at(at))).await;
    world.pass(3 * DAY);
    world.settle().await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
    for at in bounced {
        let told: Vec<_> = (0..20).map(|n| delivered(&format!("late{n}@privaterelay.appleid.com")).at(at)).collect();
        world.receive_all(&told).await;
    }
    assert_eq!(world.says(ANN).await, GONE);
    world.pass(DAY);
    world.settle().await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(GONE.1));
}

#[tokio::test]
async fn less_than_a_day_apart_convicts_nobody() {
    let world = ann().await;
    for _ in 0..2 {
        world.receive(user_not_found(ANN)).await;
        world.control(NEWS).await;
        world.pass(24 * HOUR - MINUTE);
    }
    assert_eq!(world.says(ANN).await.0, Answer::Sendable, "one hold, and it is over");
}

#[tokio::test]
async fn what_is_no_user_not_found_only_holds() {
    for (bounce, reason) in
        [(unknown_words as fn(&str) -> Told, Reason::AmbiguousBounce), (paused, Reason::RecentBounce)]
    {
        let world = ann().await;
        for _ in 0..2 {
            world.receive(bounce(ANN)).await;
            world.control(NEWS).await;
            assert_eq!(world.says(ANN).await, (Answer::Hold, reason));
            world.pass(25 * HOUR);
        }
        world.receive(user_not_found(ANN)).await;
        world.control(NEWS).await;
        world.pass(9 * DAY);
        world.settle().await;
        assert_eq!(world.says(ANN).await, RELEASED, "one user-not-found among them is one");
    }
}
