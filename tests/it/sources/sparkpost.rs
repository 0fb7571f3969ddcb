//! SparkPost webhooks as they come over the wire.

mod wobble;

use std::sync::Arc;

use http::HeaderMap;
use proptest::prelude::*;
use relaywatch::cli::demo::world::sparkpost::{Batch, CREATION_TEST, Mail, Report};
use relaywatch::config::sparkpost::SparkpostEndpoint;
use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::event::{Effect, Event, Kind, Scope, Source};
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::sparkpost::SparkpostSource;
use relaywatch::sources::{HookSource, Request, Translation};

const RECIPIENT: &str = "q7w2k9xz4m@privaterelay.appleid.com";
const EVERY_CLASS: &str = include_str!("../../fixtures/sparkpost/every_class.json");

fn source(auth: &str) -> SparkpostSource {
    let endpoint: SparkpostEndpoint =
        toml::from_str(&format!("name = \"main\"\nteam = \"T1\"\nauth = {auth}\n")).unwrap();
    SparkpostSource::new(&endpoint, Arc::new(RuleBook::default()))
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_760_001_000)
}

fn post(body: impl AsRef<[u8]>) -> Translation {
    let source = source(r#"{ bearer = { tokens = ["hush-1"] } }"#);
    let headers = headers(&[("authorization", "Bearer hush-1"), ("x-messagesystems-batch-id", "b-1")]);
    source.admit(&headers).unwrap();
    source.translate(Request { headers: &headers, body: body.as_ref(), received_at: now() })
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    lines.iter().map(line).collect()
}

/// A message event with these members beside the usual ones; a later member wins.
fn element(members: &str) -> String {
    format!(
        r#"{{"msys":{{"message_event":{{"type":"bounce","event_id":"77","rcpt_to":"{RECIPIENT}","timestamp":"1760000000",
        "friendly_from":"news@shop.example","msg_from":"b-1@bounce.shop.example",{members}}}}}}}"#
    )
}

fn one(members: &str) -> Event {
    let mut read = post(format!("[{}]", element(members)));
    assert_eq!((read.events.len(), read.quarantined.len()), (1, 0), "{members}: {:?}", read.quarantined);
    read.events.remove(0)
}

#[test]
fn what_it_was_sent_from_is_read_where_it_is_an_address_on_the_internet() {
    for (written, want) in [
        (r#""198.51.100.7""#, Some("198.51.100.7")),
        (r#"" 2001:db8::7 ""#, Some("2001:db8::7")),
        // As in SparkPost's examples.
        (r#""127.0.0.1""#, None),
        (r#""""#, None),
        ("7", None),
        ("null", None),
        (r#"["198.51.100.7"]"#, None),
        (r#"{"ip":"198.51.100.7"}"#, None),
    ] {
        // `ip_address` is where the recipient was, and nobody's business here.
        let event = one(&format!(r#""sending_ip":{written},"ip_address":"192.0.2.200""#));
        assert_eq!(event.origin.sending_ip.map(|ip| ip.to_string()).as_deref(), want, "{written}");
        assert!(event.origin.dkim_domains.is_empty());
    }
}

#[test]
fn a_canary_is_known_by_the_token_in_its_subject() {
    let token = format!("rwc1-{}", "a2".repeat(26));
    let known_by =
        |subject: &str| one(&format!(r#""subject":{subject:?},"message_id":"m1""#)).evidence.message_id.unwrap();
    assert_eq!(known_by(&format!("[ext] Canary {token} (3)")), token);
    for subject in ["", "Good to have you", "Canary rwc1-short", &format!("{token}x")] {
        assert_eq!(known_by(subject), "m1", "{subject}");
    }
}

#[test]
fn every_class_is_tolerated_and_mail_is_understood() {
    let read = post(EVERY_CLASS);
    assert!(read.quarantined.is_empty() && read.unknown.is_empty(), "{:?} {:?}", read.quarantined, read.unknown);
    assert_eq!((read.authentic, read.batch.as_deref()), (Some(true), Some("b-1")));
    let seen: Vec<_> = read.events.iter().map(|e| (e.kind, e.fresh)).collect();
    assert_eq!(
        seen,
        [
            (Kind::Sent, false),
            (Kind::Delivered, true),
            (Kind::HardBounce, true),
            (Kind::HardBounce, true),
            (Kind::Delayed, true),
            (Kind::HardBounce, true),
            (Kind::Complaint, true),
            (Kind::HardBounce, false),
            (Kind::HardBounce, false),
            (Kind::HardBounce, false),
            (Kind::Unsubscribed, true),
            (Kind::Unsubscribed, true),
        ]
    );
    for event in &read.events {
        assert_eq!(event.source, Source::Sparkpost);
        assert_eq!(event.who.address.as_ref().unwrap().expose(), RECIPIENT);
        assert_eq!(event.who.named, 1);
        assert_eq!(event.origin.esp.as_ref().unwrap().as_str(), "sparkpost");
        assert_eq!(event.origin.from_domain.as_deref(), Some("shop.example"));
        assert_eq!(event.origin.mail_from_domain.as_deref(), Some("bounce.shop.example"));
    }
    let third = &read.events[2];
    assert_eq!(third.evidence.provider_id.as_deref(), Some("9007199254740993"));
    assert_eq!(third.evidence.code, Some(550));
    assert_eq!(third.occurred_at, Timestamp::from_secs(1_760_000_003));
}

#[test]
fn the_text_decides_and_not_the_class() {
    let events = post(EVERY_CLASS).events;
    assert_eq!((events[2].scope, events[2].effect()), (Scope::Recipient, Effect::Hold));
    assert_eq!((events[3].scope, events[3].effect()), (Scope::Sender, Effect::None));
}

#[test]
fn what_sparkpost_refused_itself_is_no_news_about_the_recipient() {
    let events = post(EVERY_CLASS).events;
    assert_eq!((events[7].scope, events[7].effect()), (Scope::Sender, Effect::None));
    assert_eq!((events[8].scope, events[8].effect()), (Scope::Content, Effect::None));
    assert_eq!((events[9].scope, events[9].effect()), (Scope::Esp, Effect::Suppress));
}

#[test]
fn an_echo_is_no_bounce() {
    let read = post(include_str!("../../fixtures/sparkpost/suppressed.json"));
    for echo in &read.events[1..] {
        assert_eq!((echo.kind, echo.scope, echo.fresh), (Kind::HardBounce, Scope::Esp, false), "{}", echo.rule);
    }
}

#[test]
fn the_creation_test_and_the_samples_raise_nothing() {
    let samples = include_str!("../../fixtures/sparkpost/samples.json");
    for body in [CREATION_TEST, include_str!("../../fixtures/sparkpost/creation_test.json"), "[]", " [ ] ", "", samples]
    {
        let read = post(body);
        assert!(read.events.is_empty() && read.quarantined.is_empty() && read.unknown.is_empty(), "{body}: {read:?}");
    }
    assert!(post(samples).because.contains("11 samples"), "{}", post(samples).because);
    // Either mark of a sample is enough, and nothing less is one.
    assert!(post(format!("[{}]", element(r#""event_id":92356927693813856"#))).events.is_empty());
    assert!(post(format!("[{}]", element(r#""rcpt_to":"Recipient@Example.com""#))).events.is_empty());
    assert_eq!(one(r#""rcpt_to":"somebody@example.com""#).who.address.unwrap().domain(), "example.com");
}

#[test]
fn one_bad_element_costs_no_sibling() {
    let good = |n: u32| element(&format!(r#""event_id":"{n}""#));
    for (bad, at, because) in [
        ("nonsense", "/1", "not JSON"),
        (r#"{"msys":}"#, "/1", "not JSON"),
        ("17", "/1", "not an object"),
        (r#"{"cust":{"id":"4"}}"#, "/1", "`msys` is missing"),
        (r#"{"msys":"secret@example.org"}"#, "/1/msys", "`msys` is not an object"),
        (r#"{"msys":{"message_event":["secret@example.org"]}}"#, "/1/msys", "`message_event` is not an object"),
        (r#"{"msys":{"message_event":{"event_id":"5"}}}"#, "/1/msys", "`message_event.type` is missing"),
        (
            r#"{"msys":{"message_event":{"type":"bounce","event_id":"5","rcpt_to":"secret at example.org"}}}"#,
            "/1/msys",
            "`message_event.rcpt_to` is not one mail address",
        ),
        (r#"{"msys":{"message_event":{"type":"bounce","timestamp":"1760000000"}}}"#, "/1/msys", "no `event_id`"),
    ] {
        let read = post(format!("[{},{bad},{}]", good(1), good(2)));
        let ids: Vec<_> = read.events.iter().filter_map(|e| e.evidence.provider_id.as_deref()).collect();
        assert_eq!(ids, ["1", "2"], "{bad}");
        let [part] = &read.quarantined[..] else { panic!("{bad}: {:?}", read.quarantined) };
        assert_eq!((part.at.as_str(), part.body.as_slice()), (at, bad.as_bytes()));
        assert!(part.because.contains(because) && !part.because.contains("secret"), "{}", part.because);
        assert_eq!(read.authentic, Some(true));
    }
}

#[test]
fn two_classes_in_one_element_are_two_events() {
    let fields = format!(r#"{{"event_id":"5","rcpt_to":"{RECIPIENT}","#);
    let both = format!(
        r#"[{{"msys":{{"message_event":{fields}"type":"delivery"}},"unsubscribe_event":{fields}"type":"link_unsubscribe"}}}}}}]"#
    );
    let kinds: Vec<_> = post(both).events.iter().map(|e| e.kind).collect();
    assert_eq!(kinds, [Kind::Delivered, Kind::Unsubscribed]);
}

#[test]
fn a_body_that_is_no_batch_is_kept_whole() {
    for body in ["{\"msys\":{}}", "null", "who@example.org", "\u{0}"] {
        let read = post(body);
        assert_eq!((read.quarantined[0].at.as_str(), read.quarantined[0].body.as_slice()), ("", body.as_bytes()));
        assert!(read.events.is_empty() && read.authentic == Some(true));
    }
    let cut = post(&EVERY_CLASS[..EVERY_CLASS.find("amp_click").unwrap()]);
    assert_eq!((cut.events.len(), cut.quarantined.len()), (8, 1), "a body cut short keeps what came");
    assert_eq!(post(format!("[{}] tail", element("\"x\":1"))).quarantined[0].body, b"tail");
}

#[test]
fn unknown_kinds_are_counted_and_cost_nothing() {
    let event = element(r#""type":"teleported""#);
    let read =
        post(format!(r#"[{event},{{"msys":{{"dream_event":{{"type":"x"}}}}}},{}]"#, element("\"bounce_class\":15")));
    assert_eq!(read.unknown, ["message_event.teleported", "dream_event", "bounce_class.15"]);
    assert_eq!(read.events.len(), 1);
    assert!(read.quarantined.is_empty());
}

#[test]
fn a_bounce_of_nobody_is_kept_and_holds_nobody() {
    let read = post(include_str!("../../fixtures/sparkpost/out_of_band_of_nobody.json"));
    let [event] = &read.events[..] else { panic!("{read:?}") };
    assert_eq!((event.who.address.as_ref(), event.who.named, event.scope), (None, 0, Scope::Ambiguous));
    assert_eq!(event.rule, "sparkpost.no_recipient_determined");
}

#[test]
fn what_the_classes_do_to_the_recipient() {
    let effect = |class: u32, text: &str| {
        let event = one(&format!(r#""bounce_class":{class},"raw_reason":"{text}""#));
        (event.kind, event.fresh, event.effect())
    };
    let words = "words that no rule knows";
    for class in [20, 21, 22, 23, 24, 40, 70, 100, 50, 51, 52, 53, 54, 60] {
        assert_eq!(effect(class, words).2, Effect::None, "{class}");
    }
    for class in [10, 30] {
        assert_eq!(effect(class, words), (Kind::HardBounce, true, Effect::Hold), "{class}");
    }
    for class in [1, 15, 25, 26, 999] {
        assert_ne!(effect(class, words).2, Effect::Suppress, "{class}");
    }
    assert_eq!(effect(25, "recipient address was suppressed due to customer policy").2, Effect::Suppress);
    assert_eq!(effect(80, words), (Kind::Other, false, Effect::None));
    assert_eq!(effect(90, words), (Kind::Unsubscribed, true, Effect::Suppress));
    assert_eq!(effect(90, &format!("550 5.1.1 <{RECIPIENT}>: user not found")).0, Kind::HardBounce, "text first");
}

#[test]
fn not_spam_takes_no_complaint() {
    assert_eq!(one(r#""type":"spam_complaint","fbtype":"abuse""#).effect(), Effect::Suppress);
    assert_eq!(one(r#""type":"spam_complaint""#).kind, Kind::Complaint);
    let taken_back = one(r#""type":"spam_complaint","fbtype":"not-spam""#);
    assert_eq!((taken_back.kind, taken_back.effect()), (Kind::Other, Effect::None));
}

#[test]
fn the_secret_rotates_and_nobody_else_gets_in() {
    let basic = source(r#"{ basic = { user = "hook", passwords = ["old", "new"] } }"#);
    let answer = |source: &SparkpostSource, lines: &[(&str, &str)]| {
        source.admit(&headers(lines)).map_err(|refusal| (refusal.answer, refusal.reason))
    };
    for right in ["Basic aG9vazpvbGQ=", "basic aG9vazpuZXc="] {
        assert_eq!(answer(&basic, &[("authorization", right)]), Ok(()));
    }
    for wrong in ["Basic aG9vazpvbGRlcg==", "Bearer old", "Basic", "hook:old"] {
        assert_eq!(answer(&basic, &[("authorization", wrong)]), Err((401, "bad_secret")), "{wrong}");
    }
    assert_eq!(answer(&basic, &[]), Err((401, "missing_secret")));
    let header = source(r#"{ header = { name = "X-MessageSystems-Webhook-Token", values = ["v1", "v2"] } }"#);
    assert_eq!(answer(&header, &[("x-messagesystems-webhook-token", "v2")]), Ok(()));
    assert_eq!(answer(&header, &[("x-messagesystems-webhook-token", "v3")]), Err((401, "bad_secret")));
    let open = source("\"none\"");
    assert_eq!(answer(&open, &[]), Ok(()));
    let read = open.translate(Request { headers: &HeaderMap::new(), body: b"[]", received_at: now() });
    assert_eq!((read.authentic, read.batch), (None, None));
    assert_eq!((open.name(), open.body_limit()), ("sparkpost", 16 << 20));
}

#[tokio::test]
async fn the_door_gives_what_the_translation_gives() {
    let source = source("\"none\"");
    let request = Request { headers: &HeaderMap::new(), body: EVERY_CLASS.as_bytes(), received_at: now() };
    let received = source.receive(request).await.unwrap();
    assert_eq!((received.events.len(), received.authentic), (12, None));
}

#[test]
fn an_absurd_batch_id_is_none() {
    let source = source("\"none\"");
    for id in ["", " ", "a b", "who@example.org", &"x".repeat(129)] {
        let headers = headers(&[("x-messagesystems-batch-id", id)]);
        assert_eq!(
            source.translate(Request { headers: &headers, body: b"[]", received_at: now() }).batch,
            None,
            "{id}"
        );
    }
}

#[test]
fn no_formatting_shows_an_address() {
    let mut body = EVERY_CLASS.trim_end().trim_end_matches(']').to_owned();
    body.push_str(&format!(
        r#",{{"msys":{{"{RECIPIENT}":{{}}}}}},{{"msys":"{RECIPIENT}"}},{{"msys":{{"message_event":
        {{"type":"bounce","event_id":"{RECIPIENT}","rcpt_to":"{RECIPIENT}"}}}}}}]"#
    ));
    let read = post(&body);
    assert_eq!((read.events.len(), read.quarantined.len(), read.unknown.len()), (13, 1, 1));
    let shown = format!("{read:?}").to_lowercase();
    for secret in ["q7w2k9xz4m", "news@", "bounces-4711", "hush-1"] {
        assert!(!shown.contains(&secret.to_lowercase()), "{secret} in {shown}");
    }
}

#[test]
fn a_batch_of_thousands_is_read_whole() {
    let mut batch = Batch::with_capacity(10_000);
    for n in 0..10_000u64 {
        let recipient = format!("user{n}@privaterelay.appleid.com");
        let mail = Mail {
            event_id: 9_007_199_254_741_000 + n,
            message_id: n,
            recipient: &recipient,
            friendly_from: "news@shop.example",
            msg_from: "b-1@bounce.shop.example",
            at: 1_760_000_000,
        };
        let reason = "550 5.1.1 words";
        let report = if n % 10 == 0 { Report::Bounce { class: 10, code: 550, reason } } else { Report::Delivery };
        batch.push(&mail, report);
    }
    let body = batch.finish();
    assert!(body.len() > 2 << 20 && body.len() < 16 << 20, "{}", body.len());
    let read = post(body);
    assert_eq!((read.events.len(), read.quarantined.len()), (10_000, 0));
    let identities: std::collections::HashSet<_> = read.events.iter().map(|e| e.identity.clone()).collect();
    assert_eq!(identities.len(), 10_000);
    assert_eq!(read.events.iter().filter(|e| e.kind == Kind::HardBounce).count(), 1000);
}

proptest! {
    #[test]
    fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let read = post(&bytes);
        prop_assert!(read.events.is_empty());
    }

    #[test]
    fn a_batch_damaged_anywhere_returns(at in 0..EVERY_CLASS.len(), byte in any::<u8>()) {
        let mut body = EVERY_CLASS.as_bytes().to_vec();
        body[at] = byte;
        let read = post(&body);
        let shown = format!("{read:?}");
        prop_assert!(!shown.contains("@privaterelay"), "{}", shown);
    }
}
