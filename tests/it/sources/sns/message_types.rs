//! The three message types, and that the signed body alone tells them apart.

use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::sources::Action;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, TOPIC, fixture, now};

#[test]
fn a_notification_is_translated_and_names_its_message() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let body = signer.notification(TOPIC, &fixture("bounce_identity.json"), None, now(), "m-1");
    let translation = endpoint.receive(&body).unwrap();
    assert_eq!(translation.authentic, Some(true));
    assert_eq!(translation.because, "signature version 2 verified, topic allowed");
    assert_eq!((translation.events.len(), translation.actions.len()), (1, 0));
    assert_eq!(endpoint.web.asked(), 0);
}

#[test]
fn a_subscription_is_confirmed_for_a_listed_topic_from_arn_and_token() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let translation = endpoint.receive(&signer.subscription_confirmation(TOPIC, "tok", now(), "m-2")).unwrap();
    let confirm = Action::ConfirmSubscription { topic_arn: TOPIC.into(), token: "tok".into() };
    assert_eq!(translation.actions, [confirm]);
    assert!(!format!("{translation:?}").contains("tok\""), "whoever has the token can confirm");
    assert!(translation.events.is_empty() && translation.quarantined.is_empty());
    let foreign = "arn:aws:sns:eu-west-1:999999999999:ses-events";
    let body = signer.subscription_confirmation(foreign, "tok", now(), "m-3");
    assert_eq!(endpoint.refusal(&body), (403, "foreign_topic"));
    assert_eq!(endpoint.web.asked(), 0, "no URL of a message is ever visited");
}

#[test]
fn the_end_of_a_subscription_is_reported_and_never_undone() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let translation = endpoint.receive(&signer.unsubscribe_confirmation(TOPIC, "tok", now(), "m-4")).unwrap();
    assert_eq!(translation.actions, [Action::SubscriptionEnded { topic_arn: TOPIC.into() }]);
    assert_eq!(endpoint.web.asked(), 0);
}

#[test]
fn headers_never_decide() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    let body = signer.notification(TOPIC, &fixture("complaint_published.json"), None, now(), "m-5");
    let lies = [
        ("x-amz-sns-message-type", "SubscriptionConfirmation"),
        ("x-amz-sns-topic-arn", "arn:aws:sns:eu-west-1:999999999999:other"),
        ("x-amz-sns-rawdelivery", "true"),
        ("x-amz-sns-message-id", "other"),
        ("content-type", "text/plain; charset=UTF-8"),
    ];
    let translation = endpoint.receive_at(&body, &lies, now()).unwrap();
    assert_eq!((translation.events.len(), translation.actions.len()), (1, 0));

    let mut foreign: Value = serde_json::from_slice(&body).unwrap();
    foreign["TopicArn"] = json!("arn:aws:sns:eu-west-1:999999999999:other");
    let truth = [("x-amz-sns-topic-arn", TOPIC), ("x-amz-sns-message-type", "Notification")];
    let refusal = endpoint.receive_at(foreign.to_string().as_bytes(), &truth, now()).unwrap_err();
    assert_eq!((refusal.answer, refusal.reason), (403, "foreign_topic"), "a header cannot make a topic ours");
}

#[test]
fn a_genuine_message_of_a_foreign_topic_is_refused() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    for topic in [
        "arn:aws:sns:eu-west-1:123456789012:ses-events2",
        "arn:aws:sns:eu-west-1:123456789012:ses-event",
        "arn:aws:sns:eu-west-1:123456789012:SES-events",
        "arn:aws:sns:us-east-1:123456789012:ses-events",
        " arn:aws:sns:eu-west-1:123456789012:ses-events",
    ] {
        let body = signer.notification(topic, &fixture("bounce_identity.json"), None, now(), "m");
        assert_eq!(endpoint.refusal(&body), (403, "foreign_topic"), "{topic}");
    }
}

#[test]
fn greetings_of_ses_mean_nothing() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    for greeting in [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        r#"{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have subscribed your topic."}"#,
    ] {
        let translation = endpoint.receive(&signer.notification(TOPIC, greeting, None, now(), "m")).unwrap();
        assert!(translation.events.is_empty() && translation.quarantined.is_empty() && translation.unknown.is_empty());
    }
}

#[test]
fn authentic_but_unreadable_is_put_aside_whole() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::with_certificate_of(&signer);
    for (inner, because) in [
        ("hello", "not JSON (line 1, column 1)"),
        ("[1]", "not a JSON object"),
        ("{\"mail\":{}}", "neither eventType nor notificationType"),
        ("", "not JSON (line 1, column 0)"),
    ] {
        let translation = endpoint.receive(&signer.notification(TOPIC, inner, None, now(), "m")).unwrap();
        assert_eq!((translation.authentic, translation.quarantined.len()), (Some(true), 1), "{inner}");
        let part = &translation.quarantined[0];
        assert_eq!((part.at.as_str(), part.because.as_str()), ("", because));
        assert_eq!(part.body, inner.as_bytes());
    }
}
