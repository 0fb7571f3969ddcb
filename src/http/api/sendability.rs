//! `POST /v1/sendability`: may I send to this address?

use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::HeaderMap;

use super::Api;
use super::auth::Scope;
use super::problem::Problem;
use super::question::{Asked, Written};
use crate::domain::verdict::{Verdict, View, decide};
use crate::store::AddressAt;

/// The route.
pub fn routes() -> Router<Api> {
    Router::new().route("/v1/sendability", post(check))
}

async fn check(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Json<Verdict>, Problem> {
    api.tokens.allow(&headers, Scope::Sendability).await?;
    let received = api.in_flight.read(body, api.body).await?;
    let written: Written = parse(&received.bytes)?;
    let asked = api.read(&written)?;
    let mut verdicts = answer(&api, std::slice::from_ref(&asked)).await?;
    verdicts.pop().map(Json).ok_or_else(|| Problem::not_found("answer"))
}

/// Reads a JSON body or line.
///
/// # Errors
/// 400 naming the field where serde knows it.
pub fn parse<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let detail = super::problem::without_value(error.inner());
        if path == "." {
            Problem::new(http::StatusCode::BAD_REQUEST, "bad_json", detail)
        } else {
            Problem::field(path, detail)
        }
    })?;
    json.end().map_err(|_| Problem::new(http::StatusCode::BAD_REQUEST, "bad_json", "more than one JSON value"))?;
    Ok(read)
}

/// Answers questions from one consistent view of the store.
///
/// # Errors
/// 503 when there is no store to ask: never "go ahead".
pub async fn answer(api: &Api, asked: &[Asked]) -> Result<Vec<Verdict>, Problem> {
    let context = api.intake.context();
    let now = api.clock.now();
    let mut tx = api.intake.store().read().await?;
    let head = tx.head().await?;
    let at: Vec<AddressAt> = asked.iter().map(|a| (a.team.clone(), a.key)).collect();
    let views = tx.views(&at, &context.policy).await?;
    drop(tx);
    let cursor = head.to_string();
    let streams = context.streams.load();
    let verdict = |(asked, view): (&Asked, View)| {
        let mut view = view;
        view.on_relay_domain = asked.on_relay_domain.unwrap_or(view.on_relay_domain || view.address.is_none());
        view.around.esps = streams
            .all()
            .iter()
            .filter(|s| s.team == asked.team)
            .map(|s| crate::domain::ids::Esp::new(s.provider.as_str()))
            .collect();
        decide(&asked.question, &view, &context.policy, now, now, &cursor)
    };
    Ok(asked.iter().zip(views).map(verdict).collect())
}
