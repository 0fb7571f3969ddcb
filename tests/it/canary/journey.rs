//! The whole way, by the jobs: planned, sent by SMTP, and read in a Maildir; each end it can come to.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use relaywatch::config::canaries::Canaries;
use relaywatch::config::streams::Streams;
use relaywatch::domain::canary::Token;
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::intake::Intake;
use relaywatch::jobs::{CollectCanaries, Done, Job, Post, SendCanaries, SettleCanaries, Turn};
use relaywatch::mail::Submission;
use relaywatch::metrics::Configured;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{BEHIND, PLAIN, count, door, log, plan, section, token_of, told};
use crate::mail::scripted_smtp::{Act, ScriptedSmtp};
use crate::world::{MINUTE, World, streams};

/// Jobs of one replica, between a server that takes mail and a folder where it should arrive.
struct Route {
    world: World,
    section: Canaries,
    door: Intake,
    folder: TempDir,
}

impl Route {
    async fn new() -> Self {
        Self::of(section("")).await
    }

    async fn of(section: Canaries) -> Self {
        let world = World::new().await;
        let door = door(&world, &section);
        let folder = tempfile::tempdir().unwrap();
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        Self { world, section, door, folder }
    }

    async fn turn(&self, job: &dyn Job) -> Done {
        job.turn(Turn { now: self.world.now(), stop: &CancellationToken::new() }).await.unwrap()
    }

    /// Sends what is due by this port.
    async fn send(&self, port: u16) -> Done {
        let text = format!(
            "name = 's'\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'\nhello = 'a.example'\nenvelope_from = 'b@a.example'\ntimeout = '5s'"
        );
        let submission = Submission::new(&toml::from_str(&text).unwrap()).unwrap();
        let keyring = &self.door.context().keyring;
        let own = self.section.addresses.iter().map(|own| &own.address.0);
        let post = Post {
            submissions: BTreeMap::from([("s".to_owned(), submission)]),
            senders: self.section.senders(&Streams(streams())),
            addresses: own.map(|address| (keyring.address(address), address.clone())).collect(),
            rules: Arc::default(),
        };
        self.turn(&SendCanaries::new(self.door.clone(), "news", Arc::new(post))).await
    }

    /// Reads the folder, or a place where there is none.
    async fn collect(&self, path: &std::path::Path) -> Done {
        let text = format!("name = '{BEHIND}'\nkind = 'maildir'\npath = '{}'", path.display());
        let (section, keep) = (toml::from_str(&text).unwrap(), Duration::from_secs(7 * 86_400));
        let collect = CollectCanaries::open(self.door.clone(), self.world.clock.clone(), &section, keep).unwrap();
        self.turn(&collect).await
    }

    /// Lays a letter with this token into the folder, under another sender and without our headers, as the relay forwards it.
    fn lay(&self, name: &str, token: &str) {
        let text = format!("From: no-reply_at_a_example_x@icloud.com\r\nSubject: Fwd: {token}\r\n\r\nhello\r\n");
        fs::write(self.folder.path().join("new").join(name), text).unwrap();
    }

    async fn settle(&self) {
        self.turn(&SettleCanaries::new(self.door.clone())).await;
    }

    async fn states(&self, n: i64) -> Vec<String> {
        told(&self.world, n).await.into_iter().map(|(_, state)| state).collect()
    }
}

#[tokio::test]
async fn what_is_taken_and_forwarded_arrives_and_what_is_dropped_is_lost() {
    let (route, server) = (Route::new().await, ScriptedSmtp::sound().await);
    assert_eq!(route.send(server.port()).await.count("sent"), 3);
    assert_eq!(route.states(1).await, ["accepted"; 3]);
    // The relay forwards two of the three.
    let letters = server.taken();
    for (n, letter) in letters.iter().enumerate().filter(|(_, letter)| !letter.contains(super::FIRST)) {
        route.lay(&format!("{n}.letter"), token_of(letter));
    }
    assert_eq!(letters.len(), 3);
    assert_eq!(route.collect(route.folder.path()).await.count("arrived"), 2);
    assert_eq!(route.states(1).await, ["accepted", "arrived", "arrived"]);
    route.world.pass(31 * MINUTE);
    assert_eq!(route.collect(route.folder.path()).await.count("arrived"), 0, "what was found is no news");
    route.settle().await;
    assert_eq!(route.states(1).await, ["lost", "arrived", "arrived"]);
    let leaked = log(&route.world).await.iter().any(|event| format!("{event:?}").contains('@'));
    assert!(!leaked, "no address is in the log");
}

#[tokio::test]
async fn a_letter_with_a_forged_or_replayed_token_is_no_arrival_and_is_counted() {
    let mut section = section("");
    section.routes[2].mailbox = Some("another".to_owned());
    let (route, server) = (Route::of(section).await, ScriptedSmtp::sound().await);
    route.send(server.port()).await;
    let letters = server.taken();
    let sent_to = |address: &str| letters.iter().find(|letter| letter.contains(address)).map(|l| token_of(l)).unwrap();
    let row = route.world.read().await.canaries_of_rounds_after("news", 0).await.unwrap().remove(0);
    let foreign = Keyring::new(&[Root { id: 1, secret: [99; 32] }]).unwrap();
    let forged = Token::new(row.route_key, row.sequence, row.planned_at).write(&foreign);
    route.lay("forged", &forged);
    route.lay("of another mailbox", sent_to(PLAIN));
    let done = route.collect(route.folder.path()).await;
    assert_eq!((done.count("arrived"), done.count("refused")), (0, 2));
    let metrics = &route.door.context().metrics.canaries;
    for reason in ["forged", "not_sent_here"] {
        assert_eq!(metrics.canary_tokens_refused_total.get([&reason]), 1, "{reason}");
    }
    assert_eq!(route.states(1).await, ["accepted"; 3]);

    // The true one arrives once, however often somebody who has seen it sends it again.
    let (first, arrived) = (sent_to(super::FIRST), || metrics.canary_arrived_total.get([&Configured("news")]));
    assert_eq!((arrived(), count(&route.world, "canary_arrived").await), (0, 0));
    route.lay("true", first);
    route.lay("again", first);
    assert_eq!(route.collect(route.folder.path()).await.count("arrived"), 1);
    route.lay("and again", first);
    assert_eq!(route.collect(route.folder.path()).await.count("arrived"), 0);
    assert_eq!((arrived(), count(&route.world, "canary_arrived").await), (1, 1));
    assert_eq!(route.states(1).await, ["arrived", "accepted", "accepted"]);
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_unread_and_loses_nothing() {
    let (route, server) = (Route::new().await, ScriptedSmtp::sound().await);
    route.send(server.port()).await;
    route.world.pass(31 * MINUTE);
    let gone = route.folder.path().join("elsewhere");
    assert_eq!(route.collect(&gone).await.count("unreadable"), 1);
    route.settle().await;
    assert_eq!(route.states(1).await, ["unknown"; 3]);
    let mailboxes = route.world.read().await.mailboxes().await.unwrap();
    assert!(mailboxes[BEHIND].error.is_some() && mailboxes[BEHIND].read_at.is_none());
}

#[tokio::test]
async fn each_answer_of_the_server_is_told_as_what_it_is() {
    let refused = "550 5.1.1 <no-reply@news.shop.example>: unauthorized sender";
    for (step, act, want) in [
        ("RCPT", Act::Say(refused), "refused"),
        ("MAIL", Act::Say("451 4.7.1 come back later"), "refused"),
        ("content", Act::Drop, "uncertain"),
        ("greeting", Act::Drop, "not_sent"),
    ] {
        let (route, server) = (Route::new().await, ScriptedSmtp::start(step, act, None).await);
        route.send(server.port()).await;
        assert_eq!(route.states(1).await, [want; 3], "{step}: {act:?}");
        assert!(server.taken().is_empty());
        // Whatever it was, it is not sent again in its round.
        let sound = ScriptedSmtp::sound().await;
        assert_eq!(route.send(sound.port()).await.count("sent"), 0);
        assert!(sound.taken().is_empty());
        if act_says(act) == Some(refused) {
            let events = log(&route.world).await;
            let event = events.iter().find(|event| event.kind.as_str() == "canary_refused").unwrap();
            assert_eq!((event.code, event.status.as_deref()), (Some(550), Some("5.1.1")));
            assert!(event.rule.contains("unauthorized"), "{}", event.rule);
            assert!(event.diagnostic.as_deref().is_some_and(|text| !text.contains('@')), "{event:?}");
        }
    }
}

fn act_says(act: Act) -> Option<&'static str> {
    match act {
        Act::Say(text) => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn what_a_dead_replica_planned_is_sent_by_the_next_once() {
    let (route, server) = (Route::new().await, ScriptedSmtp::sound().await);
    let rows = plan(&route.door).await;
    super::begin(&route.door, &rows[0]).await.unwrap();
    assert_eq!(route.send(server.port()).await.count("sent"), 2, "all but the one that may have left");
    assert_eq!(route.send(server.port()).await.count("sent"), 0);
    assert_eq!((server.taken().len(), count(&route.world, "canary_sent").await), (2, 3));
}
