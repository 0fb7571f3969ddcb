//! What is kept of a mailbox between two looks.

use std::time::Duration;

use relaywatch::domain::time::Timestamp;
use relaywatch::store::MailboxRow;

use super::BEHIND;
use crate::store::on_both;
use crate::world::{MINUTE, World};

on_both! {
    it_is_known_from_when_on_a_mailbox_was_read,
}

const DAY: Duration = Duration::from_secs(86_400);

async fn row(world: &World) -> MailboxRow {
    world.read().await.mailboxes().await.unwrap().remove(BEHIND).expect("it was looked into")
}

async fn it_is_known_from_when_on_a_mailbox_was_read(world: World) {
    let began = world.now();
    let look = async |cursor: &str, all: bool, afresh: Option<Timestamp>| {
        world.pass(MINUTE);
        let mut tx = world.store.write().await.unwrap();
        tx.mailbox_was_read(BEHIND, cursor, world.now(), all, afresh).await.unwrap();
        tx.commit().await.unwrap();
    };
    let mut tx = world.store.write().await.unwrap();
    tx.mailbox_is_unreadable(BEHIND, began, "nobody answers").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(row(&world).await.read_from, None);
    look("1", false, Some(began.minus(DAY))).await;
    let after = row(&world).await;
    assert_eq!((after.read_from, after.read_at), (Some(began.minus(DAY)), None), "a part of it");
    look("2", true, None).await;
    look("3", false, None).await;
    let after = row(&world).await;
    assert_eq!(after.read_from, Some(began.minus(DAY)), "it was read on from there");
    assert_eq!((after.read_at, after.cursor.as_str()), (Some(began.plus(2 * MINUTE)), "3"));
    look("4", true, Some(began)).await;
    assert_eq!(row(&world).await.read_from, Some(began), "and then afresh");
}
