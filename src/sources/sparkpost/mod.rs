//! SparkPost event webhooks: a JSON array of `{"msys":{"<class>":{…}}}`, unsigned, proved by a shared secret.
//!
//! - Every element is read on its own: a bad one is quarantined under its JSON pointer and costs no sibling.
//! - The creation test (`[{"msys":{}}]`, `[]` or nothing) and SparkPost's example events mean nothing. Examples are known
//!   by the `event_id` they all share or by the recipient `recipient@example.com`.
//! - The classes that are not about mail sent to somebody (`track_event`, `relay_event`, `relay_message`,
//!   `ab_test_event`, `ingest_event`) are known, skipped unread and not reported as unknown.
//! - SparkPost takes exactly 200 for success and repeats a batch under the same batch id.

mod classes;
mod element;
mod meaning;

use std::sync::Arc;

use http::HeaderMap;

use super::batch::Batch;
use super::shared_secret::SharedSecret;
use super::{HookSource, Receiving, Refusal, Request, Translation, elements};
use crate::config::sparkpost::SparkpostEndpoint;
use crate::domain::bounce::RuleBook;
use crate::domain::ids::TeamId;

/// A batch holds 350 events or more, each with metadata of the customer's.
const BODY_LIMIT: usize = 16 << 20;

/// The header that names a batch, the same in every repetition.
const BATCH_ID: &str = "x-messagesystems-batch-id";

/// One SparkPost webhook.
pub struct SparkpostSource {
    team: TeamId,
    secret: SharedSecret,
    rules: Arc<RuleBook>,
}

impl SparkpostSource {
    /// From its section and the text rules for bounces.
    pub fn new(endpoint: &SparkpostEndpoint, rules: Arc<RuleBook>) -> Self {
        Self { team: endpoint.team.clone(), secret: SharedSecret::new(&endpoint.auth), rules }
    }

    /// Translates a request that was admitted.
    pub fn translate(&self, request: Request<'_>) -> Translation {
        let context = meaning::Context { team: &self.team, rules: &self.rules, received_at: request.received_at };
        let Some(cut) = elements::array(request.body) else {
            let mut batch = Batch::default();
            if !request.body.trim_ascii().is_empty() {
                batch.quarantine(String::new(), "the body is not a JSON array", request.body);
            }
            return batch.finish(&self.secret, batch_id(request.headers));
        };
        let mut batch = Batch::with_capacity(cut.parts.len());
        for (index, element) in cut.parts.iter().enumerate() {
            self.element(index, element, &context, &mut batch);
        }
        if !cut.rest.is_empty() {
            batch.quarantine(
                String::new(),
                "bytes after the end of the array, or more elements than any batch has",
                cut.rest,
            );
        }
        batch.finish(&self.secret, batch_id(request.headers))
    }

    fn element(&self, index: usize, element: &[u8], context: &meaning::Context<'_>, batch: &mut Batch) {
        let mut faults = Vec::new();
        let read = element::read(element, |part| match (&*part.class, part.fields) {
            (class, Some(fields)) => {
                if let Err(fault) = meaning::read(class, &fields, context, batch) {
                    faults.push(fault);
                }
            }
            ("track_event" | "relay_event" | "relay_message" | "ab_test_event" | "ingest_event", None) => {
                batch.no_effect();
            }
            (class, None) => batch.unknown(class),
        });
        if let Err(unreadable) = read {
            batch.quarantine(format!("/{index}{}", unreadable.at), unreadable.because, element);
        } else if !faults.is_empty() {
            batch.quarantine(format!("/{index}/msys"), faults.join("; "), element);
        }
    }
}

/// The batch id of a request, if it has a sound one. It serves to answer a known batch at once and proves nothing.
pub fn batch_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(BATCH_ID)?.to_str().ok()?.trim();
    let sound = !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    sound.then(|| id.to_owned())
}

impl HookSource for SparkpostSource {
    fn name(&self) -> &'static str {
        "sparkpost"
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
