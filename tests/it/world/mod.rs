//! The world of the core's tests: a store with the real door before it, and a clock moved by hand.

mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use relaywatch::clock::{Clock, ManualClock};
use relaywatch::domain::address::Address;
use relaywatch::domain::ids::{AddressKey, AppId, Esp, StreamName, Sub, SubKey, TeamId};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::policy::{Class, Policy};
use relaywatch::domain::stream::{Provider, Stream, StreamBook};
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Answer, Desired, DesiredState, Moment, Question, Reason, Verdict, decide};
use relaywatch::intake::{
    Bounds, CanaryBook, Context, Destination, Erasure, ErasureDone, FailingStreams, Intake, IntakeError, Receipt,
    Submission,
};
use relaywatch::metrics::Metrics;
use relaywatch::store::{Store, Tx};
use tempfile::TempDir;

use crate::postgres::{self, TestDatabase};

pub use told::*;

/// The team of every test.
pub const TEAM: &str = "team";
/// When every test begins.
pub const START: i64 = 1_750_000_000;
/// The destination that holds all of the team's users.
pub const CRM: &str = "crm";
/// The destination that serves the app `shop`.
pub const SHOP: &str = "shop-crm";

/// A relay address and its subject.
pub const ANN: &str = "k7w2m9qx4t@privaterelay.appleid.com";
pub const ANN_SUB: &str = "001234.0a1b2c3d4e5f60718293a4b5c6d7e8f9.0101";
/// Another pair.
pub const BEN: &str = "z3v8n1rb6c@privaterelay.appleid.com";
pub const BEN_SUB: &str = "005678.f9e8d7c6b5a493827160f5e4d3c2b1a0.0202";

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// When every test begins.
pub fn start() -> Timestamp {
    Timestamp::from_secs(START)
}

/// The place where a world keeps its data; goes with it.
enum Place {
    Folder(TempDir),
    Database(TestDatabase),
}

/// Store, door, keys and clock.
pub struct World {
    pub store: Store,
    pub intake: Intake,
    pub clock: Clock,
    hand: ManualClock,
    place: Place,
}

impl World {
    /// A fresh world on SQLite.
    pub async fn new() -> Self {
        Self::with(&[1]).await
    }

    /// One with these root keys, the first in force.
    pub async fn with(keys: &[u32]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("relaywatch.db").display());
        Self::open(Store::open(&url).await.expect("SQLite opens"), Place::Folder(folder), keys, start()).await
    }

    /// A fresh world on PostgreSQL.
    pub async fn on_postgres() -> Self {
        let database = postgres::database().await;
        let store = Store::open(database.url()).await.expect("PostgreSQL answers");
        Self::open(store, Place::Database(database), &[1], start()).await
    }

    async fn open(store: Store, place: Place, keys: &[u32], now: Timestamp) -> Self {
        store.migrate().await.expect("the schema");
        let (clock, hand) = Clock::manual(now);
        let intake = door(&store, &clock, keys);
        Self { store, intake, clock, hand, place }
    }

    /// The daemon stopped and started again, with these root keys.
    pub async fn restarted(self, keys: &[u32]) -> Self {
        let Self { store, intake, clock, place, .. } = self;
        drop(intake);
        Self::open(store, place, keys, clock.now()).await
    }

    /// The folder of a world on SQLite.
    pub fn folder(&self) -> &std::path::Path {
        match &self.place {
            Place::Folder(folder) => folder.path(),
            Place::Database(_) => panic!("this world is on PostgreSQL"),
        }
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Folder(folder) => format!("sqlite:{}", folder.path().join("relaywatch.db").display()),
            Place::Database(database) => database.url().to_owned(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn pass(&self, span: Duration) {
        self.hand.advance(span);
    }

    /// Takes one event in.
    pub async fn receive(&self, told: Told) -> Receipt {
        self.receive_all(&[told]).await
    }

    /// Takes one request with several events in.
    pub async fn receive_all(&self, told: &[Told]) -> Receipt {
        self.submit(told).await.expect("the store takes them")
    }

    /// Offers one request with several events.
    pub async fn submit(&self, told: &[Told]) -> Result<Receipt, IntakeError> {
        self.intake.submit(self.submission(told)).await
    }

    /// One request with several events, received now.
    pub fn submission(&self, told: &[Told]) -> Submission {
        let now = self.now();
        let events = told.iter().map(|t| t.event(now)).collect();
        Submission { endpoint: "main".into(), received_at: now, events, ..Submission::default() }
    }

    /// Twenty people's mail accepted in a cell: the control of whatever bounces there.
    pub async fn control(&self, way: Way) {
        let told: Vec<_> =
            (0..20).map(|n| delivered(&format!("control{n}@privaterelay.appleid.com")).by(way)).collect();
        self.receive_all(&told).await;
    }

    /// Erases whoever is behind an address.
    pub async fn erase(&self, address: Option<&str>, sub: Option<&str>) -> ErasureDone {
        let erasure = Erasure {
            team: TeamId::new(TEAM),
            address: address.and_then(Address::parse),
            sub: sub.and_then(Sub::parse),
            who: "a person".into(),
        };
        self.intake.erase(&erasure).await.expect("the store erases")
    }

    /// Does what is due by time alone.
    pub async fn settle(&self) {
        while self.intake.settle_due(1_000).await.expect("the store settles").looked_at == 1_000 {}
    }

    /// The verdict at this moment.
    pub async fn verdict(&self, asked: impl Into<Asked>) -> Verdict {
        let asked = asked.into();
        let context = self.intake.context();
        let address = Address::parse(&asked.address).expect("an address");
        let mut tx = self.store.read().await.expect("the store reads");
        let head = tx.head().await.expect("the head").to_string();
        let at = [(TeamId::new(TEAM), context.keyring.address(&address))];
        let mut view = tx.views(&at, &context.policy).await.expect("views").remove(0);
        view.on_relay_domain = address.on_relay_domain();
        view.around.ways = ["ses", "sparkpost"].map(|esp| (StreamName::new(esp), Esp::new(esp))).into();
        let now = self.now();
        let moment = Moment { now, as_of: now, cursor: &head, policy_version: &context.policy_version };
        decide(&asked.question, &view, &context.policy, moment)
    }

    /// Answer and reason of the verdict at this moment.
    pub async fn says(&self, asked: impl Into<Asked>) -> (Answer, Reason) {
        let verdict = self.verdict(asked).await;
        (verdict.verdict, verdict.reason)
    }

    /// What a destination should hold, by `a:KEY` or `s:KEY`. Whom it never heard of may be mailed, so that a row which says no more
    /// than that is left out.
    pub async fn desired(&self, destination: &str) -> BTreeMap<String, Desired> {
        let mut rows = self.desired_rows(destination).await;
        rows.retain(|_, d| d.state != DesiredState::Sendable || !d.unsubscribed.is_empty());
        rows
    }

    /// Every row of a destination.
    pub async fn desired_rows(&self, destination: &str) -> BTreeMap<String, Desired> {
        let mut tx = self.store.read().await.expect("the store reads");
        let rows = tx.desired_of(destination, ("", ""), 10_000).await.expect("desired states");
        rows.into_iter().map(|row| (row.who, serde_json::from_str(&row.state).expect("a state"))).collect()
    }

    /// Why the destination should not mail an address; `None` when it may.
    pub async fn suppressed_at(&self, destination: &str, address: &str) -> Option<Reason> {
        let who = format!("a:{}", self.key(address));
        let desired = self.desired(destination).await.remove(&who)?;
        (desired.state == DesiredState::Suppressed).then_some(desired.reason)
    }

    pub fn key(&self, address: &str) -> AddressKey {
        self.intake.context().keyring.address(&Address::parse(address).expect("an address"))
    }

    pub fn sub_key(&self, sub: &str) -> SubKey {
        self.intake.context().keyring.sub(&Sub::parse(sub).expect("a sub"))
    }

    pub async fn read(&self) -> Tx {
        self.store.read().await.expect("the store reads")
    }
}

/// A door of its own before the store, its worker running.
pub fn door(store: &Store, clock: &Clock, keys: &[u32]) -> Intake {
    door_with(store, clock, keys, |_| CanaryBook::default())
}

/// One that knows of canaries.
pub fn door_with(store: &Store, clock: &Clock, keys: &[u32], canaries: impl Fn(&Keyring) -> CanaryBook) -> Intake {
    let roots: Vec<Root> = keys.iter().map(|&id| Root { id, secret: [id as u8; 32] }).collect();
    let destination = |name: &str, app: Option<&str>| Destination {
        name: name.into(),
        team: TeamId::new(TEAM),
        app: app.map(AppId::new),
        delivers: true,
    };
    let keyring = Keyring::new(&roots).expect("keys");
    let canaries = canaries(&keyring);
    let context = Context {
        keyring: Arc::new(keyring),
        streams: ArcSwap::from_pointee(StreamBook::new(streams())),
        policy_version: Policy::default().version(),
        policy: Policy::default(),
        index: Arc::default(),
        failing: FailingStreams::new(true),
        destinations: vec![destination(CRM, None), destination(SHOP, Some("shop"))],
        daily: std::sync::Mutex::default(),
        canaries,
        random: relaywatch::app::random,
        clock: clock.clone(),
        metrics: Metrics::new(clock.now()).expect("metrics"),
    };
    let (intake, worker) = Intake::open(Arc::new(context), store.clone(), Bounds::default());
    tokio::spawn(worker);
    intake
}

/// The registered streams.
pub fn streams() -> Vec<Stream> {
    let stream = |way: Way, provider: Provider| {
        let text = serde_json::json!({"name": way.stream, "team": TEAM, "from_domain": way.from, "provider": provider});
        serde_json::from_value(text).expect("a stream")
    };
    vec![stream(NEWS, Provider::Sparkpost), stream(RECEIPTS, Provider::Ses)]
}

/// A question under way.
pub struct Asked {
    address: String,
    question: Question,
}

/// May this address be mailed?
pub fn may(address: &str) -> Asked {
    Asked { address: address.into(), question: Question::default() }
}

impl Asked {
    pub fn question(&self) -> &Question {
        &self.question
    }

    pub fn on(mut self, way: Way) -> Self {
        self.question.stream = Some((StreamName::new(way.stream), Esp::new(way.esp)));
        self
    }

    pub fn app(mut self, app: &str) -> Self {
        self.question.app = Some(AppId::new(app));
        self
    }

    pub fn class(mut self, class: Class) -> Self {
        self.question.class = class;
        self
    }
}

impl From<&str> for Asked {
    fn from(address: &str) -> Self {
        may(address)
    }
}

/// A moment at which the view is as fresh as can be.
pub fn moment(now: Timestamp) -> Moment<'static> {
    Moment { now, as_of: now, cursor: "1", policy_version: "1" }
}
