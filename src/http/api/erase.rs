//! `POST /v1/users/erase`: everything of a person goes, and stays gone.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::Scope;
use super::problem::Problem;
use super::{Shared, document};
use crate::domain::address::Address;
use crate::domain::ids::Sub;
use crate::intake::{Erasure, ErasureDone};
use crate::sources::written::read;

/// Whom to erase: by address, by subject, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Erasure)]
pub(super) struct Written {
    /// The team; may be missing when exactly one is configured.
    team: Option<String>,
    /// The address.
    address: Option<String>,
    /// Apple's user id.
    sub: Option<String>,
}

/// Erase a person.
///
/// All addresses of the subject and all subjects of the address go; a keyed tombstone stays, so that no old data brings the person back.
#[utoipa::path(
    post,
    path = "/v1/users/erase",
    operation_id = "erase",
    tag = "users",
    request_body = Written,
    responses((status = 200, description = "What was erased; it is gone from the disk", body = document::Erased), document::Refused),
    security(("token" = ["erase"]))
)]
pub(super) async fn erase(
    State(api): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ErasureDone>, Problem> {
    let who = api.tokens.allow(&headers, Scope::Erase).await?;
    let received = api.in_flight.read(body, api.body).await?;
    let written: Written = read(&received.bytes)?;
    let team = api.team(written.team.as_deref())?;
    let wrong = |field: &str, detail: &str| Problem::field(field, detail);
    let address = written.address.as_deref().map(|text| Address::parse(text).ok_or(text)).transpose();
    let address = address.map_err(|_| wrong("address", "is not a mail address"))?;
    let sub = written.sub.as_deref().map(|text| Sub::parse(text).ok_or(text)).transpose();
    let sub = sub.map_err(|_| wrong("sub", "is not a subject"))?;
    if address.is_none() && sub.is_none() {
        return Err(wrong("address", "is missing, and so is sub: one of them must be given"));
    }
    Ok(Json(api.intake.erase(&Erasure { team, address, sub, who }).await?))
}
