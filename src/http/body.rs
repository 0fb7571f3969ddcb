//! Reads request bodies into memory, bounded: each by its cap, all together by a budget of bytes in flight.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Gauge;

/// What is reserved first for a body that does not tell its length; doubled as it grows.
const FIRST_CHUNK: usize = 16 << 10;

/// The budget of bytes that all bodies together may hold. Cheap to clone; every clone is the same budget.
#[derive(Debug, Clone)]
pub struct InFlight {
    budget: Arc<Semaphore>,
    total: usize,
    held: Gauge<0>,
}

/// What one body may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest body, in bytes.
    pub bytes: usize,
    /// How long the whole body may take to arrive.
    pub timeout: Duration,
    /// What to answer in `Retry-After` when the budget is spent.
    pub retry_after: Duration,
}

/// A body in memory. Its bytes count against the budget until both parts are dropped.
#[derive(Debug)]
pub struct Received {
    /// The whole body.
    pub bytes: Bytes,
    /// Its share of the budget: keep it as long as the bytes.
    pub share: Share,
}

/// A share of the budget, given back on drop.
#[derive(Debug)]
pub struct Share {
    permits: OwnedSemaphorePermit,
    held: Gauge<0>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.add([], -float(self.permits.num_permits()));
    }
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than its cap. 413.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Too many bytes are in flight. 503, and the sender should come again after this time.
    #[error("too many bytes are being received, try again later")]
    Exhausted(Duration),
    /// It did not arrive in time. 408.
    #[error("the body did not arrive within {0:?}")]
    Slow(Duration),
    /// The connection or its framing broke. 400.
    #[error("the body could not be read to its end")]
    Broken,
}

impl InFlight {
    /// A budget of `bytes`; `held` shows how much of it is in use.
    pub fn new(bytes: usize, held: Gauge<0>) -> Self {
        let total = bytes.min(Semaphore::MAX_PERMITS);
        Self { budget: Arc::new(Semaphore::new(total)), total, held }
    }

    /// How many bytes are reserved now.
    pub fn in_use(&self) -> usize {
        self.total.saturating_sub(self.budget.available_permits())
    }

    /// Takes a share for a body that is read as a stream: what it holds at a time, however long it is.
    ///
    /// # Errors
    /// [`BodyError::Exhausted`] when too many bytes are in flight.
    pub fn hold(&self, bytes: usize, limits: BodyLimits) -> Result<Share, BodyError> {
        self.reserve(bytes, limits)
    }

    /// Reads the whole of `body`. A declared length is reserved before the first byte is read; without one, the reserve
    /// grows with the body and is never smaller than the memory held.
    ///
    /// # Errors
    /// See [`BodyError`]; the reserve is given back.
    pub async fn read(&self, body: Body, limits: BodyLimits) -> Result<Received, BodyError> {
        tokio::time::timeout(limits.timeout, self.read_to_end(body, limits))
            .await
            .unwrap_or(Err(BodyError::Slow(limits.timeout)))
    }

    async fn read_to_end(&self, mut body: Body, limits: BodyLimits) -> Result<Received, BodyError> {
        let declared = body.size_hint().exact();
        if declared.is_some_and(|length| length > limits.bytes as u64) {
            return Err(BodyError::TooLarge(limits.bytes));
        }
        let first = declared.map_or(FIRST_CHUNK, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let first = first.min(limits.bytes);
        let mut share = self.reserve(first, limits)?;
        let mut bytes: Vec<u8> = Vec::new();
        bytes.reserve_exact(first);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            let needed = bytes.len() + data.len();
            if needed > limits.bytes {
                return Err(BodyError::TooLarge(limits.bytes));
            }
            if needed > share.permits.num_permits() {
                let wanted = needed.max(share.permits.num_permits() * 2).min(limits.bytes);
                let mut more = self.reserve(wanted - share.permits.num_permits(), limits)?;
                if let Some(permits) = more.permits.split(more.permits.num_permits()) {
                    share.permits.merge(permits);
                }
                bytes.reserve_exact(wanted - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Received { bytes: Bytes::from(bytes), share })
    }

    fn reserve(&self, bytes: usize, limits: BodyLimits) -> Result<Share, BodyError> {
        let exhausted = BodyError::Exhausted(limits.retry_after);
        let permits = u32::try_from(bytes).map_err(|_| exhausted)?;
        let permits = self.budget.clone().try_acquire_many_owned(permits).map_err(|_| exhausted)?;
        self.held.add([], float(bytes));
        Ok(Share { permits, held: self.held.clone() })
    }
}

fn float(bytes: usize) -> f64 {
    bytes as f64
}

impl BodyError {
    /// The HTTP status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Exhausted(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    /// A short stable word, for metrics and for the answer.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge(_) => "body_too_large",
            Self::Exhausted(_) => "too_many_bytes_in_flight",
            Self::Slow(_) => "body_too_slow",
            Self::Broken => "body_broken",
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let answer = serde_json::json!({ "reason": self.reason(), "detail": self.to_string() });
        let mut response = (self.status(), axum::Json(answer)).into_response();
        let headers = response.headers_mut();
        // The rest of the body is not read, so the connection cannot carry another request.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Self::Exhausted(after) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::Request;
    use axum::routing::post;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::Notify;

    use super::super::wire::{Served, WIDE, rest, serve, until};
    use super::*;

    const LIMITS: BodyLimits =
        BodyLimits { bytes: 100_000, timeout: Duration::from_secs(20), retry_after: Duration::from_secs(7) };

    /// Answers with the number of bytes; `/hold` keeps them until told.
    async fn counting(budget: usize, limits: BodyLimits) -> (Served, InFlight, Arc<Notify>, Arc<Notify>) {
        let metrics = crate::metrics::Metrics::new(crate::domain::time::Timestamp::default()).unwrap();
        let budget = InFlight::new(budget, metrics.http.http_body_bytes_in_flight.clone());
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let read = {
            let budget = budget.clone();
            move |request: Request| async move { budget.read(request.into_body(), limits).await }
        };
        let count = {
            let read = read.clone();
            |request: Request| async move { Ok::<_, BodyError>(read(request).await?.bytes.len().to_string()) }
        };
        let hold = {
            let (began, go) = (began.clone(), go.clone());
            move |request: Request| async move {
                let received = read(request).await?;
                began.notify_one();
                go.notified().await;
                Ok::<_, BodyError>(received.bytes.len().to_string())
            }
        };
        let served = serve(Router::new().route("/", post(count)).route("/hold", post(hold)), WIDE).await;
        (served, budget, began, go)
    }

    fn declared(path: &str, length: usize) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: t\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";

    fn chunks(count: usize, size: usize) -> String {
        format!("{size:x}\r\n{}\r\n", "x".repeat(size)).repeat(count) + "0\r\n\r\n"
    }

    #[tokio::test]
    async fn a_body_up_to_its_cap_is_read_with_and_without_a_length() {
        let (served, budget, ..) = counting(200_000, LIMITS).await;
        for body in ["", "x", &"x".repeat(100_000)] {
            let answer = served.ask(&(declared("/", body.len()) + body)).await;
            assert!(answer.ends_with(&format!("\r\n\r\n{}", body.len())), "{answer}");
        }
        for count in [0, 1, 99, 100] {
            let answer = served.ask(&(CHUNKED.to_owned() + &chunks(count, 1000))).await;
            assert!(answer.ends_with(&format!("\r\n\r\n{}", count * 1000)), "{answer}");
        }
        assert_eq!(budget.in_use(), 0);
        assert_eq!(budget.held.get([]), 0.0);
    }

    #[tokio::test]
    async fn a_larger_one_is_refused_with_413_before_or_while_it_is_read() {
        let (served, budget, ..) = counting(200_000, LIMITS).await;
        let answer = served.ask(&declared("/", 100_001)).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
        let answer = served.ask(&(CHUNKED.to_owned() + &chunks(101, 1000))).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains(r#""reason":"body_too_large""#), "{answer}");
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test]
    async fn a_sender_that_keeps_sending_still_sees_its_413() {
        let (served, ..) = counting(200_000, LIMITS).await;
        let answer = served.ask(&(declared("/", 8 << 20) + &"x".repeat(8 << 20))).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    #[tokio::test]
    async fn a_spent_budget_answers_503_with_retry_after_and_recovers() {
        let (served, budget, began, go) = counting(100_000, LIMITS).await;
        let mut holding = served.connect().await;
        holding.write_all((declared("/hold", 60_000) + &"x".repeat(60_000)).as_bytes()).await.unwrap();
        began.notified().await;
        assert_eq!((budget.in_use(), budget.held.get([])), (60_000, 60_000.0));

        for request in [declared("/", 50_000), CHUNKED.to_owned() + &chunks(60, 1000)] {
            let answer = served.ask(&request).await;
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 7\r\n"), "{answer}");
        }
        let answer = served.ask(&(declared("/", 40_000) + &"x".repeat(40_000))).await;
        assert!(answer.ends_with("\r\n\r\n40000"), "what fits is still taken: {answer}");

        go.notify_one();
        assert!(rest(&mut holding).await.ends_with("60000"));
        let answer = served.ask(&(declared("/", 100_000) + &"x".repeat(100_000))).await;
        assert!(answer.ends_with("\r\n\r\n100000"), "{answer}");
    }

    #[tokio::test]
    async fn a_slow_sender_gets_408_and_gives_its_share_back() {
        let (served, budget, ..) =
            counting(100_000, BodyLimits { timeout: Duration::from_millis(100), ..LIMITS }).await;
        let mut stream = served.connect().await;
        stream.write_all((declared("/", 1000) + "only this").as_bytes()).await.unwrap();
        let answer = until(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_too_slow"), "{answer}");
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test]
    async fn a_body_cut_short_is_no_body() {
        let (served, budget, ..) = counting(100_000, LIMITS).await;
        let mut stream = served.connect().await;
        stream.write_all((declared("/", 1000) + "only this").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(!rest(&mut stream).await.contains("200 OK"));
        let broken = CHUNKED.to_owned() + "zz\r\n";
        assert!(!served.ask(&broken).await.contains("200 OK"));
        assert_eq!(budget.in_use(), 0);
    }
}
