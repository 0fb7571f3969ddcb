//! The internal API: JSON, bearer tokens with scopes, errors that name the field. No address ever stands in a URL.

pub mod auth;
pub mod problem;
pub mod question;
pub mod sendability;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use self::auth::Tokens;
use super::body::{BodyLimits, InFlight};
use crate::clock::Clock;
use crate::domain::ids::TeamId;
use crate::intake::Intake;

/// What every route of the API needs. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The door, and through it store, streams, keys and policy.
    pub intake: Intake,
    /// Who may ask what.
    pub tokens: Tokens,
    /// The configured teams; empty: any team may be named.
    pub teams: Arc<[TeamId]>,
    /// The budget of bytes that all bodies together may hold.
    pub in_flight: InFlight,
    /// What one body may take.
    pub body: BodyLimits,
    /// What an unavailable store answers in `Retry-After`.
    pub retry_after: Duration,
    /// Time.
    pub clock: Clock,
}

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new().merge(sendability::routes()).fallback(problem::no_such_route).with_state(api)
}
