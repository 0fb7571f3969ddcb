//! Promise 5 on the real daemon: it is killed again and again while clients post, and every acknowledged event is there once.
//!
//! What was acknowledged is known to the clients alone; the store is read behind the daemon's back, after its last death.

mod clients;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relaywatch::domain::address::Address;
use relaywatch::domain::cell::Cell;
use relaywatch::domain::ids::{Esp, StreamName, TeamId, UNREGISTERED};
use relaywatch::store::Store;

use self::clients::{Client, Ledger};
use crate::chance::Chance;
use crate::daemon::{Daemon, Home};
use crate::feeds::{self, Feeds};
use crate::postgres;

/// Clients that post at the same time.
const CLIENTS: usize = 4;

/// The longest time a daemon lives once it is ready.
const LIFE: Duration = Duration::from_millis(400);

/// The longest time it is given when it is killed while it starts.
const START: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_after_kill_9_on_sqlite() {
    let home = Home::new();
    let url = home.sqlite_url();
    ordeal(home, &url, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_event_is_there_once_after_kill_9_on_postgresql() {
    let database = postgres::database().await;
    ordeal(Home::new(), database.url(), 2).await;
}

async fn ordeal(home: Home, store_url: &str, seed: u64) {
    let kills = if std::env::var_os("RELAYWATCH_TEST_LONG").is_some() { 200 } else { 20 };
    let feeds = Arc::new(Feeds::new());
    let toml = feeds.settle(&home, store_url);
    let mut daemon = Daemon::start(home, &toml).await;
    let hooks = daemon.home().hooks;
    let enough = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = Client { number, hooks, feeds: feeds.clone(), enough: enough.clone() };
            tokio::spawn(client.post_until_enough())
        })
        .collect();

    let mut chance = Chance::of(seed);
    tokio::time::sleep(chance.shorter_than(LIFE)).await;
    daemon.kill_9();
    for _ in 1..kills {
        if chance.once_in(4) {
            // Also in the middle of its start.
            let _ = tokio::time::timeout(chance.shorter_than(START), daemon.restart()).await;
        } else {
            daemon.restart().await;
            tokio::time::sleep(chance.shorter_than(LIFE)).await;
        }
        daemon.kill_9();
    }
    enough.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::default();
    for client in clients {
        ledger.join(client.await.expect("a client that did not fail"));
    }
    assert!(ledger.acknowledged.len() > kills, "only {} requests were acknowledged", ledger.acknowledged.len());

    let found = Found::read(store_url).await;
    found.expect_sound();
    found.expect_acknowledged(&ledger);
    expect_records(store_url, &found, &ledger).await;

    // The providers repeat everything, also what they were never answered.
    daemon.restart().await;
    let new = clients::repeat(&ledger, hooks).await;
    assert_eq!(new.of_acknowledged, 0, "an acknowledged event was not known any more");
    daemon.kill_9();
    let whole = Found::read(store_url).await;
    whole.expect_sound();
    whole.expect_everything(&ledger);
    assert_eq!(
        whole.numbers.len(),
        found.numbers.len() + new.logged,
        "the log grew by something else than what was new"
    );
    expect_records(store_url, &whole, &ledger).await;
    eprintln!(
        "{kills} kills: {} requests acknowledged, {} not; {} events in the log",
        ledger.acknowledged.len(),
        ledger.unanswered.len(),
        whole.numbers.len()
    );
}

/// What a store holds.
struct Found {
    head: i64,
    numbers: Vec<i64>,
    keys: usize,
    /// How often each provider id stands in the log.
    times: BTreeMap<String, usize>,
    /// How many mails to ordinary recipients were counted.
    counted: i64,
}

impl Found {
    async fn read(store_url: &str) -> Self {
        let store = Store::open(store_url).await.expect("the store opens after its daemon was killed");
        let mut tx = store.read().await.expect("it can be read");
        let (mut numbers, mut keys, mut times) = (Vec::new(), HashSet::new(), BTreeMap::new());
        loop {
            let page = tx.events_after(numbers.last().copied().unwrap_or(0), 5_000).await.expect("sound rows");
            if page.is_empty() {
                break;
            }
            for row in page {
                numbers.push(row.n);
                keys.insert(row.id);
                *times.entry(row.provider_id.expect("every event here has one")).or_default() += 1;
            }
        }
        let ordinary = Cell {
            relay_domain: "other".to_owned(),
            sending_domain: "news.example.com".to_owned(),
            esp: Esp::new("sparkpost"),
            stream: StreamName::new(UNREGISTERED),
        };
        let (from, to) = (feeds::now().minus(DAY), feeds::now().plus(DAY));
        let counted =
            tx.count_in_cell(&TeamId::new(feeds::TEAM), &ordinary, "delivered", from, to).await.expect("a sum");
        let head = tx.head().await.expect("a head");
        drop(tx);
        store.close().await;
        Self { head, numbers, keys: keys.len(), times, counted }
    }

    /// No gap, nothing twice.
    fn expect_sound(&self) {
        let gap = self.numbers.iter().zip(1..).find(|(found, want)| *found != want);
        assert_eq!(gap, None, "the log has a gap: (found, expected)");
        assert_eq!(self.head, i64::try_from(self.numbers.len()).unwrap(), "the head is not the last number");
        assert_eq!(self.keys, self.numbers.len(), "an identity stands twice");
        let twice: Vec<_> = self.times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "events that stand twice: {twice:?}");
    }

    /// What was acknowledged is there; of the rest only what somebody sent.
    fn expect_acknowledged(&self, ledger: &Ledger) {
        let lost: Vec<_> = ledger.ids(true).filter(|id| !self.times.contains_key(*id)).collect();
        assert!(lost.is_empty(), "{} acknowledged events are lost: {lost:?}", lost.len());
        let sent: HashSet<_> = ledger.ids(true).chain(ledger.ids(false)).collect();
        let invented: Vec<_> = self.times.keys().filter(|id| !sent.contains(id.as_str())).collect();
        assert!(invented.is_empty(), "events that nobody sent: {invented:?}");
        let (least, most) = (ledger.ordinary(true), ledger.ordinary(true) + ledger.ordinary(false));
        assert!(
            (least..=most).contains(&self.counted),
            "{} ordinary mails counted, want {least} to {most}",
            self.counted
        );
    }

    /// Everything that was ever sent is there, and nothing else.
    fn expect_everything(&self, ledger: &Ledger) {
        let sent: HashSet<_> = ledger.ids(true).chain(ledger.ids(false)).collect();
        let found: HashSet<_> = self.times.keys().map(String::as_str).collect();
        assert_eq!(found, sent);
        assert_eq!(self.counted, ledger.ordinary(true) + ledger.ordinary(false));
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// An event and the record folded from it come in one transaction: there is a record exactly where there is an event.
async fn expect_records(store_url: &str, found: &Found, ledger: &Ledger) {
    let (keyring, team) = (feeds::keyring(), TeamId::new(feeds::TEAM));
    let store = Store::open(store_url).await.expect("the store opens");
    let mut tx = store.read().await.expect("it can be read");
    let people: Vec<_> = ledger
        .people()
        .map(|(id, text)| (id, (team.clone(), keyring.address(&Address::parse(text).expect("an address")))))
        .collect();
    let places: Vec<_> = people.iter().map(|(_, place)| place.clone()).collect();
    let records = tx.addresses(&places).await.expect("sound records");
    let keys: Vec<_> = places.iter().map(|(_, key)| key.to_string()).collect();
    let sealed = tx.sealed(&team, "address", &keys).await.expect("sealed values");
    for (id, place) in &people {
        let logged = found.times.contains_key(*id);
        assert_eq!(records.contains_key(place), logged, "event {id}: in the log {logged}, but in the records not so");
        assert_eq!(sealed.contains_key(&place.1.to_string()), logged, "event {id}: its address is not sealed with it");
    }
    drop(tx);
    store.close().await;
}
