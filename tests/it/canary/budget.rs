//! The budget of an address holds whoever plans, and however often somebody asks.

use std::time::Duration;

use relaywatch::intake::Planned;

use super::{door, plan, section};
use crate::store::on_both;
use crate::world::{DAY, HOUR, MINUTE, World};

on_both! {
    rounds_end_where_the_budget_ends_and_go_on_a_day_later,
    replicas_that_plan_at_once_plan_one_round,
    who_asks_gets_a_round_and_a_burst_gets_many,
    who_asks_where_there_is_no_room_gets_it_when_there_is,
    a_clock_that_is_set_back_delays_no_round_for_longer_than_the_pace,
}

async fn rounds_end_where_the_budget_ends_and_go_on_a_day_later(world: World) {
    let section = section("daily = 3\nidle = '1h'\nburst = '1s'");
    let replicas = [door(&world, &section), door(&world, &section)];
    for n in 1..=3 {
        let rows = plan(&replicas[n % 2]).await;
        assert_eq!(rows.iter().map(|row| row.round_n).collect::<Vec<_>>(), [n as i64; 3]);
        assert!(
            matches!(replicas[0].plan_round("news").await.unwrap(), Planned::NotBefore(at) if at == world.now().plus(HOUR))
        );
        world.pass(HOUR);
    }
    assert_eq!(replicas[1].plan_round("news").await.unwrap(), Planned::NoRoom);
    for replica in &replicas {
        replica.ask_for_canaries("news", true).await.unwrap();
        world.pass(2 * MINUTE);
        assert_eq!(replica.plan_round("news").await.unwrap(), Planned::NoRoom, "asking opens no budget");
    }
    // The first round may have left ten minutes after it was planned.
    world.pass(DAY - 3 * HOUR + Duration::from_secs(599) - 4 * MINUTE);
    assert_eq!(replicas[0].plan_round("news").await.unwrap(), Planned::NoRoom, "a second too early");
    world.pass(Duration::from_millis(500));
    replicas[0].ask_for_canaries("news", false).await.unwrap();
    world.pass(Duration::from_millis(500));
    assert_eq!(plan(&replicas[0]).await[0].round_n, 4);
}

async fn replicas_that_plan_at_once_plan_one_round(world: World) {
    let section = section("");
    let planning = (0..4).map(|_| {
        let door = door(&world, &section);
        tokio::spawn(async move { door.plan_round("news").await.unwrap() })
    });
    let mut rounds = 0;
    for planned in planning.collect::<Vec<_>>() {
        rounds += usize::from(matches!(planned.await.unwrap(), Planned::Round(_)));
    }
    assert_eq!(rounds, 1);
}

async fn who_asks_gets_a_round_and_a_burst_gets_many(world: World) {
    let door = door(&world, &section(""));
    plan(&door).await;
    world.pass(MINUTE);
    assert_eq!(
        door.ask_for_canaries("news", false).await.unwrap(),
        world.now().plus(MINUTE),
        "never below the pace of a burst"
    );
    world.pass(MINUTE);
    plan(&door).await;
    world.pass(2 * MINUTE);
    assert!(matches!(door.plan_round("news").await.unwrap(), Planned::NotBefore(_)), "one was asked for");
    door.ask_for_canaries("news", true).await.unwrap();
    for _ in 0..15 {
        plan(&door).await;
        world.pass(2 * MINUTE);
    }
    world.pass(2 * MINUTE);
    assert!(matches!(door.plan_round("news").await.unwrap(), Planned::NotBefore(_)), "the burst is over");
}

async fn who_asks_where_there_is_no_room_gets_it_when_there_is(world: World) {
    let door = door(&world, &section("daily = 1\nidle = '20h'"));
    plan(&door).await;
    // Half an hour before there is room again; by the pace alone the next try is late on the next day.
    world.pass(DAY - 20 * MINUTE);
    assert_eq!(door.plan_round("news").await.unwrap(), Planned::NoRoom);
    world.pass(MINUTE);
    door.ask_for_canaries("news", false).await.unwrap();
    world.pass(MINUTE);
    assert_eq!(door.plan_round("news").await.unwrap(), Planned::NoRoom);
    world.pass(28 * MINUTE);
    assert_eq!(plan(&door).await[0].round_n, 2);
}

async fn a_clock_that_is_set_back_delays_no_round_for_longer_than_the_pace(world: World) {
    let door = door(&world, &section("idle = '30m'"));
    let mut tx = world.store.write().await.unwrap();
    tx.try_round("news", 0, world.now().plus(9 * HOUR)).await.unwrap();
    tx.commit().await.unwrap();
    let due = Planned::NotBefore(world.now().plus(30 * MINUTE));
    for _ in 0..2 {
        assert_eq!(door.plan_round("news").await.unwrap(), due);
        world.pass(15 * MINUTE);
    }
    assert_eq!(plan(&door).await[0].round_n, 1);
}
