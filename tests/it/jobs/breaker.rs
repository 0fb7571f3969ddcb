//! The breaker: too many users at once stop a destination until a person says go.

use relaywatch::config::destinations::Destination;
use relaywatch::domain::delivery::Mode;
use relaywatch::jobs::{OutboxGauges, OutboxWatch, Outgoing, start_deliveries};
use relaywatch::outputs::system_lookup;

use super::world::{World, at, secs};
use crate::outputs::receiver::Receiver;

const CAREFUL: &str = "breaker = { share = 0.1, at_least = 5 }\n";

async fn world() -> (World, Receiver, Destination) {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, CAREFUL);
    let world = World::sqlite(vec![to.clone()]).await;
    let gauges = OutboxGauges::register(world.metrics.registry()).unwrap();
    OutboxWatch::new(world.means.clone(), gauges, vec!["crm".to_owned()]).on_scrape(&world.metrics);
    world.sign_in(0..100).await;
    world.wait(secs(7_200));
    (world, receiver, to)
}

async fn says(world: &World, line: &str) {
    let text = world.scrape().await;
    assert!(text.lines().any(|have| have == line), "{line}\nis not in\n{text}");
}

#[tokio::test]
async fn nothing_leaves_above_the_share_until_a_person_says_go() {
    let (world, receiver, to) = world().await;
    let job = world.deliverer(&to);
    world.revoke(0..10).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 10, "a tenth is allowed");
    says(&world, r#"relaywatch_outbox_halted{destination="crm"} 0"#).await;
    world.revoke(10..11).await;
    assert_eq!(world.turn(&job).await, Default::default());
    world.wait(secs(86_400));
    world.revoke(11..12).await;
    assert_eq!(world.turn(&job).await, Default::default(), "time does not say go");
    assert_eq!(receiver.take().len(), 10);
    says(&world, r#"relaywatch_outbox_halted{destination="crm"} 1"#).await;
    says(&world, r#"relaywatch_outbox_breaker_trips_total{destination="crm"} 1"#).await;
    says(&world, r#"relaywatch_outbox_waiting{destination="crm"} 2"#).await;
    says(&world, r#"relaywatch_outbox_oldest_waiting_seconds{destination="crm"} 86400"#).await;
    let mut tx = world.store().write().await.unwrap();
    let (_, why) = tx.halt_of("crm").await.unwrap().halted.unwrap();
    assert_eq!(why, "11 of 100 known users would change within an hour; allowed are 10 %");
    tx.resume("crm", world.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.turn(&job).await.count("delivered"), 2);
    says(&world, r#"relaywatch_outbox_halted{destination="crm"} 0"#).await;
    // What was let go counts no more; what comes after does.
    world.wait(secs(60));
    world.revoke(12..22).await;
    assert_eq!(world.turn(&job).await.count("delivered"), 10);
    world.revoke(22..23).await;
    assert_eq!(world.turn(&job).await, Default::default());
}

#[tokio::test]
async fn a_slow_trickle_does_not_trip_it() {
    let (world, receiver, to) = world().await;
    let job = world.deliverer(&to);
    for n in 0..20 {
        world.revoke(n..n + 1).await;
        assert_eq!(world.turn(&job).await.count("delivered"), 1, "user {n}");
        world.wait(secs(600));
    }
    assert_eq!(receiver.take().len(), 20);
}

#[tokio::test]
async fn a_long_shadow_time_meets_the_breaker_first() {
    let (world, receiver, to) = world().await;
    // Written down while observing, a few each day.
    let observing = Destination { mode: Mode::Observe, ..to.clone() };
    let outgoing = Outgoing::open(&observing, system_lookup()).unwrap();
    assert_eq!(start_deliveries(world.store(), &[outgoing], world.now()).await.unwrap(), 0);
    for day in 0..6 {
        let mut tx = world.store().write().await.unwrap();
        for n in 0..2 {
            let who = format!("a:{}", world.key(day * 2 + n));
            let row = relaywatch::store::DesiredRow {
                team: relaywatch::domain::ids::TeamId::new("team"),
                who,
                destination: "crm".to_owned(),
                version: 1,
                state: r#"{"state":"suppressed","reason":"complaint"}"#.to_owned(),
                changed_at: world.now(),
                due_at: None,
            };
            tx.put_desired(&[row]).await.unwrap();
        }
        tx.commit().await.unwrap();
        world.wait(secs(86_400));
    }
    let outgoing = Outgoing::open(&to, system_lookup()).unwrap();
    assert_eq!(start_deliveries(world.store(), &[outgoing], world.now()).await.unwrap(), 12);
    assert_eq!(world.turn(&world.deliverer(&to)).await, Default::default());
    assert!(receiver.take().is_empty());
    assert!(world.store().read().await.unwrap().halt_of("crm").await.unwrap().halted.is_some());
}
