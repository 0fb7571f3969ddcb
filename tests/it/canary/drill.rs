//! The drill hears Apple's word on our own address and on no other, and says when nothing came.

use std::sync::Arc;
use std::time::Duration;

use relaywatch::cli::demo::world::apple::forwarding;
use serde_json::{Value, json};

use super::FIRST;
use super::matrix::{CONFIGURED, streams};
use crate::daemon::Home;
use crate::feeds::{now, unique};
use crate::stage::Stage;

async fn stage() -> Arc<Stage> {
    let home = Home::new();
    let url = home.sqlite_url();
    Arc::new(Stage::on(home, &url, &(streams() + CONFIGURED)).await)
}

/// Runs the drill, and meanwhile has Apple say again and again that forwarding is off and on for an address. Exit code and answer.
async fn drill(stage: &Arc<Stage>, timeout: &'static str, about: &str) -> (Option<i32>, Value) {
    let running = Arc::clone(stage);
    let drill = tokio::task::spawn_blocking(move || {
        let arguments = ["canary", "drill", "--address", "first", "--timeout", timeout, "--format", "json"];
        running.daemon.home().run(&[arguments.as_slice(), &["--config", "config.toml"]].concat())
    });
    while !drill.is_finished() {
        for enabled in [false, true] {
            let event = forwarding(enabled, "000001.canary.0001", about, now());
            stage.post(&stage.feeds.notification(event, &unique())).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let output = drill.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answer = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_both_words_about_our_own_address() {
    let stage = stage().await;
    let (code, answer) = drill(&stage, "60s", FIRST).await;
    assert_eq!((code, &answer["complete"]), (Some(0), &json!(true)), "{answer}");
    for word in ["forwarding_disabled", "forwarding_enabled"] {
        assert!(answer[word]["event"].as_str().is_some_and(|event| event.starts_with("evt_")), "{answer}");
    }
    assert!(!answer.to_string().contains('@'), "{answer}");
}

/// A daemon may be working on the store, and on the next one an older daemon.
#[tokio::test]
async fn no_command_makes_a_store_or_changes_its_schema() {
    let home = Home::new();
    let (url, folder) = (home.sqlite_url(), home.folder().to_owned());
    std::fs::write(folder.join("config.toml"), home.toml(&url) + &streams() + CONFIGURED).unwrap();
    let commands: [&[&str]; 3] =
        [&["canary", "status"], &["canary", "send"], &["canary", "drill", "--address", "first", "--timeout", "1s"]];
    let refused = |want: [&str; 2]| {
        for command in commands {
            let output = home.run(&[command, &["--config", "config.toml"]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            assert!(want.iter().all(|want| said.contains(want)), "{command:?}: {said}");
        }
    };
    refused(["relaywatch.db is not there yet", "the daemon makes it"]);
    assert!(!folder.join("relaywatch.db").exists() && !folder.join("data").exists());
    assert!(home.run(&["migrate", "--config", "config.toml"]).status.success());
    home.sql("DELETE FROM _sqlx_migrations WHERE version = 1").await;
    refused(["migration 1 is pending", "`relaywatch migrate` brings an older one up to date"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_about_somebody_else_is_not_ours() {
    let stage = stage().await;
    let (code, answer) = drill(&stage, "2s", "somebody-else@privaterelay.appleid.com").await;
    assert_eq!((code, &answer["complete"]), (Some(1), &json!(false)), "{answer}");
    assert_eq!(answer["forwarding_disabled"], json!(null));
}
