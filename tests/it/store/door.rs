//! The door itself: its queue is bounded, it answers after the disk, and settling goes through it like any other write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use relaywatch::domain::ids::StreamName;
use relaywatch::domain::record::OverrideAction;
use relaywatch::domain::verdict::Reason;
use relaywatch::intake::{Bounds, Intake, IntakeError};

use super::{on_both, team};
use crate::world::{ANN, BEN, CRM, HOUR, World, decided, delivered, unsubscribed, user_not_found};

on_both! {
    who_settles_and_who_folds_lose_nothing_of_each_other,
    what_is_due_is_settled_in_steps,
    the_deliveries_of_a_group_are_the_controls_of_its_bounces,
}

async fn who_settles_and_who_folds_lose_nothing_of_each_other(world: World) {
    let until = world.now().plus(HOUR);
    world.receive(decided(ANN, OverrideAction::Suppress, Some(until))).await;
    world.pass(2 * HOUR);
    let settling = (0..10).map(|_| {
        let intake = world.intake.clone();
        tokio::spawn(async move { assert!(intake.settle_due(10).await.is_ok()) })
    });
    let folding = (0..20).map(|n| {
        let (intake, told) = (world.intake.clone(), unsubscribed(ANN).stream(&format!("stream{n}")));
        let submission = world.submission(&[told]);
        tokio::spawn(async move { assert!(intake.submit(submission).await.is_ok()) })
    });
    for task in settling.chain(folding).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let place = (team(), world.key(ANN));
    let row = world.read().await.addresses(std::slice::from_ref(&place)).await.unwrap().remove(&place).unwrap();
    let want: BTreeSet<_> = (0..20).map(|n| StreamName::new(format!("stream{n}"))).collect();
    assert_eq!(row.record.unsubscribed.into_keys().collect::<BTreeSet<_>>(), want);
    assert_eq!((row.record.overrides.len(), row.settle_at), (1, None));
    let held = world.desired(CRM).await.into_values().next().unwrap();
    assert_eq!(held.unsubscribed.len(), 20, "what destinations hold is of the last record");
}

async fn what_is_due_is_settled_in_steps(world: World) {
    let until = world.now().plus(HOUR);
    let told: Vec<_> = (0..25)
        .map(|n| decided(&format!("p{n}@privaterelay.appleid.com"), OverrideAction::Suppress, Some(until)))
        .collect();
    world.receive_all(&told).await;
    assert_eq!(world.desired(CRM).await.len(), 25);
    assert_eq!(world.intake.settle_due(10).await.unwrap().looked_at, 0, "not before its time");
    world.pass(HOUR);
    for n in [10, 10, 5, 0] {
        assert_eq!(world.intake.settle_due(10).await.unwrap().looked_at, n);
    }
    assert!(world.desired(CRM).await.is_empty());
}

async fn the_deliveries_of_a_group_are_the_controls_of_its_bounces(world: World) {
    let day = || {
        let told = (0..20).map(|n| delivered(&format!("p{n}@privaterelay.appleid.com")));
        told.chain([user_not_found(ANN)]).collect::<Vec<_>>()
    };
    world.receive_all(&day()).await;
    world.pass(25 * HOUR);
    world.receive_all(&day()).await;
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::RecipientGone), "at once, not when time settles it");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_takes_again_when_there_is_room() {
    let world = World::new().await;
    let bounds = Bounds { queue_events: 3, ..Bounds::default() };
    let (intake, worker) = Intake::open(Arc::clone(world.intake.context()), world.store.clone(), bounds);
    let two = world.submission(&[delivered(ANN), delivered(BEN)]);
    let mut waiting = Box::pin(intake.submit(two));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(intake.waiting(), 2);
    let refused = intake.submit(world.submission(&[delivered(ANN), delivered(BEN)])).await;
    assert_eq!(refused, Err(IntakeError::Full));
    let mut one = Box::pin(intake.submit(world.submission(&[delivered(BEN)])));
    assert!(poll!(&mut one).is_pending(), "there is room for one");
    tokio::spawn(worker);
    assert_eq!((waiting.await.unwrap().new, one.await.unwrap().new), (2, 1));
    assert_eq!(intake.waiting(), 0);
    // Larger than the whole queue: it takes all of it.
    let five: Vec<_> = (0..5).map(|n| delivered(&format!("p{n}@privaterelay.appleid.com"))).collect();
    assert_eq!(intake.submit(world.submission(&five)).await.unwrap().new, 5);
}

#[tokio::test]
async fn a_door_whose_worker_is_gone_says_so() {
    let world = World::new().await;
    let context = Arc::clone(world.intake.context());
    let (intake, worker) = Intake::open(context, world.store.clone(), Bounds::default());
    drop(worker);
    assert_eq!(intake.submit(world.submission(&[delivered(ANN)])).await, Err(IntakeError::Stopping));
}

#[tokio::test]
async fn what_waits_is_written_although_its_door_closes() {
    let world = World::new().await;
    let context = Arc::clone(world.intake.context());
    let bounds = Bounds { linger: Duration::from_millis(50), ..Bounds::default() };
    let (intake, worker) = Intake::open(context, world.store.clone(), bounds);
    let mut first = Box::pin(intake.submit(world.submission(&[delivered(ANN)])));
    assert!(poll!(&mut first).is_pending());
    // The sender has gone away; the daemon is told to stop.
    drop(first);
    drop(intake);
    worker.await;
    assert_eq!(world.read().await.head().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_arrive_together_share_a_commit() {
    let world = World::new().await;
    let context = Arc::clone(world.intake.context());
    let (intake, worker) = Intake::open(context, world.store.clone(), Bounds::default());
    let mut waiting: Vec<_> = (0..50)
        .map(|n| Box::pin(intake.submit(world.submission(&[delivered(&format!("p{n}@privaterelay.appleid.com"))]))))
        .collect();
    for request in &mut waiting {
        assert!(poll!(request).is_pending());
    }
    tokio::spawn(worker);
    for request in waiting {
        assert_eq!(request.await.unwrap().head, 50, "all of them stand at the head of the one group");
    }
}
