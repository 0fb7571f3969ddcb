//! `GET /openapi.json`: the API describes itself, from the same table that makes its routes.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::info::{Info, InfoBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::Described;

static TEXT: LazyLock<Option<String>> = LazyLock::new(|| document().to_json().ok());

/// The document.
pub fn document() -> OpenApi {
    let mut document = Described::openapi();
    document.info = info();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", bearer);
    document
}

fn info() -> Info {
    InfoBuilder::new()
        .title("relaywatch")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "May this relay address be mailed, and why? Every request needs a bearer token with the scope of its route, or the scope \
             `admin`; only this document is served to everybody. Errors name the field and never repeat a value. No address ever stands \
             in a URL.",
        ))
        .build()
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "document",
    tag = "document",
    responses((status = 200, description = "The OpenAPI document", body = Object, content_type = "application/json"))
)]
pub(super) async fn show() -> Response {
    let text = TEXT.as_deref().unwrap_or("{}");
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}
