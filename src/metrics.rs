//! What the process tells about itself: counters as things happen, gauges read from the truth at scrape.
//!
//! One registry per instance, no global one, so that two daemons in one test do not share a count. To add a metric, add
//! a line to a set below, or declare a set next to the code that counts and register it with [`Metrics::registry`].

mod family;
mod label;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use family::declare;
pub use family::{COUNTS, Counter, Gauge, Histogram, SECONDS};
pub use label::{Configured, Label};
use prometheus::{Registry, TextEncoder};

use crate::domain::time::Timestamp;

/// How long one part may take to refresh its gauges; below Prometheus' default scrape timeout of 10 s.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

declare! {
    /// The process itself.
    pub struct ProcessMetrics {
        /// Always 1; the labels say what runs.
        build_info: Gauge(version),
        /// When the process started, in seconds since the Unix epoch.
        process_start_time_seconds: Gauge(),
        /// 1 when the gauges of this part were read at this scrape, 0 when they are old because it did not answer.
        scrape_refresh_up: Gauge(part),
    }
}

declare! {
    /// The listeners.
    pub struct HttpMetrics {
        /// Requests answered, by listener, matched route (never the raw path) and status.
        http_requests_total: Counter(listener, route, status),
        /// Time from the request's head to the answer's head, by listener and matched route.
        http_request_duration_seconds: Histogram[SECONDS](listener, route),
        /// Handlers that panicked and were answered 500, by listener.
        http_panics_total: Counter(listener),
        /// Connections open now, by listener.
        http_connections: Gauge(listener),
        /// Connections that could not be accepted, by listener.
        http_accept_errors_total: Counter(listener),
        /// Bytes of request bodies now held or reserved in memory.
        http_body_bytes_in_flight: Gauge(),
    }
}

declare! {
    /// What the hooks took.
    pub struct HookMetrics {
        /// Requests to a hook, by source, endpoint, the HTTP status answered and the reason (`ok` when accepted).
        hooks_total: Counter(source, endpoint, answer, reason),
        /// Parts of authentic bodies that could not be read and were quarantined, by source.
        quarantined_total: Counter(source),
        /// Elements of a kind this version has no meaning for, by source.
        unknown_kinds_total: Counter(source),
        /// Subscriptions that SNS says have ended, by endpoint: the feed falls silent. Always an alert.
        sns_subscriptions_ended_total: Counter(endpoint),
    }
}

declare! {
    /// The way to the disk.
    pub struct IntakeMetrics {
        /// Events committed for the first time, by source, kind and scope.
        events_total: Counter(source, kind, scope),
        /// Times that a relay address came to 80 of the 100 mails that Apple takes for it in 24 hours, canaries included, as this process heard.
        relay_addresses_near_daily_limit_total: Counter(),
        /// Domains and sending addresses that were not learned from an event, because too many others were within the hour.
        observations_left_out_total: Counter(),
        /// Events written by one commit.
        intake_group_events: Histogram[COUNTS](),
        /// Time one commit took, in seconds.
        intake_commit_seconds: Histogram[SECONDS](),
    }
}

declare! {
    /// What the checks of DNS records brought.
    pub struct CheckMetrics {
        /// Records that were found to stand otherwise than before, by stream.
        dns_record_changes_total: Counter(stream),
    }
}

declare! {
    /// What became of canaries, counted as the log hears of it.
    pub struct CanaryMetrics {
        /// Canaries that were begun to be sent, by route.
        canary_sent_total: Counter(route),
        /// Canaries read in their mailbox in time, the spam folder left out, by route.
        canary_arrived_total: Counter(route),
        /// Canaries found in the spam folder in time, by route.
        canary_spam_total: Counter(route),
        /// Canaries that came later than 99.9 % of all do, by route.
        canary_late_total: Counter(route),
        /// Canaries that are not in their mailbox although their time is up, by route and whether the provider called them delivered.
        canary_lost_total: Counter(route, delivered),
        /// Canaries that somebody refused, by route and the rule that read the refusal.
        canary_refused_total: Counter(route, reason),
        /// Canaries of which nothing can be said, by route and why (`uncertain`, `not_sent`, `unknown`).
        canary_undecided_total: Counter(route, state),
        /// Time from the sending to the mailbox, by route.
        canary_round_trip_seconds: Histogram[ROUND_TRIP](route),
        /// Rounds that were due and found no room in the budget of an address, by round.
        canary_rounds_without_budget_total: Counter(round),
        /// Tokens found in mailboxes that were not ours, or not of a canary that was sent there, by reason.
        canary_tokens_refused_total: Counter(reason),
    }
}

/// Buckets for how long mail takes, in seconds.
const ROUND_TRIP: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];

/// A part's gauges being read. `Err` says why not, in words without addresses.
pub type Refreshing = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

type Refresher = Arc<dyn Fn() -> Refreshing + Send + Sync>;

/// All metrics of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    refreshers: Arc<Mutex<Vec<(&'static str, Refresher)>>>,
    /// The process itself.
    pub process: ProcessMetrics,
    /// The listeners.
    pub http: HttpMetrics,
    /// What the hooks took.
    pub hooks: HookMetrics,
    /// The way to the disk.
    pub intake: IntakeMetrics,
    /// The checks.
    pub checks: CheckMetrics,
    /// The canaries.
    pub canaries: CanaryMetrics,
}

impl Metrics {
    /// The metrics of a process that started at `started_at`.
    ///
    /// # Errors
    /// When two metrics have the same name.
    pub fn new(started_at: Timestamp) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("relaywatch".to_owned()), None)?;
        let metrics = Self {
            refreshers: Arc::default(),
            process: ProcessMetrics::register(&registry)?,
            http: HttpMetrics::register(&registry)?,
            hooks: HookMetrics::register(&registry)?,
            intake: IntakeMetrics::register(&registry)?,
            checks: CheckMetrics::register(&registry)?,
            canaries: CanaryMetrics::register(&registry)?,
            registry,
        };
        metrics.process.build_info.set([&env!("CARGO_PKG_VERSION")], 1.0);
        metrics.process.process_start_time_seconds.set([], started_at.micros() as f64 / 1e6);
        Ok(metrics)
    }

    /// Where another room registers its own set.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Has `refresh` run before each scrape, to set the gauges of `part` from what is true now. It gets five seconds.
    pub fn on_scrape<F>(&self, part: &'static str, refresh: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let refresher: Refresher = Arc::new(move || Box::pin(refresh()));
        self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).push((part, refresher));
    }

    /// Refreshes the gauges, all parts at once, and writes everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub async fn scrape(&self) -> prometheus::Result<String> {
        let refreshers = self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        futures_util::future::join_all(refreshers.iter().map(|(part, refresh)| async move {
            let because = match tokio::time::timeout(REFRESH_TIMEOUT, refresh()).await {
                Ok(Ok(())) => None,
                Ok(Err(because)) => Some(because),
                Err(_) => Some("no answer in time".to_owned()),
            };
            self.process.scrape_refresh_up.set([part], if because.is_none() { 1.0 } else { 0.0 });
            if let Some(because) = because {
                tracing::warn!(part, because, "the gauges of {part} could not be read");
            }
        }))
        .await;
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Kind, Scope, Source};

    fn metrics() -> Metrics {
        Metrics::new(Timestamp::from_millis(1_700_000_000_500)).unwrap()
    }

    #[tokio::test]
    async fn names_help_and_labels_stand_as_declared() {
        let metrics = metrics();
        metrics.intake.events_total.inc([&Source::Ses, &Kind::HardBounce, &Scope::Recipient]);
        metrics.hooks.hooks_total.add([&"ses", &Configured("main"), &503_u16, &"queue_full"], 2);
        let text = metrics.scrape().await.unwrap();
        for line in [
            "# HELP relaywatch_events_total Events committed for the first time, by source, kind and scope.",
            r#"relaywatch_events_total{kind="hard_bounce",scope="recipient",source="ses"} 1"#,
            r#"relaywatch_hooks_total{answer="503",endpoint="main",reason="queue_full",source="ses"} 2"#,
            "relaywatch_process_start_time_seconds 1700000000.5",
            &format!(r#"relaywatch_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
            "relaywatch_http_body_bytes_in_flight 0",
            r#"relaywatch_intake_commit_seconds_bucket{le="0.001"} 0"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\nis not in\n{text}");
        }
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("relaywatch_")), "{text}");
    }

    #[test]
    fn two_instances_share_nothing_and_one_name_is_taken_once() {
        let (one, other) = (metrics(), metrics());
        one.hooks.quarantined_total.inc([&Source::Apple]);
        assert_eq!(other.hooks.quarantined_total.get([&Source::Apple]), 0);
        assert!(HttpMetrics::register(one.registry()).is_err());
    }

    #[tokio::test]
    async fn gauges_are_read_at_scrape_and_a_silent_part_is_seen() {
        declare! {
            /// A set of another room.
            pub struct Queues {
                /// Rows waiting.
                rows_waiting: Gauge(queue),
            }
        }
        let metrics = metrics();
        let queues = Queues::register(metrics.registry()).unwrap();
        assert_eq!(Queues::NAMES, ["rows_waiting"]);
        let rows = Arc::new(Mutex::new(vec![("outbox", 3.0), ("canaries", 1.0)]));
        let truth = rows.clone();
        metrics.on_scrape("queues", move || {
            let (queues, rows) = (queues.clone(), truth.lock().unwrap().clone());
            async move {
                queues.rows_waiting.set_all(rows.iter().map(|(queue, n)| ([queue as &dyn Label], *n)));
                Ok(())
            }
        });
        metrics.on_scrape("broken", || async { Err("the store does not answer".to_owned()) });
        let text = metrics.scrape().await.unwrap();
        assert!(text.contains(r#"relaywatch_rows_waiting{queue="outbox"} 3"#), "{text}");
        assert!(text.contains(r#"relaywatch_scrape_refresh_up{part="broken"} 0"#), "{text}");
        assert!(text.contains(r#"relaywatch_scrape_refresh_up{part="queues"} 1"#), "{text}");

        rows.lock().unwrap().remove(0);
        let text = metrics.scrape().await.unwrap();
        assert!(text.contains(r#"relaywatch_rows_waiting{queue="outbox"} 0"#), "drained, not vanished: {text}");
        assert!(text.contains(r#"relaywatch_rows_waiting{queue="canaries"} 1"#), "{text}");
    }
}
