//! `POST /hooks/{source}/{endpoint}`: takes the bytes, has the source verify and translate them, and answers 2xx only after intake has
//! them on disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::body::{BodyLimits, InFlight};
use crate::clock::Clock;
use crate::domain::event::Identity;
use crate::domain::time::Timestamp;
use crate::intake::{Intake, IntakeError, Submission, UnreadPart};
use crate::metrics::{Configured, HookMetrics};
use crate::sources::{Action, HookSource, Refusal, Request, Translation};
use crate::store::TeeRow;

/// What is done about a provider's request that is not an event, such as confirming a subscription. Must not wait.
pub type Act = Arc<dyn Fn(Action) + Send + Sync>;

/// The hooks and what they need.
pub struct Hooks {
    /// The configured endpoints, by source and name.
    pub endpoints: Arc<HashMap<(String, String), Arc<dyn HookSource>>>,
    /// The door.
    pub intake: Intake,
    /// The budget of bytes that all bodies together may hold.
    pub in_flight: InFlight,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// What a full queue answers.
    pub retry_after: Duration,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: HookMetrics,
    /// Confirms subscriptions and the like.
    pub act: Act,
    /// Services that Apple's verified bodies are passed on to.
    pub tee: Arc<[String]>,
}

/// The route.
pub fn router(hooks: Hooks) -> Router {
    Router::new().route("/hooks/{source}/{endpoint}", post(receive)).with_state(Arc::new(hooks))
}

async fn receive(
    State(hooks): State<Arc<Hooks>>,
    Path((source, endpoint)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some((place, handler)) = hooks.endpoints.get_key_value(&(source, endpoint)) else {
        return answer(StatusCode::NOT_FOUND, "no_such_hook", "no hook of this source and name is configured");
    };
    let (source, endpoint) = (handler.name(), place.1.as_str());
    let (response, status, reason) = match hooks.take(handler.as_ref(), endpoint, &headers, body).await {
        Ok(response) => (response, StatusCode::OK, "ok"),
        Err(no) => {
            let (status, reason) = (no.status, no.reason);
            (no.into_response(), status, reason)
        }
    };
    hooks.metrics.hooks_total.inc([&source, &Configured(endpoint), &status, &reason]);
    response
}

/// A request that is not taken.
struct No {
    status: StatusCode,
    reason: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.answer).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // When to come again is said for every 503 alike, by `observe`.
        Self { status, reason: refusal.reason, detail: refusal.because.into_owned(), retry_after: None }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, self.reason, &self.detail);
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // Some providers send Basic credentials only after being asked.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"relaywatch\""));
        }
        response
    }
}

impl Hooks {
    async fn take(
        &self,
        handler: &dyn HookSource,
        endpoint: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, No> {
        handler.admit(headers)?;
        let limits =
            BodyLimits { bytes: handler.body_limit(), timeout: self.body_timeout, retry_after: self.retry_after };
        let received = self.in_flight.read(body, limits).await.map_err(|e| No {
            status: e.status(),
            reason: e.reason(),
            detail: e.to_string(),
            retry_after: (e.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(self.retry_after),
        })?;
        let received_at = self.clock.now();
        let request = Request { headers, body: &received.bytes, received_at };
        let mut translation = handler.receive(request).await?;
        let actions = std::mem::take(&mut translation.actions);
        self.count(handler.name(), endpoint, &translation, &actions);
        let taken = self.submit(handler.name(), endpoint, translation, &received.bytes, received_at).await?;
        for action in actions {
            (self.act)(action);
        }
        drop(received);
        Ok((StatusCode::OK, Json(json!({"new": taken.0, "repeated": taken.1}))).into_response())
    }

    /// Puts everything on disk; a batch that is there already is answered at once.
    async fn submit(
        &self,
        source: &'static str,
        endpoint: &str,
        translation: Translation,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<(usize, usize), No> {
        let context = self.intake.context();
        let batch = translation
            .batch
            .as_ref()
            .map(|id| context.keyring.event(&Identity::new("batch", &[source, endpoint, id])));
        if let Some(batch) = batch
            && self.intake.knows(batch).await.map_err(|e| self.unavailable(&e))?
        {
            return Ok((0, translation.events.len()));
        }
        let quarantined: Vec<_> = translation
            .quarantined
            .iter()
            .map(|q| {
                let part = UnreadPart { source, endpoint, at: &q.at, because: &q.because, body: &q.body };
                context.quarantine(&part, received_at)
            })
            .collect();
        let tee = if source == "apple" && translation.authentic == Some(true) {
            self.copies(body, received_at)
        } else {
            Vec::new()
        };
        let events = translation.events;
        if events.is_empty() && quarantined.is_empty() && tee.is_empty() && batch.is_none() {
            return Ok((0, 0));
        }
        let submission = Submission { endpoint: endpoint.to_owned(), received_at, events, quarantined, batch, tee };
        let receipt = self.intake.submit(submission).await.map_err(|e| self.unavailable(&e))?;
        Ok((receipt.new, receipt.repeated))
    }

    /// One sealed copy of a verified body per tee target.
    fn copies(&self, body: &[u8], received_at: Timestamp) -> Vec<TeeRow> {
        let context = self.intake.context();
        let text = String::from_utf8_lossy(body);
        self.tee
            .iter()
            .map(|target| {
                let id = format!("tee_{}", context.keyring.event(&Identity::new("tee", &[target, &text])));
                let mut nonce = [0; 12];
                (context.random)(&mut nonce);
                let body = context.keyring.seal(id.as_bytes(), body, nonce);
                TeeRow { id, target: target.clone(), received_at, body, attempts: 0 }
            })
            .collect()
    }

    fn count(&self, source: &'static str, endpoint: &str, translation: &Translation, actions: &[Action]) {
        self.metrics.quarantined_total.add([&source], translation.quarantined.len() as u64);
        self.metrics.unknown_kinds_total.add([&source], translation.unknown.len() as u64);
        for action in actions {
            if let Action::SubscriptionEnded { topic_arn } = action {
                self.metrics.sns_subscriptions_ended_total.inc([&Configured(endpoint)]);
                tracing::error!(endpoint, topic_arn, "SNS ended the subscription: this feed will fall silent");
            }
        }
        for part in &translation.quarantined {
            tracing::warn!(source, endpoint, at = part.at, because = part.because, "quarantined an unreadable part");
        }
    }

    fn unavailable(&self, error: &IntakeError) -> No {
        let reason = match error {
            IntakeError::Full => "queue_full",
            IntakeError::Unavailable(_) => "store_unavailable",
            IntakeError::Stopping => "stopping",
        };
        No {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason,
            detail: error.to_string(),
            retry_after: Some(self.retry_after),
        }
    }
}

fn answer(status: StatusCode, reason: &str, detail: &str) -> Response {
    (status, Json(json!({"reason": reason, "detail": detail}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_cannot_verify_for_now_leaves_it_to_the_listener_when_to_come_again() {
        let response = No::from(Refusal::new(503, "key_set_unavailable", "Apple's keys cannot be had")).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!response.headers().contains_key(RETRY_AFTER), "`limits.retry_after` is what a 503 says");
    }
}
