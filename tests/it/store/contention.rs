//! Another process writes to the same SQLite file: a command beside the daemon, a backup, a person with a shell.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use relaywatch::clock::{Clock, Stopwatch};
use relaywatch::intake::{IntakeError, Submission};
use relaywatch::store::Store;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::world::{ANN, World, delivered, door, start};

/// Names the database to the other process, and how many milliseconds it is to hold the writer's lock.
const FILE: &str = "RELAYWATCH_TEST_OTHER_FILE";
const HOLD: &str = "RELAYWATCH_TEST_OTHER_HOLD";

/// This very test again, in a process of its own, with the database of `world`.
struct Other {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Other {
    fn start(test: &str, world: &World, hold: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("store::contention::{test}"), "--nocapture"])
            .env(FILE, world.folder().join("relaywatch.db"))
            .env(HOLD, hold.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Waits until the other says a word.
    fn says(&mut self, word: &str) {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if line.contains(word) {
                return;
            }
            line.clear();
        }
        panic!("the other process ended without saying {word}");
    }

    fn ends_well(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

/// Where this process is the other one: the file, and how long it should hold the lock.
fn role() -> Option<(String, Duration)> {
    let file = std::env::var(FILE).ok()?;
    let hold = std::env::var(HOLD).unwrap().parse().unwrap();
    Some((file, Duration::from_millis(hold)))
}

async fn hold_the_lock(file: &str, hold: Duration) {
    let mut connection = SqliteConnection::connect(&format!("sqlite:{file}")).await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    println!("holding");
    Clock::system().sleep(hold).await;
    connection.execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_short_wait_for_the_other_writer_is_nobodys_business() {
    if let Some((file, hold)) = role() {
        return hold_the_lock(&file, hold).await;
    }
    let world = World::new().await;
    let mut other =
        Other::start("a_short_wait_for_the_other_writer_is_nobodys_business", &world, Duration::from_millis(700));
    other.says("holding");
    let (watch, asked) = (Stopwatch::start(), world.verdict(ANN).await);
    assert!(watch.elapsed() < Duration::from_millis(500), "who only reads does not wait: {asked:?}");
    assert_eq!(world.receive(delivered(ANN)).await.new, 1);
    assert!(watch.elapsed() >= Duration::from_millis(300), "the lock was held");
    other.ends_well();
}

#[tokio::test]
async fn a_writer_that_stays_is_told_to_the_sender_and_costs_nothing() {
    if let Some((file, hold)) = role() {
        return hold_the_lock(&file, hold).await;
    }
    let world = World::new().await;
    let name = "a_writer_that_stays_is_told_to_the_sender_and_costs_nothing";
    let mut other = Other::start(name, &world, Duration::from_millis(6_500));
    other.says("holding");
    let told = delivered(ANN).at(start());
    let refused = world.submit(std::slice::from_ref(&told)).await.unwrap_err();
    assert!(matches!(refused, IntakeError::Unavailable(_)), "{refused}");
    assert_eq!(world.receive(told).await.new, 1, "sent again, it is taken, and was not stored before");
    assert_eq!(world.read().await.count_quarantined().await.unwrap(), 0, "no fault of the event");
    other.ends_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_write_side_by_side() {
    const EACH: usize = 60;
    let people = |who: &str, n| delivered(&format!("{who}{n}@privaterelay.appleid.com"));
    if let Some((file, _)) = role() {
        let store = Store::open(&format!("sqlite:{file}")).await.unwrap();
        let (clock, _hand) = Clock::manual(start());
        let intake = door(&store, &clock, &[1]);
        println!("holding");
        for n in 0..EACH {
            let events = vec![people("other", n).identity(&format!("other{n}")).event(start())];
            let submission =
                Submission { endpoint: "cli".into(), received_at: start(), events, ..Submission::default() };
            intake.submit(submission).await.unwrap();
        }
        return;
    }
    let world = World::new().await;
    let mut other = Other::start("two_processes_write_side_by_side", &world, Duration::ZERO);
    other.says("holding");
    for n in 0..EACH {
        world.receive(people("own", n)).await;
    }
    other.ends_well();
    let numbers: Vec<_> = world.read().await.events_after(0, 1_000).await.unwrap().into_iter().map(|e| e.n).collect();
    assert_eq!(numbers, (1..=2 * EACH as i64).collect::<Vec<_>>());
}
