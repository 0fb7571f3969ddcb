//! `POST /v1/sendability/batch`: the same question for millions of addresses, line by line, in constant memory.
//!
//! Lines are answered in their order while the request is still being sent, so the caller must read while it writes. A line that is wrong
//! gets an error in its place. When the answers cannot go on, a last line says why and the body breaks off: what was read so far is good,
//! and cannot be taken for the whole.

mod spelling;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::spelling::{Spelling, write};
use super::auth::Scope;
use super::incoming::{HELD, Incoming};
use super::ndjson::{self, WrongLine};
use super::parameters::parameters;
use super::problem::Problem;
use super::question::{Asked, Written};
use super::sendability::answer;
use super::{Api, Shared, document};
use crate::domain::policy::Class;
use crate::sources::lines::Line;
use crate::sources::written::read;

/// The longest line, in bytes.
const LONGEST: usize = 8 << 10;

/// How many questions are answered at a time.
const AT_A_TIME: usize = 1_000;

/// How many times that are in work at once.
const AHEAD: usize = 3;

/// How long the last line of answers that break off is given to leave.
const LAST_LINE_TAKES: Duration = Duration::from_millis(500);

/// The longest `id` of a caller, in bytes.
const LONGEST_ID: usize = 128;

/// May I send to these addresses?
///
/// One question to a line, one answer to a line, in the same order. What every line would repeat may stand in the URL; what a line says
/// itself goes before. Answers come while the questions are still being sent: read while you write. A body that ends by an error is not
/// complete.
#[utoipa::path(
    post,
    path = "/v1/sendability/batch",
    operation_id = "check_many",
    tag = "sendability",
    params(
        ("team" = Option<String>, Query, description = "The team of lines that name none"),
        ("app" = Option<String>, Query, description = "The app of lines that name none"),
        ("stream" = Option<String>, Query, description = "The stream of lines that name none"),
        ("class" = Option<String>, Query, description = "The class of lines that name none")
    ),
    request_body(content = document::BatchQuestion, content_type = "application/x-ndjson", description = "One question to a line, of at most 8 KiB"),
    responses(
        (status = 200, description = "One answer to a line: a verdict, or what is wrong with the line", content_type = "application/x-ndjson", body = document::BatchAnswer),
        document::Refused
    ),
    security(("token" = ["sendability"]))
)]
pub(super) async fn check(
    State(api): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    api.tokens.allow(&headers, Scope::Sendability).await?;
    let defaults = defaults(&api, query.as_deref())?;
    let share = api.in_flight.hold(AHEAD * HELD, api.body)?;
    let lines = Incoming::new(body, LONGEST, api.body.timeout);
    let questions = Arc::new(Questions { api, defaults });
    let reader = Reader { lines, is_broken: false };
    // While some lines wait for the store, those behind them are read and answered: in their order, so that only so many are in memory.
    let mut answers = Box::pin(
        stream::unfold(reader, Reader::next)
            .map(move |read| {
                let questions = Arc::clone(&questions);
                async move { questions.answer(read?).await }
            })
            .buffered(AHEAD),
    );
    // The first answers decide the status: with no store to ask it is 503 and no answer at all.
    let first = match answers.next().await {
        None => return Ok(ndjson::answer(Body::empty())),
        Some(first) => first.map_err(|broken| broken.problem)?,
    };
    let rest = stream::unfold((answers, share, true), |(mut answers, share, goes_on)| async move {
        if !goes_on {
            // An error ends the connection at once, with whatever was not sent yet.
            tokio::time::sleep(LAST_LINE_TAKES).await;
            let broken = std::io::Error::other("the answers are not complete");
            return Some((Err(broken), (answers, share, false)));
        }
        let (given, goes_on) = match answers.next().await? {
            Ok(given) => (given, true),
            Err(broken) => (broken.last_line(), false),
        };
        Some((Ok(given), (answers, share, goes_on)))
    });
    Ok(ndjson::answer(Body::from_stream(stream::once(async { Ok(first) }).chain(rest))))
}

/// One line. The fields are those of a single question.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Question<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    team: Option<String>,
    address: Option<String>,
    key: Option<String>,
    app: Option<String>,
    stream: Option<String>,
    class: Option<String>,
}

fn defaults(api: &Api, query: Option<&str>) -> Result<Written, Problem> {
    let mut given = parameters(query, &["team", "app", "stream", "class"])?;
    let mut take = |name| given.remove(name);
    let defaults = Written {
        team: take("team"),
        app: take("app"),
        stream: take("stream"),
        class: take("class"),
        ..Written::default()
    };
    // What can only be wrong on every line is told once, before the first.
    let team = defaults.team.as_deref().map(|team| api.team(Some(team))).transpose()?;
    if let Some(name) = &defaults.stream {
        let streams = api.intake.context().streams.load();
        let known = streams.get(name).filter(|stream| team.as_ref().is_none_or(|team| stream.team == *team));
        known.ok_or_else(|| Problem::field("stream", "is not a stream of this team"))?;
    }
    if let Some(word) = &defaults.class {
        Class::parse(word).ok_or_else(|| Problem::field("class", "is none of security, transactional, marketing"))?;
    }
    Ok(defaults)
}

/// The lines of a body, some at a time.
struct Reader {
    lines: Incoming,
    is_broken: bool,
}

/// Lines that are answered together, each with its number.
type Chunk = Vec<(u64, Line)>;

/// Why the answers end, and at which line.
struct Broken {
    line: u64,
    problem: Problem,
}

impl Reader {
    /// The next lines; `None` behind the last, or behind a break.
    async fn next(mut self) -> Option<(Result<Chunk, Broken>, Self)> {
        if self.is_broken {
            return None;
        }
        match self.lines.take(AT_A_TIME, true).await {
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => Some((Ok(chunk), self)),
            Err(error) => {
                self.is_broken = true;
                let broken = Broken { line: self.lines.number() + 1, problem: error.into() };
                Some((Err(broken), self))
            }
        }
    }
}

impl Broken {
    /// Why the answers end here, and from which line on there are none.
    fn last_line(self) -> Bytes {
        let mut out = Vec::new();
        // It can hold nothing that cannot be written; without it the broken body still says enough.
        let _ = ndjson::write(&mut out, &WrongLine { line: self.line, problem: self.problem });
        out.into()
    }
}

/// What every line is read with.
struct Questions {
    api: Shared,
    defaults: Written,
}

impl Questions {
    /// The answers to these lines, in their order; found by a task of its own, so that every core has its share of a large body.
    async fn answer(self: Arc<Self>, chunk: Chunk) -> Result<Bytes, Broken> {
        let line = chunk.first().map_or(0, |(number, _)| *number);
        let asked = Arc::clone(&self);
        // It ends with the body: who has gone away has given his share of the memory back.
        let answered = self.api.tasks.beside(async move { asked.answer_all(&chunk).await }).await;
        answered.map_err(|problem| Broken { line, problem })
    }

    async fn answer_all(&self, lines: &[(u64, Line)]) -> Result<Bytes, Problem> {
        let mut asked = Vec::with_capacity(lines.len());
        let mut places = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            places.push(match self.read(line) {
                Ok((id, question)) => {
                    asked.push(question);
                    Ok(id)
                }
                Err(problem) => Err(WrongLine { line: *number, problem }),
            });
        }
        let verdicts = answer(&self.api, &asked).await?;
        let mut answered = asked.iter().zip(&verdicts);
        let mut spelling = Spelling::default();
        let mut out = Vec::with_capacity(lines.len() * 512);
        for place in places {
            match place {
                Err(wrong) => ndjson::write(&mut out, &wrong)?,
                Ok(id) => {
                    let Some((asked, verdict)) = answered.next() else { return Err(Problem::internal()) };
                    write(&mut out, id, asked, spelling.of(verdict)?);
                }
            }
        }
        Ok(out.into())
    }

    fn read<'a>(&self, line: &'a Line) -> Result<(Option<&'a RawValue>, Asked), Problem> {
        let Line::Text(text) = line else {
            let detail = format!("is longer than {LONGEST} bytes");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "line_too_long", detail));
        };
        let Question { id, team, address, key, app, stream, class } = read(text)?;
        let is_plain = |id: &&RawValue| !id.get().starts_with(['{', '[']) && id.get().len() <= LONGEST_ID;
        if id.is_some_and(|id| !is_plain(&id)) {
            let detail = format!("must be text or a number of at most {LONGEST_ID} bytes");
            return Err(Problem::field("id", detail));
        }
        let otherwise = |own: Option<String>, other: &Option<String>| own.or_else(|| other.clone());
        let written = Written {
            team: otherwise(team, &self.defaults.team),
            address,
            key,
            app: otherwise(app, &self.defaults.app),
            stream: otherwise(stream, &self.defaults.stream),
            class: otherwise(class, &self.defaults.class),
        };
        Ok((id, self.api.read(&written)?))
    }
}
