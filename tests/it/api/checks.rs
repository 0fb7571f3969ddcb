//! `POST /v1/streams/{name}/check`, `GET /v1/streams/{name}/history`, and what a stream that Apple refuses may send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::op::ResponseCode;
use http::Method;
use serde_json::{Value, json};

use super::{import, token, user};
use crate::daemon::Home;
use crate::feeds::{TEAM, unique};
use crate::scripted_dns::{Answer, ScriptedDns};
use crate::stage::{Stage, eventually};

/// A daemon that asks this DNS, in which SPF is there as long as it is said to be.
async fn stage(sound: &Arc<AtomicBool>, enabled: bool) -> (Stage, ScriptedDns) {
    let sound = Arc::clone(sound);
    let dns = ScriptedDns::start(move |question, _| match question.strip_suffix(" TXT") {
        Some(name) if name.starts_with("bounce.") && sound.load(Ordering::SeqCst) => {
            Answer::texts(name, ["v=spf1 ip4:192.0.2.1 -all"])
        }
        Some(name) if name.starts_with("_dmarc.") => Answer::texts(name, ["v=DMARC1; p=reject"]),
        Some(name) if name.contains("_domainkey") => Answer::code(ResponseCode::NXDomain),
        _ => Answer::code(ResponseCode::NoError),
    })
    .await;
    let mut home = Home::new();
    home.checks = format!("[checks]\nenabled = {enabled}\nschedule = \"0 0 1 1 *\"\n");
    let url = home.sqlite_url();
    let asked = format!("\n[dns]\nresolvers = [\"{}\"]\n", dns.address());
    (Stage::on(home, &url, &asked).await, dns)
}

fn shop(name: &str) -> Value {
    json!({
        "name": name, "team": TEAM, "from_domain": "shop.test", "mail_from_domain": "bounce.shop.test",
        "dkim": [{"domain": "shop.test", "selector": "s1"}], "sending_ips": ["192.0.2.1"],
        "apple_sources": ["shop.test", "bounce.shop.test"],
    })
}

/// Checks a stream now, or as soon as the job is done with it.
pub async fn check(stage: &Stage, name: &str) -> Value {
    loop {
        match stage.api(Method::POST, &format!("/v1/streams/{name}/check")).send().await.unwrap() {
            (200, answer) => return answer.json(),
            (status, answer) => assert_eq!(status, 409, "{}", answer.text()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_check_that_is_asked_for_answers_and_is_remembered() {
    let sound = Arc::new(AtomicBool::new(true));
    let (stage, _dns) = stage(&sound, false).await;
    stage.api(Method::PUT, "/v1/streams").json(&shop("shop")).expect(200).await;
    let before: Value = stage.api(Method::GET, "/v1/streams/shop").expect(200).await.json();
    assert_eq!((&before["check"], &before["from_domain"]), (&Value::Null, &json!("shop.test")));

    let report = check(&stage, "shop").await;
    let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let want = ["apple", "checked_at", "findings", "from_domain", "posture", "queries", "seconds", "status", "stream"];
    assert_eq!(keys, want);
    assert_eq!(
        (&report["apple"]["verdict"], &report["apple"]["spf_path"]),
        (&json!("accept"), &json!("pass")),
        "{report}"
    );
    sound.store(false, Ordering::SeqCst);
    let report = check(&stage, "shop").await;
    assert_eq!((&report["posture"], &report["apple"]["verdict"]), (&json!("failing"), &json!("reject")), "{report}");

    let shown: Value = stage.api(Method::GET, "/v1/streams/shop").expect(200).await.json();
    assert_eq!((&shown["check"]["posture"], &shown["check"]["report"]), (&json!("failing"), &report), "{shown}");
    assert!(shown["check"]["age_seconds"].as_f64().unwrap() < 60.0);
    let listed: Value = stage.api(Method::GET, "/v1/streams").expect(200).await.json();
    assert_eq!(listed["checks"][0]["stream"], "shop", "{listed}");
    assert_eq!(listed["checks"].as_array().unwrap().len(), 1, "news was never looked at");

    let history = |query: &str| stage.api(Method::GET, &format!("/v1/streams/shop/history{query}"));
    let all: Value = history("").expect(200).await.json();
    let gone = &all["changes"][0];
    assert_eq!((&gone["name"], &gone["kind"]), (&json!("bounce.shop.test."), &json!("TXT")), "{all}");
    assert_eq!((&gone["old"], &gone["new"]), (&json!(["v=spf1 ip4:192.0.2.1 -all"]), &json!([])));
    assert!(
        all["records"].as_array().unwrap().iter().any(|r| r["name"] == "_dmarc.shop.test." && r["current"] == true)
    );
    assert_eq!(all["before"], Value::Null);
    let page: Value = history("?limit=1").expect(200).await.json();
    assert_eq!(page["changes"], json!([gone]));
    let next: Value = history(&format!("?before={}", page["before"].as_str().unwrap())).expect(200).await.json();
    assert_eq!((next["records"].as_array().unwrap().len(), &next["before"]), (0, &Value::Null));

    // Checks are switched off: what was found by hand stops nobody.
    let gate: Value = stage.api(Method::GET, "/v1/gate/shop").expect(200).await.json();
    assert_eq!(gate["gate"], "open");
}

#[tokio::test]
async fn what_cannot_be_checked_or_shown_is_refused() {
    let (stage, _dns) = stage(&Arc::default(), false).await;
    let other = token(&stage, &["sendability"]);
    let refused = async |method: Method, path: &str, status: u16| -> Value {
        stage.api(method, path).expect(status).await.json()
    };
    assert_eq!(refused(Method::POST, "/v1/streams/nothing/check", 404).await["reason"], "not_found");
    assert_eq!(refused(Method::GET, "/v1/streams/nothing/history", 404).await["reason"], "not_found");
    for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("before=x", "before")] {
        let problem = refused(Method::GET, &format!("/v1/streams/news/history?{query}"), 400).await;
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(refused(Method::GET, "/v1/streams/news/history?after=1", 400).await["reason"], "bad_parameter");
    for (method, path) in [(Method::POST, "/v1/streams/news/check"), (Method::GET, "/v1/streams/news/history")] {
        stage.daemon.api(method, path).bearer(&other).expect(403).await;
    }
}

#[tokio::test]
async fn two_who_ask_at_once_do_not_both_check() {
    let dns = ScriptedDns::start(|_, _| Answer::silence()).await;
    let mut home = Home::new();
    home.checks.push_str("[dns]\ntimeout = \"700ms\"\nattempts = 1\ndeadline = \"2s\"\n");
    home.checks.push_str(&format!("resolvers = [\"{}\"]\n", dns.address()));
    let url = home.sqlite_url();
    let stage = Stage::on(home, &url, "").await;
    let ask = || stage.api(Method::POST, "/v1/streams/news/check").send();
    let (one, two) = tokio::join!(ask(), ask());
    let ((one, first), (two, second)) = (one.unwrap(), two.unwrap());
    let mut statuses = [one, two];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", first.text(), second.text());
    let report: Value = if one == 200 { first.json() } else { second.json() };
    assert_eq!((&report["posture"], &report["status"]["spf"]), (&json!("unknown"), &json!("unknown")), "{report}");
    assert_eq!(check(&stage, "news").await["posture"], "unknown", "the lease was given back");
}

#[tokio::test]
async fn a_stream_that_apple_refuses_stops_by_itself_and_goes_on_when_it_is_mended() {
    let sound = Arc::new(AtomicBool::new(true));
    let (stage, _dns) = stage(&sound, true).await;
    let person = format!("{}@privaterelay.appleid.com", unique());
    import(&stage, &[user("001234.0a1b2c3d4e5f60718293a4b5c6d7e8f9.0101", &person)]).await;
    stage.api(Method::PUT, "/v1/streams").json(&json!([shop("shop"), shop("spare")])).expect(200).await;
    check(&stage, "shop").await;
    let ask = async |stream: &str, class: &str| {
        let said = stage.ask(&json!({"team": TEAM, "address": person, "stream": stream, "class": class})).await;
        (said["send"].as_bool().unwrap(), said["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!(ask("shop", "marketing").await, (true, "ok".to_owned()));
    // Whatever the index knows of the address must not get past what is found now.
    sound.store(false, Ordering::SeqCst);
    check(&stage, "shop").await;
    let fault = (false, "sender_fault".to_owned());
    assert_eq!(ask("shop", "marketing").await, fault);
    assert_eq!(ask("shop", "transactional").await, fault);
    assert_eq!(ask("shop", "security").await, (true, "ok".to_owned()));
    let said = stage.ask(&json!({"team": TEAM, "address": person})).await;
    let limits = said["limits"].as_array().unwrap();
    assert!(limits.contains(&json!({"scope": "stream", "stream": "shop", "reason": "sender_fault"})), "{said}");
    let ordinary = stage.ask(&json!({"team": TEAM, "address": "someone@example.com", "stream": "shop"})).await;
    assert_eq!((&ordinary["send"], &ordinary["limits"]), (&json!(true), &json!([])), "{ordinary}");
    let gate: Value = stage.api(Method::GET, "/v1/gate/shop").expect(200).await.json();
    assert_eq!((&gate["gate"], &gate["because"]), (&json!("closed"), &json!("sender_fault")));
    assert!(gate["since"].is_string());
    // What stands is known after a restart, before anything is looked at anew.
    sound.store(true, Ordering::SeqCst);
    let report = check(&stage, "shop").await;
    assert_eq!(report["apple"]["verdict"], "accept");
    assert_eq!(ask("shop", "marketing").await, (true, "ok".to_owned()));
    let changed = r#"relaywatch_events_total{kind="posture_changed",scope="sender",source="relaywatch"}"#;
    eventually(async || {
        let told = stage.metric(changed).await;
        if told >= 4.0 { Ok(()) } else { Err(format!("{told} changes were told")) }
    })
    .await;
}
