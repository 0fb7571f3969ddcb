//! Wires the scheduled work: what destinations must hear, what Apple's bodies are passed on to, what time settles, what age drops.

use std::sync::Arc;

use anyhow::Context as _;

use super::{Core, canaries};
use crate::config::Config;
use crate::dns::Resolvers;
use crate::intake::Destination;
use crate::jobs::{
    CanaryGauges, CheckDomains, CheckGauges, CollectCanaries, DeliverOutbox, JobMetrics, Means, OutboxGauges,
    OutboxMetrics, OutboxWatch, Outgoing, PassOnTee, Prune, Scheduler, SendCanaries, SettleCanaries, SettleHolds,
    TeeMetrics, start_deliveries, watch_canaries, watch_checks, watch_tee,
};
use crate::outputs::system_lookup;

/// The destinations, as intake must know them.
pub(super) fn destinations(config: &Config) -> Vec<Destination> {
    config.destinations.0.iter().map(Destination::from).collect()
}

/// Everything that runs on a schedule, ready to run. What a destination only observed so far becomes due when it delivers now.
///
/// # Errors
/// Names the destination or target that cannot be opened.
pub(super) async fn scheduler(core: &Core, resolvers: &Resolvers) -> anyhow::Result<Scheduler> {
    let config = &core.config;
    let means = Means {
        store: core.store.clone(),
        keyring: Arc::clone(&core.intake.context().keyring),
        clock: core.clock.clone(),
        random: super::random,
    };
    let registry = core.metrics.registry();
    let mut scheduler = Scheduler::new(means.clone(), JobMetrics::register(registry)?)
        .every(Arc::new(SettleHolds::new(core.intake.clone())))
        .every(Arc::new(Prune::new(means.clone(), config.retention.clone())));
    if config.checks.enabled {
        let (checks, deadline) = (config.checks.clone(), config.dns.deadline.get());
        let job = CheckDomains::new(means.clone(), core.intake.clone(), resolvers.clone(), checks, deadline);
        scheduler = scheduler.every(Arc::new(job));
    }
    watch_checks(means.clone(), &core.intake, CheckGauges::register(registry)?, &core.metrics);
    if !config.canaries.routes.is_empty() {
        scheduler = scheduler.every(Arc::new(SettleCanaries::new(core.intake.clone())));
        let post = Arc::new(canaries::post(core)?);
        for round in core.intake.context().canaries.rounds() {
            scheduler = scheduler.every(Arc::new(SendCanaries::new(core.intake.clone(), round, Arc::clone(&post))));
        }
        for section in &config.mailboxes.0 {
            let (clock, keep) = (core.clock.clone(), config.canaries.keep.get());
            let collect = CollectCanaries::open(core.intake.clone(), clock, section, keep)
                .with_context(|| format!("mailbox {}", section.name))?;
            scheduler = scheduler.every(Arc::new(collect));
        }
        watch_canaries(means.clone(), &core.intake, CanaryGauges::register(registry)?, &core.metrics);
    }
    let outbox = OutboxMetrics::register(registry)?;
    let mut names = Vec::new();
    let mut opened = Vec::new();
    for section in &config.destinations.0 {
        let to = Outgoing::open(section, system_lookup()).with_context(|| format!("destination {}", section.name))?;
        names.push(section.name.clone());
        opened.push(to);
    }
    let started = start_deliveries(&core.store, &opened, core.clock.now()).await?;
    if started > 0 {
        tracing::info!(started, "what was only observed until now is due");
    }
    for to in opened.into_iter().filter(|to| to.mode.delivers()) {
        let job = DeliverOutbox::new(means.clone(), to, outbox.clone());
        scheduler = scheduler.woken_by(core.intake.head(), Arc::new(job));
    }
    OutboxWatch::new(means.clone(), OutboxGauges::register(registry)?, names).on_scrape(&core.metrics);
    let tee = TeeMetrics::register(registry)?;
    for section in &config.tee.0 {
        let job = PassOnTee::open(means.clone(), section, system_lookup(), tee.clone())
            .with_context(|| format!("tee {}", section.name))?;
        scheduler = scheduler.woken_by(core.intake.head(), Arc::new(job));
    }
    watch_tee(means, tee, tee_names(config), &core.metrics);
    Ok(scheduler)
}

/// The names of the targets that Apple's bodies are passed on to.
pub(super) fn tee_names(config: &Config) -> Vec<String> {
    config.tee.0.iter().map(|t| t.name.clone()).collect()
}
