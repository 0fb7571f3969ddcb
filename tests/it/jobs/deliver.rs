//! From a change to the destination's door: when, how often, and what is written down.

use relaywatch::config::destinations::Destination;
use relaywatch::domain::delivery::Mode;
use relaywatch::domain::event::{Kind, Scope, Source};
use relaywatch::domain::ids::TeamId;
use relaywatch::intake::Erasure;
use relaywatch::jobs::{Job, Outgoing, Turn, start_deliveries};
use relaywatch::outputs::system_lookup;
use tokio_util::sync::CancellationToken;

use super::world::{TEAM, World, at, secs};
use crate::outputs::receiver::{Answer, Receiver, SECRET};

#[tokio::test]
async fn a_revocation_and_its_end_are_told_once_each() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..3).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 0, "nothing is said of whom nothing stands against");
    world.wait(secs(3_600));
    world.revoke(1..2).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    assert_eq!(world.turn(&job).await.count("delivered"), 0, "once");
    world.wait(secs(3_600));
    world.sign_in(1..2).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);

    let told = receiver.take();
    assert!(told.iter().all(|one| one.is_signed_with(SECRET)));
    let (left, back) = (told[0].json(), told[1].json());
    assert_eq!(left["mode"], "enforce");
    assert_eq!(left["subject"]["kind"], "address");
    assert_eq!(left["subject"]["key"], world.key(1).to_string());
    assert_eq!(left["subject"]["address"], world.marked.address(1));
    assert_eq!(left["subject"]["sub"], world.marked.sub(1));
    assert_eq!(
        (&left["change"]["state"], &left["change"]["reason"]),
        (&"suppressed".into(), &"consent_revoked".into())
    );
    assert_eq!(left["why"][0]["kind"], "consent_revoked");
    assert!(left["previous"].is_null());
    assert_eq!(back["change"]["state"], "sendable");
    assert_eq!(back["previous"], left["change"]);
    assert!(back["version"].as_i64() > left["version"].as_i64());
    assert_ne!(back["idempotency_key"], left["idempotency_key"]);

    let summary = world.store().read().await.unwrap().outbox_summary("crm").await.unwrap();
    assert_eq!((summary.waiting, summary.dead, summary.delivered), (0, 0, 1));
    let text = world.scrape().await;
    let line = r#"relaywatch_outbox_deliveries_total{destination="crm",outcome="delivered",reason="ok"} 2"#;
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn what_was_observed_leaves_only_when_the_mode_delivers() {
    let receiver = Receiver::start().await;
    let observing = Destination { mode: Mode::Observe, ..at(&receiver.origin, "") };
    let world = World::sqlite(vec![observing.clone()]).await;
    world.sign_in(0..2).await;
    world.wait(secs(60));
    world.revoke(0..2).await;
    let open = |mode| {
        let to = Destination { mode, ..observing.clone() };
        (Outgoing::open(&to, system_lookup()).unwrap(), world.deliverer(&to))
    };
    let (outgoing, job) = open(Mode::Observe);
    assert_eq!(start_deliveries(world.store(), &[outgoing], world.now()).await.unwrap(), 0);
    assert_eq!(world.turn(&job).await.count("delivered"), 0);
    let written = world.store().read().await.unwrap().desired_of("crm", ("", ""), 10).await.unwrap();
    assert_eq!(written.len(), 2, "written down all the same");

    world.wait(secs(7_200));
    let (outgoing, job) = open(Mode::Advise);
    assert_eq!(world.turn(&job).await.count("delivered"), 0, "not before it is started");
    assert_eq!(start_deliveries(world.store(), std::slice::from_ref(&outgoing), world.now()).await.unwrap(), 2);
    let changed = world.store().read().await.unwrap().changed_since("crm", world.now().minus(secs(60))).await.unwrap();
    assert_eq!(changed, 2, "the breaker sees them although they changed long ago");
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    assert!(receiver.take().iter().all(|one| one.json()["mode"] == "advise"));
    assert_eq!(
        start_deliveries(world.store(), &[outgoing], world.now()).await.unwrap(),
        0,
        "a restart repeats nothing"
    );
    let (outgoing, job) = open(Mode::Enforce);
    assert_eq!(start_deliveries(world.store(), &[outgoing], world.now()).await.unwrap(), 0);
    assert_eq!(world.turn(&job).await.count("delivered"), 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_by_the_schedule_and_as_asked() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..1).await;
    world.wait(secs(60));
    world.revoke(0..1).await;
    receiver.answer_next(&[Answer::Status(500), Answer::Wait(429, "600"), Answer::Wait(503, "1")]);
    // After each failure: not before the least wait, and by the longest.
    for (least, most) in [(4, 6), (600, 600), (96, 144)] {
        assert_eq!(world.turn(&job).await.count("retry"), 1);
        world.wait(secs(least - 1));
        assert_eq!(world.turn(&job).await.count("retry"), 0);
        world.wait(secs(most - least + 1));
    }
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let told = receiver.take();
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|one| one.is_signed_with(SECRET)));
    assert!(
        told.iter().all(|one| one.body == told[0].body && one.header("webhook-id") == told[0].header("webhook-id"))
    );
    assert_ne!(told[0].header("webhook-timestamp"), told[3].header("webhook-timestamp"), "signed anew each time");
}

#[tokio::test]
async fn after_a_day_of_failures_it_is_given_up_visibly_and_can_be_revived() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..1).await;
    world.wait(secs(60));
    world.revoke(0..1).await;
    receiver.answer_always(Answer::Status(502));
    let began = world.now();
    let mut tries = 0;
    while world.turn(&job).await.count("dead") == 0 {
        tries += 1;
        assert!(tries < 20, "it ends");
        world.wait(secs(16 * 3_600));
    }
    assert_eq!((tries, receiver.take().len()), (9, 10));
    assert!(world.now().since(began) >= secs(22 * 3_600));
    world.wait(secs(48 * 3_600));
    assert_eq!(world.turn(&job).await.count("retry") + world.turn(&job).await.count("dead"), 0);
    let mut tx = world.store().write().await.unwrap();
    assert_eq!(tx.outbox_summary("crm").await.unwrap().dead, 1);
    let because = tx.dead_because("crm", 10).await.unwrap();
    assert_eq!(because, [("it answered 502; given up after 10 tries".to_owned(), 1)]);
    assert_eq!(tx.revive("crm", world.now()).await.unwrap(), 1);
    tx.commit().await.unwrap();
    receiver.answer_always(Answer::Status(200));
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
}

#[tokio::test]
async fn gone_and_refused_are_not_tried_again_but_a_new_change_is() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..2).await;
    world.wait(secs(60));
    world.revoke(0..2).await;
    receiver.answer_next(&[Answer::Status(410), Answer::Status(422)]);
    assert_eq!(world.turn(&job).await.count("dead"), 2);
    world.wait(secs(86_400));
    assert_eq!(world.turn(&job).await.count("delivered"), 0);
    world.sign_in(0..1).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    assert_eq!(world.store().read().await.unwrap().outbox_summary("crm").await.unwrap().dead, 1);
}

#[tokio::test]
async fn a_subject_without_address_is_told_by_sub_and_then_by_address() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.revoke(5..6).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let told = receiver.take()[0].json();
    assert_eq!((&told["subject"]["kind"], &told["change"]["state"]), (&"sub".into(), &"suppressed".into()));
    assert_eq!(told["subject"]["sub"], world.marked.sub(5));
    assert!(told["subject"].get("address").is_none());
    // He comes back with an address: the destination must learn that all is well, although this row never said otherwise.
    world.wait(secs(3_600));
    world.sign_in(5..6).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    let told = receiver.take()[0].json();
    assert_eq!((&told["subject"]["kind"], &told["change"]["state"]), (&"address".into(), &"sendable".into()));
    assert_eq!(
        (&told["subject"]["sub"], &told["subject"]["address"]),
        (&world.marked.sub(5).into(), &world.marked.address(5).into())
    );
}

#[tokio::test]
async fn nothing_is_told_of_the_erased_and_nothing_kept() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..1).await;
    world.wait(secs(60));
    world.revoke(0..1).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 1);
    world.forwarding(0, false).await;
    let erasure =
        Erasure { team: TeamId::new(TEAM), address: Some(world.address(0)), sub: None, who: "test".to_owned() };
    world.intake.erase(&erasure).await.unwrap();
    assert_eq!(world.turn(&job).await, Default::default());
    assert_eq!(receiver.take().len(), 1);
    let mut tx = world.store().read().await.unwrap();
    assert!(tx.desired_of("crm", ("", ""), 10).await.unwrap().is_empty());
    assert!(tx.deliveries_since("crm", Default::default(), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_stop_leaves_in_hand_is_given_back_untried() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.sign_in(0..3).await;
    world.wait(secs(60));
    world.revoke(0..3).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let done = job.turn(Turn { now: world.now(), stop: &stop }).await.unwrap();
    assert_eq!((done.count("untried"), receiver.take().len()), (3, 0));
    assert_eq!(world.turn(&job).await.count("delivered"), 3, "at once, the leases were given back");
    let first_try = r#"relaywatch_outbox_latency_seconds_count{destination="crm"} 3"#;
    assert!(world.scrape().await.contains(first_try), "and the untried ones do not count as tries");
}

#[tokio::test]
async fn holds_are_not_told() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let world = World::sqlite(vec![to.clone()]).await;
    let job = world.deliverer(&to);
    world.bounce(0).await;
    let mut listed = world.event(Kind::HardBounce, Source::Ses, world.address_only(1));
    listed.fresh = false;
    listed.scope = Scope::Esp;
    world.submit(vec![listed]).await;
    assert_eq!(world.turn(&job).await, Default::default());
    assert!(receiver.take().is_empty());
}
