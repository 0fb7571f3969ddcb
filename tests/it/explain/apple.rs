//! Apple's notifications: the four types, who is believed, and for whom.

use std::time::Duration;

use relaywatch::cli::demo::world::apple::{
    AppleSigner, EventsForm, NotificationSpec, body, departure, forwarding, signing_input,
};
use relaywatch::domain::time::Timestamp;
use serde_json::{Value, json};

use super::{File, explain, meanings, refusal, text};

const APP: &str = "com.example.app";
const SUB: &str = "000001.0123456789abcdef0123456789abcdef.0001";
const EMAIL: &str = "q7w2e9r4t1@privaterelay.appleid.com";
const NOW: &str = "2026-11-19T12:00:01Z";

fn signed_at() -> Timestamp {
    Timestamp::parse("2026-11-19T12:00:00Z").unwrap()
}

fn spec(events: Vec<Value>) -> NotificationSpec {
    let form = if events.len() == 1 { EventsForm::Text } else { EventsForm::Array };
    NotificationSpec { audience: APP.to_owned(), issued_at: signed_at(), jti: "jti-1".to_owned(), events, form }
}

fn all_types() -> Vec<Value> {
    let at = signed_at().minus(Duration::from_millis(500));
    vec![
        forwarding(false, SUB, EMAIL, at),
        forwarding(true, SUB, EMAIL, at),
        departure("consent-revoked", SUB, at),
        departure("account-deleted", SUB, at),
        departure("account-delete", SUB, at),
    ]
}

/// Explains it with the demo's key set.
fn known(more: &[&str], body: impl AsRef<[u8]>) -> Value {
    let keys = File::new(AppleSigner::new().jwks());
    explain(&[&["--source", "apple", "--now", NOW, "--jwks", &keys.path()], more].concat(), body)
}

#[test]
fn the_whole_document_of_forwarding_turned_off() {
    let body = AppleSigner::new().notification(&spec(all_types()[..1].to_vec()));
    assert_eq!(
        known(&["--audience", APP], body),
        json!({
            "source": "apple", "authentic": true, "because": "RS256 signature verified", "answer": 200,
            "events": [{
                "recipient": EMAIL, "kind": "forwarding_disabled", "scope": "recipient", "fresh": true,
                "effect": "suppress", "rule": "apple.email_disabled", "status": null, "code": null, "diagnostic": null,
                "esp": null, "provider_id": "jti-1", "occurred_at": "2026-11-19T11:59:59.500Z", "sub": SUB, "app": APP,
            }],
            "quarantined": [],
        })
    );
}

#[test]
fn every_type_in_both_spellings() {
    let explained = known(&[], AppleSigner::new().notification(&spec(all_types())));
    assert_eq!(
        meanings(&explained),
        [
            json!(["forwarding_disabled", "recipient", true, "suppress", "apple.email_disabled"]),
            json!(["forwarding_enabled", "recipient", true, "lift", "apple.email_enabled"]),
            json!(["consent_revoked", "recipient", true, "suppress", "apple.consent_revoked"]),
            json!(["account_deleted", "recipient", true, "suppress", "apple.account_deleted"]),
            json!(["account_deleted", "recipient", true, "suppress", "apple.account_deleted"]),
        ]
    );
    assert_eq!(explained["events"][2].get("recipient"), Some(&Value::Null), "only the subject is named");
    assert_eq!(explained["events"][2]["sub"], SUB);
}

#[test]
fn an_unknown_audience_is_kept_and_answered_200() {
    let body = AppleSigner::new().notification(&spec(all_types()[..1].to_vec()));
    let explained = known(&["--audience", "com.example.other"], body);
    assert_eq!(
        (&explained["authentic"], &explained["answer"], &explained["events"]),
        (&json!(true), &json!(200), &json!([]))
    );
    assert_eq!(explained["quarantined"], json!([{"at": "", "because": "/aud is no known audience"}]));
}

#[test]
fn what_apple_did_not_sign_as_a_notification_is_refused() {
    let signer = AppleSigner::new();
    let claims = spec(all_types()[..1].to_vec()).claims();
    let good = signer.sign(&signer.header(), claims.to_string().as_bytes());
    let id_token = include_bytes!("../../fixtures/apple/claims/id-token.json");
    let id_token = signer.sign(&signer.header(), id_token);
    let unsigned =
        format!("{}.", signing_input(&json!({"alg": "none", "kid": signer.kid()}), claims.to_string().as_bytes()));
    let other_key = include_str!("../../fixtures/apple/other_key.pem");
    let other = |kid| AppleSigner::with_key(other_key, kid).unwrap().notification(&spec(all_types()));
    let mut foreign = claims.clone();
    foreign["iss"] = json!("https://appleid.example");
    let foreign = signer.sign(&signer.header(), foreign.to_string().as_bytes());
    let (head, signature) = good.rsplit_once('.').unwrap();
    // Another first letter: still base64url of the right length.
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{first}{}", &signature[1..]);
    for (name, sent, want) in [
        ("an ID token", body(&id_token), (403, "not_a_notification")),
        ("alg none", body(&unsigned), (403, "bad_algorithm")),
        ("a bad signature", body(&forged), (403, "bad_signature")),
        ("another key of the same id", other(signer.kid()), (403, "bad_signature")),
        ("an unknown key", other("k-2"), (403, "unknown_key")),
        ("another issuer", body(&foreign), (403, "foreign_issuer")),
        ("no token", body("a.b"), (403, "malformed_token")),
        ("no JSON", b"payload".to_vec(), (400, "malformed_body")),
    ] {
        let explained = known(&[], sent);
        assert_eq!(refusal(&explained), want, "{name}");
        assert_eq!(explained["authentic"], false, "{name}");
    }
}

#[test]
fn without_a_key_set_it_is_read_and_not_believed() {
    let body = AppleSigner::new().notification(&spec(all_types()[..1].to_vec()));
    let arguments = ["--source", "apple", "--now", NOW];
    let explained = explain(&arguments, &body);
    assert_eq!((&explained["authentic"], &explained["answer"]), (&Value::Null, &json!(200)));
    assert_eq!(explained["because"], "signature not checked: no key set was given");
    assert_eq!(meanings(&explained).len(), 1);
    assert!(
        text(&arguments, &body)
            .ends_with("Hint: give Apple's key set with --jwks FILE to have the signature checked.\n")
    );
    let old = explain(&["--source", "apple", "--now", "2027-01-19T12:00:01Z"], &body);
    assert_eq!(old["quarantined"][0]["because"], "/iat is more than 30 days old");
}
