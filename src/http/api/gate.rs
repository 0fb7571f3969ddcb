//! `GET /v1/gate/{stream}`: what a stream should do now. Names no address, so a template may ask it.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::Serialize;

use super::auth::Scope;
use super::problem::Problem;
use super::{Shared, document};
use crate::domain::ids::StreamName;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Gate, Reason, gate};

/// The gate of a stream.
#[derive(Debug, Serialize)]
pub(super) struct GateOfStream {
    stream: StreamName,
    gate: Gate,
    since: Option<Timestamp>,
    because: Option<Reason>,
    as_of: Timestamp,
    policy_version: String,
}

/// What should this stream do now?
#[utoipa::path(
    get,
    path = "/v1/gate/{stream}",
    operation_id = "gate",
    tag = "sendability",
    params(("stream" = String, Path, description = "The name of a registered stream")),
    responses(
        (status = 200, description = "The gate", body = document::GateOfStream),
        (status = 404, description = "No such stream", body = Problem),
        document::Refused
    ),
    security(("token" = ["sendability"]))
)]
pub(super) async fn show(
    State(api): State<Shared>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<GateOfStream>, Problem> {
    api.tokens.allow(&headers, Scope::Sendability).await?;
    let Ok(Path(name)) = name else { return Err(Problem::not_found("stream")) };
    let context = api.intake.context();
    let stream = context.streams.load().get(&name).map(|stream| stream.name.clone());
    let stream = stream.ok_or_else(|| Problem::not_found("stream"))?;
    let as_of = api.clock.now();
    // The gate may only be open when there is a store that could say otherwise.
    api.intake.store().read().await?.head().await?;
    let now = gate(&stream, &context.in_force(&stream));
    let policy_version = context.policy_version.clone();
    Ok(Json(GateOfStream { stream, gate: now.gate, since: now.since, because: now.because, as_of, policy_version }))
}
