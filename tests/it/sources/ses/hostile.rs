//! Odd bytes: nothing panics, nothing leaks, and damage in what does not matter costs no event.

use proptest::prelude::*;
use relaywatch::domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ONE, json, read, recipients};
use crate::sources::sns::endpoint::fixture;

#[test]
fn a_broken_subject_costs_no_bounce() {
    let sound = fixture("bounce_identity.json");
    for broken in [
        sound.replace("Your weekly news", "\\ud83d news \\udc00"),
        sound.replace("\"headersTruncated\": false", &format!("\"x\": {}{}", "[".repeat(3000), "]".repeat(3000))),
        sound.replace("\"headersTruncated\": false", "\"x\": 1e999"),
        format!("\u{feff}{sound}\n"),
    ] {
        assert_ne!(broken, sound);
        assert_eq!(recipients(&read(&broken)), [ONE]);
    }
}

#[test]
fn times_that_cannot_be_are_held_by_the_signed_time() {
    let signed = Timestamp::parse("2026-05-02T00:00:00Z").unwrap();
    for time in [json!("1970-01-01T00:00:00Z"), json!("9999-12-31T23:59:59Z"), json!("soon"), json!(12), Value::Null] {
        let mut event = json("bounce_identity.json");
        event["bounce"]["timestamp"] = time.clone();
        assert_eq!(read(&event.to_string()).events[0].occurred_at, signed, "{time}");
    }
}

#[test]
fn nothing_that_can_be_printed_holds_an_address() {
    for entry in std::fs::read_dir(format!("{}/tests/fixtures/ses", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let shown = format!("{:?}", read(&text));
        for secret in ["q7k2m9x4ab", "t5w8z3n6cd", "first@example.org", "hello@"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn ids_and_statuses_that_could_carry_an_address_are_not_repeated() {
    let mut event = json("bounce_identity.json");
    event["bounce"]["feedbackId"] = json!(ONE);
    event["bounce"]["bouncedRecipients"][0]["status"] = json!(ONE);
    event["bounce"]["bounceSubType"] = json!(ONE);
    let shown = format!("{:?}", read(&event.to_string()));
    assert!(!shown.contains(ONE), "{shown}");
}

#[test]
fn thousands_of_unreadable_recipients_stay_within_bounds() {
    let mut event = json("bounce_identity.json");
    event["bounce"]["bouncedRecipients"] = Value::Array(vec![json!({"emailAddress": 1}); 20_000]);
    let translation = read(&event.to_string());
    assert_eq!(translation.quarantined.len(), 51);
    let held: usize = translation.quarantined.iter().map(|part| part.body.len()).sum();
    assert!(held < 2 * event.to_string().len(), "{held}");
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| places(inner, &format!("{at}/{name}"), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, inner)| places(inner, &format!("{at}/{i}"), out)),
        _ => {}
    }
}

#[test]
fn any_field_may_be_of_any_type() {
    for name in
        ["bounce_several.json", "complaint_several.json", "delivery_delay.json", "subscription.json", "send.json"]
    {
        let sound = json(name);
        let mut all = Vec::new();
        places(&sound, "", &mut all);
        for place in &all {
            for value in [Value::Null, json!(7), json!("x"), json!([]), json!({}), json!([[1], {"a": null}])] {
                let mut event = sound.clone();
                *event.pointer_mut(place).unwrap() = value;
                let translation = read(&event.to_string());
                let parts = translation.events.len() + translation.quarantined.len() + translation.unknown.len();
                assert!(parts > 0, "{name}{place}: an event vanished");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_return(inner in "\\PC{0,200}") {
        let translation = read(&inner);
        prop_assert!(translation.events.is_empty());
    }

    #[test]
    fn any_damage_returns(index in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:\\\\u0-9a-z ]{0,6}") {
        let mut text = fixture("bounce_several.json");
        let index = index.index(text.len());
        prop_assume!(text.is_char_boundary(index));
        text.insert_str(index, &with);
        let translation = read(&text);
        let parts = translation.events.len() + translation.quarantined.len() + translation.unknown.len();
        prop_assert!(parts > 0);
    }
}
