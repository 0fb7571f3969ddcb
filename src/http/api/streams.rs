//! `GET|PUT /v1/streams`: the registered ways of sending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::Scope;
use super::problem::{Problem, WrongField};
use super::{Api, Shared, document};
use crate::config::streams::wrong;
use crate::domain;
use crate::domain::ids::{StreamName, UNREGISTERED};
use crate::domain::observed::{OF_LATE, Observed, strangers};
use crate::domain::posture::{Memory, Posture};
use crate::domain::stream::{Stream, StreamBook};
use crate::domain::time::Timestamp;
use crate::sources::written::read;
use crate::store::{AuditRow, CheckRow, SenderRow, StreamRow, with_registered};

/// How many are shown of those that nobody registered.
const MOST_SENDERS: i64 = 100;
const MOST_DOMAINS: usize = 100;

/// The streams, each as it can be registered again.
#[derive(Debug, Serialize)]
pub(super) struct Registered {
    streams: Vec<Stream>,
    /// Which of them stand in the configuration file and cannot be changed here.
    read_only: Vec<StreamName>,
    /// What is known of their DNS records.
    checks: Vec<Known>,
    /// Who else sends, by what ESPs reported of late: no stream registers them, so nobody watches their records.
    unregistered_senders: Vec<SenderRow>,
    /// The domains that ESPs reported of late in From, envelope or signatures and that no stream of the team registers, the newest first.
    unregistered_domains: Vec<Observed>,
}

/// One registration, and what is known of its DNS records.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    registration: Stream,
    check: Option<Known>,
}

/// What is known of the DNS records of a stream.
#[derive(Debug, Serialize)]
struct Known {
    stream: StreamName,
    posture: Posture,
    since: Option<Timestamp>,
    unknown_since: Option<Timestamp>,
    checked_at: Option<Timestamp>,
    age_seconds: Option<f64>,
    due_at: Timestamp,
    last_known: BTreeMap<String, domain::posture::Known>,
    report: Option<Box<RawValue>>,
}

impl Known {
    fn new(row: CheckRow, now: Timestamp) -> Self {
        let CheckRow { stream, due_at, checked_at, memory, report, .. } = row;
        let Memory { posture, since, unknown_since, last_known } = memory;
        let age_seconds = checked_at.map(|at| now.since(at).as_secs_f64());
        // It was written by serde; should the row be damaged, the rest is shown all the same.
        let report = report.and_then(|text| RawValue::from_string(text).ok());
        Self { stream, posture, since, unknown_since, checked_at, age_seconds, due_at, last_known, report }
    }
}

/// The registered streams.
#[utoipa::path(
    get,
    path = "/v1/streams",
    operation_id = "list_streams",
    tag = "streams",
    responses((status = 200, description = "All streams", body = document::Registered), document::Refused),
    security(("token" = ["streams"]))
)]
pub(super) async fn list(State(api): State<Shared>, headers: HeaderMap) -> Result<Json<Registered>, Problem> {
    api.tokens.allow(&headers, Scope::Streams).await?;
    let streams = stored(&api).await?;
    let checks = known(&api, &streams).await?;
    let read_only = api.configured.iter().map(|stream| stream.name.clone()).collect();
    let (unregistered_senders, unregistered_domains) = unregistered(&api, &streams).await?;
    Ok(Json(Registered { streams, read_only, checks, unregistered_senders, unregistered_domains }))
}

/// One registered stream.
#[utoipa::path(
    get,
    path = "/v1/streams/{name}",
    operation_id = "stream",
    tag = "streams",
    params(("name" = String, Path, description = "The name of a registered stream")),
    responses(
        (status = 200, description = "Its registration, and what is known of its DNS records", body = document::Shown),
        (status = 404, description = "No such stream", body = Problem),
        document::Refused
    ),
    security(("token" = ["streams"]))
)]
pub(super) async fn show(
    State(api): State<Shared>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Shown>, Problem> {
    api.tokens.allow(&headers, Scope::Streams).await?;
    let Ok(Path(name)) = name else { return Err(Problem::not_found("stream")) };
    let registration = named(&api, &name).await?;
    let check = known(&api, std::slice::from_ref(&registration)).await?.pop();
    Ok(Json(Shown { registration, check }))
}

/// Register streams: all that are given, or none.
///
/// A stream of the same name is replaced. Events that come from now on find the new registration.
#[utoipa::path(
    put,
    path = "/v1/streams",
    operation_id = "register_streams",
    tag = "streams",
    request_body = document::Registrations,
    responses(
        (status = 200, description = "The streams as they are registered now", body = document::Registered),
        (status = 409, description = "A stream of this name stands in the configuration file", body = Problem),
        document::Refused
    ),
    security(("token" = ["streams"]))
)]
pub(super) async fn register(
    State(api): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Registered>, Problem> {
    let who = api.tokens.allow(&headers, Scope::Streams).await?;
    let received = api.in_flight.read(body, api.body).await?;
    let several = received.bytes.trim_ascii_start().starts_with(b"[");
    let streams: Vec<Stream> = if several { read(&received.bytes)? } else { vec![read(&received.bytes)?] };
    drop(received);
    check(&api, &streams, several)?;
    let now = api.clock.now();
    let names: Vec<_> = streams.iter().map(|stream| stream.name.clone()).collect();
    let mut tx = api.intake.store().write().await?;
    for stream in &streams {
        let spec = serde_json::to_string(stream).map_err(|_| Problem::internal())?;
        let row = StreamRow { name: stream.name.clone(), team: stream.team.clone(), spec, changed_at: now };
        tx.put_stream(&row).await?;
    }
    let detail = serde_json::json!({ "streams": names }).to_string();
    let id = uuid::Uuid::now_v7().to_string();
    tx.put_audit(&AuditRow { id, at: now, who, action: "streams_register".into(), detail }).await?;
    tx.commit().await?;
    let all = stored(&api).await?;
    api.intake.context().streams.store(Arc::new(StreamBook::new(all.clone())));
    let (unregistered_senders, unregistered_domains) = unregistered(&api, &all).await?;
    let checks = known(&api, &streams).await?;
    // Had one of them stood in the configuration file, none had been registered.
    let read_only = Vec::new();
    Ok(Json(Registered { streams, read_only, checks, unregistered_senders, unregistered_domains }))
}

/// Who sends, and by which domains, although none of these streams says so: `all` that are registered.
async fn unregistered(api: &Api, all: &[Stream]) -> Result<(Vec<SenderRow>, Vec<Observed>), Problem> {
    let since = api.clock.now().minus(OF_LATE);
    let mut tx = api.intake.store().read().await?;
    let senders = tx.senders_of(UNREGISTERED, since, MOST_SENDERS).await?;
    let seen = tx.observed_domains(since).await?;
    Ok((senders, strangers(&seen, all).take(MOST_DOMAINS).cloned().collect()))
}

/// What is known of these streams; of one that was not looked at yet, nothing.
async fn known(api: &Api, streams: &[Stream]) -> Result<Vec<Known>, Problem> {
    let now = api.clock.now();
    let rows = api.intake.store().read().await?.checks().await?;
    let wanted = rows.into_iter().filter(|row| streams.iter().any(|stream| stream.name == row.stream));
    Ok(wanted.map(|row| Known::new(row, now)).collect())
}

/// The streams as they are registered now, also by other processes.
pub(super) async fn stored(api: &Api) -> Result<Vec<Stream>, Problem> {
    let rows = api.intake.store().read().await?.streams().await?;
    Ok(with_registered(&api.configured, &rows)?)
}

/// The one of that name, as it is registered now.
pub(super) async fn named(api: &Api, name: &str) -> Result<Stream, Problem> {
    find(&stored(api).await?, name).cloned()
}

/// The one of that name among these.
pub(super) fn find<'a>(streams: &'a [Stream], name: &str) -> Result<&'a Stream, Problem> {
    let stream = streams.iter().find(|stream| stream.name.as_str() == name);
    stream.ok_or_else(|| Problem::not_found("stream"))
}

fn check(api: &Api, streams: &[Stream], several: bool) -> Result<(), Problem> {
    let path = |i: usize, field: &str| if several { format!("[{i}].{field}") } else { field.to_owned() };
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (i, stream) in streams.iter().enumerate() {
        let mut add =
            |field: &str, detail: &str| found.push(WrongField { field: path(i, field), detail: detail.to_owned() });
        for (field, detail) in wrong(stream) {
            add(field, detail);
        }
        if !api.teams.is_empty() && !api.teams.contains(&stream.team) && !stream.team.as_str().is_empty() {
            add("team", "is not a configured team");
        }
        if !names.insert(&stream.name) {
            add("name", "names two streams");
        }
    }
    if let Some(problem) = Problem::fields(found) {
        return Err(problem);
    }
    let configured = |stream: &Stream| api.configured.iter().any(|fixed| fixed.name == stream.name);
    match streams.iter().position(configured) {
        Some(i) => {
            let detail = "a stream of this name stands in the configuration file and is changed there";
            Err(Problem::conflict(detail).about(path(i, "name")))
        }
        None => Ok(()),
    }
}
