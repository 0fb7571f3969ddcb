//! Providers as they behave around a daemon that dies: they repeat what was not answered, give up at times, and say things twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relaywatch::cli::demo::world::apple::forwarding;
use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use serde_json::Value;

use crate::chance::Chance;
use crate::feeds::{FROM, Feeds, NOT_FOUND, Post, now, sparkpost_post, unique};

/// How long a client waits before it repeats a request.
const PAUSE: Duration = Duration::from_millis(5);

/// One request, and what must be found of it.
#[derive(Clone)]
pub struct Sent {
    post: Post,
    /// The provider's id of each event that the log must hold, with the relay address it is about.
    events: Vec<(String, String)>,
    /// How many events about ordinary recipients it holds: only their number is kept.
    ordinary: i64,
}

/// What the clients know.
#[derive(Default)]
pub struct Ledger {
    /// Answered 200.
    pub acknowledged: Vec<Sent>,
    /// Given up without an answer: they may be on disk or not.
    pub unanswered: Vec<Sent>,
}

impl Ledger {
    /// Takes in what another client knows.
    pub fn join(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unanswered.extend(other.unanswered);
    }

    fn of(&self, acknowledged: bool) -> &[Sent] {
        if acknowledged { &self.acknowledged } else { &self.unanswered }
    }

    /// The ids of all events that belong into the log.
    pub fn ids(&self, acknowledged: bool) -> impl Iterator<Item = &str> {
        self.of(acknowledged).iter().flat_map(|sent| sent.events.iter().map(|(id, _)| id.as_str()))
    }

    /// All events that belong into the log, as id and address.
    pub fn people(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.acknowledged.iter().chain(&self.unanswered);
        all.flat_map(|sent| sent.events.iter().map(|(id, address)| (id.as_str(), address.as_str())))
    }

    /// How many events about ordinary recipients there are.
    pub fn ordinary(&self, acknowledged: bool) -> i64 {
        self.of(acknowledged).iter().map(|sent| sent.ordinary).sum()
    }
}

/// One client.
pub struct Client {
    /// Its number, also the seed of its choices.
    pub number: usize,
    /// Where it posts.
    pub hooks: SocketAddr,
    /// What signs for it.
    pub feeds: Arc<Feeds>,
    /// Set when it shall end.
    pub enough: Arc<AtomicBool>,
}

impl Client {
    /// Posts one request after another, each until it is answered 200, and keeps the books.
    pub async fn post_until_enough(self) -> Ledger {
        let mut chance = Chance::of(self.number as u64);
        let mut ledger = Ledger::default();
        while !self.enough.load(Ordering::Relaxed) {
            if chance.once_in(8) && !ledger.acknowledged.is_empty() {
                let known = &ledger.acknowledged[chance.below(ledger.acknowledged.len())];
                let answer = deliver(&known.post, self.hooks, 1).await;
                assert!(answer.is_none_or(|answer| answer["new"] == 0), "an acknowledged event was taken for new");
                continue;
            }
            let sent = self.next(&mut chance);
            // Few providers try for ever.
            let tries = if chance.once_in(4) { 1 } else { 500 };
            match deliver(&sent.post, self.hooks, tries).await {
                Some(_) => ledger.acknowledged.push(sent),
                None => ledger.unanswered.push(sent),
            }
        }
        ledger
    }

    fn next(&self, chance: &mut Chance) -> Sent {
        let (id, address) = (unique(), format!("{}@privaterelay.appleid.com", unique()));
        match chance.below(3) {
            0 => {
                Sent { post: self.feeds.ses_bounce(&address, NOT_FOUND, &id), events: vec![(id, address)], ordinary: 0 }
            }
            1 => {
                let event = forwarding(chance.once_in(2), &format!("000001.{}.0001", unique()), &address, now());
                Sent { post: self.feeds.notification(event, &id), events: vec![(id, address)], ordinary: 0 }
            }
            _ => batch(1 + chance.below(40), chance),
        }
    }
}

/// A batch of SparkPost's, one in three to an ordinary recipient.
fn batch(events: usize, chance: &mut Chance) -> Sent {
    let (mut batch, mut logged, mut ordinary) = (Batch::with_capacity(events), Vec::new(), 0);
    for n in 0..events {
        let at_relay = n % 3 != 0;
        let domain = if at_relay { "private.icloud.com" } else { "mail.example.org" };
        let recipient = format!("{}@{domain}", unique());
        // 128 random bits in all, of which SparkPost's id has 64.
        let event_id = uuid::Uuid::now_v7().as_u64_pair().1;
        let mail = Mail {
            event_id,
            message_id: event_id,
            recipient: &recipient,
            friendly_from: FROM,
            msg_from: "b@bounce.news.example.com",
            at: now().secs(),
        };
        let bounced = Report::Bounce { class: 10, code: 550, reason: NOT_FOUND };
        batch.push(&mail, if at_relay && chance.once_in(2) { bounced } else { Report::Delivery });
        if at_relay {
            logged.push((event_id.to_string(), recipient));
        } else {
            ordinary += 1;
        }
    }
    let post = sparkpost_post(batch.finish()).with("x-messagesystems-batch-id", &unique());
    Sent { post, events: logged, ordinary }
}

/// The answer of the first 200; anything but silence and 503 is a failure.
async fn deliver(post: &Post, hooks: SocketAddr, tries: usize) -> Option<Value> {
    for _ in 0..tries {
        match post.to(hooks).send().await {
            Ok((200, answer)) => return Some(answer.json()),
            Ok((503, answer)) => assert!(answer.headers.contains_key("retry-after"), "{}", answer.text()),
            Ok((status, answer)) => panic!("answered {status}: {}", answer.text()),
            // It died meanwhile, or is not back yet.
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// How many events were new when everything was said again.
#[derive(Default)]
pub struct New {
    /// Of the requests that were acknowledged.
    pub of_acknowledged: u64,
    /// Of those that were not: how many of them belong into the log.
    pub logged: usize,
}

/// Posts everything once more, what was not acknowledged with another batch id: SparkPost's name of a batch is not its content.
pub async fn repeat(ledger: &Ledger, hooks: SocketAddr) -> New {
    let mut new = New::default();
    for group in ledger.acknowledged.chunks(8) {
        let posts = group.iter().map(|sent| sent.post.to(hooks).expect(200));
        for answer in futures_util::future::join_all(posts).await {
            new.of_acknowledged += answer.json::<Value>()["new"].as_u64().expect("a number");
        }
        // Under another batch id each event is looked at by itself.
        let posts = group
            .iter()
            .map(|sent| sent.post.clone().with("x-messagesystems-batch-id", &unique()).to(hooks).expect(200));
        for answer in futures_util::future::join_all(posts).await {
            new.of_acknowledged += answer.json::<Value>()["new"].as_u64().expect("a number");
        }
    }
    for sent in &ledger.unanswered {
        let answer: Value = sent.post.to(hooks).expect(200).await.json();
        if answer["new"] != 0 {
            assert_eq!(answer["new"], sent.events.len() as i64 + sent.ordinary, "a request was stored in part");
            new.logged += sent.events.len();
        }
    }
    new
}
