//! Metrics with as many labels as they were declared with, and the macro that declares them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::label::Label;

/// Buckets for how long something took, in seconds.
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets for how many things were done at once.
pub const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

/// A number that only rises while the process lives.
#[derive(Debug, Clone)]
pub struct Counter<const N: usize>(IntCounterVec);

impl<const N: usize> Counter<N> {
    /// Registers it. Without labels it is shown from the start, as 0.
    ///
    /// # Errors
    /// When the name is taken or is no metric name.
    pub fn declare(registry: &Registry, name: &str, help: &str, labels: [&str; N]) -> prometheus::Result<Self> {
        let family = IntCounterVec::new(Opts::new(name, help), &labels)?;
        registry.register(Box::new(family.clone()))?;
        if N == 0 {
            family.with_label_values::<&str>(&[]);
        }
        Ok(Self(family))
    }

    /// One more.
    pub fn inc(&self, labels: [&dyn Label; N]) {
        self.add(labels, 1);
    }

    /// `n` more.
    pub fn add(&self, labels: [&dyn Label; N], n: u64) {
        self.0.with_label_values(&labels.map(Label::text)).inc_by(n);
    }

    /// The present count.
    pub fn get(&self, labels: [&dyn Label; N]) -> u64 {
        self.0.with_label_values(&labels.map(Label::text)).get()
    }
}

/// A number that rises and falls.
#[derive(Debug, Clone)]
pub struct Gauge<const N: usize> {
    family: GaugeVec,
    /// The only series of a family without labels: it need not be looked up.
    alone: Option<prometheus::Gauge>,
    shown: Arc<Mutex<BTreeSet<[String; N]>>>,
}

impl<const N: usize> Gauge<N> {
    /// Registers it. Without labels it is shown from the start, as 0.
    ///
    /// # Errors
    /// When the name is taken or is no metric name.
    pub fn declare(registry: &Registry, name: &str, help: &str, labels: [&str; N]) -> prometheus::Result<Self> {
        let family = GaugeVec::new(Opts::new(name, help), &labels)?;
        registry.register(Box::new(family.clone()))?;
        let alone = (N == 0).then(|| family.with_label_values::<&str>(&[]));
        Ok(Self { family, alone, shown: Arc::default() })
    }

    /// Sets one series.
    pub fn set(&self, labels: [&dyn Label; N], value: f64) {
        self.family.with_label_values(&labels.map(Label::text)).set(value);
    }

    /// Changes one series by `delta`.
    pub fn add(&self, labels: [&dyn Label; N], delta: f64) {
        match &self.alone {
            Some(alone) => alone.add(delta),
            None => self.family.with_label_values(&labels.map(Label::text)).add(delta),
        }
    }

    /// Sets the whole family to what was just read. A series of an earlier call that is not among `rows` becomes 0 and
    /// stays, so that a drained queue is seen to be empty and does not vanish from a graph.
    pub fn set_all<'a>(&self, rows: impl IntoIterator<Item = ([&'a dyn Label; N], f64)>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = self.set_each(rows);
        for gone in shown.difference(&now) {
            self.family.with_label_values(gone).set(0.0);
        }
        shown.append(&mut now);
    }

    /// Sets the whole family to what was just read, and no more: a series of an earlier call that is not among `rows` is gone. For
    /// labels of which some go for good, such as the codes of faults that were mended.
    pub fn replace_all<'a>(&self, rows: impl IntoIterator<Item = ([&'a dyn Label; N], f64)>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.set_each(rows);
        for gone in shown.difference(&now) {
            // One that is not there is gone already.
            let _ = self.family.remove_label_values(gone);
        }
        *shown = now;
    }

    /// Sets a series for each row; tells which.
    fn set_each<'a>(&self, rows: impl IntoIterator<Item = ([&'a dyn Label; N], f64)>) -> BTreeSet<[String; N]> {
        let set = |(labels, value): ([&'a dyn Label; N], f64)| {
            let key = labels.map(|label| label.text().into_owned());
            self.family.with_label_values(&key).set(value);
            key
        };
        rows.into_iter().map(set).collect()
    }

    /// The present value.
    pub fn get(&self, labels: [&dyn Label; N]) -> f64 {
        self.family.with_label_values(&labels.map(Label::text)).get()
    }
}

/// A distribution.
#[derive(Debug, Clone)]
pub struct Histogram<const N: usize>(HistogramVec);

impl<const N: usize> Histogram<N> {
    /// Registers it with the upper bounds of its buckets. Without labels it is shown from the start.
    ///
    /// # Errors
    /// When the name is taken or is no metric name, or the bounds do not rise.
    pub fn declare(
        registry: &Registry,
        name: &str,
        help: &str,
        labels: [&str; N],
        bounds: &[f64],
    ) -> prometheus::Result<Self> {
        let family = HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), &labels)?;
        registry.register(Box::new(family.clone()))?;
        if N == 0 {
            family.with_label_values::<&str>(&[]);
        }
        Ok(Self(family))
    }

    /// Counts one value.
    pub fn observe(&self, labels: [&dyn Label; N], value: f64) {
        self.0.with_label_values(&labels.map(Label::text)).observe(value);
    }

    /// Counts one duration, in seconds.
    pub fn observe_span(&self, labels: [&dyn Label; N], span: Duration) {
        self.observe(labels, span.as_secs_f64());
    }

    /// How many values were counted.
    pub fn count(&self, labels: [&dyn Label; N]) -> u64 {
        self.0.with_label_values(&labels.map(Label::text)).get_sample_count()
    }
}

/// Declares a struct of metrics: a line of help above each, then `name: Kind(labels)`, with the bounds in brackets for a
/// histogram. The field's name is the metric's, after `relaywatch_`; the help is the doc comment.
///
/// ```ignore
/// declare! {
///     /// What the DNS resolver does.
///     pub struct DnsMetrics {
///         /// Questions asked, by record type and result.
///         dns_queries_total: Counter(record, result),
///         /// How long an answer took.
///         dns_query_seconds: Histogram[SECONDS](record),
///     }
/// }
/// let metrics = DnsMetrics::register(metrics.registry())?;
/// ```
macro_rules! declare {
    (
        $(#[doc = $about:literal])+
        pub struct $set:ident {
            $( $(#[doc = $help:literal])+ $name:ident : $kind:ident $([$bounds:expr])? ($($label:ident),* $(,)?) ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $set {
            $( $(#[doc = $help])+
               pub $name: $crate::metrics::$kind<{ <[&str]>::len(&[$(stringify!($label)),*]) }>, )+
        }

        impl $set {
            /// The names, without the prefix.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Registers them all.
            ///
            /// # Errors
            /// When a name is taken.
            pub fn register(registry: &prometheus::Registry) -> prometheus::Result<Self> {
                Ok(Self {
                    $( $name: $crate::metrics::$kind::declare(
                        registry,
                        stringify!($name),
                        concat!($($help),+).trim(),
                        [$(stringify!($label)),*],
                        $($bounds)?
                    )?, )+
                })
            }
        }
    };
}

pub(crate) use declare;
