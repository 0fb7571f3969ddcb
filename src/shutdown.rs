//! Stopping in order: first nothing new is taken and what runs may finish, then, when told twice or too late, an end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// How long tasks that were told to abort, and then the operations listener, may take before the process ends without
/// them.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The two tokens and the tasks of one group that stops together. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Stage {
    /// Take nothing new from here on; finish what is in hand.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Drop what is in hand.
    pub fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// The tasks that are waited for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn abort_now(&self) {
        self.stop.cancel();
        self.abort.cancel();
    }
}

/// The shutdown of the process. Cheap to clone; every clone is the same shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    work: Stage,
    watch: Stage,
    failed: Arc<OnceLock<&'static str>>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything in hand was finished.
    Drained,
    /// The grace was over, or a second signal came, and what was left was dropped.
    Forced,
    /// An essential task ended by itself; the rest was drained or dropped. The process should exit with an error.
    Failed(&'static str),
}

impl Shutdown {
    /// A process that is to go on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that takes part in the work: hooks, API, intake, jobs.
    pub fn work(&self) -> &Stage {
        &self.work
    }

    /// What must be seen while the work drains, and so stops after it: the operations listener.
    pub fn watch(&self) -> &Stage {
        &self.watch
    }

    /// Begins to stop: the first signal. Doing it again does nothing.
    pub fn begin(&self) {
        self.work.stop.cancel();
    }

    /// Whether stopping has begun.
    pub fn has_begun(&self) -> bool {
        self.work.stop.is_cancelled()
    }

    /// Runs a task the daemon cannot live without. If it ends before stopping has begun, or panics, stopping begins and
    /// [`Shutdown::run`] answers [`Ended::Failed`] with this name.
    pub fn spawn_essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.clone();
        self.work.tasks.spawn(async move {
            let outcome = AssertUnwindSafe(task).catch_unwind().await;
            if outcome.is_err() || !shutdown.has_begun() {
                error!(task = name, panicked = outcome.is_err(), "essential task {name} ended, stopping");
                let _ = shutdown.failed.set(name);
                shutdown.begin();
            }
        });
    }

    /// Waits for the order to stop, then for the work to end: an order is a message on `orders` or a call of
    /// [`Shutdown::begin`]. A second message, or `grace` going by, drops what is left.
    pub async fn run(&self, mut orders: mpsc::Receiver<&'static str>, grace: Duration) -> Ended {
        tokio::select! {
            () = self.work.stop.cancelled() => info!("stopping"),
            signal = next(&mut orders) => {
                info!(signal, "stopping on {signal}");
                self.begin();
            }
        }
        let drained = tokio::select! {
            () = self.work.ended() => true,
            signal = next(&mut orders) => {
                warn!(signal, tasks = self.work.tasks.len(), "second signal, dropping what is left");
                false
            }
            () = tokio::time::sleep(grace) => {
                warn!(tasks = self.work.tasks.len(), "grace is over, dropping what is left");
                false
            }
        };
        if !drained {
            self.work.abort_now();
            if tokio::time::timeout(LAST_WAIT, self.work.ended()).await.is_err() {
                error!(tasks = self.work.tasks.len(), "tasks did not end when told to");
            }
        }
        self.watch.stop.cancel();
        if tokio::time::timeout(LAST_WAIT, self.watch.ended()).await.is_err() {
            self.watch.abort_now();
        }
        match (self.failed.get(), drained) {
            (Some(name), _) => Ended::Failed(name),
            (None, true) => Ended::Drained,
            (None, false) => Ended::Forced,
        }
    }
}

/// The next order; never when nobody is left to give one.
async fn next(orders: &mut mpsc::Receiver<&'static str>) -> &'static str {
    match orders.recv().await {
        Some(order) => order,
        None => std::future::pending().await,
    }
}

/// SIGTERM and SIGINT as orders for [`Shutdown::run`].
///
/// # Errors
/// When the handlers cannot be installed.
pub fn signals() -> std::io::Result<mpsc::Receiver<&'static str>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (give, orders) = mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let order = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if give.send(order).await.is_err() {
                return;
            }
        }
    });
    Ok(orders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    const LONG: Duration = Duration::from_secs(60);

    fn worker(shutdown: &Shutdown, finish: oneshot::Receiver<()>) {
        let stage = shutdown.work().clone();
        shutdown.work().tasks().spawn(async move {
            tokio::select! { _ = finish => (), () = stage.abort().cancelled() => () }
        });
    }

    #[tokio::test]
    async fn one_order_waits_for_what_is_in_hand() {
        let shutdown = Shutdown::new();
        let (finish, finished) = oneshot::channel();
        worker(&shutdown, finished);
        let (give, orders) = mpsc::channel(2);
        let run = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.run(orders, LONG).await }
        });
        give.send("SIGTERM").await.unwrap();
        shutdown.work().stop().cancelled().await;
        assert!(shutdown.has_begun() && !shutdown.work().abort().is_cancelled() && !run.is_finished());
        assert!(!shutdown.watch().stop().is_cancelled(), "operations are served while the work drains");
        finish.send(()).unwrap();
        assert_eq!(run.await.unwrap(), Ended::Drained);
        assert!(shutdown.watch().stop().is_cancelled());
    }

    #[tokio::test]
    async fn a_second_order_drops_what_is_left() {
        let shutdown = Shutdown::new();
        let (_finish, finished) = oneshot::channel();
        worker(&shutdown, finished);
        let (give, orders) = mpsc::channel(2);
        give.send("SIGINT").await.unwrap();
        give.send("SIGINT").await.unwrap();
        assert_eq!(shutdown.run(orders, LONG).await, Ended::Forced);
    }

    #[tokio::test]
    async fn the_grace_ends_and_so_does_the_work() {
        let shutdown = Shutdown::new();
        let (_finish, finished) = oneshot::channel();
        worker(&shutdown, finished);
        shutdown.begin();
        let (_give, orders) = mpsc::channel(1);
        assert_eq!(shutdown.run(orders, Duration::from_millis(20)).await, Ended::Forced);
    }

    #[tokio::test]
    async fn an_essential_task_that_ends_early_stops_the_rest() {
        let shutdown = Shutdown::new();
        let stage = shutdown.work().clone();
        shutdown.spawn_essential("jobs", async move { stage.stop().cancelled().await });
        shutdown.spawn_essential("intake", async { panic!("a bug") });
        let (_give, orders) = mpsc::channel(1);
        assert_eq!(shutdown.run(orders, LONG).await, Ended::Failed("intake"));
    }

    #[tokio::test]
    async fn an_essential_task_may_end_once_stopping_has_begun() {
        let shutdown = Shutdown::new();
        let stage = shutdown.work().clone();
        shutdown.spawn_essential("jobs", async move { stage.stop().cancelled().await });
        shutdown.begin();
        let (give, orders) = mpsc::channel(1);
        drop(give);
        assert_eq!(shutdown.run(orders, LONG).await, Ended::Drained);
    }
}
