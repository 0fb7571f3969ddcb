//! Braze Currents as it comes over the wire.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use proptest::prelude::*;
use relaywatch::cli::demo::world::braze::{Mail, Report, TEST, batch, event};
use relaywatch::config::braze::BrazeEndpoint;
use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::event::{Effect, Event, Kind, Scope, Source};
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::braze::BrazeSource;
use relaywatch::sources::{HookSource, Request, Translation};

const RECIPIENT: &str = "q7w2k9xz4m@privaterelay.appleid.com";
const SUB: &str = "000123.0123456789abcdef0123456789abcdef.0456";
const EVERY_KIND: &str = include_str!("../../fixtures/braze/every_kind.json");

fn source(more: &str) -> BrazeSource {
    let section =
        format!("name = \"main\"\nteam = \"T1\"\nauth = {{ bearer = {{ tokens = [\"t1\", \"t2\"] }} }}\n{more}");
    let endpoint: BrazeEndpoint = toml::from_str(&section).unwrap();
    BrazeSource::new(&endpoint, Arc::new(RuleBook::default()))
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_760_001_000)
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())])
}

fn post_to(source: &BrazeSource, body: &[u8]) -> Translation {
    let headers = bearer("t1");
    source.admit(&headers).unwrap();
    source.translate(Request { headers: &headers, body, received_at: now() })
}

fn post(body: impl AsRef<[u8]>) -> Translation {
    post_to(&source(""), body.as_ref())
}

/// One event of the kind, with these properties and these other members.
fn one(kind: &str, properties: &str, members: &str) -> Event {
    let mut read = post(format!(
        r#"{{"events":[{{"event_type":"users.messages.email.{kind}","id":"e1","time":1760000000,
        "user":{{"external_user_id":"{SUB}"}},"properties":{{"email_address":"{RECIPIENT}"{properties}}}{members}}}]}}"#
    ));
    assert_eq!((read.events.len(), read.quarantined.len()), (1, 0), "{properties} {members}: {:?}", read.quarantined);
    read.events.remove(0)
}

#[test]
fn every_kind_is_tolerated_and_mail_is_understood() {
    let read = post(EVERY_KIND);
    assert!(read.quarantined.is_empty() && read.unknown.is_empty(), "{read:?}");
    let seen: Vec<_> = read.events.iter().map(|e| (e.kind, e.fresh, e.effect())).collect();
    assert_eq!(
        seen,
        [
            (Kind::Sent, false, Effect::None),
            (Kind::Delivered, true, Effect::None),
            (Kind::HardBounce, true, Effect::Hold),
            (Kind::HardBounce, false, Effect::Suppress),
            (Kind::SoftBounce, true, Effect::None),
            (Kind::Delayed, true, Effect::None),
            (Kind::Complaint, true, Effect::Suppress),
            (Kind::Unsubscribed, true, Effect::Suppress),
        ]
    );
    for event in &read.events {
        assert_eq!((event.source, event.who.address.as_ref().unwrap().expose()), (Source::Braze, RECIPIENT));
        assert_eq!(event.who.sub, None, "the join key is off unless configured");
    }
    let bounce = &read.events[2];
    assert_eq!(bounce.origin.esp.as_ref().unwrap().as_str(), "sendgrid");
    assert_eq!(bounce.origin.from_domain.as_deref(), Some("mail.shop.example"));
    assert_eq!(bounce.origin.sending_ip.map(|ip| ip.to_string()).as_deref(), Some("198.51.100.7"));
    assert_eq!(bounce.occurred_at, Timestamp::from_secs(1_760_000_103));
    assert_eq!(bounce.evidence.provider_id.as_deref(), Some("c0ffee00-0000-4000-8000-000000000003"));
    assert_eq!(read.events[0].origin.esp.as_ref().unwrap().as_str(), "braze");
    assert!(read.because.contains("4 of no effect"), "{}", read.because);
}

#[test]
fn the_test_body_is_nothing_and_a_wrong_token_is_refused_before_it() {
    for body in [TEST, include_str!("../../fixtures/braze/test.json"), "", " \n", "{}", "{\"events\":null}"] {
        let read = post(body);
        assert!(read.events.is_empty() && read.quarantined.is_empty(), "{body}: {read:?}");
        assert_eq!(read.authentic, Some(true));
    }
    let source = source("");
    for (headers, reason) in [(bearer("t3"), "bad_secret"), (HeaderMap::new(), "missing_secret")] {
        let refusal = source.admit(&headers).unwrap_err();
        assert_eq!((refusal.answer, refusal.reason), (401, reason));
    }
    assert_eq!(source.admit(&bearer("t2")), Ok(()), "the second token of a rotation");
}

#[test]
fn whatever_comes_with_the_right_token_is_accepted() {
    for (body, at) in [
        ("[]", ""),
        ("nonsense", ""),
        ("{\"items\":[]}", ""),
        ("{\"events\":{}}", "/events"),
        ("{\"events\":\"who@example.org\"}", "/events"),
    ] {
        let read = post(body);
        let [part] = &read.quarantined[..] else { panic!("{body}: {read:?}") };
        assert_eq!((part.at.as_str(), part.body.as_slice()), (at, body.as_bytes()));
        assert!(!part.because.contains("who@"));
    }
}

#[test]
fn one_bad_event_costs_no_sibling() {
    let mail = Mail {
        id: "e1",
        external_user_id: "u1",
        recipient: RECIPIENT,
        from_domain: "mail.shop.example",
        esp: "SparkPost",
        at: 1_760_000_000,
    };
    let good = event(&mail, Report::Delivery);
    for bad in [
        "17",
        "{\"id\":}",
        "{\"id\":\"5\"}",
        "{\"event_type\":\"users.messages.email.Bounce\",\"properties\":{\"email_address\":\"nobody\"}}",
        "{\"event_type\":\"users.messages.email.Bounce\",\"time\":1760000000}",
    ] {
        let read = post(format!(r#"{{"events":[{good},{bad},{good}]}}"#));
        assert_eq!(read.events.len(), 2, "{bad}");
        let [part] = &read.quarantined[..] else { panic!("{bad}: {read:?}") };
        assert_eq!((part.at.as_str(), part.body.as_slice()), ("/events/1", bad.as_bytes()));
        assert!(!part.because.contains("nobody"), "{}", part.because);
    }
    let cut = post(&EVERY_KIND[..EVERY_KIND.find("MarkAsSpam").unwrap()]);
    assert_eq!((cut.events.len(), cut.quarantined.len()), (6, 1), "a body cut short keeps what came");
}

#[test]
fn a_drop_is_an_echo_however_it_is_written() {
    for written in ["true", "\"true\"", "\"True\"", "1"] {
        let echo = one("Bounce", &format!(r#","is_drop":{written},"bounce_reason":"550 5.1.1 user not found""#), "");
        assert_eq!((echo.kind, echo.scope, echo.fresh), (Kind::HardBounce, Scope::Esp, false), "{written}");
    }
    for written in ["false", "\"false\"", "null", "0", "\"\"", "[]"] {
        assert!(one("Bounce", &format!(r#","is_drop":{written}"#), "").fresh, "{written}");
    }
}

#[test]
fn a_missing_or_cut_reason_is_a_state_of_the_evidence() {
    let read = post(include_str!("../../fixtures/braze/no_text.json"));
    assert_eq!((read.events.len(), read.quarantined.len()), (3, 0));
    for event in &read.events[..2] {
        assert_eq!((event.kind, event.evidence.diagnostic.as_deref()), (Kind::HardBounce, None));
    }
    for event in &read.events {
        assert_ne!(event.effect(), Effect::Suppress, "no single bounce convicts");
    }
    let shown = read.events[2].evidence.diagnostic.clone().unwrap();
    assert!(!shown.contains("q7w2k9xz4m"), "a cut address is an address: {shown}");
}

#[test]
fn the_join_key_is_read_when_it_is_said_to_be_one() {
    let asked = source("external_user_id = \"apple_sub\"\n");
    for event in post_to(&asked, EVERY_KIND.as_bytes()).events {
        assert_eq!(event.who.sub.unwrap().expose(), SUB);
    }
    // Without an address the subject is enough.
    let body = format!(
        r#"{{"events":[{{"event_type":"users.messages.email.Unsubscribe","id":"e1","user":{{"external_user_id":"{SUB}"}}}}]}}"#
    );
    let event = &post_to(&asked, body.as_bytes()).events[0];
    assert_eq!((event.who.named, event.scope), (1, Scope::Recipient));
    let event = &post(&body).events[0];
    assert_eq!((event.who.named, event.scope, event.occurred_at), (0, Scope::Ambiguous, now()));
}

#[test]
fn identity_is_the_id_and_only_without_one_the_rest() {
    assert_eq!(one("Bounce", "", "").identity, one("Bounce", r#","bounce_reason":"x""#, r#","time":1"#).identity);
    assert_ne!(one("Bounce", "", "").identity, one("Bounce", "", r#","id":"e2""#).identity);
    let without = |kind: &str, members: &str| one(kind, "", &format!(r#","id":null{members}"#)).identity;
    assert_eq!(without("Bounce", ""), without("Bounce", r#","time":"1760000000""#));
    assert_ne!(without("Bounce", ""), without("Delivery", ""));
    assert_ne!(without("Bounce", ""), without("Bounce", r#","time":1760000001"#));
}

#[test]
fn time_wobbles_and_stays_sane() {
    for written in ["1760000000", "\"1760000000\"", "1760000000.0", "1760000000000", "\"2025-10-09T08:53:20Z\""] {
        let event = one("Delivery", "", &format!(r#","time":{written}"#));
        assert_eq!(event.occurred_at, Timestamp::from_secs(1_760_000_000), "{written}");
    }
    for written in ["0", "4102444800", "null", "\"soon\"", "{}"] {
        assert_eq!(one("Delivery", "", &format!(r#","time":{written}"#)).occurred_at, now(), "{written}");
    }
}

#[test]
fn an_absurd_provider_name_is_none() {
    for written in ["7", "\"Amazon SES\"", "\"who@example.org\"", "\"\"", "null", "\"\\n\""] {
        let esp = one("Delivery", &format!(r#","esp":{written}"#), "").origin.esp.unwrap();
        assert!(["braze", "7"].contains(&esp.as_str()), "{written}: {esp}");
    }
}

#[test]
fn other_channels_have_no_effect_and_new_kinds_are_counted() {
    let read = post(
        r#"{"events":[{"event_type":"users.messages.pushnotification.Bounce","id":"1"},
        {"event_type":"users.messages.email.Teleport","id":"2"},{"event_type":"dreams","id":"3"}]}"#,
    );
    assert_eq!(read.unknown, ["users.messages.email.Teleport", "dreams"]);
    assert!(read.events.is_empty() && read.quarantined.is_empty());
}

#[test]
fn more_than_a_hundred_events_are_taken() {
    let ids: Vec<String> = (0..250).map(|n| format!("e{n}")).collect();
    let events: Vec<_> = ids
        .iter()
        .map(|id| {
            let mail = Mail {
                id,
                external_user_id: "u1",
                recipient: RECIPIENT,
                from_domain: "mail.shop.example",
                esp: "SendGrid",
                at: 1_760_000_000,
            };
            event(&mail, Report::SoftBounce { reason: "452 4.2.2 mailbox full" })
        })
        .collect();
    assert_eq!(post(batch(&events)).events.len(), 250);
    assert_eq!((source("").name(), source("").body_limit()), ("braze", 16 << 20));
}

#[test]
fn no_formatting_shows_an_address_or_a_subject() {
    let asked = source("external_user_id = \"apple_sub\"\n");
    let body = EVERY_KIND
        .replace("users.messages.email.Abort", RECIPIENT)
        .replace("\"Bounced Address\"", "\"<Q7W2K9XZ4M@privaterelay.appleid.com> gone\"");
    let read = post_to(&asked, body.as_bytes());
    assert_eq!(read.unknown.len(), 1);
    let shown = format!("{read:?}").to_lowercase();
    for secret in ["q7w2k9xz4m@", "0123456789abcdef"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

proptest! {
    #[test]
    fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(post(&bytes).events.is_empty());
    }

    #[test]
    fn a_batch_damaged_anywhere_returns(at in 0..EVERY_KIND.len(), byte in any::<u8>()) {
        let mut body = EVERY_KIND.as_bytes().to_vec();
        body[at] = byte;
        let _ = post(&body);
    }
}
