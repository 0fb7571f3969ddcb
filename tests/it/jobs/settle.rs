//! What time alone changes is written once, by however many replicas, on both databases.

use std::collections::BTreeMap;

use relaywatch::domain::event::{Decision, Kind, Source};
use relaywatch::domain::ids::TeamId;
use relaywatch::domain::policy::Policy;
use relaywatch::domain::record::OverrideAction;
use relaywatch::domain::verdict::{Moment, Question, Reason, decide};
use relaywatch::jobs::SettleHolds;
use relaywatch::store::EventRow;

use super::world::{TEAM, World, at, secs};
use crate::outputs::receiver::Receiver;

const HOUR: u64 = 3_600;

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "");
                super::$case(super::World::sqlite(vec![to]).await, receiver).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "");
                super::$case(super::World::postgres(vec![to]).await, receiver).await;
            })+
        }
    };
}

on_both!(
    a_lapsed_hold_is_released_once,
    replicas_settle_each_hold_once,
    a_conviction_that_only_time_completes_reaches_the_destination,
    a_decision_that_ends_reaches_the_destination,
    what_was_written_once_is_not_written_again,
);

/// How often each rule of ours stands in the log, and that the log has no gap.
async fn written(world: &World) -> BTreeMap<String, usize> {
    let events: Vec<EventRow> = world.store().read().await.unwrap().events_after(0, 10_000).await.unwrap();
    assert!(events.iter().zip(1..).all(|(event, n)| event.n == n), "numbered without a gap");
    let mut rules = BTreeMap::new();
    for event in events.into_iter().filter(|event| event.source == Source::Relaywatch) {
        assert!(event.address_key.is_some());
        *rules.entry(event.rule).or_default() += 1;
    }
    rules
}

async fn reason(world: &World, n: usize) -> Reason {
    let mut tx = world.store().read().await.unwrap();
    let policy = Policy::default();
    let moment = Moment { now: world.now(), as_of: world.now(), cursor: "", policy_version: "" };
    let view = tx.views(&[(TeamId::new(TEAM), world.key(n))], &policy).await.unwrap().remove(0);
    decide(&Question::default(), &view, &policy, moment).reason
}

async fn a_lapsed_hold_is_released_once(world: World, receiver: Receiver) {
    let job = SettleHolds::new(world.intake.clone());
    world.bounce(0).await;
    world.wait(secs(24 * HOUR));
    assert_eq!(world.turn(&job).await.count("looked_at"), 0, "a hold lasts 25 h");
    world.wait(secs(2 * HOUR));
    let done = world.turn(&job).await;
    assert_eq!((done.count("looked_at"), done.count("released"), done.count("convicted")), (1, 1, 0));
    assert_eq!(world.turn(&job).await.count("looked_at"), 0);
    assert_eq!(written(&world).await, BTreeMap::from([("settle.hold_lapsed".to_owned(), 1)]));
    let event = world.store().read().await.unwrap().events_after(1, 1).await.unwrap().remove(0);
    assert_eq!((event.kind, event.occurred_at), (Kind::Released, event.received_at.minus(secs(HOUR))));
    assert_eq!(reason(&world, 0).await, Reason::Released);
    // The next bounce holds for twice as long, and is released by an event of its own.
    world.bounce(0).await;
    world.wait(secs(49 * HOUR));
    assert_eq!(world.turn(&job).await.count("released"), 0);
    world.wait(secs(2 * HOUR));
    assert_eq!(world.turn(&job).await.count("released"), 1);
    assert!(receiver.take().is_empty(), "a hold and its end are told to nobody");
}

async fn replicas_settle_each_hold_once(world: World, _: Receiver) {
    for n in 0..30 {
        world.bounce(n).await;
    }
    world.wait(secs(26 * HOUR));
    let (one, two) = (world.intake.clone(), world.replica());
    let all = async |intake: &relaywatch::intake::Intake| {
        let mut released = 0;
        while let Some(settled) = Some(intake.settle_due(7).await.unwrap()).filter(|s| s.looked_at > 0) {
            released += settled.released;
        }
        released
    };
    let (first, second) = tokio::join!(all(&one), all(&two));
    assert_eq!(first + second, 30);
    assert_eq!(written(&world).await, BTreeMap::from([("settle.hold_lapsed".to_owned(), 30)]));
    let places = world.store().read().await.unwrap().addresses_to_settle(world.now(), 100).await.unwrap();
    assert!(places.is_empty());
}

/// Two `user not found` a day apart, and the control of the second comes after it: no event touches the address any more.
async fn a_conviction_that_only_time_completes_reaches_the_destination(world: World, receiver: Receiver) {
    let to = at(&receiver.origin, "");
    let (settle, deliver) = (SettleHolds::new(world.intake.clone()), world.deliverer(&to));
    world.accepted_elsewhere().await;
    world.bounce(0).await;
    world.wait(secs(26 * HOUR));
    world.bounce(0).await;
    world.wait(secs(HOUR));
    world.turn(&settle).await;
    assert_eq!(reason(&world, 0).await, Reason::RecentBounce, "without a control of its own the second proves nothing");
    world.accepted_elsewhere().await;
    world.wait(secs(6 * HOUR));
    assert_eq!(world.turn(&settle).await.count("convicted"), 1);
    assert_eq!(reason(&world, 0).await, Reason::RecipientGone);
    assert_eq!(world.turn(&deliver).await.count("delivered"), 1);
    assert_eq!(receiver.take()[0].json()["change"]["reason"], "recipient_gone");
    assert_eq!(written(&world).await.get("settle.recipient_gone"), Some(&1));
    // Settled again by a replica that crashed before: nothing new.
    assert_eq!(world.replica().settle_due(100).await.unwrap().looked_at, 0);
}

async fn a_decision_that_ends_reaches_the_destination(world: World, receiver: Receiver) {
    let to = at(&receiver.origin, "");
    let (settle, deliver) = (SettleHolds::new(world.intake.clone()), world.deliverer(&to));
    world.sign_in(0..1).await;
    world.wait(secs(60));
    let mut event = world.event(Kind::OperatorOverride, Source::Operator, world.address_only(0));
    event.decision = Some(Decision {
        action: OverrideAction::Suppress,
        who: "test".to_owned(),
        why: "asked on the telephone".to_owned(),
        until: Some(world.now().plus(secs(48 * HOUR))),
    });
    world.submit(vec![event]).await;
    assert_eq!(world.turn(&deliver).await.count("delivered"), 1);
    world.wait(secs(47 * HOUR));
    assert_eq!(world.turn(&settle).await.count("looked_at"), 0);
    world.wait(secs(HOUR));
    assert_eq!(world.turn(&settle).await.count("looked_at"), 1);
    assert_eq!(world.turn(&deliver).await.count("delivered"), 1);
    let told: Vec<_> = receiver.take().iter().map(|r| r.json()["change"]["state"].clone()).collect();
    assert_eq!(told, ["suppressed", "sendable"]);
    assert_eq!(written(&world).await, BTreeMap::from([("settle.decision_ended".to_owned(), 1)]));
}

/// The same lapse comes up a second time, because another time of the same address comes later.
async fn what_was_written_once_is_not_written_again(world: World, _: Receiver) {
    let settle = SettleHolds::new(world.intake.clone());
    world.bounce(0).await;
    let mut event = world.event(Kind::OperatorOverride, Source::Operator, world.address_only(0));
    event.decision = Some(Decision {
        action: OverrideAction::Lift,
        who: "test".to_owned(),
        why: "the mailbox works".to_owned(),
        until: Some(world.now().plus(secs(48 * HOUR))),
    });
    world.submit(vec![event]).await;
    world.wait(secs(26 * HOUR));
    assert_eq!(world.turn(&settle).await.count("released"), 1);
    world.wait(secs(23 * HOUR));
    let done = world.turn(&settle).await;
    assert_eq!((done.count("looked_at"), done.count("released")), (1, 0));
    let want = [("settle.decision_ended".to_owned(), 1), ("settle.hold_lapsed".to_owned(), 1)];
    assert_eq!(written(&world).await, BTreeMap::from(want));
}
