//! `POST /v1/streams/{name}/check`: looks at a stream's records now, and remembers what it saw.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::HeaderMap;

use super::auth::Scope;
use super::problem::Problem;
use super::{Api, Shared, document};
use crate::dns::{Memo, Sweep, check};
use crate::domain::dns::Question;
use crate::domain::posture::CheckReport;
use crate::domain::stream::Stream;
use crate::intake::Checked;
use crate::store::Tx;

/// What a lease has beyond the time that a look may take.
const MARGIN: Duration = Duration::from_secs(60);

/// Check a stream's records now.
///
/// The answer says what this look found; what was found earlier and could not be asked now stands in `GET /v1/streams/{name}`. It does not
/// move the time of the next check by schedule.
#[utoipa::path(
    post,
    path = "/v1/streams/{name}/check",
    operation_id = "check_stream",
    tag = "streams",
    params(("name" = String, Path, description = "The name of a registered stream")),
    responses(
        (status = 200, description = "What was found", body = document::Check),
        (status = 404, description = "No such stream", body = Problem),
        (status = 409, description = "It is being checked already: ask again in a moment", body = Problem),
        document::Refused
    ),
    security(("token" = ["streams"]))
)]
pub(super) async fn check_now(
    State(api): State<Shared>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<CheckReport>, Problem> {
    api.tokens.allow(&headers, Scope::Streams).await?;
    let Ok(Path(name)) = name else { return Err(Problem::not_found("stream")) };
    let streams = super::streams::stored(&api).await?;
    let stream = super::streams::find(&streams, &name)?.clone();
    let context = Arc::clone(api.intake.context());
    let now = api.clock.now();
    let token = token(context.random);
    let mut tx: Tx = api.intake.store().write().await?;
    tx.declare_check(&stream.name, now).await?;
    if !tx.claim_check(&stream.name, &token, now, api.checkup.deadline + MARGIN).await? {
        return Err(Problem::conflict("the stream is being checked already"));
    }
    tx.commit().await?;
    // Not by this handler alone: a caller that goes away must not leave the stream's lease behind.
    let tasks = api.tasks.clone();
    tasks.apart(async move { look(&api, stream, &streams, &token).await }).await.map(Json)
}

async fn look(api: &Api, stream: Stream, all: &[Stream], token: &str) -> Result<CheckReport, Problem> {
    let looked = async {
        let now = api.clock.now();
        let (expected, mut seen) = {
            let mut tx = api.intake.store().read().await?;
            (tx.expected_records().await?, tx.seen_of_streams([&stream], all, now).await?)
        };
        let stood =
            move |question: &Question| expected.contains(&(question.name.to_string(), question.kind.to_string()));
        // Nothing is carried over: who asks has mended something and wants to see it.
        let sweep = Sweep::after(api.checkup.resolvers.clone(), now, stood, Memo::default());
        let seen = seen.remove(&stream.name).unwrap_or_default();
        let looked = check(&sweep, stream, &seen, api.checkup.deadline).await;
        let report = looked.report();
        let checked = Checked { stream: looked.stream, report, published: looked.judged.published };
        if !api.intake.remember(&checked, token, None).await? {
            return Err(Problem::conflict("the check took so long that another has begun"));
        }
        Ok(checked.report)
    };
    let looked: Result<CheckReport, Problem> = looked.await;
    if looked.is_err() {
        release(api, token).await;
    } else if let Err(error) = api.intake.tell_postures().await {
        tracing::warn!(%error, "a change of posture is told to the log later");
    }
    looked
}

/// Best effort: the lease ends by itself otherwise.
async fn release(api: &Api, token: &str) {
    let released = async {
        let mut tx = api.intake.store().write().await?;
        tx.release_checks(token).await?;
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "the lease of a check could not be given back");
    }
}

fn token(random: fn(&mut [u8])) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    bytes.iter().fold(String::new(), |token, byte| token + &format!("{byte:02x}"))
}
