//! No store to ask: 503 with Retry-After, never "go ahead"; and when it is back, so is the daemon.

use std::sync::Mutex;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use http::Method;
use relaywatch::clock::Stopwatch;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::cable::Cable;
use crate::daemon::Home;
use crate::feeds::{NOT_FOUND, TEAM, unique};
use crate::postgres;
use crate::scripted_dns::{Answer, ScriptedDns};
use crate::stage::{Stage, eventually};

#[tokio::test]
async fn a_database_that_is_gone_is_503_and_everything_works_once_it_is_back() {
    let database = postgres::database().await;
    let (cable, url) = Cable::to(database.url()).await;
    let stage = Stage::on(Home::new(), &url, "[limits]\nretry_after = \"7s\"\n").await;
    let (used, _) = cable.was_used();
    assert!(used, "the daemon goes past the cable");
    let before = format!("{}@privaterelay.appleid.com", unique());
    stage.post(&stage.feeds.ses_bounce(&before, NOT_FOUND, &unique())).await;

    cable.pull();
    expect_down(&stage, &before).await;
    let posts =
        [(); 3].map(|()| stage.feeds.ses_bounce(&format!("{}@private.icloud.com", unique()), NOT_FOUND, &unique()));
    for post in &posts {
        assert_eq!(stage.refused(post, 503).await, "store_unavailable");
    }

    cable.plug();
    expect_back(&stage, &before).await;
    for post in &posts {
        assert_eq!(stage.post(post).await, json!({"new": 1, "repeated": 0}), "nothing of a refused request was stored");
    }
    assert_eq!(stage.metric("relaywatch_log_head").await, 4.0);
}

#[tokio::test]
async fn a_check_that_cannot_be_remembered_is_503() {
    let dns = ScriptedDns::start(|_, _| Answer::code(ResponseCode::NoError).after(Duration::from_millis(500))).await;
    let database = postgres::database().await;
    let (cable, url) = Cable::to(database.url()).await;
    let more = format!("[limits]\nretry_after = \"7s\"\n[dns]\nresolvers = [\"{}\"]\n", dns.address());
    let stage = Stage::on(Home::new(), &url, &more).await;
    let check = || stage.api(Method::POST, "/v1/streams/news/check");
    let refused = async || {
        let answer = check().expect(503).await;
        assert_eq!(answer.headers["retry-after"], "7", "{}", answer.text());
        let problem: Value = answer.json();
        assert_eq!(problem["reason"], "store_unavailable", "{problem}");
    };
    cable.pull();
    refused().await;
    assert_eq!(dns.total(), 0, "nothing is asked for what cannot be kept");

    cable.plug();
    eventually(async || match check().send().await {
        Ok((200, answer)) if answer.json::<Value>()["stream"] == "news" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // Gone while the DNS is asked: what was found is not answered as if it were kept.
    let asked = dns.total();
    let away = async {
        eventually(async || if dns.total() > asked { Ok(()) } else { Err("nothing is asked".to_owned()) }).await;
        cable.pull();
    };
    tokio::join!(refused(), away);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_503_in_bounded_time() {
    let database = postgres::database().await;
    let (cable, url) = Cable::to(database.url()).await;
    let stage = Stage::on(Home::new(), &url, "").await;
    let before = format!("{}@privaterelay.appleid.com", unique());
    stage.post(&stage.feeds.ses_bounce(&before, NOT_FOUND, &unique())).await;

    cable.deafen();
    let watch = Stopwatch::start();
    let post = stage.feeds.ses_bounce(&format!("{}@private.icloud.com", unique()), NOT_FOUND, &unique());
    let (hook, question) = tokio::join!(stage.refused(&post, 503), async {
        let question = json!({"team": TEAM, "address": before});
        stage.api(Method::POST, "/v1/sendability").json(&question).expect(503).await
    });
    assert_eq!(hook, "store_unavailable");
    assert!(question.headers.contains_key("retry-after"));
    // SNS waits 15 s for an answer, and marks the endpoint as failing without one.
    assert!(watch.elapsed() < Duration::from_secs(15), "answered after {:?}", watch.elapsed());

    cable.plug();
    expect_back(&stage, &before).await;
    stage.post(&post).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_in_the_middle_of_transactions_is_503_in_bounded_time() {
    let database = postgres::database().await;
    let (cable, url) = Cable::to(database.url()).await;
    let stage = Stage::on(Home::new(), &url, "[limits]\ncommit_timeout = \"2s\"\n").await;
    let before = format!("{}@privaterelay.appleid.com", unique());
    stage.post(&stage.feeds.ses_bounce(&before, NOT_FOUND, &unique())).await;

    let silent_for = Mutex::new(None::<Stopwatch>);
    let client = async || {
        // Each posts until it is told that there is no store.
        loop {
            let post = stage.feeds.ses_bounce(&format!("{}@private.icloud.com", unique()), NOT_FOUND, &unique());
            match post.to(stage.daemon.home().hooks).send().await.expect("an answer") {
                (200, _) => {}
                (503, answer) => return assert!(answer.headers.contains_key("retry-after")),
                (status, answer) => panic!("{status}: {}", answer.text()),
            }
        }
    };
    let silence = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        cable.deafen();
        *silent_for.lock().unwrap() = Some(Stopwatch::start());
    };
    tokio::join!(silence, futures_util::future::join_all((0..8).map(|_| client())));
    let silent_for = silent_for.into_inner().unwrap().expect("it fell silent").elapsed();
    assert!(silent_for < Duration::from_secs(15), "the last was answered after {silent_for:?}");

    // What was on the way never arrives: whoever forgot the connections forgot them for good.
    cable.pull();
    cable.plug();
    expect_back(&stage, &before).await;
}

#[tokio::test]
async fn connections_that_the_database_ends_are_made_anew() {
    let database = postgres::database().await;
    let stage = Stage::on(Home::new(), database.url(), "").await;
    let mut admin = PgConnection::connect(database.url()).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relaywatch' \
               AND datname = current_database()";
    for _ in 0..5 {
        admin.execute(AssertSqlSafe(end)).await.unwrap();
        let address = format!("{}@privaterelay.appleid.com", unique());
        let post = stage.feeds.ses_bounce(&address, NOT_FOUND, &unique());
        // The first may meet a dead connection; the provider's next try must not.
        let (status, answer) = post.to(stage.daemon.home().hooks).send().await.unwrap();
        assert!(status == 200 || (status == 503 && answer.headers.contains_key("retry-after")), "{status}");
        if status == 503 {
            stage.post(&post).await;
        }
        stage.expect_verdict(&address, "hold", "recent_bounce").await;
    }
}

async fn expect_down(stage: &Stage, address: &str) {
    let question = json!({"team": TEAM, "address": address, "class": "security"});
    let answer = stage.api(Method::POST, "/v1/sendability").json(&question).expect(503).await;
    assert!(answer.headers.contains_key("retry-after"), "{}", answer.text());
    let post = stage.feeds.ses_bounce(address, NOT_FOUND, &unique());
    let answer = post.to(stage.daemon.home().hooks).expect(503).await;
    assert_eq!(answer.headers["retry-after"], "7");
    let ready = stage.daemon.operations(Method::GET, "/readyz").expect(503).await.text();
    assert!(ready.contains(r#""name":"store","ok":false"#), "{ready}");
    stage.daemon.operations(Method::GET, "/healthz").expect(200).await;
    // The counters, and that the store's gauges are old.
    let metrics = stage.daemon.operations(Method::GET, "/metrics").expect(200).await.text();
    assert!(metrics.contains("relaywatch_hooks_total"), "{metrics}");
    assert!(
        metrics.contains(r#"relaywatch_scrape_refresh_up{part="store"} 0"#),
        "the store's gauges are not said to be old"
    );
}

async fn expect_back(stage: &Stage, address: &str) {
    eventually(async || match stage.daemon.operations(Method::GET, "/readyz").send().await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    stage.expect_verdict(address, "hold", "recent_bounce").await;
}
