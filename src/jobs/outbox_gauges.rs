//! How the outboxes stand, read from the store at every scrape.

use super::Means;
use crate::domain::breaker::WINDOW;
use crate::domain::time::Timestamp;
use crate::metrics::{Configured, Gauge, Label, Metrics, declare};
use crate::store::{Halt, OutboxSummary};

declare! {
    /// The truth about the outboxes.
    pub struct OutboxGauges {
        /// Changes that wait to be delivered, by destination.
        outbox_waiting: Gauge(destination),
        /// Changes given up, until a person revives them, by destination.
        outbox_dead: Gauge(destination),
        /// Age of the oldest change that waits, in seconds, by destination.
        outbox_oldest_waiting_seconds: Gauge(destination),
        /// Users whose state changed within the last hour, by destination: what the breaker looks at.
        outbox_changed_last_hour: Gauge(destination),
        /// Users for whom a reversal stands in place of the desired state, by destination.
        outbox_reversed: Gauge(destination),
        /// 1 while a destination stands still until a person says go. Always an alert.
        outbox_halted: Gauge(destination),
    }
}

/// Reads them.
#[derive(Clone)]
pub struct OutboxWatch {
    means: Means,
    gauges: OutboxGauges,
    destinations: Vec<String>,
}

struct Reading {
    summary: OutboxSummary,
    changed: i64,
    reversed: i64,
    halt: Halt,
}

impl OutboxWatch {
    /// Watches these destinations.
    pub fn new(means: Means, gauges: OutboxGauges, destinations: Vec<String>) -> Self {
        Self { means, gauges, destinations }
    }

    /// Has them read before every scrape.
    pub fn on_scrape(self, metrics: &Metrics) {
        metrics.on_scrape("outbox", move || {
            let watch = self.clone();
            async move { watch.refresh().await.map_err(|error| error.to_string()) }
        });
    }

    async fn refresh(&self) -> crate::store::Result<()> {
        let now = self.means.clock.now();
        let mut tx = self.means.store.read().await?;
        let mut read = Vec::new();
        for name in &self.destinations {
            let reading = Reading {
                summary: tx.outbox_summary(name).await?,
                changed: tx.changed_since(name, now.minus(WINDOW)).await?,
                reversed: tx.count_reversed(name).await?,
                halt: tx.halt_of(name).await?,
            };
            read.push((Configured(name), reading));
        }
        let show = |gauge: &Gauge<1>, value: &dyn Fn(&Reading) -> f64| {
            gauge.set_all(read.iter().map(|(name, reading)| ([name as &dyn Label], value(reading))));
        };
        let age = |micros| now.since(Timestamp::from_micros(micros)).as_secs_f64();
        show(&self.gauges.outbox_waiting, &|r| r.summary.waiting as f64);
        show(&self.gauges.outbox_dead, &|r| r.summary.dead as f64);
        show(&self.gauges.outbox_oldest_waiting_seconds, &|r| r.summary.oldest_waiting_micros.map_or(0.0, age));
        show(&self.gauges.outbox_changed_last_hour, &|r| r.changed as f64);
        show(&self.gauges.outbox_reversed, &|r| r.reversed as f64);
        show(&self.gauges.outbox_halted, &|r| f64::from(u8::from(r.halt.halted.is_some())));
        Ok(())
    }
}
