//! Asking: single checks beside an empty route, bulk checks, the index's memory, and the start.

use std::sync::Arc;
use std::time::Duration;

use relaywatch::clock::Stopwatch;

use super::Asked;
use super::load::{self, request};
use super::report::Report;
use super::server::{self, Daemon};
use super::world::{TEAM, address, fill};

const CONNECTIONS: usize = 16;

/// Measures everything about asking.
pub async fn run(asked: &Asked, report: &mut Report) {
    let folder = asked.folder.join(format!("checks-{}", asked.addresses));
    let marker = folder.join("filled");
    let config = server::config(&folder, None, "");
    if !marker.exists() {
        let began = Stopwatch::start();
        fill(&config, asked.addresses).await;
        std::fs::write(&marker, "").expect("written");
        report
            .note(format!("filling the store with {} addresses", asked.addresses), format!("{:.1?}", began.elapsed()));
    }
    let began = Stopwatch::start();
    let daemon = Daemon::start(config).await;
    daemon.ready().await;
    let started = began.elapsed();
    report.add(
        format!("start with {} addresses until ready", asked.addresses),
        "<= 10 s at 10 M",
        format!("{:.2} s", started.as_secs_f64()),
        started.as_secs_f64() <= 10.0,
    );
    memory(&daemon, report).await;
    let token = std::fs::read_to_string(folder.join("admin.token")).expect("the first token");
    single(asked, &daemon, token.trim(), report).await;
    bulk(asked, &daemon, token.trim(), report).await;
    daemon.stop().await;
}

async fn memory(daemon: &Daemon, report: &mut Report) {
    let addresses = daemon.metric("relaywatch_index_addresses").await;
    let each = daemon.metric("relaywatch_index_bytes").await / addresses.max(1.0);
    report.add("memory of the index", "<= 64 bytes per address", format!("{each:.1} bytes per address"), each <= 64.0);
}

/// One in a hundred is a complainer, whose verdict is read from the store with its evidence.
fn questions(addresses: u64, token: &str) -> Arc<Vec<Vec<u8>>> {
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let step = (addresses / 20_011).max(1);
    let bodies = (0..20_000).map(|i| {
        let body = format!("{{\"team\":\"{TEAM}\",\"address\":\"{}\"}}", address(i * step % addresses));
        request("/v1/sendability", &headers, body.as_bytes())
    });
    Arc::new(bodies.collect())
}

async fn single(asked: &Asked, daemon: &Daemon, token: &str, report: &mut Report) {
    let length = Duration::from_secs(asked.seconds);
    let empty = server::empty_route().await;
    let body = format!("{{\"team\":\"{TEAM}\",\"address\":\"{}\"}}", address(1));
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let nothing = Arc::new(vec![request("/empty", &headers, body.as_bytes())]);
    let questions = questions(asked.addresses, token);
    // In turn, so that a machine that slows down slows both.
    let (mut base, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        base.push(load::run(empty, Arc::clone(&nothing), CONNECTIONS, length, None, false).await.rate());
        let outcome = load::run(daemon.bound.api, Arc::clone(&questions), CONNECTIONS, length, None, false).await;
        assert_eq!(outcome.other, 0, "every check is answered");
        ours.push(outcome.rate());
    }
    let (base, ours) = (median(base), median(ours));
    report.add(
        "single sendability check beside an empty JSON route",
        ">= 0.8 x",
        format!("{:.2} x ({ours:.0}/s beside {base:.0}/s)", ours / base),
        ours / base >= 0.8,
    );
    let paced = load::run(daemon.bound.api, questions, CONNECTIONS, length, Some(10_000), false).await;
    let (rate, p99) = (paced.rate(), paced.quantile(0.99));
    report.add(
        "single check, p99 at 10,000/s",
        "<= 2 ms",
        format!("{:.2} ms at {rate:.0}/s", p99.as_secs_f64() * 1e3),
        p99 <= Duration::from_millis(2) && rate > 9_500.0,
    );
}

async fn bulk(asked: &Asked, daemon: &Daemon, token: &str, report: &mut Report) {
    const ROWS: u64 = 1_000_000;
    let mut body = String::with_capacity(64 << 20);
    for n in 0..ROWS {
        body.push_str("{\"address\":\"");
        body.push_str(&address(n * 7 % asked.addresses));
        body.push_str("\"}\n");
    }
    let client = reqwest::Client::new();
    let url = format!("http://{}/v1/sendability/batch?team={TEAM}", daemon.bound.api);
    let began = Stopwatch::start();
    let mut answer = client.post(url).bearer_auth(token).body(body).send().await.expect("the batch is taken");
    if answer.status() == 404 {
        return report.note("bulk check", "not there yet");
    }
    assert_eq!(answer.status(), 200);
    let mut lines = 0u64;
    while let Some(chunk) = answer.chunk().await.expect("a whole answer") {
        lines += chunk.iter().filter(|b| **b == b'\n').count() as u64;
    }
    let took = began.elapsed().as_secs_f64();
    assert_eq!(lines, ROWS, "every row is answered");
    report.add("bulk check of 1,000,000 rows", "<= 3 s", format!("{took:.2} s"), took <= 3.0);
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
