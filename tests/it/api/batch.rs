//! `POST /v1/sendability/batch`.

use std::fs;

use http::Method;
use relaywatch::domain::address::Address;
use serde_json::{Value, json};

use super::exchange;
use super::{import, lines, ndjson, token, user, with};
use crate::cable::Cable;
use crate::daemon::Home;
use crate::feeds::{NOT_FOUND, TEAM, keyring, unique};
use crate::postgres;
use crate::privacy::Marked;
use crate::stage::Stage;

const BATCH: &str = "/v1/sendability/batch";

#[tokio::test]
async fn every_line_is_answered_in_its_place_and_a_wrong_one_costs_no_other() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let [held, unseen] = [people.address(1), people.address(2)];
    stage.post(&stage.feeds.ses_bounce(&held, NOT_FOUND, &unique())).await;
    let key = keyring().address(&Address::parse(&held).unwrap()).to_string();
    let body = [
        json!({"id": 7, "address": held}).to_string(),
        String::new(),
        "{\"address\":".to_owned(),
        json!({"id": "b", "key": key, "class": "security"}).to_string(),
        json!({"address": "nobody", "id": 1}).to_string(),
        json!({"adress": unseen}).to_string(),
        json!({ (unseen.clone()): 1 }).to_string(),
        format!("{{\"address\":\"{}\"}}", "x".repeat(9_000)),
        json!({"id": {"a": 1}, "address": unseen}).to_string(),
        json!({"address": unseen, "team": "OTHER"}).to_string(),
        json!({"address": unseen, "stream": "other"}).to_string(),
        json!({"id": 1.5, "address": "someone@mail.example", "stream": "news"}).to_string(),
    ]
    .join("\r\n");
    let answer = stage.api(Method::POST, &format!("{BATCH}?team={TEAM}")).body(body).expect(200).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let told = lines(&answer.text());
    let said = |line: &Value| {
        let word = |name: &str| line[name].as_str().map(str::to_owned);
        (line["id"].clone(), word("reason").unwrap_or_default(), word("field"), line["line"].as_u64())
    };
    let want = [
        (json!(7), "recent_bounce", None, None),
        (json!(null), "bad_field", Some("address"), Some(3)),
        (json!("b"), "recent_bounce", None, None),
        (json!(null), "bad_field", Some("address"), Some(5)),
        (json!(null), "bad_field", Some("adress"), Some(6)),
        (json!(null), "bad_json", None, Some(7)),
        (json!(null), "line_too_long", None, Some(8)),
        (json!(null), "bad_field", Some("id"), Some(9)),
        (json!(null), "bad_field", Some("team"), Some(10)),
        (json!(null), "bad_field", Some("stream"), Some(11)),
        (json!(1.5), "not_relay", None, None),
    ];
    let want = want.map(|(id, reason, field, line)| (id, reason.to_owned(), field.map(str::to_owned), line));
    assert_eq!(told.iter().map(said).collect::<Vec<_>>(), want);
    assert_eq!((&told[0]["key"], &told[0]["send"]), (&json!(key), &json!(false)));
    assert_eq!((&told[2]["key"], &told[2]["send"]), (&json!(key), &json!(true)));
    let single = stage.verdict(&held).await;
    for (field, value) in single.as_object().unwrap() {
        if !["as_of", "valid_until"].contains(&field.as_str()) {
            assert_eq!(&told[0][field], value, "{field}");
        }
    }
    assert!(!answer.text().contains(people.stem()), "an answer repeats no address");
}

#[tokio::test]
async fn what_is_wrong_with_all_lines_is_told_once() {
    let stage = Stage::sqlite().await;
    for (query, field) in [
        ("team=OTHER", Some("team")),
        ("class=spam", Some("class")),
        ("stream=other", Some("stream")),
        ("team=OTHER&stream=news", Some("team")),
        ("address=who%40private.icloud.com", None),
        ("team=A&team=B", Some("team")),
    ] {
        let answer = stage.api(Method::POST, &format!("{BATCH}?{query}")).body("{}").expect(400).await;
        let problem: Value = answer.json();
        assert_eq!(problem["field"].as_str(), field, "{query}: {problem}");
        assert!(!answer.text().contains("icloud"));
    }
    let empty = stage.api(Method::POST, &format!("{BATCH}?class=security&stream=news")).body("\n\n").expect(200).await;
    assert_eq!(empty.text(), "");
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_is_sent() {
    let stage = Stage::sqlite().await;
    let token = token(&stage, &["sendability"]);
    let (mut asking, mut answering) = exchange::open(&stage, &token, "POST", BATCH).await;
    for n in 0..3 {
        asking.send(&format!("{{\"id\":{n},\"address\":\"{}@private.icloud.com\"}}\n", unique())).await;
        if n == 0 {
            assert_eq!(answering.head().await.0, 200);
        }
        let line: Value = serde_json::from_str(&answering.line().await.unwrap().unwrap()).unwrap();
        assert_eq!((&line["id"], &line["reason"]), (&json!(n), &json!("not_seen")));
    }
    asking.send("{\"id\":\"last\",\"address\":\"a@private.icloud.com\"}").await;
    asking.finish().await;
    let last: Value = serde_json::from_str(&answering.line().await.unwrap().unwrap()).unwrap();
    assert_eq!(last["id"], "last", "a last line needs no line end");
    assert_eq!(answering.line().await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_lines_take_constant_memory() {
    const LINES: usize = 200_000;
    let stage = Stage::sqlite().await;
    let token = token(&stage, &["sendability"]);
    let known: Vec<Value> = (0..500).map(|n| user(&format!("s{n}"), &format!("p{n}@private.icloud.com"))).collect();
    assert_eq!(import(&stage, &known).await["new"], 500);
    let before = peak_kib(&stage);
    let (mut asking, mut answering) = exchange::open(&stage, &token, "POST", BATCH).await;
    let sending = tokio::spawn(async move {
        for chunk in (0..LINES).collect::<Vec<_>>().chunks(500) {
            let lines: String =
                chunk.iter().map(|n| format!("{{\"id\":{n},\"address\":\"p{n}@private.icloud.com\"}}\n")).collect();
            asking.send(&lines).await;
        }
        asking.finish().await;
        asking
    });
    assert_eq!(answering.head().await.0, 200);
    let mut answered = 0;
    while let Some(line) = answering.line().await.unwrap() {
        assert!(line.starts_with(&format!("{{\"id\":{answered},")), "line {answered}: {line}");
        let reason = if answered < 500 { "\"reason\":\"ok\"" } else { "\"reason\":\"not_seen\"" };
        assert!(line.contains(reason), "{line}");
        answered += 1;
    }
    drop(sending.await.unwrap());
    assert_eq!(answered, LINES);
    let grown = peak_kib(&stage).saturating_sub(before);
    // The questions alone are 10 MiB, the answers 70.
    assert!(grown < 8 << 10, "the peak rose by {grown} KiB");
}

/// The most memory that the daemon ever held, in KiB.
fn peak_kib(stage: &Stage) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", stage.daemon.id())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

// The cable needs a thread of its own while a command runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_cannot_go_on_end_by_saying_so_and_break_off() {
    let database = postgres::database().await;
    let (cable, url) = Cable::to(database.url()).await;
    let stage = Stage::on(Home::new(), &url, "").await;
    let token = token(&stage, &["sendability"]);
    let person = format!("{}@private.icloud.com", unique());
    stage.post(&stage.feeds.ses_bounce(&person, NOT_FOUND, &unique())).await;
    let question = json!({"address": person}).to_string() + "\n";
    let (mut asking, mut answering) = exchange::open(&stage, &token, "POST", BATCH).await;
    asking.send(&question).await;
    assert_eq!(answering.head().await.0, 200);
    assert!(answering.line().await.unwrap().unwrap().contains("recent_bounce"));

    // Who was held needs the store: his evidence is there.
    cable.pull();
    asking.send(&format!("\n{question}{question}")).await;
    let last: Value = serde_json::from_str(&answering.line().await.unwrap().unwrap()).unwrap();
    assert_eq!((&last["line"], &last["reason"]), (&json!(3), &json!("store_unavailable")), "{last}");
    assert!(answering.line().await.is_err(), "a body that is not complete must not end as if it were");

    // And from the beginning there is none at all.
    let body = ndjson(&[json!({"address": person})]);
    let refused = with(&stage, &token, Method::POST, BATCH).body(body).expect(503).await;
    assert!(refused.headers.contains_key("retry-after"), "{}", refused.text());
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_the_answers_by_an_error() {
    let stage = Stage::sqlite().await;
    let token = token(&stage, &["sendability"]);
    let (mut asking, mut answering) = exchange::open(&stage, &token, "POST", BATCH).await;
    asking.send("{\"address\":\"a@private.icloud.com\"}\n").await;
    assert_eq!(answering.head().await.0, 200);
    assert!(answering.line().await.unwrap().unwrap().contains("not_seen"));
    drop(asking);
    match answering.line().await {
        Ok(Some(last)) => {
            assert!(last.starts_with("{\"line\":2,\"reason\":\"body_broken\""), "{last}");
            assert!(answering.line().await.is_err());
        }
        other => assert!(other.is_err(), "{other:?}"),
    }
}
