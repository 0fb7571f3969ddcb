//! A crash at each step: no canary is forgotten, none is sent twice.

use relaywatch::domain::canary::Role;
use relaywatch::domain::canary::SEND_WITHIN;

use super::{begin, count, door, found, plan, section, send, told};
use crate::store::on_both;
use crate::world::{MINUTE, World};

on_both! {
    whoever_begins_a_canary_is_the_only_one,
    what_a_crash_left_is_told_as_what_it_is,
    an_uncertain_canary_that_arrives_has_arrived,
}

async fn whoever_begins_a_canary_is_the_only_one(world: World) {
    let section = section("");
    let rows = plan(&door(&world, &section)).await;
    let beginning = (0..4).map(|_| {
        let (door, row) = (door(&world, &section), rows[0].clone());
        tokio::spawn(async move { begin(&door, &row).await.is_some() })
    });
    let mut begun = 0;
    for one in beginning.collect::<Vec<_>>() {
        begun += usize::from(one.await.unwrap());
    }
    assert_eq!(begun, 1);
    assert_eq!(count(&world, "canary_sent").await, 1);
}

async fn what_a_crash_left_is_told_as_what_it_is(world: World) {
    let section = section("");
    let before = door(&world, &section);
    let rows = plan(&before).await;
    // The first is accepted, the second begun, the third not even that.
    send(&before, &rows[0]).await;
    begin(&before, &rows[1]).await.unwrap();
    drop(before);
    let after = door(&world, &section);
    assert!(begin(&after, &rows[1]).await.is_none(), "it may have left");
    world.pass(SEND_WITHIN + MINUTE);
    assert!(begin(&after, &rows[2]).await.is_none(), "its round is over");
    after.settle_canaries(100).await.unwrap();
    let want = [(Role::Production, "accepted"), (Role::Control, "uncertain"), (Role::Plain, "not_sent")];
    assert_eq!(told(&world, 1).await, want.map(|(role, word)| (role, word.to_owned())));
    assert_eq!(after.settle_canaries(100).await.unwrap(), (0, false), "each is told once");
    assert_eq!((count(&world, "canary_uncertain").await, count(&world, "canary_not_sent").await), (1, 1));
}

async fn an_uncertain_canary_that_arrives_has_arrived(world: World) {
    let door = door(&world, &section(""));
    let rows = plan(&door).await;
    let token = begin(&door, &rows[0]).await.unwrap().write(&door.context().keyring);
    world.pass(SEND_WITHIN + MINUTE);
    door.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "uncertain");
    door.canaries_were_found(super::BEHIND, &[found(&world, &token)]).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "arrived");
}
