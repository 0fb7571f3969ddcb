//! Whether the daemon runs and is ready, or, where none runs, whether it could listen.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use serde::Deserialize;

use super::finding::Finding;
use crate::config::server::Server;

/// How long the daemon may take to answer; its own checks take two seconds at most.
const PATIENCE: Duration = Duration::from_secs(4);

/// The answer of `/readyz`, as far as it is read here.
#[derive(Deserialize)]
struct Readiness {
    ready: bool,
    because: Option<String>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    because: Option<String>,
}

/// What its addresses say of the daemon.
pub async fn findings(server: &Server) -> Vec<Finding> {
    if server.operations_listen.port() == 0 {
        return vec![Finding::info(
            "daemon",
            "server.operations_listen has port 0, so a running daemon cannot be asked",
        )];
    }
    match ask(reachable(server.operations_listen)).await {
        Asked::Nobody => free(server),
        Asked::Daemon(Readiness { ready: true, .. }) => vec![Finding::ok("daemon", "runs and is ready")],
        Asked::Daemon(Readiness { because, checks, .. }) => {
            let missing = checks.into_iter().filter(|check| !check.ok);
            let missing = missing.map(|check| format!("{}: {}", check.name, check.because.unwrap_or_default()));
            let why: Vec<_> = because.into_iter().chain(missing).collect();
            vec![Finding::fail("daemon", format!("runs and is not ready: {}", why.join("; ")), "its log says more")]
        }
        Asked::Stranger(why) => {
            let finding = format!("{} is taken by something else: {why}", server.operations_listen);
            vec![Finding::fail("daemon", finding, "free server.operations_listen, or set another")]
        }
    }
}

enum Asked {
    Nobody,
    Daemon(Readiness),
    Stranger(&'static str),
}

async fn ask(address: SocketAddr) -> Asked {
    // The HTTP client takes the process's provider even where it speaks no TLS. The first one installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build();
    let Ok(client) = client else { return Asked::Stranger("no HTTP client could be made") };
    let answer = match client.get(format!("http://{address}/readyz")).send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => return Asked::Stranger("it does not answer in time"),
        Err(error) if error.is_connect() => return Asked::Nobody,
        Err(_) => return Asked::Stranger("it does not speak HTTP"),
    };
    match answer.json().await {
        Ok(readiness) => Asked::Daemon(readiness),
        Err(_) => Asked::Stranger("it does not know /readyz"),
    }
}

/// The address to call where the daemon listens on every one.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

/// No daemon runs: each address is tried for a moment.
fn free(server: &Server) -> Vec<Finding> {
    let mut addresses = vec![("hooks_listen", server.hooks_listen)];
    if !server.is_shared() {
        addresses.push(("api_listen", server.api_listen));
    }
    addresses.push(("operations_listen", server.operations_listen));
    let mut found = Vec::new();
    for (key, address) in &addresses {
        let Err(error) = TcpListener::bind(address) else { continue };
        let (why, remedy) = match error.kind() {
            ErrorKind::AddrInUse => ("is taken by another program", "free it"),
            ErrorKind::PermissionDenied => {
                ("may not be used by this user", "take a port above 1023, with a proxy in front")
            }
            ErrorKind::AddrNotAvailable => ("is no address of this machine", "take one that it has"),
            _ => ("cannot be listened on", "take another"),
        };
        let finding = format!("server.{key}: {address} {why}");
        found.push(Finding::fail("listeners", finding, format!("{remedy}, or set server.{key}")));
    }
    if found.is_empty() {
        let all: Vec<_> = addresses.iter().map(|(_, address)| address.to_string()).collect();
        found.push(Finding::info("daemon", format!("does not run; its addresses are free: {}", all.join(", "))));
    }
    found
}
