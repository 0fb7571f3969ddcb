//! What is known soon: it arrived, it lies among the spam, it was refused.

use std::time::Duration;

use relaywatch::store::Store;
use serde_json::{Value, json};

use super::{Setup, expect_counted, expect_states, round, route, told};
use crate::mail::real_world::user;
use crate::stage::Stage;

/// Everything that the relay forwards arrives, and a stranger's mail is refused by the relay.
async fn stage(user: &str) -> Stage {
    Setup::new("5m")
        .servers()
        .mailbox(user)
        .address("relayed", &format!("{user}@privaterelay.appleid.com"))
        .address("plain", &format!("{user}@mailbox.test"))
        .address("spam", &format!("{user}+junk@mailbox.test"))
        .route("good", "production", ["shop", "own", "relayed", user])
        .route("good", "control", ["other", "own", "relayed", user])
        .route("good", "plain", ["shop", "own", "spam", user])
        .route("refused", "production", ["stranger", "relay", "relayed", user])
        .route("refused", "control", ["other", "own", "relayed", user])
        .route("refused", "plain", ["shop", "own", "plain", user])
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forwarded_arrives_and_a_stranger_is_refused_in_words() {
    let user = user();
    let stage = stage(&user).await;
    let now = expect_states(
        &stage,
        &[
            ("good.production", "arrived"),
            ("good.control", "arrived"),
            ("good.plain", "spam"),
            ("refused.production", "refused"),
            ("refused.control", "arrived"),
            ("refused.plain", "arrived"),
        ],
    )
    .await;
    assert_eq!((&round(&now, "good")["broken"], &round(&now, "good")["told_by"]), (&json!("nothing"), &json!(1)));
    let broken = round(&now, "refused");
    assert_eq!(broken["broken"], "stream_at_relay");
    assert!(broken["because"].as_str().is_some_and(|words| words.contains("registration with Apple")), "{broken}");
    let refused = &route(&now, "refused.production")["refused"];
    let read = ["rule", "scope", "code", "status"].map(|field| refused[field].clone());
    assert_eq!(read, [json!("apple.unauthorized_sender"), json!("sender"), json!(550), json!("5.1.1")], "{refused}");
    assert!(refused["text"].as_str().is_some_and(|text| text.contains("unauthorized sender")), "{refused}");

    expect_counted(&stage, "relaywatch_canary_arrived_total{route=\"good.production\"}").await;
    expect_counted(&stage, "relaywatch_canary_spam_total{route=\"good.plain\"}").await;
    let reason = "reason=\"apple.unauthorized_sender\"";
    expect_counted(&stage, &format!("relaywatch_canary_refused_total{{{reason},route=\"refused.production\"}}")).await;
    expect_counted(&stage, "relaywatch_canary_round_trip_seconds_count{route=\"good.production\"}").await;

    let signed = |route: &'static str| signatures(&stage, route);
    assert_eq!(signed("refused.plain").await, [("sender.test".to_owned(), "pass".to_owned())]);
    let relayed = signed("good.production").await;
    assert!(relayed.contains(&("relay.test".to_owned(), "pass".to_owned())), "the relay signs anew: {relayed:?}");
    let way = &route(&now, "good.production")["last_way"];
    let signature = json!({"domain": "relay.test", "verdict": "pass"});
    assert!(way["authentication"]["dkim"].as_array().is_some_and(|all| all.contains(&signature)), "{way}");
    assert!(way["hops"].as_array().is_some_and(|hops| hops.len() >= 2), "{way}");
}

/// The DKIM signatures that the mailbox's host verified on a route's canary, as the log keeps them.
async fn signatures(stage: &Stage, route: &str) -> Vec<(String, String)> {
    let store = Store::open(&stage.daemon.home().sqlite_url()).await.expect("the store opens");
    let events = store.read().await.unwrap().events_after(0, 1_000).await.unwrap();
    let details = events.iter().filter(|event| event.kind.as_str() == "canary_arrived");
    let details = details.map(|event| serde_json::from_str::<Value>(event.detail.as_deref().unwrap_or("{}")).unwrap());
    let detail = details.into_iter().find(|detail| detail["route"] == route).expect("it arrived");
    let signatures = detail["more"]["authentication"]["dkim"].as_array().cloned().unwrap_or_default();
    let text = |signature: &Value, field: &str| signature[field].as_str().unwrap_or_default().to_owned();
    signatures.iter().map(|s| (text(s, "domain"), text(s, "verdict"))).collect()
}

/// A mailbox that offers IDLE is not waited for: with a poll of an hour the arrival is seen within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_tells_of_news_is_looked_at_at_once_while_another_hangs() {
    let user = user();
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut setup = Setup::new("2h")
        .servers()
        .mailbox(&user)
        .mailbox_by(&format!("deaf-{user}"), "localhost", deaf.local_addr().unwrap().port())
        .address("relayed", &format!("{user}@privaterelay.appleid.com"))
        .route("good", "production", ["shop", "own", "relayed", &user]);
    setup.toml = setup.toml.replace("poll = \"3s\"", "poll = \"1h\"");
    let stage = setup.start().await;
    let now = expect_states(&stage, &[("good.production", "arrived")]).await;
    let took = route(&now, "good.production")["seconds"].as_f64().unwrap();
    assert!(took < 60.0, "{took}");
    // And it stops at once, although it listens to one mailbox and waits for another.
    let mut stage = stage;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(told(&stage).await["rounds"].is_array());
    let began = relaywatch::clock::Stopwatch::start();
    assert!(stage.daemon.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
