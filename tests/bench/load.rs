//! A load generator that costs little itself: kept-alive connections, requests written as prepared bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What came of a load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers 200.
    pub ok: u64,
    /// Other answers.
    pub other: u64,
    /// How long each answer took, in microseconds, sorted.
    pub micros: Vec<u32>,
    /// How long the whole took.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which this share of the answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        let at = ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
        Duration::from_micros(self.micros.get(at).copied().unwrap_or(0).into())
    }
}

/// A request as bytes.
pub fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Sends `requests` in turn over `connections`, each as fast as answers come, or paced to `per_second` over all; until `length` is over
/// or, with `once`, until each was sent once.
pub async fn run(
    to: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    connections: usize,
    length: Duration,
    per_second: Option<u32>,
    once: bool,
) -> Outcome {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(to).await.expect("the server listens");
        stream.set_nodelay(true).expect("nodelay");
        open.push(stream);
    }
    let began = Instant::now();
    let workers = open.into_iter().enumerate().map(|(worker, mut stream)| {
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut outcome = Outcome::default();
            let mut buffer = Vec::with_capacity(64 << 10);
            let gap = per_second.map(|n| Duration::from_secs_f64(connections as f64 / f64::from(n)));
            let mut next = worker;
            // Spread over the gap, as senders are that know nothing of each other.
            let mut due = began + gap.unwrap_or_default().mul_f64(worker as f64 / connections as f64);
            while began.elapsed() < length {
                if once && next >= requests.len() {
                    break;
                }
                let mut sent = Instant::now();
                if let Some(gap) = gap {
                    // Open loop: a late answer delays nobody's schedule, and its lateness counts; that a timer wakes late does not.
                    due += gap;
                    if sent < due {
                        tokio::time::sleep_until(due).await;
                        sent = Instant::now();
                    } else {
                        sent = due;
                    }
                }
                stream.write_all(&requests[next % requests.len()]).await.expect("written");
                match answer(&mut stream, &mut buffer).await {
                    200 => outcome.ok += 1,
                    _ => outcome.other += 1,
                }
                outcome.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                next += connections;
            }
            outcome
        })
    });
    let mut all = Outcome::default();
    for outcome in futures_util::future::join_all(workers).await {
        let outcome = outcome.expect("a worker");
        all.ok += outcome.ok;
        all.other += outcome.other;
        all.micros.extend(outcome.micros);
    }
    all.elapsed = began.elapsed();
    all.micros.sort_unstable();
    all
}

/// Reads one answer of known length and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    let mut whole = usize::MAX;
    loop {
        let n = stream.read_buf(buffer).await.expect("read");
        assert!(n > 0, "the server closed the connection");
        if whole == usize::MAX
            && let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end]).expect("ASCII head").to_ascii_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")).map_or("0", str::trim);
            whole = end + 4 + length.parse::<usize>().expect("a length");
        }
        if buffer.len() >= whole {
            return std::str::from_utf8(&buffer[9..12]).ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        }
    }
}
