//! Braze Currents (custom HTTP connector): `{"events":[…]}`, unsigned, proved by a bearer token.
//!
//! - A test has an empty body or no events. A wrong token is refused even then.
//! - Braze splits a batch on 400 and drops an event for good on the second; on 401, 403 and 404 it stops and disables the
//!   integration after five days. So whatever comes with the right token is answered 200; what cannot be read goes to
//!   quarantine.
//! - `is_drop` marks what an earlier suppression stopped: an echo, nobody asked the remote side.
//! - The reason may be cut or missing. That is a state of the evidence and no fault.

mod element;
mod meaning;

use std::sync::Arc;

use http::HeaderMap;

use super::batch::Batch;
use super::shared_secret::SharedSecret;
use super::{HookSource, Receiving, Refusal, Request, Translation, elements};
use crate::config::braze::{BrazeEndpoint, ExternalUserId};
use crate::domain::bounce::RuleBook;
use crate::domain::ids::TeamId;

/// At most 100 events, of which none exceeds 900 KB. A larger batch is answered 413, upon which Braze splits it.
const BODY_LIMIT: usize = 16 << 20;

/// One Currents connector.
pub struct BrazeSource {
    team: TeamId,
    secret: SharedSecret,
    rules: Arc<RuleBook>,
    external_user_id: ExternalUserId,
}

impl BrazeSource {
    /// From its section and the text rules for bounces.
    pub fn new(endpoint: &BrazeEndpoint, rules: Arc<RuleBook>) -> Self {
        Self {
            team: endpoint.team.clone(),
            secret: SharedSecret::new(&endpoint.auth),
            rules,
            external_user_id: endpoint.external_user_id,
        }
    }

    /// Translates a request that was admitted.
    pub fn translate(&self, request: Request<'_>) -> Translation {
        let mut batch = Batch::default();
        if let Err((at, because)) = self.events(&request, &mut batch) {
            batch.quarantine(at.to_owned(), because, request.body);
        }
        batch.finish(&self.secret, None)
    }

    /// `Err` when the body as a whole cannot be read.
    fn events(&self, request: &Request<'_>, batch: &mut Batch) -> Result<(), (&'static str, &'static str)> {
        let body = request.body.trim_ascii();
        if body.is_empty() {
            return Ok(());
        }
        let events = match elements::member(body, "events").ok_or(("", "the body is not a JSON object"))? {
            Some(b"null") => return Ok(()),
            Some(events) => elements::array(events).ok_or(("/events", "`events` is not an array"))?,
            None if serde_json::from_slice::<serde_json::Map<_, _>>(body).is_ok_and(|body| body.is_empty()) => {
                return Ok(());
            }
            None => return Err(("", "`events` is missing")),
        };
        let context = meaning::Context {
            team: &self.team,
            rules: &self.rules,
            external_user_id: self.external_user_id,
            received_at: request.received_at,
        };
        for (index, event) in events.parts.iter().enumerate() {
            let read = element::read(event, |fields| meaning::read(fields, &context, batch));
            if let Err(because) = read.and_then(|meant| meant) {
                batch.quarantine(format!("/events/{index}"), because, event);
            }
        }
        if !events.rest.is_empty() {
            batch.quarantine(
                "/events".to_owned(),
                "bytes after the end of the array, or more elements than any batch has",
                events.rest,
            );
        }
        Ok(())
    }
}

impl HookSource for BrazeSource {
    fn name(&self) -> &'static str {
        "braze"
    }

    fn body_limit(&self) -> usize {
        BODY_LIMIT
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.secret.check(headers)
    }

    fn receive<'a>(&'a self, request: Request<'a>) -> Receiving<'a> {
        Box::pin(async move { Ok(self.translate(request)) })
    }
}
