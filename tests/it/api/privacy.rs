//! Nothing that the API or a command leaves behind holds an address or a subject: no log, error, metric or file, and no answer that did not
//! ask for it.

use http::Method;
use serde_json::{Value, json};

use super::{import, ndjson, user};
use crate::feeds::{APP, NOT_FOUND, TEAM, unique};
use crate::privacy::{Marked, assert_nowhere, assert_nowhere_under};
use crate::stage::Stage;

/// Answers of every route to requests about these people, right ones and wrong ones. The feed is left out: it is asked for subjects.
async fn answers(stage: &Stage, people: &Marked) -> Vec<(String, Vec<u8>)> {
    let [address, sub] = [people.address(1), people.sub(1)];
    let why = json!({"address": address, "action": "lift", "who": "A", "why": format!("for {address}")});
    let bodies = [
        (Method::POST, "/v1/sendability", json!({"address": address})),
        (Method::POST, "/v1/sendability", json!({"address": format!("{address} {address}")})),
        (Method::POST, "/v1/sendability", json!({ (address.clone()): 1 })),
        (Method::POST, "/v1/sendability", json!({"key": address})),
        (Method::POST, "/v1/sendability", json!({"address": address, "class": address, "stream": address})),
        (Method::POST, "/v1/sendability", json!({"address": address, "team": sub})),
        (Method::POST, "/v1/sendability", json!(address)),
        (Method::POST, "/v1/sendability/batch", json!({"address": address})),
        (Method::POST, "/v1/sendability/batch", json!({"address": sub, "id": address})),
        (Method::POST, "/v1/sendability/batch", json!({"id": [address]})),
        (Method::PUT, "/v1/users", user(&people.sub(2), &people.address(2))),
        (Method::PUT, "/v1/users", json!({"sub": sub, "address": sub})),
        (Method::PUT, "/v1/users", json!({"sub": sub, "app": address, "authorized_at": address})),
        (Method::PUT, "/v1/users", json!({"sub": sub, (sub.clone()): 1})),
        (Method::PUT, "/v1/streams", json!({"name": address, "team": sub, "from_domain": address})),
        (
            Method::PUT,
            "/v1/streams",
            json!([{"name": "x", "team": TEAM, "from_domain": "x.example", "provider": address}]),
        ),
        (Method::POST, "/v1/users/erase", json!({"address": sub, "sub": address})),
        (Method::POST, "/v1/users/erase", json!({"address": address, "who": address})),
        (Method::POST, "/v1/users/override", why),
        (Method::POST, "/v1/users/override", json!({"address": address, "action": address, "who": sub, "why": sub})),
        (Method::POST, "/v1/users/override", json!({"address": address, "action": "lift", "who": "A", "why": "x"})),
    ];
    let mut answers = Vec::new();
    for (i, (method, path, body)) in bodies.into_iter().enumerate() {
        let (status, answer) = stage.api(method, path).body(ndjson(&[body])).send().await.unwrap();
        assert!(status < 500, "{path}: {status}");
        answers.push((format!("answer {i} of {path}"), answer.body.to_vec()));
    }
    // An address in a URL is the caller's mistake, and must not become ours.
    for path in [
        format!("/v1/gate/{address}"),
        format!("/v1/streams/{address}"),
        format!("/v1/changes?after={address}"),
        format!("/{address}"),
    ] {
        let (_, answer) = stage.api(Method::GET, &path).send().await.unwrap();
        answers.push((path.replace(people.stem(), "…"), answer.body.to_vec()));
    }
    answers
}

#[tokio::test]
async fn marked_people_stand_in_no_log_answer_metric_or_file() {
    let mut stage = Stage::sqlite().await;
    let people = Marked::new();
    import(&stage, &[user(&people.sub(1), &people.address(1))]).await;
    stage.post(&stage.feeds.ses_bounce(&people.address(1), NOT_FOUND, &unique())).await;
    let mut answers = answers(&stage, &people).await;
    let metrics = stage.daemon.operations(Method::GET, "/metrics").expect(200).await;
    answers.push(("the metrics".to_owned(), metrics.body.to_vec()));
    let export = stage.command(&["export"]);
    assert!(export.contains("recent_bounce") || export.contains("released"), "{export}");
    answers.push(("the export".to_owned(), export.into_bytes()));
    answers.push(("the leaked".to_owned(), stage.command(&["leaked", "--format", "json"]).into_bytes()));
    let haystacks: Vec<_> = answers.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    assert_nowhere(&[people.stem()], &haystacks);
    stage.daemon.terminate();
    let files = assert_nowhere_under(&[people.stem()], stage.daemon.home().folder());
    assert!(files >= 3, "the database, the log and the keys");
}

#[tokio::test]
async fn wrong_rows_of_a_command_are_told_without_their_values() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let rows = [
        json!({"sub": people.sub(1), "address": people.sub(1)}),
        json!({"sub": people.sub(1), "app": APP, "authorized_at": people.address(1)}),
        json!({ (people.address(1)): 1 }),
    ];
    let csv = format!("sub,address\n{},{}\n{}\n", people.sub(1), people.sub(1), people.address(1));
    let home = stage.daemon.home();
    for (what, text) in [
        ("users", ndjson(&rows)),
        ("users", csv),
        ("users", format!("{}\n", people.address(1))),
        ("history", ndjson(&rows)),
    ] {
        std::fs::write(home.folder().join("rows"), text).unwrap();
        let output = home.run(&["import", what, "rows", "--config", "config.toml", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1));
        assert_nowhere(&[people.stem()], &[("stdout", &output.stdout), ("stderr", &output.stderr)]);
    }
    std::fs::remove_file(home.folder().join("rows")).unwrap();
    let shown: Value =
        serde_json::from_str(&stage.command(&["import", "users", "/dev/null", "--format", "json"])).unwrap();
    assert_eq!(shown["accepted"], 0);
}
