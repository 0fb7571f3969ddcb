//! `[server]`: where the daemon listens and what each listener allows.

use std::net::SocketAddr;

use serde::Deserialize;

use super::duration::Span;
use super::findings::{Findings, Section};
use super::size::Size;

/// The largest body that any source takes (SparkPost's batches); the budget must hold at least one.
pub const LARGEST_HOOK_BODY: Size = Size::mib(16);

/// The listeners. Each speaks HTTP/1.1 without TLS: a proxy in front ends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where providers post. May be the API's address: one listener then serves both.
    pub hooks_listen: SocketAddr,
    /// Where the API is served.
    pub api_listen: SocketAddr,
    /// Where metrics, health and readiness are served. Asks for no credentials, so it is an address of its own.
    pub operations_listen: SocketAddr,
    /// Connections open at once, per listener. Further ones wait.
    pub max_connections: usize,
    /// How long the head of a request may take, and how long a kept-alive connection may be silent.
    pub header_timeout: Span,
    /// How long the body of a request may take.
    pub body_timeout: Span,
    /// The largest body of an API request that is not a stream. Each hook has its source's own cap.
    pub body_bytes: Size,
    /// The bytes that all request bodies together may hold in memory; beyond it the answer is 503.
    pub in_flight_bytes: Size,
    /// How long requests and intake may take to finish after the first SIGTERM.
    pub shutdown_grace: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            hooks_listen: SocketAddr::from(([127, 0, 0, 1], 8725)),
            api_listen: SocketAddr::from(([127, 0, 0, 1], 8725)),
            operations_listen: SocketAddr::from(([127, 0, 0, 1], 9725)),
            max_connections: 1024,
            header_timeout: Span::secs(10),
            body_timeout: Span::secs(30),
            body_bytes: Size::mib(1),
            in_flight_bytes: Size::mib(64),
            shutdown_grace: Span::secs(30),
        }
    }
}

impl Server {
    /// Whether one listener serves hooks and API. Port 0 means a free port, so two zeros are two listeners.
    pub fn is_shared(&self) -> bool {
        self.hooks_listen == self.api_listen && self.api_listen.port() != 0
    }
}

/// Whether binding one takes the other: the same port, and the same host or one of them every host.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let hosts = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && hosts
}

impl Section for Server {
    fn check(&self, findings: &mut Findings) {
        findings.expect(
            self.is_shared() || !overlap(self.hooks_listen, self.api_listen),
            "hooks_listen",
            "overlaps server.api_listen; make them equal or give one another port",
        );
        findings.expect(
            !overlap(self.operations_listen, self.api_listen) && !overlap(self.operations_listen, self.hooks_listen),
            "operations_listen",
            "must not be an address of hooks or API: it asks for no credentials",
        );
        findings.expect((1..=1 << 20).contains(&self.max_connections), "max_connections", "must be from 1 to 1048576");
        for (field, span) in [("header_timeout", self.header_timeout), ("body_timeout", self.body_timeout)] {
            findings.expect(!span.is_zero(), field, "must be longer than 0s");
        }
        findings.expect(self.body_bytes.get() > 0, "body_bytes", "must be more than 0B");
        let largest = self.body_bytes.max(LARGEST_HOOK_BODY);
        findings.expect(
            self.in_flight_bytes >= largest,
            "in_flight_bytes",
            format!("must be at least {largest}, the largest single body"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &Server) -> Vec<String> {
        let mut findings = Findings::default();
        server.check(&mut findings);
        findings.into_result().err().unwrap_or_default().into_iter().map(|finding| finding.field).collect()
    }

    #[test]
    fn one_address_serves_hooks_and_api_unless_it_is_a_free_port() {
        assert!(Server::default().is_shared());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server { hooks_listen: free, api_listen: free, operations_listen: free, ..Server::default() };
        assert!(!server.is_shared() && found(&server).is_empty());
    }

    #[test]
    fn addresses_that_would_take_each_other_are_found() {
        let every_host = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let server = Server { hooks_listen: every_host(8725), ..Server::default() };
        assert_eq!(found(&server), ["hooks_listen"]);
        let server = Server { operations_listen: every_host(8725), ..Server::default() };
        assert_eq!(found(&server), ["operations_listen"]);
    }

    #[test]
    fn the_budget_holds_the_largest_body() {
        let server = Server { in_flight_bytes: Size::mib(15), ..Server::default() };
        assert_eq!(found(&server), ["in_flight_bytes"]);
        let server = Server { body_bytes: Size::mib(65), ..Server::default() };
        assert_eq!(found(&server), ["in_flight_bytes"]);
    }
}
