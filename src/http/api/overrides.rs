//! `POST /v1/users/override`: an operator's decision about one address.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Scope;
use super::problem::Problem;
use super::{Api, Shared, document};
use crate::domain::address::Address;
use crate::domain::event::Decision;
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::record::OverrideAction;
use crate::domain::verdict::{Question, Verdict};
use crate::intake::{Ruling, wrong_words};
use crate::sources::import::When;
use crate::sources::written::read;

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Override)]
pub(super) struct Written {
    /// The team; may be missing when exactly one is configured.
    team: Option<String>,
    /// The address.
    address: Option<String>,
    /// Or its key, when the address is known.
    key: Option<String>,
    /// `lift`: complaint, unsubscription, conviction and hold no longer count. `suppress`: no mail but security mail.
    #[schema(value_type = String, pattern = "^(lift|suppress)$")]
    action: OverrideAction,
    /// Who decided. Kept in the clear: no mail address.
    who: String,
    /// Why. Kept in the clear: no mail address and no subject.
    why: String,
    /// When it ends: RFC 3339 text, or whole seconds or milliseconds since 1970. Missing: when something else is decided.
    #[schema(schema_with = document::instants, required = false)]
    until: Option<When>,
}

/// The decision in force.
#[derive(Serialize)]
pub(super) struct Ruled {
    event: String,
    key: AddressKey,
    cursor: String,
    verdict: Verdict,
}

/// Decide about one address.
///
/// Nothing lifts a suppression by Apple's word: the verdict in the answer says what came of it.
#[utoipa::path(
    post,
    path = "/v1/users/override",
    operation_id = "override",
    tag = "users",
    request_body = Written,
    responses(
        (status = 200, description = "The decision is on disk", body = document::Ruled),
        (status = 404, description = "No address is known by this key", body = Problem),
        document::Refused
    ),
    security(("token" = ["users"]))
)]
pub(super) async fn decide(State(api): State<Shared>, headers: HeaderMap, body: Body) -> Result<Json<Ruled>, Problem> {
    let by = api.tokens.allow(&headers, Scope::Users).await?;
    let received = api.in_flight.read(body, api.body).await?;
    let written: Written = read(&received.bytes)?;
    let team = api.team(written.team.as_deref())?;
    let until = written.until.map(|When(at)| at);
    if let Some((field, detail)) = wrong_words(&written.who, &written.why, until, api.clock.now()) {
        return Err(Problem::field(field, detail));
    }
    let address = match (&written.address, &written.key) {
        (Some(text), None) => Address::parse(text).ok_or_else(|| Problem::field("address", "is not a mail address"))?,
        (None, Some(key)) => by_key(&api, &team, key).await?,
        (Some(_), Some(_)) => return Err(Problem::field("key", "give address or key, not both")),
        (None, None) => return Err(Problem::field("address", "is missing")),
    };
    let decision = Decision { action: written.action, who: written.who, why: written.why, until };
    let ruled = api.intake.rule(Ruling { team: team.clone(), address, decision, endpoint: "api", by }).await?;
    let mut tx = api.intake.store().read().await?;
    let verdicts = api.intake.context().verdicts(&mut tx, &[(team, ruled.key)], &Question::default()).await?;
    let verdict = verdicts.into_iter().next().ok_or_else(Problem::internal)?;
    Ok(Json(Ruled { event: ruled.event, key: ruled.key, cursor: ruled.head.to_string(), verdict }))
}

async fn by_key(api: &Api, team: &TeamId, key: &str) -> Result<Address, Problem> {
    let key = AddressKey::parse(key).ok_or_else(|| Problem::field("key", "is not 32 hexadecimal digits"))?;
    let mut tx = api.intake.store().read().await?;
    let mut known = api.intake.context().addresses(&mut tx, team, &[key]).await?;
    known.remove(&key).ok_or_else(|| Problem::not_found("address").about("key"))
}
