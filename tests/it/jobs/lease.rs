//! Two deliverers of one outbox, on both databases: what one lost, it cannot write down.

use relaywatch::domain::delivery::idempotency_key;
use relaywatch::domain::ids::TeamId;
use relaywatch::jobs::{Job as _, Turn};
use tokio_util::sync::CancellationToken;

use super::world::{TEAM, World, at, secs};
use crate::outputs::receiver::{Answer, Receiver};

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "timeout = '30s'\n");
                let world = super::World::sqlite(vec![to]).await;
                super::$case(world, receiver).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let receiver = super::Receiver::start().await;
                let to = super::at(&receiver.origin, "timeout = '30s'\n");
                let world = super::World::postgres(vec![to]).await;
                super::$case(world, receiver).await;
            })+
        }
    };
}

on_both!(
    a_lost_lease_marks_nothing_and_the_newest_version_wins,
    a_change_during_a_delivery_stays_due,
    two_deliverers_share_the_work,
);

/// The slow one holds version 1 when its lease runs out; version 2 comes and the quick one delivers it.
async fn a_lost_lease_marks_nothing_and_the_newest_version_wins(world: World, receiver: Receiver) {
    let to = at(&receiver.origin, "timeout = '30s'\n");
    let (slow, quick) = (world.deliverer(&to), world.deliverer(&to));
    world.sign_in(0..1).await;
    world.wait(secs(600));
    world.revoke(0..1).await;
    receiver.answer_next(&[Answer::Held]);
    let stop = CancellationToken::new();
    let first = slow.turn(Turn { now: world.now(), stop: &stop });
    let meanwhile = async {
        receiver.wait_for(1).await;
        world.wait(secs(3_600));
        world.sign_in(0..1).await;
        assert_eq!(world.turn(&quick).await.count("delivered"), 1);
        receiver.release(1);
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    let first = first.unwrap();
    assert_eq!((first.count("delivered"), first.count("lease_lost")), (0, 1));
    let told = receiver.take();
    let (old, new) = (told[0].json(), told[1].json());
    assert!(new["version"].as_i64() > old["version"].as_i64(), "the destination can tell them apart");
    assert_eq!(new["change"]["state"], "sendable");
    let mut tx = world.store().read().await.unwrap();
    let written = tx.deliveries_since("crm", Default::default(), None, 10).await.unwrap();
    assert_eq!(written.len(), 1, "only what was delivered under a lease");
    assert_eq!(Some(written[0].version), new["version"].as_i64());
    drop(tx);
    assert_eq!(world.turn(&quick).await.count("delivered"), 0, "nothing is left");
}

/// The lease holds, but what was delivered is not the newest any more.
async fn a_change_during_a_delivery_stays_due(world: World, receiver: Receiver) {
    let to = at(&receiver.origin, "timeout = '30s'\n");
    let job = world.deliverer(&to);
    world.sign_in(0..1).await;
    world.wait(secs(600));
    world.forwarding(0, false).await;
    receiver.answer_next(&[Answer::Held]);
    let stop = CancellationToken::new();
    let first = job.turn(Turn { now: world.now(), stop: &stop });
    let meanwhile = async {
        receiver.wait_for(1).await;
        world.wait(secs(5));
        world.forwarding(0, true).await;
        let nobody_else = world.turn(&world.deliverer(&to)).await;
        assert_eq!(nobody_else.count("delivered"), 0, "another deliverer does not touch what is leased");
        receiver.release(1);
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert_eq!(first.unwrap().count("delivered"), 1);
    assert_eq!(world.turn(&job).await.count("delivered"), 1, "the newer one is still due");
    let told = receiver.take();
    let (old, new) = (told[0].json(), told[1].json());
    assert_eq!(
        (&old["change"]["reason"], &new["change"]["state"]),
        (&"forwarding_disabled".into(), &"sendable".into())
    );
    assert_eq!(new["previous"], old["change"], "what the destination holds by now");
    let row = world.store().read().await.unwrap().desired_of("crm", ("", ""), 10).await.unwrap().remove(0);
    assert_eq!((new["version"].as_i64(), row.due_at), (Some(row.version), None));
    assert_eq!(new["idempotency_key"], idempotency_key(&TeamId::new(TEAM), &row.who, "crm", row.version));
}

/// Each state goes out once, whoever takes it.
async fn two_deliverers_share_the_work(world: World, receiver: Receiver) {
    let to = at(&receiver.origin, "timeout = '30s'\nbreaker = { share = 1.0 }\n");
    let jobs = [world.deliverer(&to), world.deliverer(&to)];
    world.sign_in(0..200).await;
    world.wait(secs(600));
    world.revoke(0..200).await;
    let drain = async |n: usize| {
        let mut delivered = 0;
        loop {
            let done = world.turn(&jobs[n]).await;
            assert_eq!(done.count("lease_lost") + done.count("retry") + done.count("dead"), 0);
            delivered += done.count("delivered");
            if done.count("delivered") == 0 {
                return delivered;
            }
        }
    };
    let (one, two) = tokio::join!(drain(0), drain(1));
    assert_eq!(one + two, 200);
    let mut keys: Vec<_> = receiver.take().iter().map(|r| r.header("webhook-id").to_owned()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 200);
}
