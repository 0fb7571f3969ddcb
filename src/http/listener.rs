//! Accepts connections and serves HTTP/1.1 on them: capped in number, bounded in patience, drained on shutdown.
//!
//! No TLS here: the hooks stand behind a proxy that ends it. A bound listener reports its real address, so port 0 works.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;
use tracing::{debug, info, warn};

use super::observe::observe;
use crate::metrics::HttpMetrics;
use crate::shutdown::Stage;

/// The most that the head of a request may take, in bytes; hyper answers 431 beyond it.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait after a failed accept: file descriptors may have run out, and trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// How long the rest of a refused body is read and thrown away, so that its sender sees the answer and not a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections open at once. Further ones wait in the kernel's queue.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and how long a kept-alive connection may say nothing.
    pub header_timeout: Duration,
    /// When to come again, for whoever is told that something is not available.
    pub retry_after: Duration,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {name}: {because}")]
pub struct BindError {
    /// The listener.
    pub name: &'static str,
    /// The address asked for.
    pub address: SocketAddr,
    /// The system's reason.
    #[source]
    pub because: io::Error,
}

/// A bound socket: connections queue from now on and are answered once it serves.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; `name` is the listener's in metrics and logs.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(name: &'static str, address: SocketAddr) -> Result<Self, BindError> {
        let failed = |because| BindError { name, address, because };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { name, socket, address })
    }

    /// The address it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stage` stops: then the socket is closed, idle connections are closed, and requests in hand
    /// are finished unless the stage aborts. Returns when no more are accepted; the connections are tasks of the stage.
    pub async fn serve(self, router: Router, limits: Limits, metrics: HttpMetrics, stage: Stage) {
        let Self { name, socket, address } = self;
        info!(listener = name, %address, "{name} listens on {address}");
        let router = observe(router, name, limits.retry_after, metrics.clone());
        let slots = Arc::new(Semaphore::new(limits.connections));
        let accept = async {
            loop {
                let Ok(slot) = slots.clone().acquire_owned().await else { return };
                match socket.accept().await {
                    Ok((stream, _)) => {
                        let open = Open::new(name, &metrics, slot);
                        let connection = serve_connection(stream, router.clone(), limits, stage.clone());
                        stage.tasks().spawn(async move {
                            connection.await;
                            drop(open);
                        });
                    }
                    Err(error) => {
                        metrics.http_accept_errors_total.inc([&name]);
                        if !is_of_the_peer(&error) {
                            warn!(listener = name, %error, "cannot accept a connection");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        };
        tokio::select! { () = accept => (), () = stage.stop().cancelled() => () }
        info!(listener = name, "{name} takes no more connections");
    }
}

/// Whether the peer gave up while it waited, which is no fault here.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A slot in use, and its gauge.
struct Open {
    name: &'static str,
    metrics: HttpMetrics,
    _slot: OwnedSemaphorePermit,
}

impl Open {
    fn new(name: &'static str, metrics: &HttpMetrics, slot: OwnedSemaphorePermit) -> Self {
        metrics.http_connections.add([&name], 1.0);
        Self { name, metrics: metrics.clone(), _slot: slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.http_connections.add([&self.name], -1.0);
    }
}

async fn serve_connection(stream: TcpStream, router: Router, limits: Limits, stage: Stage) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection was gone before it was served");
        return;
    }
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answering = router.clone().oneshot(request);
        Box::pin(async move { answering.await.map_err(|never: Infallible| match never {}) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = std::future::poll_fn(|task| connection.poll_without_shutdown(task)) => break ended,
            () = stage.stop().cancelled(), if !draining => {
                draining = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = stage.abort().cancelled() => return,
        }
    };
    match ended {
        Ok(()) => {
            let stream = connection.into_parts().io.into_inner();
            tokio::select! { () = linger(stream) => (), () = stage.abort().cancelled() => () }
        }
        Err(error) => debug!(%error, "connection ended"),
    }
}

/// Closes our half and reads what the peer still sends, for a while: closing with unread bytes would reset the connection,
/// and the peer would lose an answer such as 413 that was given before its body was read.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut thrown_away = [0_u8; 4096];
    let rest = async { while matches!(stream.read(&mut thrown_away).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::Notify;

    use super::super::wire::{WIDE, rest, serve, until};
    use super::*;
    use crate::clock::Stopwatch;
    use crate::shutdown::Ended;

    const GET: &[u8] = b"GET /slow HTTP/1.1\r\nhost: t\r\n\r\n";

    /// `/slow` says on the first signal that it began, and answers on the second.
    fn slow() -> (Router, Arc<Notify>, Arc<Notify>) {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let signals = (began.clone(), go.clone());
        let answer = move || {
            let (began, go) = signals.clone();
            async move {
                began.notify_one();
                go.notified().await;
                "done"
            }
        };
        (Router::new().route("/slow", get(answer)), began, go)
    }

    #[tokio::test]
    async fn connections_are_kept_alive_and_requests_counted_by_route() {
        let router = Router::new().route("/users/{key}", get(async || "hi"));
        let served = serve(router, WIDE).await;
        let mut stream = served.connect().await;
        for _ in 0..3 {
            stream.write_all(b"GET /users/abc HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
            assert!(until(&mut stream, "hi").await.starts_with("HTTP/1.1 200 OK\r\n"));
        }
        assert_eq!(served.metrics.http.http_connections.get([&"test"]), 1.0);
        assert!(served.get("/nowhere").await.starts_with("HTTP/1.1 404 "));
        let count = |route, status| served.metrics.http.http_requests_total.get([&"test", route, status]);
        assert_eq!(count(&"/users/{key}", &200_u16), 3);
        assert_eq!(count(&"unmatched", &404_u16), 1);
        assert_eq!(served.metrics.http.http_request_duration_seconds.count([&"test", &"/users/{key}"]), 3);
    }

    #[tokio::test]
    async fn a_slow_request_finishes_after_soft_shutdown_and_a_new_connection_is_refused() {
        let (router, began, go) = slow();
        let served = serve(router, WIDE).await;
        let (mut stream, mut idle, mut used) = (served.connect().await, served.connect().await, served.connect().await);
        used.write_all(b"GET /none HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        until(&mut used, "\r\n\r\n").await;
        stream.write_all(GET).await.unwrap();
        began.notified().await;

        let ended = served.stop(Duration::from_secs(30));
        assert_eq!(rest(&mut idle).await + &rest(&mut used).await, "", "idle connections are closed");
        let refused = TcpStream::connect(served.address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(!ended.is_finished());

        go.notify_one();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("done"), "{answer}");
        assert_eq!(ended.await.unwrap(), Ended::Drained);
        assert_eq!(served.metrics.http.http_connections.get([&"test"]), 0.0);
    }

    #[tokio::test]
    async fn a_request_that_outlasts_the_grace_is_dropped() {
        let (router, began, _go) = slow();
        let served = serve(router, WIDE).await;
        let mut stream = served.connect().await;
        stream.write_all(GET).await.unwrap();
        began.notified().await;
        assert_eq!(served.stop(Duration::from_millis(50)).await.unwrap(), Ended::Forced);
        assert_eq!(rest(&mut stream).await, "");
    }

    #[tokio::test]
    async fn a_head_that_does_not_arrive_ends_the_connection() {
        let served = serve(slow().0, Limits { header_timeout: Duration::from_millis(100), ..WIDE }).await;
        let (mut half, mut silent) = (served.connect().await, served.connect().await);
        half.write_all(b"GET /slow HTTP/1.1\r\nhost:").await.unwrap();
        let watch = Stopwatch::start();
        let (half, silent) = tokio::join!(rest(&mut half), rest(&mut silent));
        assert!(watch.elapsed() >= Duration::from_millis(90) && watch.elapsed() < Duration::from_secs(10));
        assert!(!half.contains("200") && silent.is_empty(), "{half} {silent}");
    }

    #[tokio::test]
    async fn a_kept_alive_connection_may_not_be_silent_for_ever() {
        let router = Router::new().route("/", get(async || "hi"));
        let served = serve(router, Limits { header_timeout: Duration::from_millis(100), ..WIDE }).await;
        let mut stream = served.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
        until(&mut stream, "hi").await;
        assert_eq!(rest(&mut stream).await, "");
    }

    #[tokio::test]
    async fn connections_beyond_the_cap_wait_for_a_slot() {
        let (router, began, go) = slow();
        let served = serve(router, Limits { connections: 1, ..WIDE }).await;
        let (mut first, mut second) = (served.connect().await, served.connect().await);
        first.write_all(GET).await.unwrap();
        began.notified().await;
        second.write_all(GET).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(100), began.notified()).await;
        assert!(waiting.is_err(), "the second is not served while the first holds the slot");
        go.notify_one();
        until(&mut first, "done").await;
        drop(first);
        began.notified().await;
        go.notify_one();
        until(&mut second, "done").await;
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_500_and_the_daemon_lives() {
        let broken = get(|| async {
            if true {
                panic!("abc123@private.icloud.com")
            }
        });
        let served = serve(Router::new().route("/broken", broken).route("/", get(async || "hi")), WIDE).await;
        let answer = served.get("/broken").await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains('@'), "{answer}");
        assert!(answer.ends_with(r#"{"reason":"internal_error","detail":"internal error"}"#), "{answer}");
        assert!(served.get("/").await.ends_with("hi"));
        assert_eq!(served.metrics.http.http_panics_total.get([&"test"]), 1);
        assert_eq!(served.metrics.http.http_requests_total.get([&"test", &"/broken", &500_u16]), 1);
    }

    #[tokio::test]
    async fn a_head_too_large_is_refused() {
        let served = serve(Router::new(), WIDE).await;
        let answer = served.ask(&format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES))).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn a_taken_address_is_told_with_the_listeners_name() {
        let taken = Listener::bind("api", SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let refused = Listener::bind("operations", taken.address()).await.unwrap_err().to_string();
        assert!(refused.starts_with(&format!("cannot listen on {} for operations: ", taken.address())), "{refused}");
    }
}
