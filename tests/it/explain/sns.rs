//! The envelope of SNS: what proves it, what refuses it, and that nothing is fetched.

use relaywatch::cli::demo::world::sns::SnsSigner;
use serde_json::{Value, json};

use super::{File, explain, meanings, refusal, text};
use crate::sources::sns::endpoint::{TOPIC, at, fixture, now};

const NOW: &str = "2026-05-01T10:00:05Z";
const FOREIGN: &str = "arn:aws:sns:eu-west-1:999999999999:somebody-elses";

/// A signer, its certificate as the option takes it, and its root.
struct Sns {
    signer: SnsSigner,
    certificate: File,
    root: File,
}

impl Sns {
    fn new(signer: SnsSigner) -> Self {
        let (certificate, root) = (File::new(signer.certificate_pem()), File::new(signer.root_pem()));
        Self { signer, certificate, root }
    }

    fn known() -> Self {
        Self::new(SnsSigner::new(now()))
    }

    fn bounce(&self, topic: &str) -> Vec<u8> {
        self.signer.notification(topic, &fixture("bounce_identity.json"), None, now(), "m-1")
    }

    /// Explains it with the certificate given.
    fn explain(&self, more: &[&str], body: impl AsRef<[u8]>) -> Value {
        let certificate = format!("{}={}", self.signer.certificate_url(), self.certificate.path());
        explain(&[&["--source", "sns", "--now", NOW, "--certificate", &certificate], more].concat(), body)
    }
}

#[test]
fn a_signed_message_of_a_listed_topic() {
    let sns = Sns::known();
    let explained = sns.explain(&["--topic", FOREIGN, "--topic", TOPIC], sns.bounce(TOPIC));
    assert_eq!(
        (&explained["source"], &explained["authentic"], &explained["answer"]),
        (&json!("sns"), &json!(true), &json!(200))
    );
    assert_eq!(explained["because"], "signature version 2 verified, topic allowed");
    assert_eq!(meanings(&explained), [json!(["hard_bounce", "recipient", true, "hold", "apple.user_not_found"])]);
    assert_eq!(explained["events"][0]["esp"], "ses");
    assert!(explained.get("refusal").is_none());
}

#[test]
fn without_a_list_the_topic_is_not_checked_and_that_is_said() {
    let sns = Sns::known();
    let explained = sns.explain(&[], sns.bounce(FOREIGN));
    assert_eq!(explained["because"], "signature version 2 verified, topic not checked");
    assert_eq!((&explained["authentic"], explained["events"].as_array().unwrap().len()), (&json!(true), 1));
}

#[test]
fn version_1_is_verified_as_what_it_is() {
    let sns = Sns::new(SnsSigner::new(at("2026-05-01T00:00:00Z")));
    let explained = sns.explain(&["--topic", TOPIC], fixture("sns_version_1.json"));
    assert_eq!(explained["because"], "signature version 1 verified, topic allowed");
    assert_eq!(explained["authentic"], true);
}

#[test]
fn a_foreign_topic_is_refused_whatever_its_signature() {
    let sns = Sns::known();
    let explained = sns.explain(&["--topic", TOPIC], sns.bounce(FOREIGN));
    assert_eq!(refusal(&explained), (403, "foreign_topic"));
    assert_eq!(explained["authentic"], false);
}

#[test]
fn what_is_not_signed_as_it_should_be_is_refused() {
    let sns = Sns::known();
    let change = |field: &str, value: Value| {
        let mut body: Value = serde_json::from_slice(&sns.bounce(TOPIC)).unwrap();
        body[field] = value;
        body.to_string()
    };
    for (field, value, want) in [
        ("Message", json!(fixture("bounce_published.json")), "bad_signature"),
        ("SignatureVersion", json!("1"), "bad_signature"),
        ("SignatureVersion", json!("3"), "signature_version"),
        ("SigningCertURL", json!("https://sns.evil.example/SimpleNotificationService-0.pem"), "certificate_url"),
        ("Timestamp", json!("2026-05-01T11:30:00Z"), "future_timestamp"),
        ("Type", json!(null), "malformed_envelope"),
    ] {
        let explained = sns.explain(&["--topic", TOPIC], change(field, value));
        assert_eq!(refusal(&explained), (403, want), "{field}");
        assert_eq!(explained["authentic"], false);
    }
    let not_json = sns.explain(&[], "hello");
    assert_eq!((refusal(&not_json), &not_json["authentic"]), ((400, "not_json"), &json!(false)));
}

#[test]
fn a_certificate_that_nobody_gave_is_not_fetched() {
    let sns = Sns::known();
    let explained = explain(&["--source", "sns", "--now", NOW], sns.bounce(TOPIC));
    assert_eq!(refusal(&explained), (503, "certificate_fetch"));
    assert_eq!(explained["authentic"], Value::Null, "neither proved nor disproved");
    let said = text(&["--source", "sns", "--now", NOW], sns.bounce(TOPIC));
    assert!(said.starts_with("sns: could not be checked. The hook would answer 503.\n"), "{said}");
    assert!(said.contains("--certificate URL=PEMFILE"), "{said}");
}

#[test]
fn a_root_that_the_certificate_does_not_chain_to_refuses_it() {
    let sns = Sns::known();
    let ours = sns.explain(&["--trust-root", &sns.root.path()], sns.bounce(TOPIC));
    assert_eq!(ours["authentic"], true);
    let other = Sns::known();
    let theirs = sns.explain(&["--trust-root", &other.root.path()], sns.bounce(TOPIC));
    assert_eq!(refusal(&theirs), (403, "bad_certificate"));
    let expired =
        Sns::new(SnsSigner::with("sns.amazonaws.com", at("2025-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")));
    assert_eq!(refusal(&expired.explain(&[], expired.bounce(TOPIC))), (403, "bad_certificate"));
}

#[test]
fn confirmations_are_told_without_their_token() {
    let sns = Sns::known();
    let asked = sns.signer.subscription_confirmation(TOPIC, "hush-token", now(), "m-2");
    let explained = sns.explain(&["--topic", TOPIC], &asked);
    assert_eq!(explained["actions"], json!([{"action": "confirm_subscription", "topic_arn": TOPIC}]));
    assert!(!explained.to_string().contains("hush-token"));
    let ended = sns.explain(&[], sns.signer.unsubscribe_confirmation(TOPIC, "t", now(), "m-3"));
    assert_eq!((&ended["actions"][0]["action"], &ended["answer"]), (&json!("subscription_ended"), &json!(200)));
}

#[test]
fn an_unreadable_message_of_sns_is_kept_and_answered_200() {
    let sns = Sns::known();
    let explained = sns.explain(&[], sns.signer.notification(TOPIC, "{\"mail\":1}", None, now(), "m-4"));
    assert_eq!((&explained["authentic"], &explained["answer"]), (&json!(true), &json!(200)));
    assert_eq!(explained["quarantined"], json!([{"at": "", "because": "neither eventType nor notificationType"}]));
}

#[test]
fn the_inner_event_alone_is_no_envelope_and_headers_change_nothing() {
    let headers = [
        "--source",
        "sns",
        "--header",
        "x-amz-sns-rawdelivery: true",
        "--header",
        "x-amz-sns-message-type: Notification",
    ];
    let explained = explain(&headers, fixture("bounce_identity.json"));
    assert_eq!(refusal(&explained), (403, "raw_delivery"));
    let said = text(&["--source", "sns"], fixture("bounce_identity.json"));
    assert!(said.contains("NOT authentic") && said.contains("--source ses explains it"), "{said}");
    let large = vec![b' '; (1 << 20) + 1];
    let explained = explain(&["--source", "sns"], large);
    assert_eq!((refusal(&explained), &explained["authentic"]), ((413, "body_too_large"), &Value::Null));
}
