//! With the operator's own configuration: rules, topics, teams and secrets.

use relaywatch::cli::demo::world::apple::{AppleSigner, EventsForm, NotificationSpec, departure};
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::domain::time::Timestamp;
use serde_json::json;

use super::{File, explain, meanings, refusal, run, text};
use crate::sources::sns::endpoint::{TOPIC, fixture, now};

const CONFIG: &str = r#"
[[teams]]
id = "TEAMA"
[[teams.apps]]
id = "com.example.shop"
audiences = ["com.example.web"]

[[endpoints.ses]]
name = "main"
team = "TEAMA"
topics = ["arn:aws:sns:eu-west-1:123456789012:ses-events"]
raw_delivery = { basic = { user = "sns", passwords = ["hush"] } }

[[endpoints.sparkpost]]
name = "eu"
team = "TEAMA"
auth = { bearer = { tokens = ["hush-1"] } }

[[endpoints.braze]]
name = "crm"
team = "TEAMA"
auth = { bearer = { tokens = ["hush-2"] } }
external_user_id = "apple_sub"

[[endpoints.apple]]
name = "main"

[[bounce_rules]]
name = "ops.held"
all = ["user not found"]
kind = "hard_bounce"
scope = "relay"
"#;

#[test]
fn an_operators_rule_goes_first() {
    let config = File::new(CONFIG);
    let arguments = ["--source", "ses", "--now", "2026-05-01T12:00:00Z", "--config", &config.path()];
    let explained = explain(&arguments, fixture("bounce_identity.json"));
    assert_eq!(meanings(&explained), [json!(["hard_bounce", "relay", true, "none", "ops.held"])]);
    let said = text(&arguments, fixture("bounce_identity.json"));
    assert!(said.contains("ops.held: One of your own [[bounce_rules]]."), "{said}");
}

#[test]
fn the_configured_topics_are_the_list() {
    let (config, signer) = (File::new(CONFIG), SnsSigner::new(now()));
    let pem = File::new(signer.certificate_pem());
    let certificate = format!("{}={}", signer.certificate_url(), pem.path());
    let ask = |topic: &str, more: &[&str]| {
        let body = signer.notification(topic, &fixture("bounce_identity.json"), None, now(), "m-1");
        let path = config.path();
        let arguments =
            ["--source", "sns", "--now", "2026-05-01T10:00:05Z", "--config", &path, "--certificate", &certificate];
        explain(&[&arguments, more].concat(), body)
    };
    let foreign = "arn:aws:sns:eu-west-1:999999999999:x";
    assert_eq!(ask(TOPIC, &[])["because"], "signature version 2 verified, topic allowed");
    assert_eq!(refusal(&ask(foreign, &[])), (403, "foreign_topic"));
    assert_eq!(ask(foreign, &["--topic", foreign])["authentic"], true, "an option wins over the configuration");
    assert_eq!(ask(TOPIC, &["--endpoint", "main"])["authentic"], true);
}

#[test]
fn an_endpoint_asks_for_its_secret() {
    let config = File::new(CONFIG);
    let path = config.path();
    let ask = |source: &str, endpoint: &str, header: &str, body: &str| {
        let arguments = ["--source", source, "--config", &path, "--endpoint", endpoint, "--header", header];
        explain(&arguments, body)
    };
    let good = ask("sparkpost", "eu", "Authorization: Bearer hush-1", "[]");
    assert_eq!((&good["authentic"], &good["answer"]), (&json!(true), &json!(200)));
    assert!(good["because"].as_str().unwrap().starts_with("the bearer token matches"));
    let bad = ask("sparkpost", "eu", "Authorization: Bearer hush-2", "[]");
    assert_eq!((refusal(&bad), &bad["authentic"]), ((401, "bad_secret"), &json!(false)));
    assert_eq!(refusal(&ask("braze", "crm", "X-Other: 1", "{}")), (401, "missing_secret"));
    // "sns:hush"
    let raw = ask("sns", "main", "Authorization: Basic c25zOmh1c2g=", &fixture("bounce_identity.json"));
    assert_eq!((&raw["authentic"], raw["events"].as_array().unwrap().len()), (&json!(true), 1));
    let open = explain(&["--source", "sparkpost", "--config", &path], "[]");
    assert_eq!(open["authentic"], serde_json::Value::Null, "without --endpoint no secret is asked for");
}

#[test]
fn the_configured_teams_tell_the_app_and_the_subject() {
    let (config, keys) = (File::new(CONFIG), File::new(AppleSigner::new().jwks()));
    let issued_at = Timestamp::parse("2026-11-19T12:00:00Z").unwrap();
    let sub = "000001.0123456789abcdef0123456789abcdef.0001";
    let events = vec![departure("consent-revoked", sub, issued_at)];
    let ask = |audience: &str, more: &[&str]| {
        let form = EventsForm::Text;
        let spec =
            NotificationSpec { audience: audience.into(), issued_at, jti: "j".into(), events: events.clone(), form };
        let path = (config.path(), keys.path());
        let arguments = ["--source", "apple", "--now", "2026-11-19T12:00:05Z", "--config", &path.0, "--jwks", &path.1];
        explain(&[&arguments, more].concat(), AppleSigner::new().notification(&spec))
    };
    assert_eq!(ask("com.example.web", &[])["events"][0]["app"], "com.example.shop");
    assert_eq!(ask("com.example.shop", &[])["quarantined"][0]["because"], "/aud is no known audience");
    assert_eq!(ask("com.example.shop", &["--audience", "com.example.shop"])["events"][0]["app"], "com.example.shop");
    let body = include_bytes!("../../fixtures/braze/every_kind.json");
    let arguments = [
        "--source",
        "braze",
        "--config",
        &config.path(),
        "--endpoint",
        "crm",
        "--header",
        "Authorization: Bearer hush-2",
    ];
    assert_eq!(explain(&arguments, body)["events"][0]["sub"], "000123.0123456789abcdef0123456789abcdef.0456");
}

#[test]
fn an_endpoint_that_is_not_there_is_told_with_those_that_are() {
    let config = File::new(CONFIG);
    for (source, part) in [("sparkpost", "it has: eu"), ("apple", "it has: main"), ("sns", "it has: main")] {
        let output = run(&["--source", source, "--config", &config.path(), "--endpoint", "us"], b"");
        let complained = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complained}");
        assert!(complained.contains("no endpoint \"us\" of this source") && complained.contains(part), "{complained}");
    }
    let output = run(&["--source", "sparkpost", "--endpoint", "eu"], b"");
    assert!(String::from_utf8(output.stderr).unwrap().contains("it has: none"));
}
