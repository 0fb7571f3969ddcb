//! Raw delivery has no signature: it is refused, unless the endpoint has a secret of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::config::hook_auth::HookAuth;
use relaywatch::sources::sns::Trust;

use super::endpoint::{Endpoint, TOPIC, at, fixture, now};

/// The user and password that stand in the subscription's URL.
fn basic_auth() -> HookAuth {
    #[derive(serde::Deserialize)]
    struct Endpoint {
        raw_delivery: HookAuth,
    }
    let text = r#"raw_delivery = { basic = { user = "sns", passwords = ["open sesame"] } }"#;
    toml::from_str::<Endpoint>(text).unwrap().raw_delivery
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn answer(endpoint: &Endpoint, body: &[u8], authorization: Option<&str>) -> (u16, &'static str) {
    let mut headers = vec![("x-amz-sns-rawdelivery", "true")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    match endpoint.receive_at(body, &headers, now()) {
        Ok(translation) => {
            assert_eq!(translation.authentic, Some(true));
            (200, "taken")
        }
        Err(refusal) => (refusal.answer, refusal.reason),
    }
}

#[test]
fn without_a_secret_it_is_refused() {
    let endpoint = Endpoint::fetching();
    let body = fixture("bounce_published.json");
    for authorization in [None, Some("Bearer x"), Some("Basic Og==")] {
        assert_eq!(answer(&endpoint, body.as_bytes(), authorization), (403, "raw_delivery"));
    }
    assert_eq!(answer(&endpoint, b"Successfully validated SNS topic", None), (400, "not_json"));
    let open = Endpoint::new(Trust::default(), Some(HookAuth::None));
    assert_eq!(answer(&open, body.as_bytes(), None), (403, "raw_delivery"), "anybody is no secret");
}

#[test]
fn with_a_secret_it_is_taken_from_who_knows_it() {
    let endpoint = Endpoint::new(Trust::default(), Some(basic_auth()));
    let body = fixture("bounce_published.json");
    for (authorization, want) in [
        (Some(basic("sns:open sesame")), (200, "taken")),
        (None, (401, "missing_secret")),
        (Some(basic("open sesame")), (401, "bad_secret")),
        (Some(basic("other:open sesame")), (401, "bad_secret")),
        (Some(basic("sns:open sesam")), (401, "bad_secret")),
        (Some(basic("sns:open sesamee")), (401, "bad_secret")),
        (Some("Bearer open sesame".to_owned()), (401, "bad_secret")),
        (Some("Basic !".to_owned()), (401, "bad_secret")),
        (Some("open sesame".to_owned()), (401, "bad_secret")),
    ] {
        assert_eq!(answer(&endpoint, body.as_bytes(), authorization.as_deref()), want, "{authorization:?}");
    }
    let greeting = b"Successfully validated SNS topic for Amazon SES event publishing.";
    assert_eq!(answer(&endpoint, greeting, Some(&basic("sns:open sesame"))), (200, "taken"));
    assert_eq!(answer(&endpoint, greeting, None), (401, "missing_secret"));
}

#[test]
fn a_raw_event_is_not_later_than_its_receipt() {
    let endpoint = Endpoint::new(Trust::default(), Some(basic_auth()));
    let body = fixture("bounce_published.json").replace("2026-05-01T09:59:53.417Z", "2031-01-01T00:00:00Z");
    let secret = basic("sns:open sesame");
    let headers = [("authorization", secret.as_str())];
    let translation = endpoint.receive_at(body.as_bytes(), &headers, at("2026-05-02T00:00:00Z")).unwrap();
    assert_eq!(translation.events[0].occurred_at, at("2026-05-02T00:00:00Z"));
    assert_eq!(translation.batch, None);
}

#[test]
fn a_secret_does_not_replace_the_signature_of_an_envelope() {
    let signer = SnsSigner::new(now());
    let mut trust = Trust::default();
    trust.add_certificate(signer.certificate_url(), signer.certificate_pem().as_bytes()).unwrap();
    let endpoint = Endpoint::new(trust, Some(basic_auth()));
    let body = signer.notification(TOPIC, &fixture("bounce_published.json"), None, now(), "m-1");
    assert_eq!(answer(&endpoint, &body, None), (200, "taken"), "a signed body needs no secret");
    let changed = String::from_utf8(body).unwrap().replace("m-1", "m-2");
    assert_eq!(answer(&endpoint, changed.as_bytes(), Some(&basic("sns:open sesame"))), (403, "bad_signature"));
}
