//! The daemon: three listeners around one door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::sync::{mpsc, oneshot};

use super::sources::Endpoints;
use super::{Core, all_streams, endpoints, jobs};
use crate::clock::Clock;
use crate::config::Config;
use crate::dns::{DnsMetrics, Resolvers};
use crate::domain::stream::StreamBook;
use crate::http::api::auth::Tokens;
use crate::http::api::tasks::Tasks;
use crate::http::api::{self, Api, Checkup};
use crate::http::body::{BodyLimits, InFlight};
use crate::http::hooks::{self, Act, Hooks};
use crate::http::listener::{Limits, Listener};
use crate::http::operations::{self, Check};
use crate::index;
use crate::shutdown::{Ended, Shutdown};
use crate::sources::Action;
use crate::sources::import::Directory;
use crate::store::StoreError;

/// How often streams registered by another replica are looked for.
const STREAMS_ANEW: Duration = Duration::from_secs(10);

/// How often confirming a subscription is tried, and the pause between.
const CONFIRM_TRIES: u32 = 4;
const CONFIRM_PAUSE: Duration = Duration::from_secs(5);

/// The listeners by name. Where they are one, it is that of the hooks.
const HOOKS: &str = "hooks";
const API: &str = "api";

/// Where the daemon listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Providers post here.
    pub hooks: SocketAddr,
    /// The API.
    pub api: SocketAddr,
    /// Metrics and readiness.
    pub operations: SocketAddr,
}

/// Runs the daemon until it is told to stop. `ready` is told where it listens once it can answer.
///
/// # Errors
/// When it cannot start.
pub async fn serve(
    config: Config,
    clock: Clock,
    migrate: bool,
    orders: mpsc::Receiver<&'static str>,
    ready: Option<oneshot::Sender<Bound>>,
) -> anyhow::Result<Ended> {
    let server = config.server.clone();
    let shutdown = Shutdown::new();
    // Bound before anything is opened: a second daemon on the same addresses ends here and touches nothing.
    let hooks_listener = Listener::bind(HOOKS, server.hooks_listen).await?;
    let api_listener = if server.is_shared() { None } else { Some(Listener::bind(API, server.api_listen).await?) };
    let operations_listener = Listener::bind("operations", server.operations_listen).await?;
    let core = Core::open(config, clock.clone(), migrate).await?;
    let endpoints = endpoints(&core.config)?;
    let resolvers = Resolvers::new(&core.config.dns).context("finding the system's resolvers")?;
    let resolvers = resolvers.counted(&DnsMetrics::register(core.metrics.registry())?);
    if let Some(path) = core.first_token().await? {
        tracing::info!(file = %path.display(), "made a token for the API that may do everything");
    }
    if let Some(key_set) = &endpoints.key_set {
        key_set.refresh(clock.now()).await;
        if key_set.fetched_at().is_none() && core.config.apple.keys_file.is_none() {
            tracing::warn!("Apple's keys could not be fetched yet: notifications are answered 503 until they are");
        }
    }
    let bound = Bound {
        hooks: hooks_listener.address(),
        api: api_listener.as_ref().unwrap_or(&hooks_listener).address(),
        operations: operations_listener.address(),
    };
    let limits = Limits {
        connections: server.max_connections,
        header_timeout: server.header_timeout.get(),
        retry_after: core.config.limits.retry_after.get(),
    };
    let http = &core.metrics.http;
    let in_flight = InFlight::new(server.in_flight_bytes.get(), http.http_body_bytes_in_flight.clone());
    let api = api::router(build_api(&core, &in_flight, &shutdown, &resolvers));
    let hooks = hooks::router(build_hooks(&core, &endpoints, &in_flight, &shutdown));
    let work = shutdown.work();
    let spawn = |listener: Listener, router: Router| {
        work.tasks().spawn(listener.serve(router, limits, http.clone(), work.clone()));
    };
    match api_listener {
        Some(api_listener) => {
            spawn(hooks_listener, hooks);
            spawn(api_listener, api);
        }
        None => spawn(hooks_listener, hooks.merge(api)),
    }
    let operations = operations::router(core.metrics.clone(), checks(&core), work.stop().clone());
    let watch = shutdown.watch();
    watch.tasks().spawn(operations_listener.serve(operations, limits, http.clone(), watch.clone()));
    gauges(&core);
    follow_log(&core, &shutdown);
    watch_intake(&core, &shutdown);
    let scheduler = jobs::scheduler(&core, &resolvers).await?;
    shutdown.spawn_essential("jobs", scheduler.run(work.clone()));
    follow_streams(&core, &shutdown);
    tracing::info!(hooks = %bound.hooks, api = %bound.api, operations = %bound.operations, "ready");
    if let Some(ready) = ready {
        let _ = ready.send(bound);
    }
    let ended = shutdown.run(orders, server.shutdown_grace.get()).await;
    core.close().await;
    tracing::info!(?ended, "stopped");
    Ok(ended)
}

fn build_api(core: &Core, in_flight: &InFlight, shutdown: &Shutdown, resolvers: &Resolvers) -> Api {
    let server = &core.config.server;
    let retry_after = core.config.limits.retry_after.get();
    Api {
        intake: core.intake.clone(),
        tokens: Tokens::of(core.store.clone(), core.clock.clone()),
        teams: core.config.teams.iter().map(|team| team.id.clone()).collect(),
        directory: Arc::new(Directory::new(core.config.teams.clone())),
        configured: core.config.streams.0.clone().into(),
        in_flight: in_flight.clone(),
        body: BodyLimits { bytes: server.body_bytes.get(), timeout: server.body_timeout.get(), retry_after },
        tasks: Tasks::new(if server.is_shared() { HOOKS } else { API }, core.metrics.http.clone()),
        stopping: shutdown.work().stop().clone(),
        clock: core.clock.clone(),
        checkup: Checkup { resolvers: resolvers.clone(), deadline: core.config.dns.deadline.get() },
    }
}

fn build_hooks(core: &Core, endpoints: &Endpoints, in_flight: &InFlight, shutdown: &Shutdown) -> Hooks {
    Hooks {
        endpoints: Arc::new(endpoints.hooks.clone()),
        intake: core.intake.clone(),
        in_flight: in_flight.clone(),
        body_timeout: core.config.server.body_timeout.get(),
        retry_after: core.config.limits.retry_after.get(),
        clock: core.clock.clone(),
        metrics: core.metrics.hooks.clone(),
        act: act(endpoints, shutdown),
        tee: jobs::tee_names(&core.config).into(),
    }
}

/// Confirms subscriptions in the background: SNS has had its answer already.
fn act(endpoints: &Endpoints, shutdown: &Shutdown) -> Act {
    let (verifier, fetch) = (Arc::clone(&endpoints.verifier), Arc::clone(&endpoints.sns_fetch));
    let stage = shutdown.work().clone();
    Arc::new(move |action| {
        let Action::ConfirmSubscription { topic_arn, token } = action else { return };
        let url = match verifier.hosts().confirmation_url(&topic_arn, &token) {
            Ok(url) => url,
            Err(because) => return tracing::error!(topic_arn, because, "the subscription cannot be confirmed"),
        };
        let fetch = Arc::clone(&fetch);
        let stop = stage.stop().clone();
        stage.tasks().spawn(async move {
            for attempt in 1..=CONFIRM_TRIES {
                match fetch.get(&url, 64 << 10).await {
                    Ok(_) => return tracing::info!(topic_arn, "confirmed the subscription"),
                    Err(error) => tracing::warn!(topic_arn, attempt, %error, "the subscription was not confirmed"),
                }
                tokio::select! { () = tokio::time::sleep(CONFIRM_PAUSE) => (), () = stop.cancelled() => return }
            }
            tracing::error!(topic_arn, "gave up confirming the subscription: ask SNS for it again");
        });
    })
}

fn checks(core: &Core) -> Vec<Check> {
    let (store, queue) = (core.store.clone(), core.intake.downgrade());
    let index = Arc::clone(&core.intake.context().index);
    vec![
        Check::new("store", move || {
            let store = store.clone();
            async move {
                let answer = async { store.read().await?.head().await };
                answer.await.map(drop).map_err(|e: StoreError| e.to_string())
            }
        }),
        Check::new("index", move || {
            let loaded = index.is_loaded();
            async move { loaded.then_some(()).ok_or_else(|| "it is being loaded".to_owned()) }
        }),
        Check::new("intake", move || {
            let open = queue.is_open();
            async move { open.then_some(()).ok_or_else(|| "the intake worker has ended".to_owned()) }
        }),
    ]
}

crate::metrics::declare! {
    /// The store, as it is at scrape.
    pub struct StoreMetrics {
        /// The last number given in the log.
        log_head: Gauge(),
        /// Quarantined parts that wait to be read after all.
        quarantine_waiting: Gauge(),
        /// Events waiting for the disk.
        intake_queue_events: Gauge(),
        /// Addresses in the index.
        index_addresses: Gauge(),
        /// Bytes the index takes.
        index_bytes: Gauge(),
        /// Seconds since the index was last sure to be up to date.
        index_staleness_seconds: Gauge(),
    }
}

/// Gauges are read from the store at scrape, so they are true after a restart.
fn gauges(core: &Core) {
    let metrics = match StoreMetrics::register(core.metrics.registry()) {
        Ok(metrics) => metrics,
        Err(error) => return tracing::error!(%error, "the store's gauges cannot be shown"),
    };
    let (store, queue) = (core.store.clone(), core.intake.downgrade());
    let (index, clock) = (Arc::clone(&core.intake.context().index), core.clock.clone());
    core.metrics.on_scrape("store", move || {
        let (store, metrics) = (store.clone(), metrics.clone());
        metrics.intake_queue_events.set([], queue.waiting() as f64);
        let (addresses, bytes) = index.size();
        metrics.index_addresses.set([], addresses as f64);
        metrics.index_bytes.set([], bytes as f64);
        metrics.index_staleness_seconds.set([], clock.now().since(index.sure_at()).as_secs_f64());
        async move {
            let read = async {
                let mut tx = store.read().await?;
                Ok::<_, StoreError>((tx.head().await?, tx.count_quarantined().await?))
            };
            let (head, waiting) = read.await.map_err(|e| e.to_string())?;
            metrics.log_head.set([], head as f64);
            metrics.quarantine_waiting.set([], waiting as f64);
            Ok(())
        }
    });
}

/// Loads the index and keeps it at the head of the log.
fn follow_log(core: &Core, shutdown: &Shutdown) {
    let context = core.intake.context();
    let stop = shutdown.work().stop().clone();
    let following =
        index::follow(Arc::clone(&context.index), core.store.clone(), context.policy.clone(), core.clock.clone(), stop);
    shutdown.work().tasks().spawn(following);
}

/// Ends the daemon when the intake worker ends by itself: every hook would be answered 503 from then on.
fn watch_intake(core: &Core, shutdown: &Shutdown) {
    let (intake, stop) = (core.intake.clone(), shutdown.work().stop().clone());
    // Not the worker itself: it goes on until the work has been drained, and the door is let go of when stopping begins.
    shutdown.spawn_essential("intake", async move {
        tokio::select! { () = intake.ended() => (), () = stop.cancelled() => () }
    });
}

/// Looks for streams that another replica or a command registered, and for those that another replica found to be refused.
fn follow_streams(core: &Core, shutdown: &Shutdown) {
    let (config, store, context) = (Arc::clone(&core.config), core.store.clone(), Arc::clone(core.intake.context()));
    let stop = shutdown.work().stop().clone();
    shutdown.work().tasks().spawn(async move {
        loop {
            tokio::select! { () = tokio::time::sleep(STREAMS_ANEW) => (), () = stop.cancelled() => return }
            if let Err(error) = context.failing.refresh(&store).await {
                tracing::warn!(%error, "which streams Apple refuses may be out of date");
            }
            match all_streams(&config, &store).await.context("reading the streams") {
                Ok(streams) => context.streams.store(Arc::new(StreamBook::new(streams))),
                Err(error) => tracing::warn!(error = %error, "streams may be out of date"),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_intake_worker_that_ends_by_itself_ends_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { store: crate::config::store::Store::embedded(folder.path()), ..Config::default() };
        let core = Core::open(config, Clock::system(), true).await.unwrap();
        let shutdown = Shutdown::new();
        watch_intake(&core, &shutdown);
        core.worker.abort();
        let (_give, orders) = mpsc::channel(1);
        let ended = tokio::time::timeout(Duration::from_secs(10), shutdown.run(orders, Duration::from_secs(60))).await;
        assert_eq!(ended, Ok(Ended::Failed("intake")));
    }
}
