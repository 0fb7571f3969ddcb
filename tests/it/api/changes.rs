//! `GET /v1/changes`.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use relaywatch::cli::demo::world::apple::{departure, forwarding};
use relaywatch::cli::demo::world::ses::Form;
use relaywatch::clock::Stopwatch;
use relaywatch::domain::address::Address;
use relaywatch::store::{Cutoffs, Store};
use serde_json::{Value, json};

use super::{import, lines, token, user, with};
use crate::feeds::{NOT_FOUND, TEAM, keyring, mail_to, now, unique};
use crate::privacy::Marked;
use crate::stage::Stage;

/// The lines of a page, and where to go on.
async fn page(stage: &Stage, query: &str) -> (Vec<Value>, String) {
    let answer = stage.api(Method::GET, &format!("/v1/changes?{query}")).expect(200).await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let cursor = answer.headers["relaywatch-cursor"].to_str().unwrap().to_owned();
    (lines(&answer.text()), cursor)
}

fn key(address: &str) -> String {
    keyring().address(&Address::parse(address).unwrap()).to_string()
}

/// Key and reason of every line.
fn told(lines: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.iter().map(|line| (text(&line["key"]), text(&line["verdict"]["reason"]))).collect()
}

fn pair(address: &str, reason: &str) -> (String, String) {
    (key(address), reason.to_owned())
}

#[tokio::test]
async fn the_feed_tells_each_change_once_with_the_verdict_of_now() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let [one, two, three] = [1, 2, 3].map(|n| people.address(n));
    import(&stage, &[user(&people.sub(1), &one), user(&people.sub(2), &two)]).await;
    let (first, cursor) = page(&stage, "").await;
    assert_eq!(told(&first), [pair(&one, "ok"), pair(&two, "ok")]);
    assert_eq!(
        (&first[0]["team"], &first[0]["sub"], &first[0]["cursor"]),
        (&json!(TEAM), &json!(people.sub(1)), &json!("1"))
    );
    assert_eq!(cursor, "2");

    // Two bounces of one, a revocation of the other, and mail that was delivered to a third.
    for _ in 0..2 {
        stage.post(&stage.feeds.ses_bounce(&one, NOT_FOUND, &unique())).await;
    }
    stage.post(&stage.feeds.notification(departure("consent-revoked", &people.sub(2), now()), &unique())).await;
    stage.post(&stage.feeds.ses(&mail_to(&three).delivery(Form::Published, now()))).await;
    let (next, end) = page(&stage, &format!("after={cursor}")).await;
    assert_eq!(told(&next), [pair(&one, "recent_bounce"), pair(&two, "consent_revoked"), pair(&three, "ok")]);
    assert_eq!(next.iter().map(|line| line["cursor"].as_str().unwrap()).collect::<Vec<_>>(), ["4", "5", "6"]);
    assert!(next[2].get("sub").is_none(), "whose subject is not known has none");

    // What says nothing new is no change, and the cursor moves on all the same.
    stage.post(&stage.feeds.ses(&mail_to(&three).send())).await;
    let (nothing, after) = page(&stage, &format!("after={end}")).await;
    assert!(nothing.is_empty() && after == "7", "{nothing:?} {after}");
    // From the beginning, everybody stands once, as they are now.
    let (all, _) = page(&stage, "after=0").await;
    assert_eq!(told(&all), told(&next));
}

#[tokio::test]
async fn who_goes_on_in_the_middle_of_a_page_misses_nobody() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    // One subject with three addresses: a single event changes all of them.
    let sub = people.sub(1);
    import(&stage, &[user(&sub, &people.address(1)), user(&sub, &people.address(2)), user(&sub, &people.address(3))])
        .await;
    let (_, cursor) = page(&stage, "").await;
    stage.post(&stage.feeds.notification(departure("consent-revoked", &sub, now()), &unique())).await;
    let (all, end) = page(&stage, &format!("after={cursor}")).await;
    assert_eq!(all.len(), 3);
    for dealt_with in 1..=3 {
        let resume = all[dealt_with - 1]["cursor"].as_str().unwrap();
        let (rest, _) = page(&stage, &format!("after={resume}")).await;
        let seen: BTreeSet<_> = told(&all[..dealt_with]).into_iter().chain(told(&rest)).collect();
        assert_eq!(seen.len(), 3, "after {dealt_with} lines");
    }
    assert_eq!(all[2]["cursor"], json!(end));
}

#[tokio::test]
async fn pages_of_one_line_lead_to_the_same_end() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let rows: Vec<Value> = (0..7).map(|n| user(&people.sub(n), &people.address(n))).collect();
    import(&stage, &rows).await;
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let (lines, next) = page(&stage, &format!("after={cursor}&limit=1")).await;
        if lines.is_empty() {
            break;
        }
        assert_eq!(lines.len(), 1);
        seen.extend(told(&lines));
        cursor = next;
    }
    assert_eq!(seen, (0..7).map(|n| pair(&people.address(n), "ok")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_subject_without_an_address_has_a_line_without_a_key() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    stage.post(&stage.feeds.notification(departure("account-deleted", &people.sub(1), now()), &unique())).await;
    let (lines, _) = page(&stage, "").await;
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["key"], &lines[0]["sub"]), (&json!(null), &json!(people.sub(1))));
    assert_eq!(lines[0]["verdict"]["reason"], "account_deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_is_answered_when_something_happens_here_or_elsewhere() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let began = Stopwatch::start();
    let (nothing, cursor) = page(&stage, "from=now&wait=1").await;
    assert!(nothing.is_empty() && began.elapsed() >= Duration::from_millis(900), "it waited in vain");

    let token = token(&stage, &["changes"]);
    for elsewhere in [false, true] {
        let n = usize::from(elsewhere);
        let request = with(
            &stage,
            &token,
            Method::GET,
            &format!("/v1/changes?after={}&wait=60", if elsewhere { "1" } else { &cursor }),
        );
        let waiting = tokio::spawn(request.expect(200));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished());
        let happened = Stopwatch::start();
        if elsewhere {
            std::fs::write(
                stage.daemon.home().folder().join("users"),
                user(&people.sub(n), &people.address(n)).to_string(),
            )
            .unwrap();
            stage.command(&["import", "users", "users"]);
        } else {
            let event = forwarding(false, &people.sub(n), &people.address(n), now());
            stage.post(&stage.feeds.notification(event, &unique())).await;
        }
        let lines = lines(&waiting.await.unwrap().text());
        assert!(happened.elapsed() < Duration::from_secs(10), "it took {:?}", happened.elapsed());
        let reason = if elsewhere { "ok" } else { "forwarding_disabled" };
        assert_eq!(told(&lines), [pair(&people.address(n), reason)]);
    }
}

#[tokio::test]
async fn who_waits_does_not_hold_the_daemon_up() {
    let mut stage = Stage::sqlite().await;
    let request = stage.api(Method::GET, "/v1/changes?from=now&wait=60");
    let waiting = tokio::spawn(request.expect(200));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Stopwatch::start();
    let status = stage.daemon.terminate();
    assert!(status.success() && began.elapsed() < Duration::from_secs(10), "{status} after {:?}", began.elapsed());
    assert_eq!(waiting.await.unwrap().text(), "");
}

#[tokio::test]
async fn a_cursor_that_the_log_does_not_reach_back_to_is_gone() {
    let stage = Stage::sqlite().await;
    import(&stage, &[user("s1", "a@private.icloud.com"), user("s2", "b@private.icloud.com")]).await;
    let store = Store::open(&stage.daemon.home().sqlite_url()).await.unwrap();
    let later = now().plus(Duration::from_secs(60));
    let cutoffs = Cutoffs {
        events: later,
        seen: later,
        quarantine: later,
        audit: later,
        cells: later,
        deliveries: later,
        tee: later,
        dns: later,
        observed: later,
    };
    let mut tx = store.write().await.unwrap();
    tx.prune(&cutoffs, now(), 1).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    for (after, status) in [("0", 410), ("1", 200), ("2", 200), ("3", 410)] {
        let answer = stage.api(Method::GET, &format!("/v1/changes?after={after}")).expect(status).await;
        if status == 410 {
            let problem: Value = answer.json();
            assert_eq!((&problem["reason"], &problem["field"]), (&json!("gone"), &json!("after")), "{problem}");
        }
    }
}
