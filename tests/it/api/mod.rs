//! The HTTP API of the real daemon: each route, what it refuses, and what it never tells.

mod batch;
mod changes;
mod checks;
mod commands;
mod exchange;
mod observed;
mod openapi;
mod people;
mod privacy;
mod refusals;
mod streams;

use http::Method;
use serde_json::{Value, json};

use crate::client::Request;
use crate::feeds::{APP, TEAM};
use crate::stage::Stage;

/// A new token with these scopes, made by the command.
fn token(stage: &Stage, scopes: &[&str]) -> String {
    let scopes = scopes.iter().flat_map(|scope| ["--scope", scope]);
    let arguments: Vec<&str> = ["token", "create", "--name", "test"].into_iter().chain(scopes).collect();
    stage.command(&arguments).trim().to_owned()
}

/// Objects, one to a line.
fn ndjson(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Every line of an answer as an object.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A row of the user import, authorized a while ago.
fn user(sub: &str, address: &str) -> Value {
    json!({"team": TEAM, "app": APP, "sub": sub, "address": address, "authorized_at": "2025-06-01T12:00:00Z"})
}

/// Imports rows; gives the answer.
async fn import(stage: &Stage, rows: &[Value]) -> Value {
    stage.api(Method::PUT, "/v1/users").body(ndjson(rows)).expect(200).await.json()
}

/// A request with this token.
fn with(stage: &Stage, token: &str, method: Method, path: &str) -> Request {
    stage.daemon.api(method, path).bearer(token)
}
