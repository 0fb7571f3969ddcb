//! One stream checked on a sweep.

use std::time::Duration;

use super::gather::gather;
use super::sweep::Sweep;
use crate::domain::observed::Seen;
use crate::domain::posture::{Checked, examine_observed};
use crate::domain::stream::Stream;

/// Checks a stream and what was `seen` of its sending. What has not come by the deadline is unknown.
pub async fn check(sweep: &Sweep, stream: Stream, seen: &Seen, deadline: Duration) -> Checked {
    let at = sweep.at();
    let seconds = u64::try_from(at.secs()).unwrap_or_default();
    let gathered = gather(sweep, deadline, |inquiry| examine_observed(&stream, seen, inquiry, seconds)).await;
    Checked { stream, at, judged: gathered.value, queries: gathered.queries, elapsed: gathered.elapsed }
}
