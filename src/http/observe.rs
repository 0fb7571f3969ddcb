//! Around every route: count and time the request, answer 500 when its handler panics, and say when to come again where something is not
//! available.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Stopwatch;
use crate::metrics::{HttpMetrics, Label};

impl Label for MatchedPath {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

/// Wraps every route of `router`, and its fallback. `listener` is the label; a 503 that does not say when to come again says `retry_after`.
pub fn observe(router: Router, listener: &'static str, retry_after: Duration, metrics: HttpMetrics) -> Router {
    let retry_after = HeaderValue::from(retry_after.as_secs().max(1));
    let panics = metrics.clone();
    let answer_panic = move |panic: Box<dyn Any + Send>| {
        // The words of a panic may hold what was being read; the panic hook has put them in the log, sealed.
        drop(panic);
        panics.http_panics_total.inc([&listener]);
        internal_error()
    };
    router
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn_with_state(Arc::new(Observer { listener, retry_after, metrics }), count))
}

struct Observer {
    listener: &'static str,
    retry_after: HeaderValue,
    metrics: HttpMetrics,
}

async fn count(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route: &dyn Label = match &route {
        Some(path) => path,
        None => &"unmatched",
    };
    let Observer { listener, retry_after, metrics } = observer.as_ref();
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(RETRY_AFTER).or_insert_with(|| retry_after.clone());
    }
    metrics.http_requests_total.inc([listener, route, &response.status()]);
    metrics.http_request_duration_seconds.observe_span([listener, route], watch.elapsed());
    response
}

fn internal_error() -> Response {
    let mut response = Response::new(Body::from(r#"{"reason":"internal_error","detail":"internal error"}"#));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
