//! Bodies that are not Apple's word, however much they look like it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use relaywatch::cli::demo::world::apple::{EventsForm, signing_input};
use ring::hmac;
use serde_json::json;

use super::*;

fn claims() -> Vec<u8> {
    spec(EventsForm::Text, vec![disabled()]).claims().to_string().into_bytes()
}

async fn refusal(body: &[u8]) -> (u16, &'static str) {
    match receive(&demo_source(), body, signed_at()).await {
        Err(refusal) => {
            assert_sealed(&format!("{refusal:?} {refusal}"));
            (refusal.answer, refusal.reason)
        }
        Ok(translation) => panic!("taken: {translation:?}"),
    }
}

#[tokio::test]
async fn no_algorithm_but_rs256() {
    let signer = AppleSigner::new();
    let claims = claims();
    for alg in ["none", "None", "HS256", "ES256", "PS256", "RS384", "RS512", "rs256", "EdDSA", ""] {
        let header = json!({"alg": alg, "kid": signer.kid()});
        assert_eq!(refusal(&body(&signer.sign(&header, &claims))).await, (403, "bad_algorithm"), "{alg}");
        let unsigned = format!("{}.", signing_input(&header, &claims));
        assert_eq!(refusal(&body(&unsigned)).await, (403, "bad_algorithm"), "{alg}");
    }
    for header in [json!({"kid": signer.kid()}), json!({"kid": signer.kid(), "alg": ["RS256"]})] {
        assert_eq!(refusal(&body(&signer.sign(&header, &claims))).await, (403, "bad_algorithm"));
    }
    // The public key taken for a shared secret, in every form an attacker has it.
    let public = signer.jwk();
    let modulus = public["n"].as_str().unwrap();
    for secret in [signer.jwks(), modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus).unwrap()] {
        for alg in ["HS256", "RS256"] {
            let input = signing_input(&json!({"alg": alg, "kid": signer.kid()}), &claims);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
            let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
            let want = if alg == "HS256" { "bad_algorithm" } else { "bad_signature" };
            assert_eq!(refusal(&body(&token)).await, (403, want));
        }
    }
}

#[tokio::test]
async fn the_header_brings_neither_key_nor_extension() {
    let signer = AppleSigner::new();
    let forger = AppleSigner::with_key(include_str!("../../../fixtures/apple/other_key.pem"), signer.kid()).unwrap();
    let claims = claims();
    let own_key = json!({"alg": "RS256", "kid": signer.kid(), "jwk": forger.jwk(), "jku": "https://keys.example/"});
    assert_eq!(refusal(&body(&forger.sign(&own_key, &claims))).await, (403, "bad_signature"));
    for crit in [json!(["b64"]), json!([]), json!(null)] {
        let header = json!({"alg": "RS256", "kid": signer.kid(), "crit": crit, "b64": false});
        assert_eq!(refusal(&body(&signer.sign(&header, &claims))).await, (403, "bad_algorithm"));
    }
    for kid in [json!(null), json!(1)] {
        let header = json!({"alg": "RS256", "kid": kid});
        assert_eq!(refusal(&body(&signer.sign(&header, &claims))).await, (403, "malformed_token"));
    }
    let elsewhere = json!({"alg": "RS256", "kid": "other"});
    assert_eq!(refusal(&body(&signer.sign(&elsewhere, &claims))).await, (403, "unknown_key"));
}

#[tokio::test]
async fn a_changed_byte_is_a_forgery() {
    let signer = AppleSigner::new();
    let token = signer.sign(&signer.header(), &claims());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three segments") };
    let other = String::from_utf8(self::claims()).unwrap().replace(APP, "com.example.web");
    for forged in [
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(other)),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"alg": "RS256", "kid": "demo-1"}"#)),
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 256])),
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 255])),
        format!("{header}.{claims}."),
    ] {
        assert_eq!(refusal(&body(&forged)).await, (403, "bad_signature"), "{forged}");
    }
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let signer = AppleSigner::new();
    let token = signer.sign(&signer.header(), &claims());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for odd in [
        String::new(),
        "..".to_owned(),
        "a.b".to_owned(),
        input.to_owned(),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}="),
        format!("{input}.{}", URL_SAFE.encode(&raw)),
        format!("{input}.{}+/", STANDARD.encode(&raw)),
        format!("Bearer {token}"),
        token.replace('.', ". "),
        format!("{}.e30.{signature}", URL_SAFE_NO_PAD.encode("[]")),
        format!("{}.e30.{signature}", URL_SAFE_NO_PAD.encode("not json")),
    ] {
        assert_eq!(refusal(&body(&odd)).await, (403, "malformed_token"), "{odd:?}");
    }
}

#[tokio::test]
async fn a_body_is_an_object_with_one_payload() {
    let signer = AppleSigner::new();
    let token = signer.sign(&signer.header(), &claims());
    for odd in [
        "".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        token.clone(),
        format!("payload={token}"),
        json!({ "payload": [token] }).to_string(),
        json!({ "payload": null }).to_string(),
        json!({ "signed_payload": token }).to_string(),
        format!(r#"{{"payload":"{token}","payload":"{token}"}}"#),
        format!(r#"{{"payload":"{token}"}} trailing"#),
    ] {
        assert_eq!(refusal(odd.as_bytes()).await, (400, "malformed_body"), "{odd}");
    }
    let more = json!({ "payload": token, "forwarded_by": "identity" }).to_string();
    assert_eq!(receive(&demo_source(), more.as_bytes(), signed_at()).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn an_id_token_is_not_a_notification() {
    let signer = AppleSigner::new();
    let id_token = include_str!("../../../fixtures/apple/claims/id-token.json");
    let sent = body(&signer.sign(&signer.header(), id_token.as_bytes()));
    assert_eq!(refusal(&sent).await, (403, "not_a_notification"));
    let mut claims: Value = serde_json::from_str(id_token).unwrap();
    claims["events"] = json!(null);
    claims["aud"] = json!("com.example.other");
    let sent = body(&signer.sign(&signer.header(), claims.to_string().as_bytes()));
    assert_eq!(refusal(&sent).await, (403, "not_a_notification"), "whatever its audience");
}

#[tokio::test]
async fn the_issuer_is_apple() {
    let signer = AppleSigner::new();
    for iss in [
        json!("https://appleid.apple.com/"),
        json!("appleid.apple.com"),
        json!(["https://appleid.apple.com"]),
        json!(null),
    ] {
        let mut claims = spec(EventsForm::Text, vec![disabled()]).claims();
        claims["iss"] = iss;
        let sent = body(&signer.sign(&signer.header(), claims.to_string().as_bytes()));
        assert_eq!(refusal(&sent).await, (403, "foreign_issuer"));
    }
}

proptest! {
    #[test]
    fn any_bytes_return(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<i64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let at = Timestamp::from_micros(at);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let segments = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes), text);
        for sent in [bytes, body(&text), body(&segments)] {
            prop_assert!(runtime.block_on(receive(&demo_source(), &sent, at)).is_err());
        }
    }

    #[test]
    fn any_signed_bytes_return(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let signer = AppleSigner::new();
        let sent = body(&signer.sign(&signer.header(), &bytes));
        if let Ok(kept) = runtime.block_on(receive(&demo_source(), &sent, signed_at())) {
            prop_assert!(kept.events.is_empty() && kept.quarantined.len() == 1);
        }
    }
}
