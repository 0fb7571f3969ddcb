//! Waiting: lost only when somebody looked, late when it comes after all.

use super::{BEHIND, count, door, found, plan, read_mailbox, section, send, told};
use crate::store::on_both;
use crate::world::{HOUR, MINUTE, World};

on_both! {
    a_mailbox_that_cannot_be_read_makes_it_unknown_and_never_lost,
    what_is_lost_may_still_come_late,
    a_look_that_began_too_early_decides_nothing,
    what_waits_for_its_mailbox_holds_nobody_else_up,
    a_look_that_did_not_reach_back_loses_nothing,
}

async fn a_mailbox_that_cannot_be_read_makes_it_unknown_and_never_lost(world: World) {
    let door = door(&world, &section(""));
    let rows = plan(&door).await;
    let token = send(&door, &rows[0]).await;
    let received = found(&world, &token);
    world.pass(5 * HOUR);
    let mut tx = world.store.write().await.unwrap();
    tx.mailbox_is_unreadable(BEHIND, world.now(), "no route to it").await.unwrap();
    tx.commit().await.unwrap();
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "unknown");
    assert_eq!(count(&world, "canary_lost").await, 0);
    // It is read again: what lay there in time has arrived in time.
    door.canaries_were_found(BEHIND, &[received]).await.unwrap();
    read_mailbox(&world).await;
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "arrived");
    assert_eq!((count(&world, "canary_unknown").await, count(&world, "canary_lost").await), (1, 0));
}

async fn what_is_lost_may_still_come_late(world: World) {
    let door = door(&world, &section("ceiling = '30m'"));
    let rows = plan(&door).await;
    let token = send(&door, &rows[0]).await;
    world.pass(31 * MINUTE);
    read_mailbox(&world).await;
    for _ in 0..2 {
        door.settle_canaries(100).await.unwrap();
        assert_eq!(told(&world, 1).await[0].1, "lost");
    }
    assert_eq!(count(&world, "canary_lost").await, 1);
    world.pass(HOUR);
    door.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "late");
    assert_eq!(count(&world, "canary_late").await, 1);
}

async fn a_look_that_began_too_early_decides_nothing(world: World) {
    let door = door(&world, &section("ceiling = '30m'"));
    let rows = plan(&door).await;
    send(&door, &rows[0]).await;
    world.pass(30 * MINUTE);
    read_mailbox(&world).await;
    world.pass(MINUTE);
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "accepted", "the next look will tell");
    world.pass(3 * HOUR);
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "unknown", "nobody looks any more");
}

/// A mailbox that was taken out of the configuration, or cannot be read for days, has more canaries than are looked at in one go.
async fn what_waits_for_its_mailbox_holds_nobody_else_up(world: World) {
    let door = door(&world, &section("ceiling = '30m'"));
    let mut tx = world.store.write().await.unwrap();
    tx.mailbox_is_unreadable(BEHIND, world.now().plus(10 * HOUR), "no route to it").await.unwrap();
    tx.commit().await.unwrap();
    for n in 1..=3 {
        for row in plan(&door).await {
            send(&door, &row).await;
        }
        world.pass(HOUR);
        while door.settle_canaries(1).await.unwrap().1 {}
        assert!(told(&world, n).await.iter().all(|(_, state)| state == "unknown"), "round {n}");
    }
    assert_eq!(door.settle_canaries(1).await.unwrap(), (0, false), "they wait");
    world.pass(10 * HOUR);
    read_mailbox(&world).await;
    while door.settle_canaries(2).await.unwrap().1 {}
    for n in 1..=3 {
        assert!(told(&world, n).await.iter().all(|(_, state)| state == "lost"), "round {n}");
    }
    assert_eq!((count(&world, "canary_unknown").await, count(&world, "canary_lost").await), (9, 9));
}

/// The server numbered its messages anew, say, and the look began less far back than the canary was sent.
async fn a_look_that_did_not_reach_back_loses_nothing(world: World) {
    let door = door(&world, &section("ceiling = '30m'"));
    let rows = plan(&door).await;
    send(&door, &rows[0]).await;
    world.pass(HOUR);
    let mut tx = world.store.write().await.unwrap();
    tx.mailbox_was_read(BEHIND, "1", world.now(), true, Some(world.now().minus(50 * MINUTE))).await.unwrap();
    tx.commit().await.unwrap();
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "unknown");
    world.pass(HOUR);
    read_mailbox(&world).await;
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "unknown", "what was missed stays missed");
}
