//! Answers of one JSON object to a line.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use super::problem::Problem;

/// The media type.
pub const NDJSON: &str = "application/x-ndjson";

/// A wrong line of a request, as a line of the answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WrongLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

/// A 200 with this body.
pub fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    // Who may be mailed changes by the minute.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Writes a value and the end of its line.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn write(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Problem> {
    serde_json::to_writer(&mut *out, value).map_err(|_| Problem::internal())?;
    out.push(b'\n');
    Ok(())
}
