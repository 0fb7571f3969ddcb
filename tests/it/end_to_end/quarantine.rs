//! What was authentic and could not be read waits sealed, and is read after all once the configuration knows it.

use std::fs;

use relaywatch::cli::demo::world::apple::forwarding;
use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use serde_json::{Value, json};

use crate::feeds::{FROM, NOT_FOUND, now, sparkpost_post, unique};
use crate::stage::{Stage, eventually};

#[tokio::test]
async fn a_notification_for_an_unknown_audience_counts_once_its_app_is_known() {
    let mut stage = Stage::sqlite().await;
    let address = format!("{}@private.icloud.com", unique());
    let event = forwarding(false, &format!("000001.{}.0001", unique()), &address, now());
    let post = stage.feeds.notification_for("com.example.later", event, &unique());
    // A second time, as a provider repeats: one part waits, not two.
    for _ in 0..2 {
        assert_eq!(stage.post(&post).await, json!({"new": 0, "repeated": 0}));
    }
    stage.expect_verdict(&address, "unknown", "not_seen").await;
    assert_eq!(stage.metric("relaywatch_quarantine_waiting").await, 1.0);

    let listed = stage.command(&["quarantine", "list", "--format", "json"]);
    let part: Value = serde_json::from_str(listed.trim()).expect("one line");
    assert_eq!((&part["source"], &part["endpoint"]), (&json!("apple"), &json!("main")), "{part}");
    assert!(!listed.contains(&address), "the list shows what is sealed");

    // Nothing has changed, so nothing can be read.
    let again = stage.daemon.home().run(&["quarantine", "rerun", "--all", "--config", "config.toml"]);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stdout));

    let known = stage.toml.replace("[[teams.apps]]", "[[teams.apps]]\nid = \"com.example.later\"\n[[teams.apps]]");
    fs::write(stage.daemon.home().folder().join("config.toml"), known).unwrap();
    let id = part["id"].as_str().unwrap();
    let said: Value =
        serde_json::from_str(stage.command(&["quarantine", "rerun", id, "--format", "json"]).trim()).unwrap();
    assert_eq!(said, json!({"id": id, "outcome": {"result": "read", "events": 1, "new": 1}}));
    eventually(async || {
        let said = stage.verdict(&address).await;
        if said["reason"] == "forwarding_disabled" { Ok(()) } else { Err(said.to_string()) }
    })
    .await;
    assert_eq!(stage.metric("relaywatch_quarantine_waiting").await, 0.0);

    // The daemon with the new configuration takes Apple's repetition for what it is.
    assert_eq!(stage.daemon.terminate().code(), Some(0));
    stage.daemon.restart().await;
    assert_eq!(stage.post(&post).await, json!({"new": 0, "repeated": 1}));
}

#[tokio::test]
async fn a_broken_element_costs_no_sibling_and_a_known_batch_is_answered_at_once() {
    let stage = Stage::sqlite().await;
    let [first, second, third] = [(); 3].map(|()| format!("{}@private.icloud.com", unique()));
    let mail = |n, recipient| Mail {
        event_id: n,
        message_id: n,
        recipient,
        friendly_from: FROM,
        msg_from: "b@bounce.news.example.com",
        at: now().secs(),
    };
    let bounce = Report::Bounce { class: 10, code: 550, reason: NOT_FOUND };
    let mut batch = Batch::default();
    batch.push(&mail(1, &first), bounce);
    batch.push_raw(br#"{"msys":{"message_event":{"type":"bounce","timestamp":17}}}"#);
    batch.push(&mail(2, &second), bounce);
    let post = sparkpost_post(batch.finish()).with("x-messagesystems-batch-id", "batch-1");
    assert_eq!(stage.post(&post).await, json!({"new": 2, "repeated": 0}));
    stage.expect_verdict(&first, "hold", "recent_bounce").await;
    stage.expect_verdict(&second, "hold", "recent_bounce").await;
    let listed = stage.command(&["quarantine", "list", "--format", "json"]);
    let part: Value = serde_json::from_str(listed.trim()).expect("one line");
    assert!(part["at"].as_str().is_some_and(|at| at.starts_with("/1")), "{part}");

    // Under a known id not even the elements are looked at.
    let mut other = Batch::default();
    other.push(&mail(3, &third), bounce);
    let known = sparkpost_post(other.finish());
    let answer = stage.post(&known.clone().with("x-messagesystems-batch-id", "batch-1")).await;
    assert_eq!(answer, json!({"new": 0, "repeated": 1}));
    stage.expect_verdict(&third, "unknown", "not_seen").await;
    assert_eq!(stage.post(&known.with("x-messagesystems-batch-id", "batch-2")).await, json!({"new": 1, "repeated": 0}));
    stage.expect_verdict(&third, "hold", "recent_bounce").await;
}
