//! A store, a door and a clock, with invented people; the smallest world in which jobs have something to do.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use relaywatch::app::random;
use relaywatch::clock::{Clock, ManualClock};
use relaywatch::config::destinations::Destination;
use relaywatch::domain::address::Address;
use relaywatch::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use relaywatch::domain::ids::{AddressKey, AppId, Esp, Sub, TeamId};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::policy::Policy;
use relaywatch::domain::stream::StreamBook;
use relaywatch::domain::time::Timestamp;
use relaywatch::intake::{self, Bounds, Context, Intake, Submission};
use relaywatch::jobs::{DeliverOutbox, Done, Job, Means, OutboxMetrics, Outgoing, Turn};
use relaywatch::metrics::Metrics;
use relaywatch::outputs::system_lookup;
use relaywatch::store::Store;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::outputs::destinations::{NOW, destination};
use crate::postgres::{self, TestDatabase};
use crate::privacy::Marked;

/// The team and the app of everybody here.
pub const TEAM: &str = "team";
pub const APP: &str = "com.example.shop";

/// What keeps the store alive.
enum Home {
    Folder(TempDir),
    Database(TestDatabase),
}

/// The world.
pub struct World {
    pub means: Means,
    pub intake: Intake,
    pub hand: ManualClock,
    pub metrics: Metrics,
    pub marked: Marked,
    pub outbox: OutboxMetrics,
    destinations: Vec<Destination>,
    home: Home,
    count: std::cell::Cell<u64>,
}

impl World {
    /// On SQLite, with these destinations.
    pub async fn sqlite(destinations: Vec<Destination>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("relaywatch.db").display());
        Self::open(&url, Home::Folder(folder), destinations).await
    }

    /// On PostgreSQL.
    pub async fn postgres(destinations: Vec<Destination>) -> Self {
        let database = postgres::database().await;
        let url = database.url().to_owned();
        Self::open(&url, Home::Database(database), destinations).await
    }

    async fn open(url: &str, home: Home, destinations: Vec<Destination>) -> Self {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let (clock, hand) = Clock::manual(Timestamp::from_secs(NOW));
        let keyring = Arc::new(Keyring::new(&[Root { id: 1, secret: [7; 32] }]).unwrap());
        let metrics = Metrics::new(clock.now()).unwrap();
        let outbox = OutboxMetrics::register(metrics.registry()).unwrap();
        let means = Means { store, keyring, clock, random };
        let intake = door(&means, &metrics, &destinations);
        let (marked, count) = (Marked::new(), std::cell::Cell::new(0));
        Self { means, intake, hand, metrics, marked, outbox, destinations, home, count }
    }

    /// A second door on the same store, as another replica has it.
    pub fn replica(&self) -> Intake {
        door(&self.means, &Metrics::new(self.now()).unwrap(), &self.destinations)
    }

    pub fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    pub fn store(&self) -> &Store {
        &self.means.store
    }

    /// The folder of a SQLite store.
    pub fn folder(&self) -> &std::path::Path {
        match &self.home {
            Home::Folder(folder) => folder.path(),
            Home::Database(database) => panic!("{} is in no folder", database.url()),
        }
    }

    pub fn address(&self, n: usize) -> Address {
        Address::parse(&self.marked.address(n)).unwrap()
    }

    /// The key of person `n`'s address.
    pub fn key(&self, n: usize) -> AddressKey {
        self.means.keyring.address(&self.address(n))
    }

    /// The job that tells this destination.
    pub fn deliverer(&self, to: &Destination) -> DeliverOutbox {
        let outgoing = Outgoing::open(to, system_lookup()).unwrap();
        DeliverOutbox::new(self.means.clone(), outgoing, self.outbox.clone())
    }

    /// One turn of a job.
    pub async fn turn(&self, job: &dyn Job) -> Done {
        job.turn(Turn { now: self.now(), stop: &CancellationToken::new() }).await.unwrap()
    }

    /// What happened, now, to whom, by whose word. Every call is another event.
    pub fn event(&self, kind: Kind, source: Source, who: Who) -> Event {
        self.count.set(self.count.get() + 1);
        let mut origin = Origin::of_team(TeamId::new(TEAM));
        origin.app = Some(AppId::new(APP));
        if source == Source::Ses {
            origin.esp = Some(Esp::new("ses"));
            origin.from_domain = Some("example.com".to_owned());
        }
        Event {
            identity: Identity::new("test", &[&self.count.get().to_string()]),
            source,
            kind,
            scope: Scope::Recipient,
            fresh: true,
            rule: "test".into(),
            who,
            origin,
            evidence: Evidence::default(),
            occurred_at: self.now(),
            decision: None,
        }
    }

    pub fn person(&self, n: usize) -> Who {
        Who { address: Some(self.address(n)), sub: Sub::parse(&self.marked.sub(n)), is_private: Some(true), named: 1 }
    }

    pub fn sub_only(&self, n: usize) -> Who {
        Who { sub: Sub::parse(&self.marked.sub(n)), ..Who::default() }
    }

    pub fn address_only(&self, n: usize) -> Who {
        Who { address: Some(self.address(n)), named: 1, ..Who::default() }
    }

    pub async fn submit(&self, events: Vec<Event>) {
        let submission =
            Submission { endpoint: "test".to_owned(), received_at: self.now(), events, ..Submission::default() };
        self.intake.submit(submission).await.unwrap();
    }

    /// People who signed in with Apple, and of whom nothing bad is known.
    pub async fn sign_in(&self, people: std::ops::Range<usize>) {
        let events = people.map(|n| self.event(Kind::Authorized, Source::Import, self.person(n))).collect();
        self.submit(events).await;
    }

    /// People who revoke consent.
    pub async fn revoke(&self, people: std::ops::Range<usize>) {
        let events = people.map(|n| self.event(Kind::ConsentRevoked, Source::Apple, self.sub_only(n))).collect();
        self.submit(events).await;
    }

    /// Apple says forwarding is on or off for a person.
    pub async fn forwarding(&self, n: usize, on: bool) {
        let kind = if on { Kind::ForwardingEnabled } else { Kind::ForwardingDisabled };
        self.submit(vec![self.event(kind, Source::Apple, self.person(n))]).await;
    }

    /// A fresh `user not found`.
    pub async fn bounce(&self, n: usize) {
        let mut event = self.event(Kind::HardBounce, Source::Ses, self.address_only(n));
        event.rule = "apple.user_not_found".into();
        self.submit(vec![event]).await;
    }

    /// Enough mail accepted in the cell, of other people, to be a control.
    pub async fn accepted_elsewhere(&self) {
        let events = (9_000..9_030).map(|n| self.event(Kind::Delivered, Source::Ses, self.address_only(n))).collect();
        self.submit(events).await;
    }

    pub fn wait(&self, span: Duration) {
        self.hand.advance(span);
    }

    /// The whole of the metrics.
    pub async fn scrape(&self) -> String {
        self.metrics.scrape().await.unwrap()
    }
}

fn door(means: &Means, metrics: &Metrics, destinations: &[Destination]) -> Intake {
    let context = Context {
        keyring: Arc::clone(&means.keyring),
        streams: ArcSwap::from_pointee(StreamBook::new(vec![])),
        policy_version: Policy::default().version(),
        policy: Policy::default(),
        index: Arc::default(),
        failing: intake::FailingStreams::new(true),
        daily: std::sync::Mutex::default(),
        canaries: intake::CanaryBook::default(),
        destinations: destinations.iter().map(intake::Destination::from).collect(),
        random,
        clock: means.clock.clone(),
        metrics: metrics.clone(),
    };
    let (intake, worker) = Intake::open(Arc::new(context), means.store.clone(), Bounds::default());
    tokio::spawn(worker);
    intake
}

/// A destination of the team at a receiver of this machine.
pub fn at(origin: &str, more: &str) -> Destination {
    destination(&format!("{origin}/in"), &format!("mode = 'enforce'\nallow_private_addresses = true\n{more}"))
}

/// The seconds of a `Duration`, for short.
pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
