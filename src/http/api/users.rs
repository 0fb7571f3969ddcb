//! `PUT /v1/users`: the import of users, streamed. What it says is accepted is on disk.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::auth::Scope;
use super::incoming::{HELD, Incoming};
use super::parameters::parameters;
use super::problem::Problem;
use super::{Api, Shared, document};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::intake::{IntakeError, Submission};
use crate::sources::import::{Defaults, LONGEST_ROW, LineError, Tally, Users};
use crate::sources::lines::Line;
use crate::sources::written::read;

/// How many rows become durable together.
const AT_A_TIME: usize = 2_000;

/// How long a full queue is waited for before the sender is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// The answer when every row was wrong.
#[derive(Serialize)]
struct NothingAccepted {
    reason: &'static str,
    detail: &'static str,
    #[serde(flatten)]
    tally: Tally,
}

/// Import users.
///
/// One user to a line. A wrong line costs no other. All accepted rows are on disk when the answer comes; sending the same rows again does
/// no harm. After an answer other than 200 send everything again.
#[utoipa::path(
    put,
    path = "/v1/users",
    operation_id = "import_users",
    tag = "users",
    params(
        ("team" = Option<String>, Query, description = "The team of rows that name none"),
        ("app" = Option<String>, Query, description = "The app of rows that name none")
    ),
    request_body(content = document::User, content_type = "application/x-ndjson", description = "One user to a line, of at most 8 KiB"),
    responses(
        (status = 200, description = "What became of the rows", body = document::Tally),
        document::Refused
    ),
    security(("token" = ["users"]))
)]
pub(super) async fn import(
    State(api): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    api.tokens.allow(&headers, Scope::Users).await?;
    let mut given = parameters(query.as_deref(), &["team", "app"])?;
    let defaults = Defaults { team: given.remove("team"), app: given.remove("app") };
    let team = defaults.team.as_deref().map(|team| api.directory.team(Some(team))).transpose()?;
    if let (Some(team), Some(app)) = (&team, &defaults.app) {
        api.directory.app(team, Some(app))?;
    }
    let _share = api.in_flight.hold(HELD, api.body)?;
    let received_at = api.clock.now();
    let users = Users { directory: &api.directory, defaults: &defaults, received_at };
    let mut incoming = Incoming::new(body, LONGEST_ROW, api.body.timeout);
    let mut tally =
        Tally { durable: true, cursor: api.intake.store().read().await?.head().await?.to_string(), ..Tally::default() };
    loop {
        let lines = incoming.take(AT_A_TIME, false).await.map_err(|error| after(&tally, error.into()))?;
        if lines.is_empty() {
            break;
        }
        let mut events = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            let event = match line {
                Line::TooLong => Err(LineError::too_long(number, LONGEST_ROW)),
                Line::Text(text) => {
                    read(&text).and_then(|row| users.event(row)).map_err(|wrong| LineError::new(number, wrong))
                }
            };
            match event {
                Ok(event) => events.push(event),
                Err(error) => tally.reject(error),
            }
        }
        let receipt = submit(&api, events, received_at).await.map_err(|error| after(&tally, error.into()))?;
        if let Some(receipt) = receipt {
            tally.accept(receipt.new, receipt.repeated, receipt.head);
        }
    }
    if tally.accepted == 0 && tally.rejected > 0 {
        let (reason, detail) = ("nothing_accepted", "every row is wrong: see errors");
        return Ok((StatusCode::BAD_REQUEST, Json(NothingAccepted { reason, detail, tally })).into_response());
    }
    Ok(Json(tally).into_response())
}

/// Puts rows on disk. A full queue holds the sender up for a while rather than sending him away.
async fn submit(
    api: &Api,
    events: Vec<Event>,
    received_at: Timestamp,
) -> Result<Option<crate::intake::Receipt>, IntakeError> {
    if events.is_empty() {
        return Ok(None);
    }
    let mut waited = Duration::ZERO;
    loop {
        let events = events.clone();
        let submission = Submission { endpoint: "api".to_owned(), received_at, events, ..Submission::default() };
        match api.intake.submit(submission).await {
            Err(IntakeError::Full) if waited < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            done => return done.map(Some),
        }
    }
}

/// A failure in the middle says how much is on disk already.
fn after(tally: &Tally, mut problem: Problem) -> Problem {
    problem.detail = format!("{}; {} rows before it are on disk", problem.detail, tally.accepted);
    problem
}
