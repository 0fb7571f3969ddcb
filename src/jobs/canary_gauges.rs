//! How the canaries stand, read from the store at every scrape. A few series a route; no address is in any.

use super::Means;
use crate::intake::{Intake, Matrix, RoundStanding, RouteStanding};
use crate::metrics::{Configured, Label, Metrics, declare};

declare! {
    /// The truth about the canaries.
    pub struct CanaryGauges {
        /// When the last canary of a route arrived, in seconds since the Unix epoch; 0 when none ever did.
        canary_last_arrival_timestamp_seconds: Gauge(route),
        /// How long a canary of a route is waited for, in seconds.
        canary_timeout_seconds: Gauge(route),
        /// 1 for the state of a route's last canary.
        canary_state: Gauge(route, state),
        /// When all of the mailbox behind a route was last read, in seconds since the Unix epoch; 0 when never. Old: what is in it is unknown.
        canary_mailbox_read_timestamp_seconds: Gauge(mailbox),
        /// 1 for the part that the newest round that tells names as broken (`nothing` when all arrives).
        canary_broken: Gauge(round, part),
        /// How many more rounds the budgets of the relay addresses bear now.
        canary_rounds_left: Gauge(round),
    }
}

/// Has the gauges read before every scrape.
pub fn watch_canaries(means: Means, intake: &Intake, gauges: CanaryGauges, metrics: &Metrics) {
    let context = std::sync::Arc::clone(intake.context());
    metrics.on_scrape("canaries", move || {
        let (means, gauges, context) = (means.clone(), gauges.clone(), std::sync::Arc::clone(&context));
        async move {
            let read = async { context.canary_matrix(&mut means.store.read().await?).await };
            let matrix = read.await.map_err(|error: crate::store::StoreError| error.to_string())?;
            show(&gauges, &matrix);
            Ok(())
        }
    });
}

fn show(gauges: &CanaryGauges, matrix: &Matrix) {
    for round in &matrix.rounds {
        gauges.canary_rounds_left.set([&Configured(&round.round)], round.rounds_left as f64);
    }
    let seconds = |at: Option<crate::domain::time::Timestamp>| at.map_or(0.0, |at| at.micros() as f64 / 1e6);
    let routes = || matrix.rounds.iter().flat_map(|round: &RoundStanding| &round.routes);
    for route in routes() {
        let name = Configured(&route.route);
        gauges.canary_last_arrival_timestamp_seconds.set([&name], seconds(route.last_arrived_at));
        gauges.canary_timeout_seconds.set([&name], route.timeout_seconds);
        if let Some(mailbox) = &route.mailbox {
            gauges.canary_mailbox_read_timestamp_seconds.set([&Configured(mailbox)], seconds(route.mailbox_read_at));
        }
    }
    let names: Vec<(Configured<'_>, &'static str)> = routes().filter_map(state).collect();
    gauges.canary_state.set_all(names.iter().map(|(route, state)| ([route as &dyn Label, state], 1.0)));
    let broken: Vec<_> = matrix.rounds.iter().map(|round| (Configured(&round.round), round.broken.as_str())).collect();
    gauges.canary_broken.set_all(broken.iter().map(|(round, part)| ([round as &dyn Label, part], 1.0)));
}

fn state(route: &RouteStanding) -> Option<(Configured<'_>, &'static str)> {
    Some((Configured(&route.route), route.state?))
}
