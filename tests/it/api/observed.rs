//! What ESPs report of the sending, from the signed request to the check of the stream and the list of what nobody registers.

use hickory_proto::op::ResponseCode;
use http::Method;
use relaywatch::cli::demo::world::ses::{Form, SentMail};
use serde_json::{Value, json};

use super::checks::check;
use crate::daemon::Home;
use crate::feeds::{TEAM, mail_to, now, sparkpost_post, unique};
use crate::privacy::{Marked, assert_nowhere, assert_nowhere_under};
use crate::scripted_dns::{Answer, ScriptedDns};
use crate::stage::Stage;

async fn stage() -> (Stage, ScriptedDns) {
    let dns = ScriptedDns::start(move |question, _| match question.strip_suffix(" TXT") {
        Some(name) if name.starts_with("bounce.") => Answer::texts(name, ["v=spf1 ip4:192.0.2.0/24 -all"]),
        Some(name) if name.starts_with("_dmarc.") => Answer::texts(name, ["v=DMARC1; p=reject"]),
        Some(name) if name.contains("_domainkey") => Answer::code(ResponseCode::NXDomain),
        _ => Answer::code(ResponseCode::NoError),
    })
    .await;
    let home = Home::new();
    let url = home.sqlite_url();
    let asked = format!("\n[dns]\nresolvers = [\"{}\"]\n", dns.address());
    (Stage::on(home, &url, &asked).await, dns)
}

fn shop() -> Value {
    json!({
        "name": "shop", "team": TEAM, "from_domain": "shop.test", "mail_from_domain": "bounce.shop.test",
        "dkim": [{"domain": "shop.test", "selector": "s1"}], "sending_ips": ["192.0.2.1"],
        "apple_sources": ["shop.test", "bounce.shop.test"],
    })
}

/// A delivery by SparkPost, with an envelope in which the recipient stands, as is usual.
async fn sparkpost(stage: &Stage, to: &str, envelope: &str, sending_ip: Value) {
    let verp = to.replace('@', "=");
    let event = json!({"type": "delivery", "event_id": unique(), "rcpt_to": to, "timestamp": now().secs().to_string(),
        "friendly_from": "hello@shop.test", "msg_from": format!("b+{verp}@{envelope}"), "sending_ip": sending_ip});
    let batch = json!([{"msys": {"message_event": event}}]);
    stage.post(&sparkpost_post(batch.to_string().into_bytes())).await;
}

/// A delivery by SES, signed by the sender himself.
async fn ses(stage: &Stage, to: &str, sending_ip: Value) {
    let mail = SentMail { from: "hello@shop.test".into(), source: "hello@shop.test".into(), ..mail_to(to) };
    let mut event = mail.delivery(Form::Published, now());
    event["mail"]["tags"]["ses:outgoing-ip"] = sending_ip;
    let signature = format!("v=1; a=rsa-sha256; d=sign.test; s=k; i={to}; b=abc=");
    let headers = event["mail"]["headers"].as_array_mut().expect("the event has headers");
    headers.push(json!({"name": "DKIM-Signature", "value": signature}));
    stage.post(&stage.feeds.ses(&event)).await;
}

/// What a report says under a code: evidence by evidence.
fn evidence<'a>(report: &'a Value, code: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|f| f["code"] == code).map(|f| f["evidence"].as_str().unwrap()).collect()
}

async fn domains(stage: &Stage) -> Vec<(String, String, String)> {
    let listed: Value = stage.api(Method::GET, "/v1/streams").expect(200).await.json();
    let word = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = listed["unregistered_domains"].as_array().unwrap();
    let mut rows: Vec<_> = rows.iter().map(|row| (word(row, "esp"), word(row, "kind"), word(row, "value"))).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_check_hears_of_what_esps_reported_and_nobody_else_of_the_recipients() {
    let (mut stage, _dns) = stage().await;
    let people = Marked::new();
    stage.api(Method::PUT, "/v1/streams").json(&shop()).expect(200).await;
    let before = check(&stage, "shop").await;
    assert_eq!((&before["apple"]["spf_path"], evidence(&before, "spf_ip_not_authorised").len()), (&json!("pass"), 0));

    sparkpost(&stage, &people.address(1), "bounce.shop.test", json!("198.51.100.7")).await;
    sparkpost(&stage, &people.address_at(2, "example.com"), "bounce.shop.test", json!("192.0.2.77")).await;
    for nothing in [json!("127.0.0.1"), json!(7), json!(people.address(3)), json!(null)] {
        sparkpost(&stage, &people.address(3), "bounce.shop.test", nothing).await;
    }
    sparkpost(&stage, &people.address(4), "odd.test", json!("198.51.100.99")).await;
    ses(&stage, &people.address(5), json!(["198.51.100.8"])).await;
    ses(&stage, &people.address(6), json!({"ip": "198.51.100.9"})).await;

    let report = check(&stage, "shop").await;
    let refused = evidence(&report, "spf_ip_not_authorised");
    assert_eq!(refused.len(), 2, "{report:#}");
    for (evidence, ip) in refused.iter().zip(["198.51.100.7", "198.51.100.8"]) {
        assert!(evidence.starts_with(&format!("{ip}, observed as a sending address, last at 20")), "{evidence}");
    }
    assert_eq!((&report["status"]["spf"], &report["apple"]["spf_path"]), (&json!("fail"), &json!("warn")));
    let because = report["apple"]["because"].as_str().unwrap();
    assert!(because.contains("passes only some of the registered or observed sending addresses"), "{because}");
    let odd = evidence(&report, "mailfrom_observed_unregistered");
    assert!(
        odd.len() == 1 && odd[0].starts_with("sparkpost reports the envelope domain odd.test on mail from shop.test"),
        "{odd:?}"
    );
    let signed = evidence(&report, "dkim_observed_unregistered");
    assert!(signed.len() == 1 && signed[0].starts_with("ses reports signatures with d=sign.test"), "{signed:?}");

    let row = |esp: &str, kind: &str, value: &str| (esp.to_owned(), kind.to_owned(), value.to_owned());
    assert_eq!(domains(&stage).await, [row("ses", "dkim", "sign.test"), row("sparkpost", "envelope", "odd.test")]);
    for (kind, want) in [("envelope", 1.0), ("dkim", 1.0), ("from", 0.0)] {
        assert_eq!(stage.metric(&format!("relaywatch_unregistered_domains{{kind=\"{kind}\"}}")).await, want, "{kind}");
    }

    // What is registered is no stranger any more, at once, whenever it was seen.
    let mut odd = shop();
    odd["name"] = json!("odd");
    odd["mail_from_domain"] = json!("odd.test");
    odd["dkim"] = json!([{"domain": "sign.test", "selector": "k"}]);
    stage.api(Method::PUT, "/v1/streams").json(&odd).expect(200).await;
    assert_eq!(domains(&stage).await, []);
    let mended = check(&stage, "shop").await;
    for code in ["mailfrom_observed_unregistered", "dkim_observed_unregistered"] {
        assert_eq!(evidence(&mended, code).len(), 0, "{mended:#}");
    }
    assert_eq!(evidence(&mended, "spf_ip_not_authorised").len(), 2, "that stands");

    let listed = stage.api(Method::GET, "/v1/streams").expect(200).await;
    let metrics = stage.daemon.operations(Method::GET, "/metrics").expect(200).await;
    let report = report.to_string();
    let haystacks = [("streams", &listed.body[..]), ("metrics", &metrics.body[..]), ("report", report.as_bytes())];
    assert_nowhere(&[people.stem()], &haystacks);
    stage.daemon.terminate();
    assert!(assert_nowhere_under(&[people.stem()], stage.daemon.home().folder()) >= 3);
}

#[tokio::test]
async fn a_from_domain_that_nobody_registers_is_shown_with_the_others() {
    let (stage, _dns) = stage().await;
    sparkpost(&stage, "someone@example.com", "bounce.shop.test", json!("198.51.100.7")).await;
    let row = |kind: &str, value: &str| ("sparkpost".to_owned(), kind.to_owned(), value.to_owned());
    assert_eq!(domains(&stage).await, [row("envelope", "bounce.shop.test"), row("from", "shop.test")]);
    let listed: Value = stage.api(Method::GET, "/v1/streams").expect(200).await.json();
    assert_eq!(listed["unregistered_senders"][0]["from_domain"], "shop.test", "as before, with how many");
    let first = &listed["unregistered_domains"][0];
    let keys: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["esp", "first_seen", "from_domain", "kind", "last_seen", "stream", "team", "value"]);
    assert_eq!((&first["stream"], &first["team"]), (&json!("unregistered"), &json!(TEAM)));

    // Whoever registers a stream is told what is still left.
    let mut half = shop();
    half["mail_from_domain"] = json!("other.test");
    let told: Value = stage.api(Method::PUT, "/v1/streams").json(&half).expect(200).await.json();
    assert_eq!(told["unregistered_senders"], listed["unregistered_senders"], "what was reported before stays");
    let left = told["unregistered_domains"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["value"]), (1, &json!("bounce.shop.test")), "{told:#}");
}
