//! `GET /v1/changes`: the verdicts that may have changed since a cursor, one line per address.
//!
//! The cursor is a number of the log. Whoever goes on from the cursor of the last line it has dealt with misses nothing, even in the middle
//! of a page; it may see an address twice. A page that touches an address several times has one line for it, at the last of them.

mod page;

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

use self::page::Page;
use super::auth::Scope;
use super::ndjson;
use super::parameters::{number, parameters};
use super::problem::Problem;
use super::{Api, Shared, document};

/// Where to go on, also after a page without lines.
static CURSOR: HeaderName = HeaderName::from_static("relaywatch-cursor");

/// How often the log is looked at for what other processes wrote.
const POLL: Duration = Duration::from_secs(1);

/// The longest a request waits for something to happen, in seconds.
const LONGEST_WAIT: i64 = 60;

/// The most lines of a page, and how many it has when nobody says.
const MOST: i64 = 5_000;
const USUAL: i64 = 1_000;

/// What has changed since?
///
/// With `wait`, a request that finds nothing is answered as soon as something happens. The header `relaywatch-cursor` says where to go on;
/// so does the `cursor` of every line.
#[utoipa::path(
    get,
    path = "/v1/changes",
    operation_id = "changes",
    tag = "changes",
    params(
        ("after" = Option<String>, Query, pattern = "^[0-9]+$", description = "The cursor to go on from; without it, the beginning of the log"),
        ("from" = Option<String>, Query, pattern = "^now$", description = "`now`, in place of `after`: nothing of what has been"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 5000, description = "How many addresses at most; 1000 when not given"),
        ("wait" = Option<i64>, Query, minimum = 0, maximum = 60, description = "How many seconds to wait when there is nothing yet")
    ),
    responses(
        (status = 200, description = "One address to a line", content_type = "application/x-ndjson", body = document::Change,
            headers(("relaywatch-cursor" = String, description = "The cursor to go on from"))),
        (status = 410, description = "The log does not reach back to the cursor, or is not the one it came from: export anew", body = Problem),
        document::Refused
    ),
    security(("token" = ["changes"]))
)]
pub(super) async fn follow(
    State(api): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    api.tokens.allow(&headers, Scope::Changes).await?;
    let given = parameters(query.as_deref(), &["after", "from", "limit", "wait"])?;
    let most = usize::try_from(number(&given, "limit", 1..=MOST, USUAL)?).unwrap_or(1);
    let wait = Duration::from_secs(number(&given, "wait", 0..=LONGEST_WAIT, 0)?.unsigned_abs());
    let after = match (given.get("from").map(String::as_str), given.contains_key("after")) {
        (Some("now"), false) => api.intake.store().read().await?.head().await?,
        (Some("now"), true) => return Err(Problem::field("from", "give after or from, not both")),
        (Some(_), _) => return Err(Problem::field("from", "can only be now")),
        (None, _) => number(&given, "after", 0..=i64::MAX, 0)?,
    };
    let page = found(&api, after, most, wait).await?;
    let mut response = ndjson::answer(Body::from(page.lines));
    response.headers_mut().insert(CURSOR.clone(), HeaderValue::from(page.end));
    Ok(response)
}

/// The next page with a line in it, or the empty one at the head of the log once the wait is over.
async fn found(api: &Api, mut after: i64, most: usize, wait: Duration) -> Result<Page, Problem> {
    let mut over = pin!(tokio::time::sleep(wait));
    let mut head = api.intake.head();
    loop {
        head.borrow_and_update();
        let page = Page::read(api.intake.context(), api.intake.store(), after, most).await?;
        if !page.lines.is_empty() || (page.at_head && wait.is_zero()) {
            return Ok(page);
        }
        after = page.end;
        if !page.at_head {
            continue;
        }
        tokio::select! {
            () = moved(&mut head) => (),
            () = tokio::time::sleep(POLL) => (),
            () = &mut over => return Ok(page),
            () = api.stopping.cancelled() => return Ok(page),
        }
    }
}

/// Returns when this process has written to the log.
async fn moved(head: &mut watch::Receiver<i64>) {
    if head.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
