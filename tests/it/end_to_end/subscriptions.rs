//! SNS subscriptions: confirmed for a listed topic and never for another, and an end of one is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use http::Uri;

use crate::daemon::Home;
use crate::feeds::{TOPIC, now, unique};
use crate::stage::{Stage, eventually};

type Asked = Arc<Mutex<Vec<String>>>;

/// A stand-in for SNS that remembers what it was asked.
async fn emulator() -> (String, Asked) {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let remember = async |State(asked): State<Asked>, uri: Uri| asked.lock().unwrap().push(uri.to_string());
    tokio::spawn(axum::serve(listener, Router::new().fallback(remember).with_state(asked.clone())).into_future());
    (endpoint, asked)
}

#[tokio::test]
async fn a_listed_topic_is_confirmed_and_a_foreign_one_never() {
    let (endpoint, asked) = emulator().await;
    let home = Home::new();
    let url = home.sqlite_url();
    let stage = Stage::on(home, &url, &format!("[sns.emulator]\nendpoint = \"{endpoint}\"\n")).await;
    let sns = &stage.feeds.sns;

    let foreign = "arn:aws:sns:eu-west-1:999999999999:ses-events";
    let other = sns.subscription_confirmation(foreign, "token-of-another", now(), &unique());
    assert_eq!(stage.refused(&stage.feeds.sns_message(&other), 403).await, "foreign_topic");
    let forged = sns.subscription_confirmation(TOPIC, "token-1", now(), &unique());
    let forged = String::from_utf8(forged).unwrap().replace("token-1", "token-2");
    assert_eq!(stage.refused(&stage.feeds.sns_message(forged.as_bytes()), 403).await, "bad_signature");

    let listed = sns.subscription_confirmation(TOPIC, "token-3", now(), &unique());
    stage.post(&stage.feeds.sns_message(&listed)).await;
    eventually(async || match asked.lock().unwrap().len() {
        0 => Err("the subscription was not confirmed".to_owned()),
        _ => Ok(()),
    })
    .await;
    let arn = TOPIC.replace(':', "%3A");
    let want = format!("/?Action=ConfirmSubscription&TopicArn={arn}&Token=token-3");
    assert_eq!(*asked.lock().unwrap(), [want]);
    assert!(!stage.daemon.log().contains("token-3"), "the token confirms: it is a secret");
}

#[tokio::test]
async fn the_end_of_a_subscription_raises_its_metric_and_is_not_followed() {
    let (endpoint, asked) = emulator().await;
    let home = Home::new();
    let url = home.sqlite_url();
    let stage = Stage::on(home, &url, &format!("[sns.emulator]\nendpoint = \"{endpoint}\"\n")).await;
    let metric = r#"relaywatch_sns_subscriptions_ended_total{endpoint="main"}"#;
    assert_eq!(stage.metric(metric).await, 0.0);
    let end = stage.feeds.sns.unsubscribe_confirmation(TOPIC, "token-4", now(), &unique());
    stage.post(&stage.feeds.sns_message(&end)).await;
    assert_eq!(stage.metric(metric).await, 1.0);
    assert!(stage.daemon.log().contains("SNS ended the subscription"), "{}", stage.daemon.log());
    assert!(asked.lock().unwrap().is_empty(), "following it would subscribe again");
}
