//! What is kept of a mailbox between two looks.

use std::fs::{self, File};
use std::time::Duration;

use relaywatch::domain::canary::{RouteKey, Token};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::time::Timestamp;
use relaywatch::jobs::{CollectCanaries, Job, Turn};
use relaywatch::store::MailboxRow;
use tokio_util::sync::CancellationToken;

use super::{BEHIND, door, section};
use crate::store::on_both;
use crate::world::{HOUR, MINUTE, World};

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

/// Each turn is of a process of its own: a daemon that is restarted often tidies all the same.
#[tokio::test]
async fn our_own_old_canaries_are_deleted_and_nothing_else() {
    let world = World::new().await;
    let door = door(&world, &section(""));
    let folder = tempfile::tempdir().unwrap();
    for part in ["new", "cur"] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
    }
    let foreign = Keyring::new(&[Root { id: 1, secret: [99; 32] }]).unwrap();
    let deliver = |name: &str, keyring: &Keyring| {
        let token = Token::new(RouteKey::of("news"), 1, world.now()).write(keyring);
        let path = folder.path().join("cur").join(name);
        fs::write(&path, format!("Subject: {token}\n\nx\n")).unwrap();
        let at = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(world.now().secs()).unwrap());
        File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    let left = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path().join("cur")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let collect = async |path: &std::path::Path| {
        let text = format!("name = '{BEHIND}'\nkind = 'maildir'\npath = '{}'", path.display());
        let job = CollectCanaries::open(door.clone(), world.clock.clone(), &toml::from_str(&text).unwrap(), 2 * DAY);
        let stop = CancellationToken::new();
        job.unwrap().turn(Turn { now: world.now(), stop: &stop }).await.unwrap().count("deleted")
    };
    // A hundred and more: they are deleted in several conversations.
    for n in 0..120 {
        deliver(&format!("old-{n}"), &door.context().keyring);
    }
    deliver("forged", &foreign);
    assert_eq!(collect(folder.path()).await, 0, "too young");
    assert_eq!(row(&world).await.tidied_at, Some(world.now()));
    world.pass(2 * DAY);
    deliver("young", &door.context().keyring);
    world.pass(HOUR);
    assert_eq!(collect(&folder.path().join("elsewhere")).await, 0, "it cannot be read");
    assert_eq!(left().len(), 122);
    assert_eq!(collect(folder.path()).await, 120);
    assert_eq!(left(), ["forged", "young"]);
    // Tomorrow again, and not before.
    deliver("another", &door.context().keyring);
    world.pass(DAY - HOUR);
    assert_eq!(collect(folder.path()).await, 0);
    world.pass(2 * DAY);
    assert_eq!(collect(folder.path()).await, 2);
    assert_eq!(left(), ["forged"]);
}
