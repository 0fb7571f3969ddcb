//! Twice the load that the daemon was told to take: it says so, forgets nothing it acknowledged, and stays small.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use relaywatch::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::daemon::{Daemon, Home};
use crate::feeds::{self, FROM, NOT_FOUND, Post, sparkpost_post, unique};
use crate::stage::eventually;

/// How long the load lasts.
const LOAD: Duration = Duration::from_secs(6);

/// Clients that post as fast as they are answered, and how many events each posts at a time.
const FAST: usize = 24;
const EVENTS: usize = 150;

/// Clients that promise a body and let it drip.
const SLOW: usize = 96;
const PROMISED: usize = 300 << 10;

/// What design section 8 allows, in KiB.
const MOST_MEMORY: u64 = 256 << 10;

/// 512 events may wait, while the fast clients have up to 3,600 to give; 16 MiB may be in flight, of which the slow ones alone want 28.
const NARROW: &str = "[limits]\nqueue_bytes = \"1MiB\"\nretry_after = \"3s\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_the_load_is_told_to_come_again_and_nothing_acknowledged_is_lost() {
    let home = Home::new();
    let url = home.sqlite_url();
    let feeds = feeds::Feeds::new();
    let toml = feeds.settle(&home, &url) + NARROW;
    let toml = toml.replacen("[server]\n", "[server]\nin_flight_bytes = \"16MiB\"\nbody_timeout = \"1500ms\"\n", 1);
    let mut daemon = Daemon::start(home, &toml).await;
    let hooks = daemon.home().hooks;

    let enough = AtomicBool::new(false);
    let fast = (0..FAST).map(|_| fast(hooks, &enough));
    let slow = (0..SLOW).map(|_| slow(hooks, &enough));
    let clock = async {
        tokio::time::sleep(LOAD).await;
        enough.store(true, Ordering::Relaxed);
    };
    let (fast, slow, ()) =
        tokio::join!(futures_util::future::join_all(fast), futures_util::future::join_all(slow), clock);

    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let mut acknowledged = Vec::new();
    for client in fast {
        client.answers.into_iter().for_each(|answer| *answers.entry(answer).or_default() += 1);
        acknowledged.extend(client.acknowledged);
    }
    let slow: Vec<String> = slow.into_iter().flatten().collect();
    slow.iter().for_each(|answer| *answers.entry(format!("slow {answer}")).or_default() += 1);
    eprintln!("{} events acknowledged; answers: {answers:?}", acknowledged.len());
    for reason in ["200 ", "503 queue_full", "503 too_many_bytes_in_flight", "slow 408 body_too_slow"] {
        assert!(
            answers.contains_key(reason),
            "never answered {reason:?}: there was no overload of that kind: {answers:?}"
        );
    }

    // It is as before.
    let small = most_memory(daemon.id());
    assert!(small < MOST_MEMORY, "{small} KiB at the most");
    let calm = batch(1).0;
    eventually(async || match calm.to(hooks).send().await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let text = daemon.operations(http::Method::GET, "/metrics").expect(200).await.text();
    for gauge in ["relaywatch_http_body_bytes_in_flight 0", "relaywatch_intake_queue_events 0"] {
        assert!(text.lines().any(|line| line == gauge), "not {gauge}");
    }

    // Not asked to stop, but killed: what was acknowledged needs no farewell.
    daemon.kill_9();
    let times = logged(&url).await;
    let lost = acknowledged.iter().filter(|id| times.get(*id) != Some(&1)).count();
    assert_eq!(lost, 0, "of {} acknowledged events, so many are not there once", acknowledged.len());
}

#[derive(Default)]
struct Told {
    /// Status and reason.
    answers: Vec<String>,
    acknowledged: Vec<String>,
}

async fn fast(hooks: SocketAddr, enough: &AtomicBool) -> Told {
    let mut told = Told::default();
    while !enough.load(Ordering::Relaxed) {
        let (post, ids) = batch(EVENTS);
        let (status, answer) = post.to(hooks).send().await.expect("an answer, whatever it says");
        let said: serde_json::Value = answer.json();
        match status {
            200 => told.acknowledged.extend(ids),
            503 => assert_eq!(answer.headers["retry-after"], "3", "{said}"),
            other => panic!("{other}: {said}"),
        }
        told.answers.push(format!("{status} {}", said["reason"].as_str().unwrap_or_default()));
        // At once again, as no provider would; but the machine is shared with the daemon.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    told
}

/// Promises a body, sends a little of it now and then, and comes again when it is turned away.
async fn slow(hooks: SocketAddr, enough: &AtomicBool) -> Vec<String> {
    let post = sparkpost_post(Vec::new());
    let mut head = format!("POST {} HTTP/1.1\r\nhost: t\r\ncontent-length: {PROMISED}\r\n", post.path);
    post.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let mut answers = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(hooks).await.expect("a connection");
        let (mut reading, mut writing) = stream.split();
        let mut answer = String::new();
        let drip = async {
            writing.write_all(format!("{head}\r\n[").as_bytes()).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                writing.write_all(b" ").await?;
            }
        };
        tokio::select! {
            Err::<(), std::io::Error>(_) = drip => (),
            read = reading.read_to_string(&mut answer) => drop(read),
        }
        let status = answer.get(9..12).unwrap_or("none");
        let reason = answer.split("\"reason\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        assert!(["408", "503"].contains(&status), "a slow sender was told {answer:?}");
        assert!(status != "503" || answer.contains("retry-after: 3\r\n"), "{answer}");
        answers.push(format!("{status} {reason}"));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    answers
}

/// A batch of new events, and their ids.
fn batch(events: usize) -> (Post, Vec<String>) {
    let mut batch = Batch::with_capacity(events);
    let (local, at) = (unique(), feeds::now().secs());
    let mut ids = Vec::with_capacity(events);
    for n in 0..events {
        let event_id = uuid::Uuid::now_v7().as_u64_pair().1;
        let recipient = &format!("{local}{n}@privaterelay.appleid.com");
        let msg_from = "b@bounce.news.example.com";
        let mail = Mail { event_id, message_id: event_id, recipient, friendly_from: FROM, msg_from, at };
        batch.push(&mail, Report::Bounce { class: 10, code: 550, reason: NOT_FOUND });
        ids.push(event_id.to_string());
    }
    (sparkpost_post(batch.finish()), ids)
}

/// How often each provider id stands in the log.
async fn logged(url: &str) -> HashMap<String, usize> {
    let store = Store::open(url).await.expect("the store opens");
    let mut tx = store.read().await.expect("it can be read");
    let (mut times, mut last) = (HashMap::new(), 0);
    loop {
        let page = tx.events_after(last, 10_000).await.expect("sound rows");
        let Some(newest) = page.last() else { return times };
        last = newest.n;
        page.into_iter().filter_map(|row| row.provider_id).for_each(|id| *times.entry(id).or_default() += 1);
    }
}

/// The most memory the process ever held, in KiB.
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
