//! `relaywatch outbox`, as a person uses it.

use std::collections::BTreeSet;

use clap::Parser;
use relaywatch::cli::outbox::OutboxCommand;
use relaywatch::cli::outbox::diff::{By, Totals, compare};
use relaywatch::config::Config;
use relaywatch::config::destinations::Destination;
use relaywatch::domain::delivery::Mode;
use relaywatch::domain::event::{Kind, Scope, Source};
use relaywatch::domain::policy::Policy;
use relaywatch::domain::verdict::Reason;
use relaywatch::store::StoreError;
use serde_json::Value;

use super::world::{World, at, secs};
use crate::outputs::receiver::{Answer, Receiver};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: OutboxCommand,
}

struct Desk {
    world: World,
    config: Config,
    receiver: Receiver,
    to: Destination,
}

impl Desk {
    async fn new(more: &str) -> Self {
        let receiver = Receiver::start().await;
        let to = at(&receiver.origin, more);
        let world = World::sqlite(vec![to.clone()]).await;
        let mut config = Config::default();
        config.destinations.0.push(to.clone());
        Self { world, config, receiver, to }
    }

    async fn try_to(&self, line: &str) -> anyhow::Result<String> {
        let line = Line::try_parse_from(["outbox"].into_iter().chain(line.split(' ')))?;
        let mut out = Vec::new();
        line.command.answer(&self.config, self.world.store(), self.world.now(), &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.try_to(&format!("{line} --format json")).await.unwrap()).unwrap()
    }

    async fn deliver(&self) -> relaywatch::jobs::Done {
        self.world.turn(&self.world.deliverer(&self.to)).await
    }
}

#[tokio::test]
async fn status_shows_what_waits_what_is_dead_and_why() {
    let desk = Desk::new("").await;
    desk.world.sign_in(0..3).await;
    desk.world.wait(secs(60));
    desk.world.revoke(0..2).await;
    desk.receiver.answer_next(&[Answer::Status(404), Answer::Status(404)]);
    desk.deliver().await;
    desk.world.revoke(2..3).await;
    desk.world.wait(secs(30));
    let status = &desk.json("status").await["destinations"][0];
    assert_eq!(status["destination"], "crm");
    assert_eq!((&status["mode"], &status["waiting"], &status["dead"]), (&"enforce".into(), &1.into(), &2.into()));
    assert_eq!((&status["oldest_waiting_seconds"], &status["changed_last_hour"]), (&30.into(), &3.into()));
    assert_eq!(status["dead_because"], serde_json::json!([{"error": "it answered 404", "count": 2}]));
    assert!(status["halted"].is_null());
    let text = desk.try_to("status --destination crm").await.unwrap();
    assert!(text.contains("destinations.0.dead: 2\n") && text.contains("destinations.0.halted: -\n"), "{text}");

    assert_eq!(desk.json("retry --destination crm").await["due"], 2);
    assert_eq!(desk.deliver().await.count("delivered"), 3);
    let refused = desk.try_to("status --destination cmr").await.unwrap_err().to_string();
    assert!(refused.contains("no destination is called \"cmr\""), "{refused}");
    assert!(desk.try_to("reverse --destination crm --since yesterday").await.is_err());
}

#[tokio::test]
async fn resume_says_go_and_only_to_who_stands_still() {
    let desk = Desk::new("breaker = { share = 0.1, at_least = 2 }\n").await;
    desk.world.sign_in(0..10).await;
    desk.world.wait(secs(60));
    assert_eq!(desk.json("resume --destination crm").await["resumed"], false);
    desk.world.revoke(0..2).await;
    assert_eq!(desk.deliver().await.count("delivered"), 0);
    let status = desk.json("status").await;
    assert!(status["destinations"][0]["halted"]["why"].as_str().unwrap().starts_with("2 of 10 known users"));
    let resumed = desk.json("resume --destination crm").await;
    assert_eq!(
        (&resumed["resumed"], &resumed["was_halted"]["why"]),
        (&true.into(), &status["destinations"][0]["halted"]["why"])
    );
    assert_eq!(desk.deliver().await.count("delivered"), 2);
}

#[tokio::test]
async fn reverse_takes_back_and_stops() {
    let desk = Desk::new("").await;
    desk.world.sign_in(0..2).await;
    desk.world.wait(secs(3_600));
    let since = desk.world.now();
    desk.world.revoke(0..2).await;
    assert_eq!(desk.deliver().await.count("delivered"), 2);
    desk.world.wait(secs(60));
    let reversed = desk.json(&format!("reverse --destination crm --since {since}")).await;
    assert_eq!((&reversed["due"], &reversed["halted"], &reversed["delivers"]), (&2.into(), &true.into(), &true.into()));
    assert_eq!(desk.deliver().await.count("delivered"), 2);
    assert!(desk.receiver.take()[2..].iter().all(|r| r.json()["change"]["state"] == "sendable"));
    let status = desk.json("status").await;
    assert_eq!(status["destinations"][0]["reversed"], 2);
    let why = status["destinations"][0]["halted"]["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with("what was written since 2026-01-01T01:00:00"), "{why}");
    desk.json("resume --destination crm").await;
    assert_eq!(desk.json("retry --destination crm --reversed").await["due"], 2);
    assert_eq!(desk.deliver().await.count("delivered"), 2);
}

#[tokio::test]
async fn diff_says_where_a_one_strike_suppressor_would_differ_and_why() {
    let mut desk = Desk::new("").await;
    desk.to.mode = Mode::Observe;
    let world = &desk.world;
    world.sign_in(0..5).await;
    // 0: bounced and revoked. 1: bounced once. 2: revoked without a bounce. 3: refused for the sender's fault, long ago.
    // 4: an echo, which is no bounce. 5: off, and no address known.
    let mut fault = world.event(Kind::HardBounce, Source::Ses, world.address_only(3));
    (fault.scope, fault.rule) = (Scope::Sender, "apple.sender_unregistered".into());
    world.submit(vec![fault]).await;
    world.wait(secs(3 * 86_400));
    let first = world.now();
    world.bounce(0).await;
    world.bounce(1).await;
    let mut echo = world.event(Kind::HardBounce, Source::Ses, world.address_only(4));
    (echo.fresh, echo.scope) = (false, Scope::Esp);
    world.submit(vec![echo]).await;
    world.wait(secs(60));
    world.bounce(1).await;
    world.revoke(0..1).await;
    world.revoke(2..3).await;
    world.revoke(5..6).await;

    let (mut lines, policy) = (Vec::new(), Policy::default());
    let totals = compare(world.store(), &desk.to, &policy, world.now(), |line| {
        lines.push(line);
        Ok::<_, StoreError>(())
    });
    assert_eq!(totals.await.unwrap(), Totals { both: 1, only_one_strike: 2, only_us: 2 });
    let of = |n: usize| lines.iter().find(|line| line.key == world.key(n).to_string());
    let both = of(0).unwrap();
    assert_eq!((both.by, both.reason), (By::Both, Reason::ConsentRevoked));
    let hold = of(1).unwrap();
    assert_eq!((hold.by, hold.reason), (By::OnlyOneStrike, Reason::RecentBounce));
    assert_eq!(hold.first_bounce.as_ref().map(|b| b.at), Some(first), "at the first");
    let ours = of(2).unwrap();
    assert_eq!((ours.by, ours.reason, ours.first_bounce.is_none()), (By::OnlyUs, Reason::ConsentRevoked, true));
    let fault = of(3).unwrap();
    assert_eq!((fault.by, fault.reason), (By::OnlyOneStrike, Reason::Ok));
    assert_eq!(
        fault.first_bounce.as_ref().map(|b| (b.scope, b.rule.as_str())),
        Some((Scope::Sender, "apple.sender_unregistered"))
    );
    assert!(of(4).is_none());
    assert!(lines.iter().any(|line| line.sub && line.by == By::OnlyUs));

    let text = desk.try_to("diff --destination crm --format json").await.unwrap();
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 6);
    assert_eq!(documents[5]["totals"], serde_json::json!({"both": 1, "only_one_strike": 2, "only_us": 2}));
    let text = desk.try_to("diff --destination crm").await.unwrap();
    assert!(text.ends_with("both: 1, only one-strike: 2, only relaywatch: 2\n"), "{text}");
}

/// More users than a page holds, on either side.
#[tokio::test]
async fn diff_reads_page_by_page() {
    let desk = Desk::new("").await;
    let world = &desk.world;
    world.sign_in(0..1_300).await;
    world.wait(secs(60));
    let bounces = (0..1_100).map(|n| {
        let mut event = world.event(Kind::HardBounce, Source::Ses, world.address_only(n));
        event.rule = "apple.user_not_found".into();
        event
    });
    world.submit(bounces.collect()).await;
    world.revoke(600..1_300).await;
    let (mut keys, policy) = (BTreeSet::new(), Policy::default());
    let totals = compare(world.store(), &desk.to, &policy, world.now(), |line| {
        assert!(keys.insert(line.key), "nobody twice");
        Ok::<_, StoreError>(())
    });
    assert_eq!(totals.await.unwrap(), Totals { both: 500, only_one_strike: 600, only_us: 200 });
    assert_eq!(keys.len(), 1_300);
}
