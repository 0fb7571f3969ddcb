//! What an operator's machines ask: `/metrics`, `/healthz` and an honest `/readyz`. For a listener of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long one check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// A check under way. `Err` says what is missing, in words without addresses or secrets.
pub type Checking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One condition of being ready.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<dyn Fn() -> Checking + Send + Sync>,
}

impl Check {
    /// A condition by name, and how to find out. It is asked anew each time and gets two seconds.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, run: Arc::new(move || Box::pin(run())) }
    }

    async fn state(&self) -> CheckState {
        let because = match tokio::time::timeout(CHECK_TIMEOUT, (self.run)()).await {
            Ok(Ok(())) => None,
            Ok(Err(because)) => Some(because),
            Err(_) => Some(format!("no answer within {CHECK_TIMEOUT:?}")),
        };
        CheckState { name: self.name, ok: because.is_none(), because }
    }
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'static str>,
    checks: Vec<CheckState>,
}

#[derive(Debug, Serialize)]
struct CheckState {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

#[derive(Clone)]
struct Operations {
    metrics: Metrics,
    checks: Arc<[Check]>,
    stopping: CancellationToken,
}

/// The routes. Ready means: every check passes and `stopping` is not cancelled.
pub fn router(metrics: Metrics, checks: Vec<Check>, stopping: CancellationToken) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .with_state(Operations { metrics, checks: checks.into(), stopping })
}

async fn scrape(State(operations): State<Operations>) -> Response {
    match operations.metrics.scrape().await {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn readiness(State(operations): State<Operations>) -> Response {
    let readiness = if operations.stopping.is_cancelled() {
        Readiness { ready: false, because: Some("shutting down"), checks: Vec::new() }
    } else {
        let checks = futures_util::future::join_all(operations.checks.iter().map(Check::state)).await;
        Readiness { ready: checks.iter().all(|check| check.ok), because: None, checks }
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(readiness)).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::super::wire::{Served, WIDE, serve};
    use super::*;
    use crate::domain::time::Timestamp;

    type Missing = Arc<Mutex<Option<&'static str>>>;

    async fn operations() -> (Served, Missing, CancellationToken) {
        let missing: Missing = Arc::new(Mutex::new(Some("migrations are running")));
        let (store, stopping) = (missing.clone(), CancellationToken::new());
        let checks = vec![
            Check::new("store", move || {
                let missing = *store.lock().unwrap();
                async move { missing.map_or(Ok(()), |because| Err(because.to_owned())) }
            }),
            Check::new("index", || async { Ok(()) }),
        ];
        let metrics = Metrics::new(Timestamp::from_secs(1_700_000_000)).unwrap();
        (serve(router(metrics, checks, stopping.clone()), WIDE).await, missing, stopping)
    }

    async fn readyz(served: &Served) -> (String, Value) {
        let answer = served.get("/readyz").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        (head[9..12].to_owned(), serde_json::from_str(body).unwrap())
    }

    #[tokio::test]
    async fn ready_is_what_every_check_says_and_no_longer_once_stopping() {
        let (served, missing, stopping) = operations().await;
        let waiting = json!({ "ready": false, "checks": [
            { "name": "store", "ok": false, "because": "migrations are running" }, { "name": "index", "ok": true },
        ] });
        assert_eq!(readyz(&served).await, ("503".to_owned(), waiting));

        *missing.lock().unwrap() = None;
        let ready =
            json!({ "ready": true, "checks": [{ "name": "store", "ok": true }, { "name": "index", "ok": true }] });
        assert_eq!(readyz(&served).await, ("200".to_owned(), ready));

        stopping.cancel();
        let stopped = json!({ "ready": false, "because": "shutting down", "checks": [] });
        assert_eq!(readyz(&served).await, ("503".to_owned(), stopped));
        assert!(served.get("/healthz").await.starts_with("HTTP/1.1 200 "), "still alive");
    }

    #[tokio::test]
    async fn a_check_that_does_not_answer_is_not_ready() {
        let check = Check::new("store", std::future::pending);
        let state = check.state().await;
        assert!(!state.ok && state.because.unwrap().contains("no answer"));
    }

    #[tokio::test]
    async fn metrics_are_served_as_text() {
        let (served, ..) = operations().await;
        let answer = served.get("/metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("\nrelaywatch_build_info{version="), "{answer}");
    }
}
