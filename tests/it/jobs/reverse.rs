//! Taking back what was written since a time, on both databases.

use relaywatch::config::destinations::Destination;
use relaywatch::domain::time::Timestamp;
use relaywatch::jobs::{Job as _, Turn};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::world::{World, at, secs};
use crate::outputs::receiver::{Answer, Receiver};

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "");
                let world = super::World::sqlite(vec![to.clone()]).await;
                super::$case(world, receiver, to).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "");
                let world = super::World::postgres(vec![to.clone()]).await;
                super::$case(world, receiver, to).await;
            })+
        }
    };
}

on_both!(
    everything_since_a_time_is_told_as_it_was_before,
    what_is_on_its_way_is_taken_back_too,
    the_desired_states_can_be_told_again,
);

/// The state that the receiver holds of each user by key, taking only rising versions.
fn held(received: &[crate::outputs::receiver::Received]) -> std::collections::BTreeMap<String, Value> {
    let mut all: Vec<Value> = received.iter().map(|r| r.json()).collect();
    all.sort_by_key(|told| told["version"].as_i64());
    all.into_iter().map(|told| (told["subject"]["key"].as_str().unwrap().to_owned(), told)).collect()
}

async fn halt_and_reverse(world: &World, since: Timestamp) -> u64 {
    let mut tx = world.store().write().await.unwrap();
    tx.halt("crm", world.now(), "test").await.unwrap();
    let due = tx.reverse("crm", since, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    due
}

async fn everything_since_a_time_is_told_as_it_was_before(world: World, receiver: Receiver, to: Destination) {
    let job = world.deliverer(&to);
    world.sign_in(0..4).await;
    world.wait(secs(3_600));
    // Before: 0 and 1 are off.
    world.forwarding(0, false).await;
    world.forwarding(1, false).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    world.wait(secs(3_600));
    let since = world.now();
    // Since: 1 comes back and revokes, 2 is new, 3 is written but not delivered. 0 is left alone.
    world.forwarding(1, true).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    world.wait(secs(60));
    world.revoke(1..3).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    world.wait(secs(60));
    world.revoke(3..4).await;
    assert_eq!(halt_and_reverse(&world, since).await, 2);
    assert_eq!(world.turn(&job).await.count("delivered"), 2, "although it stands still");
    assert_eq!(world.turn(&job).await, Default::default(), "and nothing else");

    let received = receiver.take();
    let state = |n: usize| held(&received).get(&world.key(n).to_string()).cloned().unwrap_or_default();
    assert_eq!((&state(0)["change"]["reason"], &state(0)["reversal"]), (&"forwarding_disabled".into(), &false.into()));
    assert_eq!((&state(1)["change"]["reason"], &state(1)["reversal"]), (&"forwarding_disabled".into(), &true.into()));
    assert_eq!(state(1)["previous"]["reason"], "consent_revoked");
    assert_eq!((&state(2)["change"]["state"], &state(2)["reversal"]), (&"sendable".into(), &true.into()));
    assert_eq!(state(3), Value::Null);

    // A person says go: 3 leaves, the reversed stay so until the truth about them changes.
    world.wait(secs(60));
    let mut tx = world.store().write().await.unwrap();
    tx.resume("crm", world.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let row = world.store().read().await.unwrap().count_reversed("crm").await.unwrap();
    assert_eq!(row, 2);
    world.wait(secs(3_600));
    world.sign_in(1..2).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let told = held(&receiver.take());
    let back = &told[&world.key(1).to_string()];
    assert_eq!((&back["change"]["state"], &back["reversal"]), (&"sendable".into(), &false.into()));
    assert_eq!(back["previous"]["reason"], "forwarding_disabled", "what the reversal had left there");
}

async fn what_is_on_its_way_is_taken_back_too(world: World, receiver: Receiver, to: Destination) {
    let job = world.deliverer(&to);
    world.sign_in(0..1).await;
    world.wait(secs(3_600));
    let since = world.now();
    world.revoke(0..1).await;
    receiver.answer_next(&[Answer::Held]);
    let stop = CancellationToken::new();
    let first = job.turn(Turn { now: world.now(), stop: &stop });
    let meanwhile = async {
        receiver.wait_for(1).await;
        world.wait(secs(1));
        assert_eq!(halt_and_reverse(&world, since).await, 1);
        receiver.release(1);
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert_eq!(first.unwrap().count("delivered"), 1);
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let told = held(&receiver.take());
    let last = &told[&world.key(0).to_string()];
    assert_eq!((&last["change"]["state"], &last["reversal"]), (&"sendable".into(), &true.into()));
}

async fn the_desired_states_can_be_told_again(world: World, receiver: Receiver, to: Destination) {
    let job = world.deliverer(&to);
    world.sign_in(0..2).await;
    world.wait(secs(3_600));
    let since = world.now();
    world.revoke(0..2).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    world.wait(secs(60));
    assert_eq!(halt_and_reverse(&world, since).await, 2);
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    world.wait(secs(60));
    let mut tx = world.store().write().await.unwrap();
    tx.resume("crm", world.now()).await.unwrap();
    assert_eq!(tx.restate("crm", world.now()).await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    let received = receiver.take();
    assert_eq!(received.len(), 6);
    assert!(held(&received).values().all(|told| told["change"]["reason"] == "consent_revoked"));
    let mut tx = world.store().read().await.unwrap();
    assert_eq!(tx.count_reversed("crm").await.unwrap(), 0);
    // Read page by page, in order, nothing twice.
    let mut all = Vec::new();
    while let Some(page) =
        Some(tx.deliveries_since("crm", since, all.last(), 4).await.unwrap()).filter(|p| !p.is_empty())
    {
        all.extend(page);
    }
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by_key(|d| d.delivered_at));
}
