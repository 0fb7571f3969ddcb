//! Amazon SES: what its inner events mean.

mod bounces;
mod complaints;
mod hostile;
mod identity;
mod messages;

use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::ids::TeamId;
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::Translation;
use relaywatch::sources::ses::{Context, translate};
use serde_json::Value;

use super::sns::endpoint::fixture;

/// The recipients of the fixtures.
const ONE: &str = "q7k2m9x4ab@privaterelay.appleid.com";
const TWO: &str = "t5w8z3n6cd@privaterelay.appleid.com";

fn read(inner: &str) -> Translation {
    let (team, rules) = (TeamId::new("TEAM1"), RuleBook::default());
    let signed_at = Timestamp::parse("2026-05-02T00:00:00Z").unwrap();
    translate(inner.as_bytes(), &Context { team: &team, rules: &rules, signed_at })
}

fn json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// The recipients of the events, in order.
fn recipients(translation: &Translation) -> Vec<&str> {
    translation.events.iter().map(|event| event.who.address.as_ref().map_or("", |a| a.expose())).collect()
}
