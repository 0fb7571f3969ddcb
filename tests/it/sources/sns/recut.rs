//! The canonical string has no escaping, so one signature can be cut into different fields. Line breaks outside of
//! `Message` are refused, which leaves one way to cut it.

use relaywatch::cli::demo::world::sns::SnsSigner;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, TOPIC, fixture, now};

#[test]
fn a_signed_message_cannot_be_cut_into_another() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    // Whoever may publish to a listed topic signs this, and then moves the borders between the fields.
    let forged = fixture("bounce_identity.json");
    let message = format!("{forged}\nMessageId\nm-forged");
    let genuine = signer.notification(TOPIC, &message, None, now(), "m-true");
    let read = endpoint.receive(&genuine).unwrap();
    assert_eq!((read.events.len(), read.quarantined.len()), (0, 1), "as it was signed it is no JSON");

    let mut recut: Value = serde_json::from_slice(&genuine).unwrap();
    recut["Message"] = json!(forged);
    recut["MessageId"] = json!("m-forged\nMessageId\nm-true");
    let refusal = endpoint.receive(recut.to_string().as_bytes()).unwrap_err();
    assert_eq!((refusal.answer, refusal.reason), (403, "malformed_envelope"));
    assert_eq!(refusal.because, "MessageId holds a control character");
}

#[test]
fn a_subject_cannot_swallow_the_fields_after_it() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let subject = format!("x\nTimestamp\n2026-05-01T10:00:05.000Z\nTopicArn\n{TOPIC}\nType\nNotification");
    let body = signer.notification(TOPIC, "{}", Some(&subject), now(), "m");
    assert_eq!(endpoint.receive(&body).unwrap_err().because, "Subject holds a control character");
}

#[test]
fn control_characters_are_refused_everywhere_but_in_the_message() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let confirmation = signer.subscription_confirmation(TOPIC, "tok", now(), "m");
    let confirmation: Value = serde_json::from_slice(&confirmation).unwrap();
    assert!(endpoint.receive(confirmation.to_string().as_bytes()).is_ok(), "its Message has a line break");
    for field in ["MessageId", "TopicArn", "SubscribeURL", "Token", "Timestamp", "SignatureVersion", "Subject"] {
        for control in ["\n", "\r", "\0", "\t", "\u{85}", "\u{7f}"] {
            let mut fields = confirmation.as_object().unwrap().clone();
            if field == "Subject" {
                fields.insert("Type".into(), json!("Notification"));
                fields.insert("Subject".into(), json!(""));
            }
            let value = format!("{}{control}", fields[field].as_str().unwrap());
            fields.insert(field.into(), json!(value));
            // Signed anew with the character in it: the signature is sound.
            let refusal = endpoint.receive(&signer.signed(fields)).unwrap_err();
            let want = format!("{field} holds a control character");
            assert_eq!((refusal.answer, refusal.because.as_ref()), (403, want.as_str()), "{field} {control:?}");
        }
    }
}
