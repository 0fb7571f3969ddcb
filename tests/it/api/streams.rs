//! `GET|PUT /v1/streams` and `GET /v1/gate/{stream}`.

use http::Method;
use relaywatch::cli::demo::world::ses::{Form, SentMail};
use serde_json::{Value, json};

use crate::feeds::{TEAM, mail_to, now, unique};
use crate::stage::Stage;

fn receipts() -> Value {
    json!({"name": "receipts", "team": TEAM, "from_domain": "shop.example.com", "provider": "ses"})
}

async fn put(stage: &Stage, body: &Value, status: u16) -> Value {
    stage.api(Method::PUT, "/v1/streams").json(body).expect(status).await.json()
}

#[tokio::test]
async fn a_registered_stream_is_known_at_once_and_after_a_restart() {
    let mut stage = Stage::sqlite().await;
    let person = format!("{}@private.icloud.com", unique());
    let question = json!({"address": person, "stream": "receipts"});
    stage.api(Method::POST, "/v1/sendability").json(&question).expect(400).await;
    put(&stage, &receipts(), 200).await;
    assert_eq!(stage.ask(&question).await["reason"], "not_seen");
    // Events find it at once too: the complaint is about this stream's domain.
    let mail = SentMail { from: "shop@shop.example.com".into(), ..mail_to(&person) };
    stage.post(&stage.feeds.ses(&mail.delivery(Form::Published, now()))).await;
    let listed: Value = stage.api(Method::GET, "/v1/streams").expect(200).await.json();
    let names: Vec<_> = listed["streams"].as_array().unwrap().iter().map(|s| s["name"].clone()).collect();
    assert_eq!((names, &listed["read_only"]), (vec![json!("news"), json!("receipts")], &json!(["news"])));

    // What is listed can be registered again as it is.
    let again = &listed["streams"][1];
    assert_eq!(put(&stage, again, 200).await["streams"][0], *again);
    let mut one: Value = stage.api(Method::GET, "/v1/streams/receipts").expect(200).await.json();
    assert_eq!(one.as_object_mut().unwrap().remove("check"), Some(Value::Null), "nobody has looked at its records");
    assert_eq!((&one, &one["mail_from_domain"]), (again, &json!("provider_default")));
    stage.api(Method::GET, "/v1/streams/nothing").expect(404).await;

    stage.daemon.kill_9();
    stage.daemon.restart().await;
    assert_eq!(stage.ask(&question).await["reason"], "ok");
}

#[tokio::test]
async fn a_wrong_registration_names_every_field_and_registers_nothing() {
    let stage = Stage::sqlite().await;
    let wrong = json!([
        receipts(),
        {"name": "a b", "team": "OTHER", "from_domain": "-", "dkim": [{"domain": "x", "selector": " "}]},
        receipts(),
    ]);
    let problem = put(&stage, &wrong, 400).await;
    let fields: Vec<_> = std::iter::once(&problem["field"])
        .chain(problem["others"].as_array().unwrap().iter().map(|other| &other["field"]))
        .map(|field| field.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(fields, ["[1].name", "[1].dkim", "[1].team", "[2].name"], "{problem}");
    for (body, field) in [
        (json!({"name": "x"}), "team"),
        (json!({"name": "x", "team": TEAM, "from_domain": "x.example", "provider": "postal"}), "provider"),
        (json!({"name": "x", "team": TEAM, "from_domain": "x.example", "sending_ips": ["::g"]}), "sending_ips[0]"),
        (json!({"name": "x", "team": TEAM, "from_domain": "x.example", "colour": 1}), "colour"),
        (json!({"name": "unregistered", "team": TEAM, "from_domain": "x.example"}), "name"),
    ] {
        let problem = put(&stage, &body, 400).await;
        assert_eq!(problem["field"], field, "{problem}");
    }
    let listed: Value = stage.api(Method::GET, "/v1/streams").expect(200).await.json();
    assert_eq!(listed["streams"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_of_the_configuration_file_cannot_be_changed_here() {
    let stage = Stage::sqlite().await;
    let news = json!([receipts(), {"name": "news", "team": TEAM, "from_domain": "else.example.com"}]);
    let problem = put(&stage, &news, 409).await;
    assert_eq!((&problem["reason"], &problem["field"]), (&json!("conflict"), &json!("[1].name")), "{problem}");
    stage.api(Method::GET, "/v1/streams/receipts").expect(404).await;
}

#[tokio::test]
async fn the_gate_of_a_stream_is_open_as_long_as_nothing_is_in_the_way() {
    let stage = Stage::sqlite().await;
    let gate: Value = stage.api(Method::GET, "/v1/gate/news").expect(200).await.json();
    let expected = json!({"stream": "news", "gate": "open", "since": null, "because": null});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&gate[field], value, "{gate}");
    }
    assert_eq!(gate["policy_version"], stage.verdict("a@private.icloud.com").await["policy_version"]);
    assert!(gate["as_of"].as_str().unwrap().ends_with('Z'));
    put(&stage, &receipts(), 200).await;
    stage.api(Method::GET, "/v1/gate/receipts").expect(200).await;
    let unknown: Value = stage.api(Method::GET, "/v1/gate/nothing").expect(404).await.json();
    assert_eq!(unknown["reason"], "not_found");
}
