//! How the streams' records stand, read from the store at every scrape. At most 40 series a stream (a test counts them).

use std::collections::{BTreeMap, BTreeSet};

use super::Means;
use crate::domain::finding::{Severity, State};
use crate::domain::ids::{StreamName, UNREGISTERED};
use crate::domain::observed::{OF_LATE, Observed, ObservedKind, strangers};
use crate::domain::posture::{CheckReport, Posture};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::metrics::{Label, Metrics, declare};
use crate::store::CheckRow;

/// The codes shown of one stream; the worst come first.
const CODES: usize = 16;

/// How many senders are counted that nobody registered.
const MOST_SENDERS: i64 = 1_000;

declare! {
    /// The truth about the streams' records.
    pub struct CheckGauges {
        /// 1 for the last known posture of a stream (pass, at_risk, failing; unknown until one is known), 0 for the others.
        dns_posture: Gauge(stream, posture),
        /// State of an area (spf, dkim, dmarc, mailfrom, relay, dns) at the last check: 0 pass, 1 warn, 2 fail, 3 unknown.
        dns_status: Gauge(stream, area),
        /// State of Apple's two paths (spf, dkim) at the last check: 0 pass, 1 warn, 2 fail, 3 unknown. One that is open is enough.
        dns_apple_path: Gauge(stream, path),
        /// Findings of the last check, by severity.
        dns_findings: Gauge(stream, severity),
        /// 1 for each of the worst findings of the last check, by code.
        dns_finding: Gauge(stream, code),
        /// When the records were last looked at, in seconds since the Unix epoch; 0 when never.
        dns_last_check_timestamp_seconds: Gauge(stream),
        /// Since when checks cannot tell how the records stand, in seconds since the Unix epoch; 0 when the last one could.
        dns_unknown_since_timestamp_seconds: Gauge(stream),
        /// Since when the known posture stands, in seconds since the Unix epoch; 0 when none is known.
        dns_posture_since_timestamp_seconds: Gauge(stream),
        /// Questions that the last check needed.
        dns_check_queries: Gauge(stream),
        /// Time the last check took, in seconds.
        dns_check_seconds: Gauge(stream),
        /// Domains that mail was sent from within seven days, by what ESPs reported, and that no stream registers; at most 1000 are counted.
        unregistered_senders: Gauge(),
        /// Domains that ESPs reported within seven days and that no stream of the team registers, by where they stood (from, envelope, dkim); of the 10000 seen last.
        unregistered_domains: Gauge(kind),
    }
}

/// Has the gauges read before every scrape.
pub fn watch_checks(means: Means, intake: &Intake, gauges: CheckGauges, metrics: &Metrics) {
    let context = std::sync::Arc::clone(intake.context());
    metrics.on_scrape("checks", move || {
        let (means, gauges, context) = (means.clone(), gauges.clone(), std::sync::Arc::clone(&context));
        async move {
            let since = means.clock.now().minus(OF_LATE);
            let read = async {
                let mut tx = means.store.read().await?;
                let senders = tx.senders_of(UNREGISTERED, since, MOST_SENDERS).await?.len();
                Ok((tx.checks().await?, senders, tx.observed_domains(since).await?))
            };
            let (rows, senders, seen) = read.await.map_err(|error: crate::store::StoreError| error.to_string())?;
            gauges.unregistered_senders.set([], senders as f64);
            let book = context.streams.load();
            count_strangers(&gauges, &seen, book.all());
            let rows = rows.into_iter().map(|row| (row.stream.clone(), row)).collect();
            let streams: Vec<StreamName> = book.all().iter().map(|stream| stream.name.clone()).collect();
            show(&gauges, &streams, &rows);
            Ok(())
        }
    });
}

/// A domain that two ESPs or two streams show is one.
fn count_strangers(gauges: &CheckGauges, seen: &[Observed], streams: &[Stream]) {
    let strangers: BTreeSet<_> =
        strangers(seen, streams).map(|seen| (&seen.what.team, seen.what.kind, &seen.what.value)).collect();
    for kind in ObservedKind::DOMAINS {
        let count = strangers.iter().filter(|(_, of, _)| *of == kind).count();
        gauges.unregistered_domains.set([&kind.as_str()], count as f64);
    }
}

type Series<const N: usize> = Vec<([Text; N], f64)>;

/// A label's text: a stream's name, or a word of the code.
enum Text {
    Stream(StreamName),
    Word(&'static str),
}

impl Label for Text {
    fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Stream(name) => name.as_str().into(),
            Self::Word(word) => (*word).into(),
        }
    }
}

#[derive(Default)]
struct All {
    posture: Series<2>,
    status: Series<2>,
    paths: Series<2>,
    findings: Series<2>,
    codes: Series<2>,
    checked: Series<1>,
    unknown_since: Series<1>,
    posture_since: Series<1>,
    queries: Series<1>,
    seconds: Series<1>,
}

fn show(gauges: &CheckGauges, streams: &[StreamName], rows: &BTreeMap<StreamName, CheckRow>) {
    let mut all = All::default();
    for stream in streams {
        all.add(stream, rows.get(stream));
    }
    set(&gauges.dns_posture, &all.posture);
    set(&gauges.dns_status, &all.status);
    set(&gauges.dns_apple_path, &all.paths);
    set(&gauges.dns_findings, &all.findings);
    set(&gauges.dns_finding, &all.codes);
    set(&gauges.dns_last_check_timestamp_seconds, &all.checked);
    set(&gauges.dns_unknown_since_timestamp_seconds, &all.unknown_since);
    set(&gauges.dns_posture_since_timestamp_seconds, &all.posture_since);
    set(&gauges.dns_check_queries, &all.queries);
    set(&gauges.dns_check_seconds, &all.seconds);
}

fn set<const N: usize>(gauge: &crate::metrics::Gauge<N>, rows: &Series<N>) {
    gauge.replace_all(rows.iter().map(|(labels, value)| (labels.each_ref().map(|label| label as &dyn Label), *value)));
}

impl All {
    fn add(&mut self, stream: &StreamName, row: Option<&CheckRow>) {
        let name = || Text::Stream(stream.clone());
        let memory = row.map(|row| row.memory.clone()).unwrap_or_default();
        for posture in Posture::ALL {
            let is_it = f64::from(u8::from(posture == memory.posture));
            self.posture.push(([name(), Text::Word(posture.as_str())], is_it));
        }
        let seconds = |at: Option<Timestamp>| at.map_or(0.0, |at| at.micros() as f64 / 1e6);
        self.checked.push(([name()], seconds(row.and_then(|row| row.checked_at))));
        self.unknown_since.push(([name()], seconds(memory.unknown_since)));
        self.posture_since.push(([name()], seconds(memory.since)));
        let report = row.and_then(|row| row.report.as_deref());
        let Some(report) = report.and_then(|text| serde_json::from_str::<CheckReport>(text).ok()) else { return };
        for (part, state) in report.states() {
            match part.strip_suffix("_path") {
                Some("spf") => self.paths.push(([name(), Text::Word("spf")], number(state))),
                Some(_) => self.paths.push(([name(), Text::Word("dkim")], number(state))),
                None => self.status.push(([name(), Text::Word(part)], number(state))),
            }
        }
        for severity in [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info] {
            let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
            self.findings.push(([name(), Text::Word(severity.as_str())], count as f64));
        }
        for code in report.codes().into_iter().take(CODES) {
            self.codes.push(([name(), Text::Word(code)], 1.0));
        }
        self.queries.push(([name()], report.queries as f64));
        self.seconds.push(([name()], report.seconds));
    }
}

fn number(state: State) -> f64 {
    match state {
        State::Pass => 0.0,
        State::Warn => 1.0,
        State::Fail => 2.0,
        State::Unknown => 3.0,
    }
}
