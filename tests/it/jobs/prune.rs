//! What is dropped by age, and what is not.

use relaywatch::config::retention::Retention;
use relaywatch::domain::address::Address;
use relaywatch::domain::event::{Kind, Scope, Source, Who};
use relaywatch::jobs::Prune;
use relaywatch::store::TeeRow;

use super::world::{World, at, secs};
use crate::outputs::receiver::Receiver;

const DAY: u64 = 86_400;

#[tokio::test]
async fn each_kind_goes_at_its_age() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = Prune::new(world.means.clone(), Retention::default());
    world.sign_in(0..2).await;
    world.wait(secs(60));
    world.revoke(0..1).await;
    world.turn(&world.deliverer(&to)).await;
    let sealed = world.means.keyring.seal(b"tee_1", b"body", [1; 12]);
    let tee = TeeRow { id: "tee_1".into(), target: "one".into(), received_at: world.now(), body: sealed, attempts: 0 };
    let mut tx = world.store().write().await.unwrap();
    tx.put_tee(&[tee]).await.unwrap();
    tx.commit().await.unwrap();

    let counts = async || {
        let mut tx = world.store().read().await.unwrap();
        let events = tx.events_after(0, 100).await.unwrap().len();
        let tee = tx.tee_summary("one").await.unwrap().waiting;
        let told = tx.deliveries_since("crm", Default::default(), None, 100).await.unwrap().len();
        (events, tee, told, tx.count_records().await.unwrap())
    };
    let done = world.turn(&job).await;
    assert_eq!((done.count("dropped"), done.more, counts().await), (0, false, (3, 1, 1, (2, 2))));
    world.wait(secs(15 * DAY));
    assert_eq!(world.turn(&job).await.count("dropped"), 1);
    assert_eq!(counts().await, (3, 0, 1, (2, 2)));
    world.wait(secs(76 * DAY));
    world.turn(&job).await;
    assert_eq!(counts().await, (0, 0, 1, (2, 2)), "records stay: they are what is known of people");
    world.wait(secs(640 * DAY));
    world.turn(&job).await;
    assert_eq!(counts().await, (0, 0, 0, (2, 2)));
    let head = world.store().read().await.unwrap().head().await.unwrap();
    assert_eq!(head, 3, "numbers are never given twice");
}

#[tokio::test]
async fn an_address_nobody_flagged_leaves_nothing_after_a_week() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = Prune::new(world.means.clone(), Retention::default());
    let address = Address::parse(&world.marked.address_at(1, "icloud.com")).unwrap();
    let who = Who { address: Some(address.clone()), named: 1, ..Who::default() };
    let mut complaint = world.event(Kind::Complaint, Source::Ses, who);
    complaint.scope = Scope::Recipient;
    world.submit(vec![complaint]).await;
    assert_eq!(world.turn(&world.deliverer(&to)).await.count("delivered"), 1);
    world.wait(secs(8 * DAY));
    assert_eq!(world.turn(&job).await.count("dropped"), 1);
    let mut tx = world.store().read().await.unwrap();
    assert_eq!(tx.count_records().await.unwrap(), (0, 0));
    assert!(tx.desired_of("crm", ("", ""), 10).await.unwrap().is_empty());
    assert!(tx.deliveries_since("crm", Default::default(), None, 10).await.unwrap().is_empty());
    let events = tx.events_after(0, 10).await.unwrap();
    assert!(events.len() == 1 && events[0].address_key.is_none(), "a bare count");
    let key = world.means.keyring.address(&address).to_string();
    let team = relaywatch::domain::ids::TeamId::new("team");
    assert!(tx.sealed(&team, "address", &[key]).await.unwrap().is_empty());
}

#[tokio::test]
async fn much_is_dropped_in_bounded_transactions_and_a_stop_is_heard() {
    let world = World::sqlite(vec![]).await;
    let job = Prune::new(world.means.clone(), Retention::default());
    for _ in 0..5 {
        world.sign_in(0..1_000).await;
    }
    world.wait(secs(100 * DAY));
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    let turn = relaywatch::jobs::Turn { now: world.now(), stop: &stop };
    let stopped = relaywatch::jobs::Job::turn(&job, turn).await.unwrap();
    assert_eq!((stopped.count("dropped"), stopped.more), (0, true));
    let done = world.turn(&job).await;
    assert_eq!((done.count("dropped"), done.more), (10_000, false), "events, and identities");
}
