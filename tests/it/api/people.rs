//! `PUT /v1/users`, `POST /v1/users/erase`, `POST /v1/users/override`.

use http::Method;
use relaywatch::cli::demo::world::apple::{departure, forwarding};
use relaywatch::domain::address::Address;
use serde_json::{Value, json};

use super::{import, ndjson, user};
use crate::feeds::{APP, NOT_FOUND, TEAM, keyring, now, unique};
use crate::privacy::Marked;
use crate::stage::Stage;

#[tokio::test]
async fn rows_are_taken_one_by_one_and_what_is_accepted_survives_a_power_cut() {
    let mut stage = Stage::sqlite().await;
    let people = Marked::new();
    let rows = [
        user(&people.sub(1), &people.address(1)).to_string(),
        String::new(),
        json!({"sub": people.sub(2), "address": people.address(2)}).to_string(),
        json!({"address": people.address_at(3, "icloud.com"), "is_private_email": "true"}).to_string(),
        json!({"sub": people.sub(4), "authorized_at": 1_750_000_000_000_i64}).to_string(),
        json!({"sub": people.sub(5), "authorized_at": "2999-01-01T00:00:00Z"}).to_string(),
        json!({"sub": people.sub(5), "address": "nobody"}).to_string(),
        json!({"sub": people.sub(5), (people.address(5)): true}).to_string(),
        json!({"sub": people.sub(5), "app": "another.app"}).to_string(),
        format!("{{\"sub\":\"{}\"}}", "x".repeat(9_000)),
        "not json".to_owned(),
        json!({"sub": people.sub(5), "address": people.address(5), "authorized_at": "soon"}).to_string(),
        json!({"is_private_email": true}).to_string(),
    ];
    let answer = stage.api(Method::PUT, "/v1/users").body(rows.join("\n")).expect(200).await;
    assert!(!answer.text().contains(people.stem()), "{}", answer.text());
    let tally: Value = answer.json();
    let counts = ["accepted", "new", "repeated", "rejected", "durable"].map(|name| tally[name].clone());
    assert_eq!(counts, [json!(4), json!(4), json!(0), json!(8), json!(true)], "{tally}");
    let errors: Vec<_> =
        tally["errors"].as_array().unwrap().iter().map(|e| (e["line"].clone(), e["field"].clone())).collect();
    let want = [
        (6, json!("authorized_at")),
        (7, json!("address")),
        (8, json!(null)),
        (9, json!("app")),
        (10, json!(null)),
        (11, json!(null)),
        (12, json!("authorized_at")),
        (13, json!("sub")),
    ];
    assert_eq!(errors, want.map(|(line, field)| (json!(line), field)));

    stage.daemon.kill_9();
    stage.daemon.restart().await;
    for n in [1, 2] {
        stage.expect_verdict(&people.address(n), "sendable", "ok").await;
    }
    stage.expect_verdict(&people.address_at(3, "icloud.com"), "sendable", "ok").await;
    stage.expect_verdict(&people.address(5), "unknown", "not_seen").await;
    let again = import(&stage, &[user(&people.sub(1), &people.address(1))]).await;
    assert_eq!((&again["new"], &again["repeated"]), (&json!(0), &json!(1)), "an authorization said twice is one");
}

#[tokio::test]
async fn an_import_where_every_row_is_wrong_is_an_error() {
    let stage = Stage::sqlite().await;
    let answer: Value = stage.api(Method::PUT, "/v1/users").body("sub,address\na,b\n").expect(400).await.json();
    assert_eq!((&answer["reason"], &answer["rejected"]), (&json!("nothing_accepted"), &json!(2)), "{answer}");
    let nothing: Value = stage.api(Method::PUT, "/v1/users").body("").expect(200).await.json();
    assert_eq!((&nothing["accepted"], &nothing["rejected"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn thousands_of_wrong_rows_are_counted_and_the_first_are_told() {
    let stage = Stage::sqlite().await;
    let mut body = "{}\n".repeat(2_500);
    body += &user("s1", "x@private.icloud.com").to_string();
    let tally: Value = stage.api(Method::PUT, "/v1/users").body(body).expect(200).await.json();
    assert_eq!((&tally["accepted"], &tally["rejected"]), (&json!(1), &json!(2_500)));
    assert_eq!(tally["errors"].as_array().unwrap().len(), 1_000);
    assert_eq!(tally["errors_left_out"], 1_500);
}

#[tokio::test]
async fn defaults_of_the_url_stand_in_for_what_rows_leave_out() {
    let stage = Stage::sqlite().await;
    let row = ndjson(&[json!({"sub": "s1", "address": "x@private.icloud.com", "authorized_at": "2025-06-01"})]);
    let path = format!("/v1/users?team={TEAM}&app={APP}");
    let tally: Value = stage.api(Method::PUT, &path).body(row.clone()).expect(200).await.json();
    assert_eq!(tally["accepted"], 1, "{tally}");
    for (query, field) in [("team=OTHER", "team"), ("team=TEAM1&app=other", "app")] {
        let problem: Value =
            stage.api(Method::PUT, &format!("/v1/users?{query}")).body(row.clone()).expect(400).await.json();
        assert_eq!(problem["field"], field, "{problem}");
    }
}

#[tokio::test]
async fn only_a_newer_authorization_brings_a_revoked_user_back() {
    let stage = Stage::sqlite().await;
    let (sub, person) = (unique(), format!("{}@privaterelay.appleid.com", unique()));
    import(&stage, &[user(&sub, &person)]).await;
    stage.post(&stage.feeds.notification(departure("consent-revoked", &sub, now()), &unique())).await;
    stage.expect_verdict(&person, "suppressed", "consent_revoked").await;
    import(&stage, &[user(&sub, &person), json!({"sub": sub, "address": person})]).await;
    stage.expect_verdict(&person, "suppressed", "consent_revoked").await;
    let row = json!({"sub": sub, "address": person, "app": APP, "authorized_at": 0});
    let refused: Value = stage.api(Method::PUT, "/v1/users").body(ndjson(&[row])).expect(400).await.json();
    assert_eq!(refused["errors"][0]["field"], "authorized_at", "1970 is no authorization of today");
    stage.expect_verdict(&person, "suppressed", "consent_revoked").await;
}

#[tokio::test]
async fn the_erased_are_gone_and_no_old_row_brings_them_back() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let row = user(&people.sub(1), &people.address(1));
    import(&stage, std::slice::from_ref(&row)).await;
    let body = json!({"team": TEAM, "sub": people.sub(1)});
    let done: Value = stage.api(Method::POST, "/v1/users/erase").json(&body).expect(200).await.json();
    assert_eq!((&done["addresses"], &done["subjects"]), (&json!(1), &json!(1)), "{done}");
    stage.expect_verdict(&people.address(1), "suppressed", "erased").await;
    import(&stage, &[row.clone(), json!({"sub": people.sub(1), "address": people.address(1)})]).await;
    stage.expect_verdict(&people.address(1), "suppressed", "erased").await;
    // By address, as somebody whose subject nobody knows.
    import(&stage, &[json!({"address": people.address(2)})]).await;
    let body = json!({"address": people.address(2)});
    stage.api(Method::POST, "/v1/users/erase").json(&body).expect(200).await;
    stage.expect_verdict(&people.address(2), "suppressed", "erased").await;
}

#[tokio::test]
async fn an_operator_lifts_what_is_no_word_of_apples() {
    let stage = Stage::sqlite().await;
    let people = Marked::new();
    let [bounced, off] = [people.address(1), people.address(2)];
    stage.post(&stage.feeds.ses_bounce(&bounced, NOT_FOUND, &unique())).await;
    stage.expect_verdict(&bounced, "hold", "recent_bounce").await;
    let lift = json!({"team": TEAM, "address": bounced, "action": "lift", "who": "Anna", "why": "ticket 12"});
    let ruled: Value = stage.api(Method::POST, "/v1/users/override").json(&lift).expect(200).await.json();
    assert_eq!(ruled["verdict"]["reason"], "released", "{ruled}");
    assert!(ruled["event"].as_str().unwrap().starts_with("evt_"));
    stage.expect_verdict(&bounced, "sendable", "released").await;

    // By key, until a time, and the other way.
    let key = keyring().address(&Address::parse(&bounced).unwrap()).to_string();
    let until = now().plus(std::time::Duration::from_secs(3_600)).to_string();
    let suppress = json!({"key": key, "action": "suppress", "who": "Anna", "why": "asked by phone", "until": until});
    stage.api(Method::POST, "/v1/users/override").json(&suppress).expect(200).await;
    let said = stage.verdict(&bounced).await;
    assert_eq!((&said["verdict"], &said["evidence"][0]["kind"]), (&json!("suppressed"), &json!("operator_override")));
    let security = stage.ask(&json!({"address": bounced, "class": "security"})).await;
    assert_eq!(security["send"], true);

    stage.post(&stage.feeds.notification(forwarding(false, &people.sub(2), &off, now()), &unique())).await;
    let lift = json!({"address": off, "action": "lift", "who": "Anna", "why": "ticket 13"});
    let ruled: Value = stage.api(Method::POST, "/v1/users/override").json(&lift).expect(200).await.json();
    assert_eq!(ruled["verdict"]["reason"], "forwarding_disabled", "the answer says that nothing came of it");

    let stranger = json!({"key": "0".repeat(32), "action": "lift", "who": "Anna", "why": "x"});
    let unknown: Value = stage.api(Method::POST, "/v1/users/override").json(&stranger).expect(404).await.json();
    assert_eq!(unknown["field"], "key");
}
