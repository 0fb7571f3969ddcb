//! `POST /v1/sendability`: may I send to this address?

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::auth::Scope;
use super::problem::Problem;
use super::question::{Asked, Written};
use super::{Api, Shared, document};
use crate::domain::record::AddressRecord;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Glance, Moment, Verdict, View, decide};
use crate::intake::Context;
use crate::sources::written::read;
use crate::store::AddressAt;

/// What most verdicts take as JSON, in bytes.
const VERDICT_BYTES: usize = 512;

/// May I send to this address?
#[utoipa::path(
    post,
    path = "/v1/sendability",
    operation_id = "check_one",
    tag = "sendability",
    request_body = Written,
    responses((status = 200, description = "The verdict", body = document::Verdict), document::Refused),
    security(("token" = ["sendability"]))
)]
pub(super) async fn check(State(api): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    api.tokens.allow(&headers, Scope::Sendability).await?;
    let received = api.in_flight.read(body, api.body).await?;
    let written: Written = read(&received.bytes)?;
    let asked = api.read(&written)?;
    let now = api.clock.now();
    let verdict = match from_index(api.intake.context(), &asked, now) {
        Some(verdict) => verdict,
        // In a box: it is rare and large, and every request would carry room for it.
        None => {
            let mut verdicts = Box::pin(from_store(&api, &[&asked], now)).await?;
            verdicts.pop().ok_or_else(|| Problem::not_found("answer"))?
        }
    };
    // In one piece and of about the right size: this is the route that is asked for every mail.
    let mut text = Vec::with_capacity(VERDICT_BYTES);
    serde_json::to_writer(&mut text, &verdict).map_err(|_| Problem::internal())?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Answers questions, in their order. What the index knows to be out of the question costs no store; the rest is answered from one
/// consistent view of it.
///
/// # Errors
/// 503 when the store must be asked and there is none: never "go ahead".
pub async fn answer(api: &Api, asked: &[Asked]) -> Result<Vec<Verdict>, Problem> {
    let now = api.clock.now();
    let looked: Vec<Option<Verdict>> = asked.iter().map(|a| from_index(api.intake.context(), a, now)).collect();
    let open: Vec<&Asked> = asked.iter().zip(&looked).filter(|(_, known)| known.is_none()).map(|(a, _)| a).collect();
    let mut read = match open.as_slice() {
        [] => Vec::new(),
        open => from_store(api, open, now).await?,
    }
    .into_iter();
    Ok(looked.into_iter().filter_map(|known| known.or_else(|| read.next())).collect())
}

/// The verdicts that the store leads to, all from one consistent view of it.
async fn from_store(api: &Api, asked: &[&Asked], now: Timestamp) -> Result<Vec<Verdict>, Problem> {
    let context = api.intake.context();
    let mut tx = api.intake.store().read().await?;
    let at: Vec<AddressAt> = asked.iter().map(|asked| (asked.team.clone(), asked.key)).collect();
    let (head, views) = tx.views_at_head(&at, &context.policy).await?;
    drop(tx);
    let cursor = head.to_string();
    let moment = Moment { now, as_of: now, cursor: &cursor, policy_version: &context.policy_version };
    let verdict = |(asked, mut view): (&&Asked, View)| {
        view.on_relay_domain = on_relay_domain(asked, view.on_relay_domain || view.address.is_none());
        context.surround(&asked.team, &mut view);
        decide(&asked.question, &view, &context.policy, moment)
    };
    Ok(asked.iter().zip(views).map(verdict).collect())
}

/// The verdict when one look is enough. It is the very verdict that the store would lead to: the same function decides.
fn from_index(context: &Context, asked: &Asked, now: Timestamp) -> Option<Verdict> {
    let look = context.index.look(&asked.team, asked.key, now)?;
    let view = match look.glance {
        Some(Glance::Ask) => return None,
        Some(Glance::Ok) => &PLAIN.ok,
        Some(Glance::NotRelay) => &PLAIN.not_relay,
        None if on_relay_domain(asked, true) => &PLAIN.unseen_on_relay_domain,
        None => &PLAIN.unseen,
    };
    let cursor = look.cursor.to_string();
    let moment = Moment { now, as_of: look.as_of, cursor: &cursor, policy_version: &context.policy_version };
    if !context.is_any_failing() {
        return Some(decide(&asked.question, view, &context.policy, moment));
    }
    let mut view = view.clone();
    context.surround(&asked.team, &mut view);
    Some(decide(&asked.question, &view, &context.policy, moment))
}

/// What the index's few answers stand for. Made once: they are asked for with every mail.
struct Plain {
    ok: View,
    not_relay: View,
    unseen: View,
    unseen_on_relay_domain: View,
}

static PLAIN: LazyLock<Plain> = LazyLock::new(|| {
    let of = |record| View { address: Some(record), ..View::default() };
    Plain {
        ok: of(AddressRecord { relay_domain: Some(String::new()), ..AddressRecord::default() }),
        not_relay: of(AddressRecord::default()),
        unseen: View::default(),
        unseen_on_relay_domain: View { on_relay_domain: true, ..View::default() },
    }
});

/// Whether the domain proves a relay address: told by the address, or else by what is known of the key.
fn on_relay_domain(asked: &Asked, known: bool) -> bool {
    asked.on_relay_domain.unwrap_or(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// With what axum adds, a larger one would leave the sizes that the allocator has at hand.
    #[test]
    fn a_request_takes_little_room() {
        assert!(size(check) <= 768, "{} bytes", size(check));
    }
}
