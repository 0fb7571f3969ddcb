//! Two daemons on one PostgreSQL.

use serde_json::json;

use crate::daemon::Home;
use crate::feeds::{NOT_FOUND, unique};
use crate::postgres;
use crate::stage::{Stage, eventually};

#[tokio::test]
async fn what_is_posted_to_one_is_known_to_the_other() {
    let database = postgres::database().await;
    let one = Stage::on(Home::new(), database.url(), "").await;
    let mut other = Stage::on(Home::new(), database.url(), "").await;
    let address = format!("{}@privaterelay.appleid.com", unique());
    // Each daemon has a certificate of its own for the same URL, so each takes its own signer's messages.
    let id = unique();
    assert_eq!(one.post(&one.feeds.ses_bounce(&address, NOT_FOUND, &id)).await, json!({"new": 1, "repeated": 0}));
    eventually(async || {
        let said = other.verdict(&address).await;
        if said["reason"] == "recent_bounce" { Ok(()) } else { Err(said.to_string()) }
    })
    .await;
    let again = other.post(&other.feeds.ses_bounce(&address, NOT_FOUND, &id)).await;
    assert_eq!(again, json!({"new": 0, "repeated": 1}), "both know every identity");

    // Both at once: the log stays one.
    let posts = (0..40).map(|n| {
        let stage = if n % 2 == 0 { &one } else { &other };
        let address = format!("{}@privaterelay.appleid.com", unique());
        async move { stage.post(&stage.feeds.ses_bounce(&address, NOT_FOUND, &unique())).await }
    });
    futures_util::future::join_all(posts).await;
    assert_eq!(one.metric("relaywatch_log_head").await, 41.0);
    assert_eq!(other.metric("relaywatch_log_head").await, 41.0);

    // One dies; the other goes on.
    other.daemon.kill_9();
    let answer = one.post(&one.feeds.ses_bounce(&address, NOT_FOUND, &unique())).await;
    assert_eq!(answer, json!({"new": 1, "repeated": 0}));
}
