//! The daemon under measurement, in this process, and the same server with an empty route as the baseline.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use relaywatch::app::{Bound, serve};
use relaywatch::clock::Clock;
use relaywatch::config::Config;
use relaywatch::domain::time::Timestamp;
use relaywatch::http::listener::{Limits, Listener};
use relaywatch::metrics::Metrics;
use relaywatch::shutdown::Shutdown;
use relaywatch::sources::{HookSource, Request};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A running daemon.
pub struct Daemon {
    /// Where it listens.
    pub bound: Bound,
    orders: mpsc::Sender<&'static str>,
    task: JoinHandle<()>,
}

impl Daemon {
    /// Starts it; returns when it listens.
    pub async fn start(config: Config) -> Self {
        let (orders, taken) = mpsc::channel(2);
        let (ready, bound) = oneshot::channel();
        let task = tokio::spawn(async move {
            serve(config, Clock::system(), true, taken, Some(ready)).await.expect("the daemon runs");
        });
        let bound = bound.await.expect("the daemon is ready");
        Self { bound, orders, task }
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&self) {
        let url = format!("http://{}/readyz", self.bound.operations);
        while reqwest::get(&url).await.expect("operations answer").status() != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What `/metrics` says under this name; zero where it says nothing.
    pub async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.bound.operations);
        let text = reqwest::get(url).await.expect("metrics").text().await.expect("text");
        let line = text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap_or_default();
        line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
    }

    /// Stops it and waits for the end.
    pub async fn stop(self) {
        self.orders.send("stop").await.expect("it listens to orders");
        self.task.await.expect("it ends");
    }
}

/// A configuration in a folder of its own, on free ports.
pub fn config(folder: &Path, store: Option<&str>, more: &str) -> Config {
    let url = store.map_or_else(String::new, |url| format!("url = {url:?}\n"));
    let text = format!(
        "[server]\nhooks_listen = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\noperations_listen = \"127.0.0.1:0\"\n\
         [log]\nlevel = \"warn\"\n[checks]\nenabled = false\n[store]\ndata_dir = {:?}\n{url}{more}",
        folder.display().to_string()
    );
    let path = folder.join("bench.toml");
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(&path, text).expect("written");
    Config::load(Some(&path), std::iter::empty()).expect("a good configuration")
}

/// The same listener with a route that reads the body and answers a small JSON document.
pub async fn empty_route() -> SocketAddr {
    async fn answer(body: bytes::Bytes) -> Json<serde_json::Value> {
        Json(serde_json::json!({"read": body.len()}))
    }
    served(Router::new().route("/empty", post(answer))).await
}

/// The same listener with a route that verifies and translates, and throws the events away.
pub async fn verify_and_discard(source: std::sync::Arc<dyn HookSource>) -> SocketAddr {
    let route = post(move |headers: http::HeaderMap, body: bytes::Bytes| {
        let source = std::sync::Arc::clone(&source);
        async move {
            let request = Request { headers: &headers, body: &body, received_at: now() };
            let events = source.receive(request).await.expect("an authentic request").events.len();
            Json(serde_json::json!({"new": events, "repeated": 0}))
        }
    });
    served(Router::new().route("/discard", route)).await
}

async fn served(router: Router) -> SocketAddr {
    let listener = Listener::bind("baseline", ([127, 0, 0, 1], 0).into()).await.expect("bound");
    let address = listener.address();
    let metrics = Metrics::new(now()).expect("metrics");
    let limits =
        Limits { connections: 1024, header_timeout: Duration::from_secs(60), retry_after: Duration::from_secs(5) };
    let shutdown = Shutdown::new();
    tokio::spawn(async move {
        let stage = shutdown.work().clone();
        listener.serve(router, limits, metrics.http.clone(), stage).await;
        drop(shutdown);
    });
    address
}

/// The time of day.
pub fn now() -> Timestamp {
    Clock::system().now()
}
