//! What a wrong request gets: a status, a stable reason, the field and a sentence. Never the value.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::body::BodyError;
use crate::intake::IntakeError;
use crate::sources::written::Wrong;
use crate::store::StoreError;

/// A refused request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// A stable word, for machines.
    pub reason: &'static str,
    /// The field that is wrong, as a dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A sentence, for people. Holds no address.
    pub detail: String,
    /// The other fields that are wrong, where several were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub others: Vec<WrongField>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// One more wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrongField {
    /// The field, as a dotted path.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of the whole request.
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, field: None, detail: detail.into(), others: Vec::new(), retry_after: None }
    }

    /// 400: one field is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = Some(field.into());
        Self { field, ..Self::new(StatusCode::BAD_REQUEST, "bad_field", detail) }
    }

    /// 400: several fields are wrong; the first stands for all. `None` when none is.
    pub fn fields(wrong: impl IntoIterator<Item = WrongField>) -> Option<Self> {
        let mut wrong = wrong.into_iter();
        let first = wrong.next()?;
        Some(Self { others: wrong.collect(), ..Self::field(first.field, first.detail) })
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    /// 409.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 410.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", detail)
    }

    /// 500: nothing that the caller did.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error")
    }

    /// With the field that it is about.
    pub fn about(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for Problem {
    /// No store to ask: 503, never "go ahead".
    fn from(error: StoreError) -> Self {
        if !error.is_unavailable() {
            tracing::error!(%error, "the store failed a request");
            return Self::internal();
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "the store is not available")
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", error.to_string())
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let retry_after = match error {
            BodyError::Exhausted(after) => Some(after),
            _ => None,
        };
        Self { retry_after, ..Self::new(error.status(), error.reason(), error.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, Json(self)).into_response();
        if let Some(after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        match wrong.field {
            Some(field) => Self::field(field, wrong.detail),
            None => Self::new(StatusCode::BAD_REQUEST, "bad_json", wrong.detail),
        }
    }
}

/// For what no route answers.
pub async fn no_such_route() -> Problem {
    Problem::not_found("route")
}

/// For a route that does not take the method.
pub async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the route does not take this method")
}
