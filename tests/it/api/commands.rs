//! The commands that bring and take: `import`, `export`, `override`, `erase`, `leaked`. They work beside the running daemon, which notices.

use std::fs;
use std::process::Output;

use http::Method;
use relaywatch::cli::demo::world::ses::{Form, SentMail};
use relaywatch::domain::address::Address;
use serde_json::{Value, json};

use super::{import, lines, ndjson, user};
use crate::daemon::Home;
use crate::feeds::{APP, FROM, NOT_FOUND, TEAM, TOPIC, keyring, mail_to, now, unique};
use crate::privacy::Marked;
use crate::stage::{Stage, eventually};

/// Runs a command on the stage's configuration, whatever comes of it.
fn run(stage: &Stage, arguments: &[&str]) -> Output {
    stage.daemon.home().run(&[arguments, &["--config", "config.toml"]].concat())
}

fn file(stage: &Stage, name: &str, text: &str) {
    fs::write(stage.daemon.home().folder().join(name), text).unwrap();
}

/// What a command answered as JSON, with its exit code.
fn answer(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), value)
}

async fn becomes(stage: &Stage, address: &str, reason: &str) {
    eventually(|| async {
        let said = stage.verdict(address).await;
        if said["reason"] == reason { Ok(()) } else { Err(said.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn users_come_from_ndjson_and_from_csv_and_the_daemon_knows_them() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    file(&stage, "users.ndjson", &format!("{}\n{{\"sub\":\"\"}}\n", user(&people.sub(1), &people.address(1))));
    let (code, tally) = answer(&run(&stage, &["import", "users", "users.ndjson", "--format", "json"]));
    assert_eq!((code, &tally["accepted"], &tally["errors"][0]["line"]), (Some(1), &json!(1), &json!(2)), "{tally}");
    assert_eq!(tally["errors"][0]["field"], "sub");
    becomes(&stage, &people.address(1), "ok").await;

    let csv = format!(
        "sub,address,authorized_at,is_private_email\n\"{}\",{},1750000000,\n,{},,true\n",
        people.sub(2),
        people.address(2),
        people.address_at(3, "icloud.com")
    );
    file(&stage, "users.csv", &csv);
    let (code, tally) = answer(&run(&stage, &["import", "users", "users.csv", "--format", "json", "--app", APP]));
    assert_eq!((code, &tally["accepted"], &tally["durable"]), (Some(0), &json!(2), &json!(true)), "{tally}");
    becomes(&stage, &people.address_at(3, "icloud.com"), "ok").await;
    let again = run(&stage, &["import", "users", "users.csv"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), "accepted 2 rows (1 new, 1 known), rejected 0\n");
}

#[tokio::test]
async fn a_strict_import_takes_nothing_when_a_row_is_wrong() {
    let stage = Stage::sqlite().await;
    let person = format!("{}@private.icloud.com", unique());
    file(&stage, "users", &format!("{}\n{{\"address\":\"nobody\"}}\n", user("s1", &person)));
    let strict = run(&stage, &["import", "users", "users", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&strict.stderr), "line 2: address: is not a mail address\n");
    assert_eq!(stage.command(&["export"]), "", "nothing is known");
    assert_eq!(run(&stage, &["import", "users", "-", "--strict"]).status.code(), Some(64));
    assert_eq!(run(&stage, &["import", "users", "nothing.ndjson"]).status.code(), Some(1));
}

#[tokio::test]
async fn history_is_read_by_the_rules_of_today_and_foreseen_first() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let row = |n: usize, kind: &str, more: Value| {
        let mut row = json!({"address": people.address(n), "kind": kind, "date": "2025-05-01", "source": "ses"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let yesterday = now().minus(std::time::Duration::from_secs(3_600)).to_string();
    let rows = [
        row(1, "accepted", json!({})),
        row(2, "hard_bounce", json!({"text": "550 5.1.1 user not found"})),
        row(3, "hard_bounce", json!({"text": "550 5.1.1 user not found", "date": yesterday})),
        row(4, "complaint", json!({})),
        row(5, "unsubscribed", json!({"stream": "news"})),
        row(6, "esp_listed", json!({})),
        row(7, "hard_bounce", json!({"text": "550 5.1.1 unauthorized sender"})),
        json!({"address": people.address_at(8, "mail.example"), "kind": "complaint", "date": "2025-05-01", "source": "ses"}),
        json!({"address": people.address_at(9, "icloud.com"), "kind": "complaint", "date": "2025-05-01", "source": "ses"}),
        json!({"address": people.address_at(10, "icloud.com"), "kind": "complaint", "date": "2025-05-01", "source": "ses"}),
        row(11, "bounced", json!({})),
    ];
    // Of one address on icloud.com the flag is known.
    import(&stage, &[json!({"address": people.address_at(10, "icloud.com"), "is_private_email": true})]).await;
    file(&stage, "history", &ndjson(&rows));
    let (code, foreseen) = answer(&run(&stage, &["import", "history", "history", "--dry-run", "--format", "json"]));
    let counts = ["rows", "addresses", "not_relay", "rejected"].map(|name| foreseen[name].clone());
    assert_eq!((code, counts), (Some(1), [json!(8), json!(7), json!(2), json!(1)]), "{foreseen}");
    assert_eq!(foreseen["before"], json!({"unknown not_seen": 6, "sendable ok": 1}));
    let after = json!({"sendable ok": 2, "sendable released": 1, "hold recent_bounce": 1, "suppressed complaint": 2, "hold esp_suppressed": 1});
    assert_eq!(foreseen["after"], after);
    assert_eq!(stage.verdict(&people.address(4)).await["reason"], "not_seen", "foreseen, not done");

    let (code, done) = answer(&run(&stage, &["import", "history", "history", "--format", "json"]));
    assert_eq!((code, &done["accepted"], &done["not_relay"]), (Some(1), &json!(8), &json!(2)), "{done}");
    assert_eq!((&done["errors"][0]["line"], &done["errors"][0]["field"]), (&json!(11), &json!("kind")));
    let exported = lines(&stage.command(&["export"]));
    let mut told = serde_json::Map::new();
    for line in &exported {
        let verdict = &line["verdict"];
        let word = format!("{} {}", verdict["verdict"].as_str().unwrap(), verdict["reason"].as_str().unwrap());
        let count = told.get(&word).and_then(Value::as_u64).unwrap_or_default();
        told.insert(word, json!(count + 1));
    }
    assert_eq!(Value::Object(told), after, "what was foreseen is what came");
    becomes(&stage, &people.address(4), "complaint").await;
    let by_stream = stage.ask(&json!({"address": people.address(5), "stream": "news"})).await;
    assert_eq!((&by_stream["reason"], &by_stream["scope"]), (&json!("unsubscribed"), &json!("stream")));
    let again = run(&stage, &["import", "history", "history", "--format", "json"]);
    assert_eq!(answer(&again).1["repeated"], 8, "the same history twice is one");
}

#[tokio::test]
async fn the_export_names_people_by_key_unless_told_to_reveal() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    import(&stage, &[user(&people.sub(1), &people.address(1)), user(&people.sub(2), &people.address(2))]).await;
    let keys = [1, 2].map(|n| keyring().address(&Address::parse(&people.address(n)).unwrap()).to_string());
    let plain = lines(&stage.command(&["export"]));
    let mut told: Vec<_> = plain.iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
    told.sort();
    let mut want = keys.to_vec();
    want.sort();
    assert_eq!(told, want);
    assert!(plain.iter().all(|line| line.get("address").is_none() && line.get("sub").is_none()));
    // The change feed goes on from its first line.
    let cursor = plain[0]["verdict"]["cursor"].as_str().unwrap();
    assert_eq!(stage.api(Method::GET, &format!("/v1/changes?after={cursor}")).expect(200).await.text(), "");

    let open = lines(&stage.command(&["export", "--reveal", "--class", "security", "--team", TEAM]));
    let one = open.iter().find(|line| line["key"] == keys[0]).unwrap();
    assert_eq!((&one["address"], &one["sub"]), (&json!(people.address(1)), &json!(people.sub(1))));
    assert_eq!(stage.command(&["export", "--team", "OTHER"]), "");
}

#[tokio::test]
async fn an_operator_decides_and_erases_by_command() {
    let stage = Stage::sqlite().await;
    let person = format!("{}@private.icloud.com", unique());
    stage.post(&stage.feeds.ses_bounce(&person, NOT_FOUND, &unique())).await;
    let key = keyring().address(&Address::parse(&person).unwrap()).to_string();
    let arguments = ["override", "lift", "--key", &key, "--who", "Anna", "--why", "ticket 12", "--format", "json"];
    let (code, ruled) = answer(&run(&stage, &arguments));
    assert_eq!((code, &ruled["verdict"]["reason"]), (Some(0), &json!("released")), "{ruled}");
    becomes(&stage, &person, "released").await;
    for (arguments, said) in [
        (vec!["override", "lift", "--key", &key, "--who", "Anna", "--why", &person], "--why holds a mail address"),
        (vec!["override", "lift", "--key", "12", "--who", "Anna", "--why", "x"], "--key is not 32"),
        (
            vec!["override", "lift", "--address", "nobody", "--who", "Anna", "--why", "x"],
            "--address is no mail address",
        ),
        (vec!["erase", "--team", "OTHER", "--address", &person], "--team is not a configured team"),
    ] {
        let output = run(&stage, &arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(said) && !errors.contains(&person), "{errors}");
    }
    assert_eq!(run(&stage, &["erase"]).status.code(), Some(64));

    let (code, erased) = answer(&run(&stage, &["erase", "--address", &person, "--format", "json"]));
    assert_eq!((code, &erased["addresses"]), (Some(0), &json!(1)));
    becomes(&stage, &person, "erased").await;
}

#[tokio::test]
async fn addresses_that_were_mailed_from_elsewhere_are_found() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    import(&stage, &[user(&people.sub(1), &people.address(1)), user(&people.sub(2), &people.address(2))]).await;
    // One is mailed by the registered stream, the other also from a domain that is none.
    stage.post(&stage.feeds.ses(&mail_to(&people.address(1)).delivery(Form::Published, now()))).await;
    for _ in 0..2 {
        let mail = SentMail { from: "x@partner.example.net".into(), ..mail_to(&people.address(2)) };
        stage.post(&stage.feeds.ses(&mail.delivery(Form::Published, now()))).await;
    }
    let found = lines(&stage.command(&["leaked", "--format", "json"]));
    assert_eq!(found.len(), 1, "{found:?}");
    let leak = &found[0];
    let key = keyring().address(&Address::parse(&people.address(2)).unwrap()).to_string();
    assert_eq!((&leak["key"], &leak["known_to"]), (&json!(key), &json!([TEAM])));
    let seen = &leak["seen"][0];
    assert_eq!(
        (&seen["because"], &seen["sending_domain"], &seen["events"]),
        (&json!("unregistered_domain"), &json!("partner.example.net"), &json!(2))
    );
    let text = stage.command(&["leaked", "--reveal"]);
    assert!(text.starts_with(&people.address(2)) && text.ends_with("1 addresses\n"), "{text}");
    assert_eq!(stage.command(&["leaked", "--since", "2999-01-01"]), "0 addresses\n");
    assert!(FROM.ends_with("news.example.com"), "the registered stream's domain");

    // Once the domain is registered it is nobody else's.
    let stream = json!({"name": "partner", "team": TEAM, "from_domain": "partner.example.net", "provider": "ses"});
    stage.api(Method::PUT, "/v1/streams").json(&stream).expect(200).await;
    assert_eq!(stage.command(&["leaked"]), "0 addresses\n");
}

#[tokio::test]
async fn an_address_of_one_team_that_another_mails_is_found() {
    let second = format!(
        "[[teams]]\nid = \"TEAM2\"\n[[streams]]\nname = \"second\"\nteam = \"TEAM2\"\nfrom_domain = \"news.example.com\"\n\
         [[endpoints.ses]]\nname = \"second\"\nteam = \"TEAM2\"\ntopics = [\"{TOPIC}\"]\n"
    );
    let home = Home::new();
    let url = home.sqlite_url();
    let stage = Stage::on(home, &url, &second).await;
    let people = Marked::new();
    import(&stage, &[user(&people.sub(1), &people.address(1))]).await;
    for n in [1, 2] {
        let mut post = stage.feeds.ses(&mail_to(&people.address(n)).delivery(Form::Published, now()));
        post.path = "/hooks/ses/second";
        stage.post(&post).await;
    }
    let found = lines(&stage.command(&["leaked", "--format", "json"]));
    assert_eq!(found.len(), 1, "whom no team is known to have is nobody's secret: {found:?}");
    assert_eq!(found[0]["known_to"], json!([TEAM]));
    let seen = &found[0]["seen"][0];
    assert_eq!(
        (&seen["because"], &seen["team"], &seen["stream"]),
        (&json!("other_team"), &json!("TEAM2"), &json!("second"))
    );
}
