//! Asking the DNS: many streams at once beside bare look-ups by hickory, and with a delay as real answers have it.
//!
//! The judge is a stand-in of the real ones' shape: three rounds of questions, two of them about what streams share.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name as WireName, RecordType};
use relaywatch::clock::Stopwatch;
use relaywatch::config::dns::Dns;
use relaywatch::dns::{Resolvers, Sweep, for_each, gather};
use relaywatch::domain::dns::{Inquiry, Kind, Name, Question, Unanswered};
use relaywatch::domain::time::Timestamp;

use super::report::Report;
use super::scripted_dns::{Answer, ScriptedDns};

const STREAMS: usize = 200;
/// Streams whose judges are unfinished at once; as the daemon does.
const AT_ONCE: usize = 1024;
const RUNS: usize = 5;

/// What a stream's own records are, below its domain.
const OWN: [&str; 10] = ["", "_dmarc.", "s1._domainkey.", "s2._domainkey.", "bounce.", "www.", "a.", "b.", "c.", "d."];
/// What all streams include.
const SHARED: [&str; 3] = ["_spf.esp.test", "_spf1.esp.test", "_spf2.esp.test"];

/// Measures asking.
pub async fn run(report: &mut Report) {
    let server = ScriptedDns::start(|question, _| {
        Answer::texts(question.split(' ').next().unwrap_or_default(), ["v=spf1 include:_spf.esp.test -all"])
    })
    .await;
    // In turn, so that a machine that slows down slows both.
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bare.push(bare_rate(server.address()).await);
        ours.push(streams(server.address()).await.rate);
    }
    let (bare, ours) = (median(bare), median(ours));
    report.add(
        "look-ups by many judges beside bare look-ups by hickory",
        ">= 0.8 x",
        format!("{:.2} x ({ours:.0}/s beside {bare:.0}/s)", ours / bare),
        ours / bare >= 0.8,
    );
    let slow = ScriptedDns::start(|question, _| {
        let name = question.split(' ').next().unwrap_or_default();
        Answer::texts(name, ["v=spf1 -all"]).after(Duration::from_millis(20))
    })
    .await;
    let swept = streams(slow.address()).await;
    let each = swept.queries as f64 / STREAMS as f64;
    report.add(
        format!("{STREAMS} streams at 20 ms per answer"),
        "<= 3 s, <= 16 queries per stream",
        format!("{:.2} s, {each:.1} queries per stream", swept.seconds),
        swept.seconds <= 3.0 && each <= 16.0,
    );
    report.note("memory of the process, at most", peak_memory());
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
    let sweep = Sweep::new(Resolvers::new(&dns).expect("no system resolver is read"), Timestamp::from_secs(0));
    let watch = Stopwatch::start();
    let all: Vec<usize> = for_each(0..STREAMS, AT_ONCE, async |n| {
        let judge = |inquiry: &mut Inquiry<'_>| judge(inquiry, n);
        gather(&sweep, deadline, judge).await.value
    })
    .collect()
    .await;
    let seconds = watch.elapsed().as_secs_f64();
    assert_eq!(all, [OWN.len() + SHARED.len(); STREAMS], "every question is answered");
    Swept { seconds, queries: sweep.queries(), rate: sweep.queries() as f64 / seconds }
}

/// Counts the answers with records.
fn judge(inquiry: &mut Inquiry<'_>, stream: usize) -> Result<usize, Unanswered> {
    let mut found = 0;
    let mut round = |names: Vec<String>| -> Result<(), Unanswered> {
        let question = |name: &String| Question::new(Name::parse(name).expect("a name"), Kind::Txt);
        let replies: Vec<_> = names.iter().map(|name| inquiry.ask(question(name))).collect();
        for reply in replies {
            found += usize::from(!reply?.records().is_empty());
        }
        Ok(())
    };
    round(OWN.iter().map(|own| format!("{own}s{stream}.test")).collect())?;
    round(vec![SHARED[0].to_owned()])?;
    round(SHARED[1..].iter().map(|name| (*name).to_owned()).collect())?;
    Ok(found)
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
    let names = (0..STREAMS).flat_map(|n| OWN.iter().map(move |own| format!("{own}s{n}.test.")));
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

/// The process' own word; the bench's other rows count as well unless left out.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("not told by this system".to_owned(), |kib| kib.trim().to_owned())
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
