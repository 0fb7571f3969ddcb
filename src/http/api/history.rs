//! `GET /v1/streams/{name}/history`: every DNS record that was seen for a stream, and how they changed.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use serde::Serialize;

use super::auth::Scope;
use super::parameters::{number, parameters};
use super::problem::Problem;
use super::{Shared, document};
use crate::domain::ids::StreamName;
use crate::store::{ChangeRow, RecordRow};

/// The most changes of a page, and how many it has when nobody says.
const MOST: i64 = 1_000;
const USUAL: i64 = 100;

/// The most record sets shown.
const RECORDS: i64 = 1_000;

/// What was seen.
#[derive(Debug, Serialize)]
pub(super) struct History {
    stream: StreamName,
    records: Vec<RecordRow>,
    changes: Vec<ChangeRow>,
    /// Where to go on; null when there is no more.
    before: Option<String>,
}

/// What stood in the DNS?
///
/// The records of the stream, those that stand now first, and the changes, the newest first. Go on with `before` from the last answer.
#[utoipa::path(
    get,
    path = "/v1/streams/{name}/history",
    operation_id = "stream_history",
    tag = "streams",
    params(
        ("name" = String, Path, description = "The name of a registered stream"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "How many changes at most; 100 when not given"),
        ("before" = Option<String>, Query, description = "The `before` of the last page: changes older than these, and no records")
    ),
    responses(
        (status = 200, description = "What was seen", body = document::History),
        (status = 404, description = "No such stream", body = Problem),
        document::Refused
    ),
    security(("token" = ["streams"]))
)]
pub(super) async fn show(
    State(api): State<Shared>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<History>, Problem> {
    api.tokens.allow(&headers, Scope::Streams).await?;
    let Ok(Path(name)) = name else { return Err(Problem::not_found("stream")) };
    let given = parameters(query.as_deref(), &["limit", "before"])?;
    let limit = number(&given, "limit", 1..=MOST, USUAL)?;
    let before = given.get("before").map(String::as_str);
    let stream = super::streams::named(&api, &name).await?.name;
    let mut tx = api.intake.store().read().await?;
    let records = if before.is_none() { tx.records_of(&stream, RECORDS).await? } else { Vec::new() };
    let changes = tx.changes_of(&stream, before, limit).await?;
    let changes = changes.ok_or_else(|| Problem::field("before", "is not from an earlier page, or is too old"))?;
    let is_full = i64::try_from(changes.len()).is_ok_and(|n| n == limit);
    let before = changes.last().filter(|_| is_full).map(|change| change.id.clone());
    Ok(Json(History { stream, records, changes, before }))
}
