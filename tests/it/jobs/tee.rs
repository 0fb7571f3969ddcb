//! Passing Apple's notifications on: the same bytes, once, with retries that concern nobody else.

use relaywatch::config::tee::TeeTarget;
use relaywatch::domain::event::Identity;
use relaywatch::intake::Submission;
use relaywatch::jobs::{PassOnTee, TeeMetrics, watch_tee};
use relaywatch::outputs::system_lookup;
use relaywatch::store::TeeRow;

use super::world::{World, secs};
use crate::outputs::receiver::{Answer, Receiver};

/// Not what a JSON printer would write: it must come through as it is.
const BODY: &[u8] = b"{ \"payload\" :\t\"aGVhZA.Ym9keQ.c2ln\" }\r\n";

struct Tees {
    world: World,
    metrics: TeeMetrics,
}

impl Tees {
    async fn new() -> Self {
        let world = World::sqlite(vec![]).await;
        let metrics = TeeMetrics::register(world.metrics.registry()).unwrap();
        let targets = vec!["one".to_owned(), "two".to_owned()];
        watch_tee(world.means.clone(), metrics.clone(), targets, &world.metrics);
        Self { world, metrics }
    }

    fn job(&self, name: &str, receiver: &Receiver) -> PassOnTee {
        let text = format!("name = '{name}'\nurl = '{}/apple'\nallow_private_addresses = true\n", receiver.origin);
        let section: TeeTarget = toml::from_str(&text).unwrap();
        PassOnTee::open(self.world.means.clone(), &section, system_lookup(), self.metrics.clone()).unwrap()
    }

    /// Takes a copy of the body in for each target, as the hook does.
    async fn take_in(&self, body: &[u8]) {
        let keyring = &self.world.means.keyring;
        let copy = |target: &str| {
            let text = String::from_utf8_lossy(body);
            let id = format!("tee_{}", keyring.event(&Identity::new("tee", &[target, &text])));
            let sealed = keyring.seal(id.as_bytes(), body, [9; 12]);
            TeeRow { id, target: target.to_owned(), received_at: self.world.now(), body: sealed, attempts: 0 }
        };
        let tee = vec![copy("one"), copy("two")];
        let submission = Submission { received_at: self.world.now(), tee, ..Submission::default() };
        self.world.intake.submit(submission).await.unwrap();
    }

    async fn says(&self, line: &str) {
        let text = self.world.scrape().await;
        assert!(text.lines().any(|have| have == line), "{line}\nis not in\n{text}");
    }
}

#[tokio::test]
async fn every_target_gets_the_bytes_once() {
    let (tees, one, two) = (Tees::new().await, Receiver::start().await, Receiver::start().await);
    tees.take_in(BODY).await;
    tees.take_in(BODY).await;
    for (name, receiver) in [("one", &one), ("two", &two)] {
        let job = tees.job(name, receiver);
        assert_eq!(tees.world.turn(&job).await.count("delivered"), 1, "the same notification twice is one");
        assert_eq!(tees.world.turn(&job).await.count("delivered"), 0);
        let got = receiver.take();
        assert_eq!((got.len(), got[0].body.as_slice(), got[0].uri.as_str()), (1, BODY, "/apple"));
        assert_eq!(got[0].header("content-type"), "application/json");
        assert!(got[0].header("webhook-id").starts_with("tee_"));
    }
}

#[tokio::test]
async fn one_that_fails_holds_nobody_up_and_ends_visibly() {
    let (tees, bad, good) = (Tees::new().await, Receiver::start().await, Receiver::start().await);
    let (failing, working) = (tees.job("one", &bad), tees.job("two", &good));
    bad.answer_next(&[Answer::Status(503), Answer::Wait(429, "900"), Answer::Status(200), Answer::Status(410)]);
    tees.take_in(BODY).await;
    assert_eq!(tees.world.turn(&failing).await.count("retry"), 1);
    assert_eq!(tees.world.turn(&working).await.count("delivered"), 1);
    tees.world.wait(secs(6));
    tees.says(r#"relaywatch_tee_oldest_waiting_seconds{target="one"} 6"#).await;
    assert_eq!(tees.world.turn(&failing).await.count("retry"), 1);
    tees.world.wait(secs(899));
    assert_eq!(
        tees.world.turn(&failing).await,
        relaywatch::jobs::Done {
            counts: vec![("delivered", 0), ("retry", 0), ("dead", 0), ("untried", 0), ("lease_lost", 0)],
            more: false,
        }
    );
    tees.world.wait(secs(1));
    assert_eq!(tees.world.turn(&failing).await.count("delivered"), 1);
    assert!(bad.take().iter().all(|got| got.body == BODY));

    tees.take_in(b"{\"payload\":\"another\"}").await;
    assert_eq!(tees.world.turn(&failing).await.count("dead"), 1);
    tees.says(r#"relaywatch_tee_dead{target="one"} 1"#).await;
    tees.says(r#"relaywatch_tee_waiting{target="one"} 0"#).await;
    tees.says(r#"relaywatch_tee_waiting{target="two"} 1"#).await;
    tees.says(r#"relaywatch_tee_deliveries_total{outcome="dead",reason="gone",target="one"} 1"#).await;
}

#[tokio::test]
async fn a_body_that_cannot_be_opened_goes_nowhere() {
    let (tees, one) = (Tees::new().await, Receiver::start().await);
    tees.take_in(BODY).await;
    let mut job_means = tees.world.means.clone();
    let other = relaywatch::domain::keyring::Root { id: 2, secret: [1; 32] };
    job_means.keyring = std::sync::Arc::new(relaywatch::domain::keyring::Keyring::new(&[other]).unwrap());
    let text = format!("name = 'one'\nurl = '{}'\nallow_private_addresses = true\n", one.origin);
    let section: TeeTarget = toml::from_str(&text).unwrap();
    let job = PassOnTee::open(job_means, &section, system_lookup(), tees.metrics.clone()).unwrap();
    assert_eq!(tees.world.turn(&job).await.count("retry"), 1, "the key may be put back");
    assert!(one.take().is_empty());
}
