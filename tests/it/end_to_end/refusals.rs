//! What the hooks refuse, with which status and reason, and that nothing of it is stored.

use http::Method;
use relaywatch::cli::demo::world::apple::{AppleSigner, body, forwarding};
use relaywatch::cli::demo::world::ses::Form;
use relaywatch::cli::demo::world::sparkpost::CREATION_TEST;
use serde_json::{Value, json};

use crate::feeds::{TOPIC, apple_post, braze_post, mail_to, now, sparkpost_post, unique};
use crate::stage::Stage;

const FOREIGN: &str = "arn:aws:sns:eu-west-1:999999999999:ses-events";

#[tokio::test]
async fn what_is_not_proved_is_refused_and_not_stored() {
    let stage = Stage::sqlite().await;
    let feeds = &stage.feeds;
    let delivery = mail_to("a@private.icloud.com").delivery(Form::Published, now()).to_string();
    let signed = |topic: &str| feeds.sns.notification(topic, &delivery, None, now(), &unique());
    let tampered = String::from_utf8(signed(TOPIC)).unwrap().replace("private.icloud.com", "private.icloud.net");
    let stranger = AppleSigner::new();
    let event = forwarding(false, "000001.a.0001", "a@private.icloud.com", now());
    let notification = feeds.notification(event.clone(), &unique());
    let unsigned = body(&stranger.sign(&json!({"kid": stranger.kid(), "alg": "none"}), event.to_string().as_bytes()));
    let unknown_key = body(&stranger.sign(&json!({"kid": "other", "alg": "RS256"}), b"{}"));
    let mut cut = notification.clone();
    cut.body = cut.body.slice(..cut.body.len() - 20);

    let sparkpost = sparkpost_post(CREATION_TEST.into());
    let braze = braze_post(&[]);
    let mut nowhere = braze.clone();
    nowhere.path = "/hooks/braze/elsewhere";
    let mut no_source = braze.clone();
    no_source.path = "/hooks/mailgun/main";
    for (post, status, reason) in [
        (feeds.sns_message(&signed(FOREIGN)), 403, "foreign_topic"),
        (feeds.sns_message(tampered.as_bytes()), 403, "bad_signature"),
        (feeds.sns_message(b"{"), 400, "not_json"),
        (apple_post(&unsigned), 403, "bad_algorithm"),
        (apple_post(&unknown_key), 403, "unknown_key"),
        (cut, 400, "malformed_body"),
        (sparkpost.clone().with("authorization", "Basic c3BhcmtwYXNzOndyb25n"), 401, "bad_secret"),
        (sparkpost_without_secret(), 401, "missing_secret"),
        (braze.clone().with("authorization", "Bearer wrong"), 401, "bad_secret"),
        (braze.with("authorization", "Basic aW52ZW50ZWQtdG9rZW4="), 401, "bad_secret"),
        (nowhere, 404, "no_such_hook"),
        (no_source, 404, "no_such_hook"),
    ] {
        assert_eq!(stage.refused(&post, status).await, reason);
    }
    assert_eq!(stage.metric("relaywatch_log_head").await, 0.0, "a refused request left an event");
    assert_eq!(stage.metric("relaywatch_quarantine_waiting").await, 0.0, "a refused request was kept");
    let refused = r#"relaywatch_hooks_total{answer="403",endpoint="main",reason="foreign_topic",source="ses"}"#;
    assert_eq!(stage.metric(refused).await, 1.0);
    // The same request with its secret is taken.
    assert_eq!(stage.post(&sparkpost).await, json!({"new": 0, "repeated": 0}));
}

fn sparkpost_without_secret() -> crate::feeds::Post {
    let mut post = sparkpost_post(CREATION_TEST.into());
    post.headers.retain(|(name, _)| *name != "authorization");
    post
}

#[tokio::test]
async fn a_body_beyond_its_cap_is_refused_unread_and_a_secret_is_asked_for_first() {
    let stage = Stage::sqlite().await;
    let huge = vec![b' '; (1 << 20) + 1];
    assert_eq!(stage.refused(&stage.feeds.sns_message(&huge), 413).await, "body_too_large");
    assert_eq!(stage.refused(&apple_post(&huge), 413).await, "body_too_large");
    // Beyond the cap of all: a stranger learns nothing but that he is one.
    let post = sparkpost_post(vec![b' '; (16 << 20) + 1]);
    assert_eq!(stage.refused(&post.clone().with("authorization", "Basic eDp5"), 401).await, "bad_secret");
    assert_eq!(stage.refused(&post, 413).await, "body_too_large");
    assert_eq!(stage.metric("relaywatch_http_body_bytes_in_flight").await, 0.0);
}

#[tokio::test]
async fn the_api_asks_for_a_token_and_names_the_wrong_field() {
    let stage = Stage::sqlite().await;
    let path = "/v1/sendability";
    let question = json!({"address": "a@private.icloud.com"});
    stage.daemon.api(Method::POST, path).json(&question).expect(401).await;
    stage.daemon.api(Method::POST, path).bearer("rlw_wrong").json(&question).expect(401).await;
    for (question, field) in [
        (json!({}), Some("address")),
        (json!({"address": "no address"}), Some("address")),
        (json!({"address": "a@private.icloud.com", "class": "news"}), Some("class")),
        (json!({"address": "a@private.icloud.com", "team": "TEAM2"}), Some("team")),
        (json!({"address": "a@private.icloud.com", "stream": "none"}), Some("stream")),
        (json!({"address": ["a@private.icloud.com"]}), Some("address")),
        (json!([]), None),
    ] {
        let answer: Value = stage.api(Method::POST, path).json(&question).expect(400).await.json();
        if let Some(field) = field {
            assert_eq!(answer["field"], field, "{question}: {answer}");
        }
        assert!(!answer.to_string().contains('@'), "{answer}");
    }
    stage.api(Method::GET, "/v1/nothing").expect(404).await;
    stage.api(Method::POST, path).json(&question).expect(200).await;
}
