//! One stream checked on a sweep: what its judges say, as a report.

use std::time::Duration;

use super::gather::gather;
use super::sweep::Sweep;
use crate::domain::posture::{CheckReport, Published, examine};
use crate::domain::stream::Stream;

/// What came of a check.
#[derive(Debug, Clone)]
pub struct Looked {
    /// What was found.
    pub report: CheckReport,
    /// What was published.
    pub published: Vec<Published>,
}

/// Checks a stream. What has not come by the deadline is unknown.
pub async fn check(sweep: &Sweep, stream: &Stream, deadline: Duration) -> Looked {
    let seconds = u64::try_from(sweep.at().secs()).unwrap_or_default();
    let gathered = gather(sweep, deadline, |inquiry| examine(stream, inquiry, seconds)).await;
    let report = CheckReport::new(stream, &gathered.value, sweep.at(), gathered.queries, gathered.elapsed);
    Looked { report, published: gathered.value.published }
}
