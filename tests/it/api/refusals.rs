//! What each kind of wrong request gets: status, reason, field. The table of the README says the same.

use http::Method;
use serde_json::{Value, json};

use super::{token, with};
use crate::feeds::TEAM;
use crate::stage::Stage;

/// Every route that needs a token, with its scope and a body that is good.
fn routes() -> Vec<(Method, &'static str, &'static str, String)> {
    let address = "a@private.icloud.com";
    let stream = json!({"name": "other", "team": TEAM, "from_domain": "other.example.com"});
    let decision = json!({"address": address, "action": "lift", "who": "Anna", "why": "x"});
    vec![
        (Method::POST, "/v1/sendability", "sendability", json!({"address": address}).to_string()),
        (Method::POST, "/v1/sendability/batch", "sendability", json!({"address": address}).to_string()),
        (Method::GET, "/v1/gate/news", "sendability", String::new()),
        (Method::GET, "/v1/changes", "changes", String::new()),
        (Method::GET, "/v1/streams", "streams", String::new()),
        (Method::GET, "/v1/streams/news", "streams", String::new()),
        (Method::PUT, "/v1/streams", "streams", stream.to_string()),
        (Method::PUT, "/v1/users", "users", json!({"address": address}).to_string()),
        (Method::POST, "/v1/users/override", "users", decision.to_string()),
        (Method::POST, "/v1/users/erase", "erase", json!({"address": address}).to_string()),
    ]
}

#[tokio::test]
async fn each_route_asks_for_its_own_scope() {
    let stage = Stage::sqlite().await;
    let scopes = ["sendability", "changes", "streams", "users", "erase"];
    let tokens: Vec<(&str, String)> = scopes.iter().map(|scope| (*scope, token(&stage, &[scope]))).collect();
    for (method, path, scope, body) in routes() {
        for (other, token) in &tokens {
            let want = if *other == scope { 200 } else { 403 };
            let answer = with(&stage, token, method.clone(), path).body(body.clone()).expect(want).await;
            if want == 403 {
                let problem: Value = answer.json();
                assert_eq!(
                    problem,
                    json!({"reason": "missing_scope", "detail": format!("the token lacks the scope {scope}")})
                );
            }
        }
        let nobody = stage.daemon.api(method.clone(), path).body(body.clone()).expect(401).await;
        assert_eq!(nobody.headers["www-authenticate"], "Bearer");
        let stranger = with(&stage, "rlw_invented", method.clone(), path).body(body.clone()).expect(401).await;
        assert_eq!(stranger.json::<Value>()["reason"], "unauthorized");
    }
}

/// Method, path, body; status, reason, field.
type Case = (Method, &'static str, &'static str, u16, &'static str, Option<&'static str>);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (Method::POST, "/v1/sendability", "", 400, "bad_json", None),
    (Method::POST, "/v1/sendability", "{", 400, "bad_json", None),
    (Method::POST, "/v1/sendability", "[]", 400, "bad_field", Some("address")),
    (Method::POST, "/v1/sendability", "{} {}", 400, "bad_json", None),
    (Method::POST, "/v1/sendability", "{}", 400, "bad_field", Some("address")),
    (Method::POST, "/v1/sendability", r#"{"address":1}"#, 400, "bad_field", Some("address")),
    (Method::POST, "/v1/sendability", r#"{"address":"nobody"}"#, 400, "bad_field", Some("address")),
    (Method::POST, "/v1/sendability", r#"{"adress":"a@private.icloud.com"}"#, 400, "bad_field", Some("adress")),
    (Method::POST, "/v1/sendability", r#"{"a@private.icloud.com":1}"#, 400, "bad_json", None),
    (Method::POST, "/v1/sendability", r#"{"address":"a@private.icloud.com","address":"b@private.icloud.com"}"#, 400, "bad_field", Some("address")),
    (Method::POST, "/v1/sendability", r#"{"key":"12"}"#, 400, "bad_field", Some("key")),
    (Method::POST, "/v1/sendability", r#"{"address":"a@private.icloud.com","key":"12"}"#, 400, "bad_field", Some("key")),
    (Method::POST, "/v1/sendability", r#"{"address":"a@private.icloud.com","team":"OTHER"}"#, 400, "bad_field", Some("team")),
    (Method::POST, "/v1/sendability", r#"{"address":"a@private.icloud.com","class":"spam"}"#, 400, "bad_field", Some("class")),
    (Method::POST, "/v1/sendability", r#"{"address":"a@private.icloud.com","stream":"x"}"#, 400, "bad_field", Some("stream")),
    (Method::GET, "/v1/sendability", "", 405, "method_not_allowed", None),
    (Method::POST, "/v1/sendability/batch?address=a%40private.icloud.com", "", 400, "bad_parameter", None),
    (Method::POST, "/v1/sendability/batch?class=spam", "", 400, "bad_field", Some("class")),
    (Method::GET, "/v1/gate/nothing", "", 404, "not_found", None),
    (Method::GET, "/v1/gate/%ff", "", 404, "not_found", None),
    (Method::GET, "/v1/changes?after=x", "", 400, "bad_field", Some("after")),
    (Method::GET, "/v1/changes?after=-1", "", 400, "bad_field", Some("after")),
    (Method::GET, "/v1/changes?after=99", "", 410, "gone", Some("after")),
    (Method::GET, "/v1/changes?limit=0", "", 400, "bad_field", Some("limit")),
    (Method::GET, "/v1/changes?limit=5001", "", 400, "bad_field", Some("limit")),
    (Method::GET, "/v1/changes?wait=61", "", 400, "bad_field", Some("wait")),
    (Method::GET, "/v1/changes?from=then", "", 400, "bad_field", Some("from")),
    (Method::GET, "/v1/changes?from=now&after=1", "", 400, "bad_field", Some("from")),
    (Method::GET, "/v1/changes?cursor=1", "", 400, "bad_parameter", None),
    (Method::PUT, "/v1/streams", "", 400, "bad_json", None),
    (Method::PUT, "/v1/streams", "{}", 400, "bad_field", Some("name")),
    (Method::PUT, "/v1/streams", r#"[{"name":"x","team":"TEAM1","from_domain":"-"},{}]"#, 400, "bad_field", Some("[1].name")),
    (Method::PUT, "/v1/streams", r#"{"name":"x","team":"TEAM1","from_domain":""}"#, 400, "bad_field", Some("from_domain")),
    (Method::PUT, "/v1/streams", r#"{"name":"x","team":"OTHER","from_domain":"x.example"}"#, 400, "bad_field", Some("team")),
    (Method::PUT, "/v1/streams", r#"{"name":"news","team":"TEAM1","from_domain":"x.example"}"#, 409, "conflict", Some("name")),
    (Method::GET, "/v1/streams/nothing", "", 404, "not_found", None),
    (Method::PUT, "/v1/users", "{}", 400, "nothing_accepted", None),
    (Method::PUT, "/v1/users?team=OTHER", "", 400, "bad_field", Some("team")),
    (Method::PUT, "/v1/users?sub=1", "", 400, "bad_parameter", None),
    (Method::POST, "/v1/users/erase", "{}", 400, "bad_field", Some("address")),
    (Method::POST, "/v1/users/erase", r#"{"address":"nobody"}"#, 400, "bad_field", Some("address")),
    (Method::POST, "/v1/users/erase", r#"{"sub":" "}"#, 400, "bad_field", Some("sub")),
    (Method::POST, "/v1/users/erase", r#"{"team":"OTHER","sub":"1"}"#, 400, "bad_field", Some("team")),
    (Method::POST, "/v1/users/override", "{}", 400, "bad_field", Some("action")),
    (Method::POST, "/v1/users/override", r#"{"action":"pardon","who":"A","why":"x"}"#, 400, "bad_field", Some("action")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"A","why":"x"}"#, 400, "bad_field", Some("address")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"A","why":"a@private.icloud.com"}"#, 400, "bad_field", Some("why")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"","why":"x"}"#, 400, "bad_field", Some("who")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"A","why":"x","until":"2020-01-01"}"#, 400, "bad_field", Some("until")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"A","why":"x","until":"soon"}"#, 400, "bad_field", Some("until")),
    (Method::POST, "/v1/users/override", r#"{"action":"lift","who":"A","why":"x","key":"00000000000000000000000000000000"}"#, 404, "not_found", Some("key")),
    (Method::DELETE, "/v1/users", "", 405, "method_not_allowed", None),
    (Method::GET, "/v1/nothing", "", 404, "not_found", None),
];

#[tokio::test]
async fn each_wrong_request_is_told_what_is_wrong_and_not_what_it_said() {
    let stage = Stage::sqlite().await;
    for (method, path, body, status, reason, field) in CASES {
        let answer = stage.api(method.clone(), path).body(*body).expect(*status).await;
        let problem: Value = answer.json();
        let told = (problem["reason"].as_str(), problem["field"].as_str());
        assert_eq!(told, (Some(*reason), *field), "{method} {path} {body}: {problem}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(!answer.text().contains("icloud"), "{problem}");
    }
}

#[tokio::test]
async fn a_body_too_large_is_refused_where_it_is_not_a_stream() {
    let stage = Stage::sqlite().await;
    let large = format!("{{\"address\":\"{}\"}}", "x".repeat(2 << 20));
    for (method, path, _, body) in routes() {
        if body.is_empty() {
            continue;
        }
        let streamed = ["/v1/sendability/batch", "/v1/users"].contains(&path);
        let (status, answer) = stage.api(method, path).body(large.clone()).send().await.unwrap();
        let text = answer.text();
        if streamed {
            assert!(text.contains("line_too_long"), "{path}: {status} {text}");
        } else {
            assert_eq!((status, text.contains("body_too_large")), (413, true), "{path}: {text}");
        }
    }
}
