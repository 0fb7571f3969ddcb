//! What is an arrival and what is not.

use relaywatch::domain::canary::{Folder, Token};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::intake::{FoundToken, Tokens};

use super::{BEHIND, begin, count, door, facts, found, plan, section, send, told};
use crate::store::on_both;
use crate::world::{MINUTE, World};

on_both! {
    a_forged_altered_or_misplaced_token_is_no_arrival,
    a_token_is_an_arrival_once,
    the_spam_folder_is_told_as_such,
}

const REFUSED: Tokens = Tokens { arrived: 0, repeated: 0, refused: 1 };

async fn a_forged_altered_or_misplaced_token_is_no_arrival(world: World) {
    let door = door(&world, &section(""));
    let rows = plan(&door).await;
    let token = send(&door, &rows[0]).await;
    let foreign = Keyring::new(&[Root { id: 1, secret: [99; 32] }]).unwrap();
    let of = |n: usize| Token::new(rows[n].route_key, rows[n].sequence, rows[n].planned_at);
    let other_time = Token { planned_at: of(0).planned_at + 1, ..of(0) };
    let keyring = &door.context().keyring;
    for (why, text) in [
        ("forged", of(0).write(&foreign)),
        ("altered", token.replace(&token[40..41], if &token[40..41] == "a" { "b" } else { "a" })),
        ("no token", "rwc1-".to_owned()),
        ("never begun", of(1).write(keyring)),
        ("another time", other_time.write(keyring)),
        ("a number never given", Token { sequence: 77, ..of(0) }.write(keyring)),
    ] {
        assert_eq!(door.canaries_were_found(BEHIND, &[found(&world, &text)]).await.unwrap(), REFUSED, "{why}");
    }
    assert_eq!(
        door.canaries_were_found("another", &[found(&world, &token)]).await.unwrap(),
        REFUSED,
        "another mailbox"
    );
    assert!(facts(&world, &rows[0]).await.arrived.is_none());
    assert_eq!(count(&world, "canary_arrived").await, 0);
}

async fn a_token_is_an_arrival_once(world: World) {
    let door = door(&world, &section(""));
    let rows = plan(&door).await;
    let token = send(&door, &rows[0]).await;
    world.pass(MINUTE);
    let one = found(&world, &token);
    let told = door.canaries_were_found(BEHIND, &[one.clone(), one.clone()]).await.unwrap();
    assert_eq!(told, Tokens { arrived: 1, repeated: 1, refused: 0 });
    // Somebody who has seen it sends it again.
    world.pass(MINUTE);
    let again = door.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    assert_eq!(again, Tokens { arrived: 0, repeated: 1, refused: 0 });
    assert_eq!(facts(&world, &rows[0]).await.took(), Some(MINUTE));
    assert_eq!(count(&world, "canary_arrived").await, 1);
    let learned = world.read().await.canary_delays().await.unwrap().remove(&rows[0].route_key).unwrap();
    assert_eq!((learned.delays.count(), learned.last_arrived_at), (1, Some(one.received_at)));
    assert!(begin(&door, &rows[0]).await.is_none(), "and it is not sent again");
}

async fn the_spam_folder_is_told_as_such(world: World) {
    let door = door(&world, &section(""));
    let rows = plan(&door).await;
    let token = send(&door, &rows[0]).await;
    let spam = FoundToken { folder: Folder::Spam, ..found(&world, &token) };
    door.canaries_were_found(BEHIND, &[spam]).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "spam");
}
