//! Checking streams over the DNS, as the daemon's job does it: beside bare look-ups by hickory, with a delay as real answers have it, and
//! beside domains that are silent.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name as WireName, RecordType};
use relaywatch::clock::Stopwatch;
use relaywatch::config::dns::Dns;
use relaywatch::dns::{Resolvers, Sweep, check, for_each, gather};
use relaywatch::domain::dns::{Kind, Question};
use relaywatch::domain::observed::Seen;
use relaywatch::domain::posture::{Posture, examine};
use relaywatch::domain::stream::Stream;
use relaywatch::domain::time::Timestamp;

use super::many_streams::{answer, registration};
use super::report::Report;
use super::scripted_dns::{Answer, ScriptedDns};

const STREAMS: usize = 200;
/// Streams whose domains do not answer, in the row that has some.
const SILENT: usize = 20;
/// Streams that are checked at once: as many as the job takes in one turn.
const AT_ONCE: usize = 256;
const RUNS: usize = 5;

/// How long an answer takes in the rows that have a delay.
const DELAY: Duration = Duration::from_millis(20);
/// The most memory that the program may take, in KiB.
const MOST_MEMORY: u64 = 40 << 10;

/// Measures checks.
pub async fn run(report: &mut Report) {
    let server = ScriptedDns::start(|question, _| answer(question, Duration::ZERO)).await;
    let all = registrations(0..STREAMS);
    let questions = questions(server.address(), &all).await;
    // In turn, so that a machine that slows down slows both.
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bare.push(bare_rate(server.address(), &questions).await);
        ours.push(checks(server.address(), &all, STREAMS).await.rate());
    }
    let (bare, ours) = (median(bare), median(ours));
    // No goal: what the judging of the answers costs, for sizing.
    report.note(
        format!("questions of the checks of {STREAMS} streams beside bare look-ups of the same by hickory"),
        format!("{:.2} x ({ours:.0}/s beside {bare:.0}/s)", ours / bare),
    );
    let slow = ScriptedDns::start(|question, _| answer(question, DELAY)).await;
    let swept = checks(slow.address(), &all, STREAMS).await;
    let each = swept.queries as f64 / STREAMS as f64;
    report.add(
        format!("checks of {STREAMS} streams at {} ms per answer", DELAY.as_millis()),
        "<= 3 s, <= 16 queries per stream",
        format!("{:.2} s, {each:.1} queries per stream", swept.seconds),
        swept.seconds <= 3.0 && each <= 16.0,
    );
    let partly = ScriptedDns::start(|question, _| match question.contains("silent") {
        true => Answer::silence(),
        false => answer(question, DELAY),
    })
    .await;
    let beside = checks(partly.address(), &[silent(), all].concat(), STREAMS).await;
    report.add(
        format!("the same while {SILENT} streams more are of silent domains: when the {STREAMS} have ended"),
        "<= 3 s",
        format!("{:.2} s", beside.seconds),
        beside.seconds <= 3.0,
    );
    let address = slow.address();
    let (alone, (seconds, kib)) =
        tokio::task::spawn_blocking(move || (program(address, 1).1, program(address, STREAMS))).await.expect("it ends");
    let mib = |kib: u64| kib as f64 / 1024.0;
    report.add(
        format!("the same by `relaywatch check --stream-file`, {STREAMS} documents, the whole program"),
        "<= 3 s, <= 40 MiB",
        format!("{seconds:.2} s, {:.1} MiB ({:.1} MiB with one stream)", mib(kib), mib(alone)),
        seconds <= 3.0 && kib <= MOST_MEMORY,
    );
}

/// Runs the program on so many streams: how many seconds it took, and how much memory at most, in KiB.
fn program(server: SocketAddr, streams: usize) -> (f64, u64) {
    let watch = Stopwatch::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["check", "--stream-file", "-", "--format", "json", "--resolver", &server.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = child.stdout.take().expect("it is piped");
    let lines: Vec<String> = (0..streams).map(registration).collect();
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
    assert!(status.success() && documents == streams, "{status}, {documents} documents");
    (seconds, most)
}

/// Some of the world's streams.
fn registrations(numbers: impl Iterator<Item = usize>) -> Vec<Stream> {
    let team = |line: String| line.replacen('{', "{\"team\":\"T\",", 1);
    numbers.map(|n| serde_json::from_str(&team(registration(n))).expect("a registration")).collect()
}

/// Streams like the others, of domains that do not answer.
fn silent() -> Vec<Stream> {
    let mut streams = registrations(STREAMS..STREAMS + SILENT);
    for stream in &mut streams {
        for domain in [&mut stream.from_domain, &mut stream.mail_from_domain] {
            *domain = domain.replace("shop", "silent");
        }
        stream.dkim.iter_mut().for_each(|signer| signer.domain = signer.domain.replace("shop", "silent"));
    }
    streams
}

fn sweep(server: SocketAddr) -> (Sweep, Duration) {
    let dns = Dns { resolvers: vec![server], ..Dns::default() };
    let resolvers = Resolvers::new(&dns).expect("no system resolver is read");
    (Sweep::new(resolvers, Timestamp::from_secs(0)), dns.deadline.get())
}

struct Swept {
    seconds: f64,
    queries: u64,
}

impl Swept {
    fn rate(&self) -> f64 {
        self.queries as f64 / self.seconds
    }
}

/// Checks all on one sweep and writes down what comes of it, until so many have passed. The others are given up.
async fn checks(server: SocketAddr, streams: &[Stream], passing: usize) -> Swept {
    let (sweep, deadline) = sweep(server);
    let watch = Stopwatch::start();
    let mut checks = pin!(for_each(streams.iter().cloned(), AT_ONCE, async |stream| {
        let checked = check(&sweep, stream, &Seen::default(), deadline).await;
        let written = serde_json::to_string(&checked.report()).expect("a report");
        (checked.judged.posture, written)
    }));
    let mut passed = 0;
    while passed < passing {
        let (posture, written) = checks.next().await.expect("as many pass");
        assert!(posture == Posture::Pass, "every question is answered: {written}");
        passed += 1;
    }
    Swept { seconds: watch.elapsed().as_secs_f64(), queries: sweep.queries() }
}

/// What the checks of these streams ask, each question once.
async fn questions(server: SocketAddr, streams: &[Stream]) -> BTreeSet<Question> {
    let (sweep, deadline) = sweep(server);
    let mut questions = BTreeSet::new();
    for stream in streams {
        let gathered = gather(&sweep, deadline, |inquiry| examine(stream, inquiry, 0)).await;
        questions.extend(gathered.replies.iter().map(|(question, _)| question.clone()));
    }
    questions
}

/// The same questions, as many at once, without any judge.
async fn bare_rate(server: SocketAddr, questions: &BTreeSet<Question>) -> f64 {
    let mut udp = ConnectionConfig::udp();
    udp.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), false, vec![udp])];
    let mut options = ResolverOpts::default();
    (options.cache_size, options.attempts, options.num_concurrent_reqs) = (0, 1, 1);
    (options.use_hosts_file, options.max_active_requests) = (ResolveHosts::Never, 1024);
    let config = ResolverConfig::from_name_servers(servers);
    let builder = hickory_resolver::Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let resolver = builder.with_options(options).build().expect("a resolver");
    let watch = Stopwatch::start();
    let found: Vec<bool> = stream::iter(questions)
        .map(|question| {
            let (resolver, question) = (resolver.clone(), question.clone());
            let look_up = async move {
                let name = WireName::from_ascii(question.name.to_string()).expect("a name");
                match resolver.lookup(name, record_type(question.kind)).await {
                    Ok(_) => true,
                    Err(error) => error.is_no_records_found(),
                }
            };
            async { tokio::spawn(look_up).await.expect("it ends") }
        })
        .buffer_unordered(Dns::default().in_flight)
        .collect()
        .await;
    assert!(found.iter().all(|found| *found), "every look-up is answered");
    found.len() as f64 / watch.elapsed().as_secs_f64()
}

/// Of the kinds that the checks of these streams ask for.
fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Txt => RecordType::TXT,
        Kind::Mx => RecordType::MX,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        kind => unreachable!("{kind}"),
    }
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
