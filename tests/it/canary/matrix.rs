//! How the canaries stand, as the API and the command tell it: of a round that names a part, and of a daemon that sends none.

use http::Method;
use relaywatch::domain::canary::{Part, Role};
use serde_json::{Value, json};

use super::{BEHIND, door, found, plan, read_mailbox, section, send};
use crate::daemon::Home;
use crate::stage::Stage;
use crate::store::on_both;
use crate::world::{HOUR, MINUTE, NEWS, World, unauthorized_sender};

on_both! {
    a_round_names_the_part_that_is_broken,
    until_a_round_tells_the_one_before_does,
    a_burst_does_not_hide_what_the_round_before_it_names,
    routes_that_share_an_address_share_its_room,
}

/// A route of a stage's configuration, to a server that is not there.
pub(super) const CONFIGURED: &str = r#"
[[submissions]]
name = "none"
host = "127.0.0.1"
port = 1
tls = "none"
hello = "canaries.example"
envelope_from = "bounce@canaries.example"
[canaries]
addresses = [{ name = "first", address = "first-canary@privaterelay.appleid.com" }]
[[canaries.routes]]
name = "news"
round = "news"
role = "negative"
stream = "canaries"
submission = "none"
addresses = ["first"]
"#;

async fn a_round_names_the_part_that_is_broken(mut world: World) {
    world.intake = door(&world, &section(""));
    let door = &world.intake;
    let rows = plan(door).await;
    for row in &rows[1..] {
        let token = send(door, row).await;
        world.pass(MINUTE);
        door.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    }
    send(door, &rows[0]).await;
    let matrix = door.context().canary_matrix(&mut world.read().await).await.unwrap();
    assert_eq!((matrix.rounds[0].broken, matrix.rounds[0].told_by), (Part::Unknown, None), "it may still arrive");
    world.receive(unauthorized_sender(super::FIRST).by(NEWS)).await;
    let matrix = door.context().canary_matrix(&mut world.read().await).await.unwrap();
    let round = &matrix.rounds[0];
    assert_eq!((round.broken, round.told_by, round.rounds_left), (Part::StreamAtRelay, Some(1), 79));
    let states: Vec<_> = round.routes.iter().map(|route| (route.route.as_str(), route.state.unwrap())).collect();
    assert_eq!(states, [("news", "refused"), ("news.control", "arrived"), ("news.plain", "arrived")]);
    let refused = round.routes[0].refused.as_ref().unwrap();
    assert!(refused.text.as_deref().is_none_or(|text| !text.contains('@')), "{refused:?}");
    assert_eq!(round.routes[1].seconds, Some(60.0));
}

async fn until_a_round_tells_the_one_before_does(mut world: World) {
    world.intake = door(&world, &section(""));
    let door = &world.intake;
    for row in plan(door).await {
        send(door, &row).await;
    }
    world.pass(HOUR);
    read_mailbox(&world).await;
    let broken = |matrix: relaywatch::intake::Matrix| (matrix.rounds[0].broken, matrix.rounds[0].told_by);
    let now = door.context().canary_matrix(&mut world.read().await).await.unwrap();
    assert_eq!(broken(now), (Part::Provider, Some(1)));
    for row in plan(door).await {
        send(door, &row).await;
    }
    let now = door.context().canary_matrix(&mut world.read().await).await.unwrap();
    assert_eq!(broken(now), (Part::Provider, Some(1)), "the second is on its way");
}

async fn a_burst_does_not_hide_what_the_round_before_it_names(mut world: World) {
    world.intake = door(&world, &section(""));
    let door = &world.intake;
    door.ask_for_canaries("news", true).await.unwrap();
    for _ in 0..20 {
        for row in plan(door).await {
            let token = send(door, &row).await;
            if row.role != Role::Production {
                door.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
            }
        }
        world.pass(2 * MINUTE);
        door.ask_for_canaries("news", true).await.unwrap();
        read_mailbox(&world).await;
    }
    // Those of the last half hour are still waited for.
    let matrix = door.context().canary_matrix(&mut world.read().await).await.unwrap();
    assert_eq!((matrix.rounds[0].broken, matrix.rounds[0].told_by), (Part::StreamAtRelay, Some(5)));
}

async fn routes_that_share_an_address_share_its_room(world: World) {
    let relayed = section("").routes.into_iter().filter(|route| route.role.is_relayed());
    let shared = relayed.map(|mut route| {
        route.addresses = vec!["first".to_owned()];
        route
    });
    let section = relaywatch::config::canaries::Canaries { routes: shared.collect(), ..section("daily = 7") };
    let door = door(&world, &section);
    let left = || async { door.context().canary_matrix(&mut world.read().await).await.unwrap().rounds[0].rounds_left };
    for n in [3, 2, 1] {
        assert_eq!(left().await, n);
        plan(&door).await;
        world.pass(HOUR);
    }
    assert_eq!((left().await, door.plan_round("news").await.unwrap()), (0, relaywatch::intake::Planned::NoRoom));
}

#[tokio::test]
async fn the_api_and_the_command_tell_the_same() {
    let home = Home::new();
    let url = home.sqlite_url();
    let stage = Stage::on(home, &url, &(streams() + CONFIGURED)).await;
    // The daemon sends by itself; nobody is there to take it.
    crate::stage::eventually(|| async {
        let told: Value = stage.api(Method::GET, "/v1/canaries").expect(200).await.json();
        let state = &told["rounds"][0]["routes"][0]["state"];
        if *state == "not_sent" { Ok(()) } else { Err(told.to_string()) }
    })
    .await;
    let mut told: Value = stage.api(Method::GET, "/v1/canaries").expect(200).await.json();
    assert_eq!(told["rounds"][0]["broken"], "unknown");
    let mut shown: Value = serde_json::from_str(&stage.command(&["canary", "status", "--format", "json"])).unwrap();
    for told in [&mut told, &mut shown] {
        told["as_of"].take();
        told["rounds"][0]["next_at"].take();
    }
    assert_eq!(told, shown);
    let text = stage.command(&["canary", "status"]);
    assert!(text.contains("broken: unknown") && text.contains("not_sent"), "{text}");
    let asked: Value =
        serde_json::from_str(&stage.command(&["canary", "send", "--burst", "--format", "json"])).unwrap();
    assert_eq!((&asked["burst"], &asked["asked"][0]["rounds_left"]), (&json!(true), &json!(79)), "{asked}");
    let told: Value = stage.api(Method::GET, "/v1/canaries").expect(200).await.json();
    assert!(told["rounds"][0]["burst_until"].is_string(), "the daemon knows of the burst: {told}");
    let none = stage.daemon.home().run(&["canary", "send", "--round", "six", "--config", "config.toml"]);
    assert_eq!(none.status.code(), Some(1));
}

/// A stream of the stage's own team, for the routes.
pub(super) fn streams() -> String {
    let team = crate::feeds::TEAM;
    format!("\n[[streams]]\nname = \"canaries\"\nteam = \"{team}\"\nfrom_domain = \"canaries.example\"\n")
}
