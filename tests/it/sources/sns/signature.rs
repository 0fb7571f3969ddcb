//! The signature: both versions, the spellings of the envelope, and what one changed byte does.

use proptest::prelude::*;
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::config::ses::SnsSection;
use relaywatch::sources::sns::Trust;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, TOPIC, at, fixture, now};

fn signed() -> (Endpoint, Value) {
    let signer = SnsSigner::new(now());
    let body = signer.notification(
        TOPIC,
        &fixture("bounce_published.json"),
        Some("Amazon SES Email Event Notification"),
        now(),
        "m-1",
    );
    (Endpoint::with_certificate_of(&signer), serde_json::from_slice(&body).unwrap())
}

fn bytes(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

#[test]
fn version_1_is_taken_unless_it_is_switched_off() {
    // Signed beforehand with the demo's key: ring verifies SHA-1 signatures but makes none.
    let body = fixture("sns_version_1.json");
    let signer = SnsSigner::new(at("2026-05-01T00:00:00Z"));
    let translation = Endpoint::with_certificate_of(&signer).receive(body.as_bytes()).unwrap();
    assert_eq!(translation.because, "signature version 1 verified, topic allowed");
    assert_eq!(translation.events.len(), 1);

    let mut changed: Value = serde_json::from_str(&body).unwrap();
    changed["MessageId"] = json!("5f1d0a2b-3c4d-5e6f-8a9b-0c1d2e3f4a5c");
    assert_eq!(Endpoint::with_certificate_of(&signer).refusal(&bytes(&changed)), (403, "bad_signature"));

    let section = SnsSection { allow_signature_version_1: false, ..SnsSection::default() };
    let mut trust = Trust::from_config(&section).unwrap();
    trust.add_certificate(signer.certificate_url(), signer.certificate_pem().as_bytes()).unwrap();
    assert_eq!(Endpoint::new(trust, None).refusal(body.as_bytes()), (403, "signature_version"));
}

#[test]
fn a_version_is_never_checked_with_the_other_hash() {
    let (endpoint, mut body) = signed();
    body["SignatureVersion"] = json!("1");
    assert_eq!(endpoint.refusal(&bytes(&body)), (403, "bad_signature"));
    let mut first: Value = serde_json::from_str(&fixture("sns_version_1.json")).unwrap();
    first["SignatureVersion"] = json!("2");
    assert_eq!(endpoint.refusal(&bytes(&first)), (403, "bad_signature"));
    for version in ["3", "0", "", "02", "2 ", "two"] {
        body["SignatureVersion"] = json!(version);
        assert_eq!(endpoint.refusal(&bytes(&body)), (403, "signature_version"), "{version:?}");
    }
}

#[test]
fn every_signed_field_is_held_by_the_signature() {
    let (endpoint, body) = signed();
    assert!(endpoint.receive(&bytes(&body)).is_ok());
    for (field, value) in [
        ("Message", json!("{}")),
        ("MessageId", json!("m-2")),
        ("Subject", json!("Amazon SES Email Event notification")),
        ("Subject", json!(null)),
        ("Timestamp", json!("2026-05-01T10:00:05.001Z")),
        ("Timestamp", json!("2026-05-01T10:00:05Z")),
        ("Signature", json!("AAAA")),
        ("Signature", json!("not base64!")),
    ] {
        let mut changed = body.clone();
        changed[field] = value;
        assert_eq!(endpoint.refusal(&bytes(&changed)), (403, "bad_signature"), "{field}");
    }
    let mut retyped = body.clone();
    retyped["Type"] = json!("UnsubscribeConfirmation");
    retyped["Token"] = json!("t");
    retyped["SubscribeURL"] = json!("https://sns.eu-west-1.amazonaws.com/");
    assert_eq!(endpoint.refusal(&bytes(&retyped)), (403, "bad_signature"));
}

#[test]
fn both_spellings_and_unsigned_extras_are_taken() {
    let (endpoint, mut body) = signed();
    let fields = body.as_object_mut().unwrap();
    let url = fields.remove("SigningCertURL").unwrap();
    fields.insert("SigningCertUrl".into(), url);
    fields.insert("MessageAttributes".into(), json!({"a": {"Type": "String", "Value": "b"}}));
    fields.insert("SomethingNew".into(), json!([1, 2]));
    assert!(endpoint.receive(&bytes(&body)).is_ok());

    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let plain = signer.notification(TOPIC, &fixture("send.json"), None, now(), "m");
    let mut null: Value = serde_json::from_slice(&plain).unwrap();
    null["Subject"] = Value::Null;
    assert!(endpoint.receive(&bytes(&null)).is_ok(), "a null subject is none");
    let empty = signer.notification(TOPIC, &fixture("send.json"), Some(""), now(), "m");
    assert!(endpoint.receive(&empty).is_ok(), "an empty subject is signed");
}

#[test]
fn what_cannot_be_an_envelope_is_refused() {
    let (endpoint, body) = signed();
    for text in ["", "hello", "{", "\u{feff}", "Successfully validated SNS topic for Amazon SES event publishing."] {
        assert_eq!(endpoint.refusal(text.as_bytes()), (400, "not_json"), "{text:?}");
    }
    for text in ["[]", "3", "null", "{}", "\"x\""] {
        assert_eq!(endpoint.refusal(text.as_bytes()), (403, "malformed_envelope"), "{text}");
    }
    for field in
        ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"]
    {
        for value in [Value::Null, json!(2), json!(["x"])] {
            let mut changed = body.clone();
            changed[field] = value;
            let refusal = endpoint.receive(&bytes(&changed)).unwrap_err();
            assert_eq!((refusal.answer, refusal.reason), (403, "malformed_envelope"), "{field}");
            assert!(refusal.because.starts_with(field), "{}", refusal.because);
        }
    }
    let mut misspelt = body.clone();
    misspelt["Type"] = json!("UnsubscriptionConfirmation");
    assert_eq!(endpoint.refusal(&bytes(&misspelt)), (403, "malformed_envelope"));
    assert_eq!(endpoint.refusal(&vec![b' '; 1024 * 1024 + 1]), (413, "too_large"));
}

#[test]
fn age_is_no_reason_to_refuse_and_the_future_is() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let body = signer.notification(TOPIC, &fixture("bounce_identity.json"), None, now(), "m");
    let redriven = at("2027-06-01T00:00:00Z");
    let events = endpoint.receive_at(&body, &[], redriven).unwrap().events;
    assert_eq!(events[0].occurred_at, at("2026-05-01T09:59:53.417Z"));
    assert!(endpoint.receive_at(&body, &[], at("2026-05-01T09:05:00Z")).is_ok(), "a clock may be some minutes off");
    let refusal = endpoint.receive_at(&body, &[], at("2026-05-01T08:59:00Z")).unwrap_err();
    assert_eq!((refusal.answer, refusal.reason), (403, "future_timestamp"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_changed_byte_never_yields_another_event(index in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let (endpoint, body) = signed();
        let genuine = endpoint.receive(&bytes(&body)).unwrap();
        let mut changed = bytes(&body);
        let index = index.index(changed.len());
        changed[index] ^= flip;
        // A byte outside of what is signed (the unsubscribe link, white space) may change; what is read then is the same.
        if let Ok(read) = endpoint.receive(&changed) {
            prop_assert_eq!(format!("{:?}", read), format!("{:?}", genuine));
        }
    }

    #[test]
    fn any_bytes_return(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let signer = SnsSigner::new(now());
        let refusal = Endpoint::with_certificate_of(&signer).receive(&body).unwrap_err();
        prop_assert!(matches!(refusal.answer, 400 | 403));
    }
}
