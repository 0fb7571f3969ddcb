//! Asking the DNS: checks of many streams at once beside bare look-ups by hickory, and with a delay as real answers have it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name as WireName, RecordType};
use relaywatch::clock::Stopwatch;
use relaywatch::config::dns::Dns;
use relaywatch::dns::{Resolvers, Sweep, for_each, gather};
use relaywatch::domain::dns::Inquiry;
use relaywatch::domain::posture::{Posture, examine};
use relaywatch::domain::stream::Stream;
use relaywatch::domain::time::Timestamp;

use super::many_streams::{answer, registration};
use super::report::Report;
use super::scripted_dns::ScriptedDns;

const STREAMS: usize = 200;
/// Streams whose judges are unfinished at once; as the daemon does.
const AT_ONCE: usize = 1024;
const RUNS: usize = 5;

/// How long an answer takes in the rows that have a delay.
const DELAY: Duration = Duration::from_millis(20);
/// The most memory that the program may take, in KiB.
const MOST_MEMORY: u64 = 40 << 10;

/// Names of a stream's own for bare look-ups, below its domain.
const OWN: [&str; 10] = ["", "bounce.", "s1._domainkey.", "s2._domainkey.", "www.", "a.", "b.", "c.", "d.", "e."];

/// Measures asking.
pub async fn run(report: &mut Report) {
    let server = ScriptedDns::start(|question, _| answer(question, Duration::ZERO)).await;
    // In turn, so that a machine that slows down slows both.
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bare.push(bare_rate(server.address()).await);
        ours.push(streams(server.address()).await.rate);
    }
    let (bare, ours) = (median(bare), median(ours));
    report.add(
        "questions of many checks beside bare look-ups by hickory",
        ">= 0.8 x",
        format!("{:.2} x ({ours:.0}/s beside {bare:.0}/s)", ours / bare),
        ours / bare >= 0.8,
    );
    let slow = ScriptedDns::start(|question, _| answer(question, DELAY)).await;
    let swept = streams(slow.address()).await;
    let each = swept.queries as f64 / STREAMS as f64;
    report.add(
        format!("checks of {STREAMS} streams at {} ms per answer", DELAY.as_millis()),
        "<= 3 s, <= 16 queries per stream",
        format!("{:.2} s, {each:.1} queries per stream", swept.seconds),
        swept.seconds <= 3.0 && each <= 16.0,
    );
    let address = slow.address();
    let (seconds, kib) = tokio::task::spawn_blocking(move || program(address)).await.expect("it ends");
    report.add(
        format!("the same by `relaywatch check --stream-file`, {STREAMS} documents"),
        "<= 3 s, <= 40 MiB",
        format!("{seconds:.2} s, {:.1} MiB", kib as f64 / 1024.0),
        seconds <= 3.0 && kib <= MOST_MEMORY,
    );
}

/// Runs the program on all streams: how many seconds it took, and how much memory at most, in KiB.
fn program(server: SocketAddr) -> (f64, u64) {
    let watch = Stopwatch::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["check", "--stream-file", "-", "--format", "json", "--resolver", &server.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = child.stdout.take().expect("it is piped");
    let lines: Vec<String> = (0..STREAMS).map(registration).collect();
    input.write_all(lines.join("\n").as_bytes()).expect("it reads");
    drop(input);
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text.lines().count())
    });
    // The system forgets it with the process, so it is read as long as there is one.
    let mut most = 0;
    let status = loop {
        most = most.max(peak_memory(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("its state is known") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let seconds = watch.elapsed().as_secs_f64();
    let documents = reading.join().expect("it reads").expect("UTF-8");
    assert!(status.success() && documents == STREAMS, "{status}, {documents} documents");
    (seconds, most)
}

struct Swept {
    seconds: f64,
    queries: u64,
    rate: f64,
}

/// All streams on one sweep.
async fn streams(server: SocketAddr) -> Swept {
    let dns = Dns { resolvers: vec![server], ..Dns::default() };
    let deadline = dns.deadline.get();
    let team = |line: String| line.replacen('{', "{\"team\":\"T\",", 1);
    let all: Vec<Stream> =
        (0..STREAMS).map(|n| serde_json::from_str(&team(registration(n))).expect("a registration")).collect();
    let sweep = Sweep::new(Resolvers::new(&dns).expect("no system resolver is read"), Timestamp::from_secs(0));
    let watch = Stopwatch::start();
    let postures: Vec<Posture> = for_each(&all, AT_ONCE, async |stream| {
        let judge = |inquiry: &mut Inquiry<'_>| examine(stream, inquiry, 0);
        gather(&sweep, deadline, judge).await.value.posture
    })
    .collect()
    .await;
    let seconds = watch.elapsed().as_secs_f64();
    assert_eq!(postures, [Posture::Pass; STREAMS], "every question is answered");
    Swept { seconds, queries: sweep.queries(), rate: sweep.queries() as f64 / seconds }
}

/// As many look-ups of names of their own, as many at once, without any judge.
async fn bare_rate(server: SocketAddr) -> f64 {
    let mut udp = ConnectionConfig::udp();
    udp.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), false, vec![udp])];
    let mut options = ResolverOpts::default();
    (options.cache_size, options.attempts, options.num_concurrent_reqs) = (0, 1, 1);
    (options.use_hosts_file, options.max_active_requests) = (ResolveHosts::Never, 1024);
    let config = ResolverConfig::from_name_servers(servers);
    let builder = hickory_resolver::Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let resolver = builder.with_options(options).build().expect("a resolver");
    let names = (0..STREAMS).flat_map(|n| OWN.iter().map(move |own| format!("{own}s{n}.shop{n}.test.")));
    let watch = Stopwatch::start();
    let found: Vec<bool> = stream::iter(names)
        .map(|name| {
            let resolver = resolver.clone();
            let look_up = async move {
                let name = WireName::from_ascii(name).expect("a name");
                resolver.lookup(name, RecordType::TXT).await.is_ok()
            };
            async { tokio::spawn(look_up).await.expect("it ends") }
        })
        .buffer_unordered(Dns::default().in_flight)
        .collect()
        .await;
    assert!(found.iter().all(|found| *found), "every look-up is answered");
    found.len() as f64 / watch.elapsed().as_secs_f64()
}

/// The most memory that a process has taken, in KiB, as long as the system knows it.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
