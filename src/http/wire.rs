//! For tests of this room: a listener on a real socket, and the bare bytes of HTTP/1.1 to talk to it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::listener::{Limits, Listener};
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::shutdown::{Ended, Shutdown};

/// Limits that no test meets by accident.
pub(super) const WIDE: Limits =
    Limits { connections: 100, header_timeout: Duration::from_secs(30), retry_after: Duration::from_secs(7) };

/// A router on a free port of the loopback interface.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) shutdown: Shutdown,
    pub(super) metrics: Metrics,
}

pub(super) async fn serve(router: Router, limits: Limits) -> Served {
    let metrics = Metrics::new(Timestamp::from_secs(1_700_000_000)).unwrap();
    let shutdown = Shutdown::new();
    let listener = Listener::bind("test", SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.address();
    let stage = shutdown.work().clone();
    shutdown.work().tasks().spawn(listener.serve(router, limits, metrics.http.clone(), stage));
    Served { address, shutdown, metrics }
}

impl Served {
    /// Begins to stop; resolves with how it ended.
    pub(super) fn stop(&self, grace: Duration) -> JoinHandle<Ended> {
        let shutdown = self.shutdown.clone();
        shutdown.begin();
        let (_, orders) = mpsc::channel(1);
        tokio::spawn(async move { shutdown.run(orders, grace).await })
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own, and everything that came back until the server closed.
    pub(super) async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    /// A GET that asks for the connection to be closed.
    pub(super) async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")).await
    }
}

/// Everything until the end of the stream. A reset fails the test: the peer must see its answer.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server closes").expect("no reset");
    String::from_utf8(text).unwrap()
}

/// One answer whose body ends with `end`, on a connection that stays open.
pub(super) async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(end.as_bytes()) {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "closed after {}", String::from_utf8_lossy(&text));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an answer");
    String::from_utf8(text).unwrap()
}
