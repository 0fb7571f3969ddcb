//! `GET /v1/canaries`: how every route stands, and what the rounds name as broken.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;

use super::auth::Scope;
use super::problem::Problem;
use super::{Shared, document};
use crate::intake::Matrix;

/// Is mail really arriving?
///
/// Every round with the part that its results name as broken, and every route with what has become of its last canaries.
#[utoipa::path(
    get,
    path = "/v1/canaries",
    operation_id = "canaries",
    tag = "canaries",
    responses((status = 200, description = "How the canaries stand", body = document::Canaries), document::Refused),
    security(("token" = ["streams"]))
)]
pub(super) async fn show(State(api): State<Shared>, headers: HeaderMap) -> Result<Json<Matrix>, Problem> {
    api.tokens.allow(&headers, Scope::Streams).await?;
    let mut tx = api.intake.store().read().await?;
    Ok(Json(api.intake.context().canary_matrix(&mut tx).await?))
}
