//! Canaries at the door, on both databases: planned, begun, found, settled, and never written on a user.

mod budget;
mod crash;
mod drill;
mod journey;
mod mailboxes;
mod matrix;
mod readme;
mod real;
mod reports;
mod tokens;
mod waiting;

use relaywatch::config::canaries::Canaries;
use relaywatch::config::streams::Streams;
use relaywatch::domain::canary::token::{CODE_LEN, PREFIX};
use relaywatch::domain::canary::{Facts, Role, Token};
use relaywatch::intake::{Begun, CanaryBook, FoundToken, Handover, Intake, Planned};
use relaywatch::store::{CanaryRow, EventRow};

use crate::world::{World, door_with, streams};

/// The relay addresses of the production route and of the control, and the plain one.
const FIRST: &str = "first-canary@privaterelay.appleid.com";
const SECOND: &str = "second-canary@privaterelay.appleid.com";
const PLAIN: &str = "plain-canary@example.net";

/// The mailbox behind all of them.
const BEHIND: &str = "behind";

/// A round of three routes. `more` stands before the tables of the section.
fn section(more: &str) -> Canaries {
    let text = format!(
        r#"{more}
        addresses = [
            {{ name = "first", address = "{FIRST}" }},
            {{ name = "second", address = "{SECOND}" }},
            {{ name = "plain", address = "{PLAIN}" }},
        ]
        routes = [
            {{ name = "news", round = "news", role = "production", stream = "NEWS", submission = "s", mailbox = "behind", addresses = ["first"] }},
            {{ name = "news.control", round = "news", role = "control", stream = "RECEIPTS", submission = "s", mailbox = "behind", addresses = ["second"] }},
            {{ name = "news.plain", round = "news", role = "plain", stream = "NEWS", submission = "s", mailbox = "behind", addresses = ["plain"] }},
        ]"#
    );
    let text = text.replace("NEWS", crate::world::NEWS.stream).replace("RECEIPTS", crate::world::RECEIPTS.stream);
    toml::from_str(&text).expect("a section")
}

/// Another door to the world's store, as a replica or a restarted daemon has it.
fn door(world: &World, section: &Canaries) -> Intake {
    door_with(&world.store, &world.clock, &[1], |keyring| {
        CanaryBook::new(section.routes(&Streams(streams()), keyring), section)
    })
}

/// The canaries of the round that is due.
async fn plan(door: &Intake) -> Vec<CanaryRow> {
    match door.plan_round("news").await.unwrap() {
        Planned::Round(rows) => rows,
        other => panic!("no round: {other:?}"),
    }
}

/// Begins a canary and has it accepted; gives its token as the letter carries it.
async fn send(door: &Intake, row: &CanaryRow) -> String {
    let token = begin(door, row).await.expect("nobody else began it");
    door.canary_was_handed_over(row.route_key, row.sequence, Handover::Accepted(None)).await.unwrap();
    token.write(&door.context().keyring)
}

async fn begin(door: &Intake, row: &CanaryRow) -> Option<Token> {
    match door.begin_canary(row.route_key, row.sequence).await.unwrap() {
        Begun::Now(token) => Some(token),
        Begun::No => None,
    }
}

/// The token in a letter's subject: it names route and sequence.
fn token_of(letter: &str) -> &str {
    let at = letter.find(PREFIX).expect("a token");
    &letter[at..at + PREFIX.len() + CODE_LEN]
}

/// A token as a mailbox shows it, received now.
fn found(world: &World, token: &str) -> FoundToken {
    let (token, folder) = (token.to_owned(), relaywatch::domain::canary::Folder::Inbox);
    FoundToken { token, folder, received_at: world.now(), showed: "{}".to_owned() }
}

/// What the log last heard of each canary of the last round, by role.
async fn told(world: &World, n: i64) -> Vec<(Role, String)> {
    let mut tx = world.read().await;
    let rows = tx.canaries_of_rounds_after("news", n - 1).await.unwrap();
    let mut told: Vec<_> = rows.into_iter().filter(|row| row.round_n == n).map(|row| (row.role, row.told)).collect();
    told.sort();
    told
}

async fn facts(world: &World, row: &CanaryRow) -> Facts {
    world.read().await.canary(row.route_key, row.sequence).await.unwrap().expect("it is never forgotten").facts
}

/// A look into the mailbox that read all of it.
async fn read_mailbox(world: &World) {
    let mut tx = world.store.write().await.unwrap();
    tx.mailbox_was_read(BEHIND, "1", world.now(), true, None).await.unwrap();
    tx.commit().await.unwrap();
}

/// The whole log.
async fn log(world: &World) -> Vec<EventRow> {
    world.read().await.events_after(0, 10_000).await.unwrap()
}

/// How often the log has an event of this kind.
async fn count(world: &World, kind: &str) -> usize {
    log(world).await.iter().filter(|event| event.kind.as_str() == kind).count()
}
