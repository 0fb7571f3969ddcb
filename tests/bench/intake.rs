//! Taking in: SparkPost batches beside bare inserts of the same rows, SES messages beside verifying and discarding.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use relaywatch::app::{Core, endpoints};
use relaywatch::cli::demo::world::ses::{Form, SentMail};
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report as Said};
use relaywatch::clock::Clock;

use super::Asked;
use super::load::{self, request};
use super::report::Report;
use super::server::{self, Daemon};
use super::world::{TEAM, address};

const BATCHES: u64 = 300;
const PER_BATCH: u64 = 350;
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:bench";

/// Measures everything about taking in.
pub async fn run(asked: &Asked, report: &mut Report) {
    if asked.wants("intake sparkpost") {
        sparkpost(asked, None, "SQLite", report).await;
        match &asked.postgres {
            Some(url) => sparkpost(asked, Some(url), "PostgreSQL", report).await,
            None => report.note("SparkPost intake, PostgreSQL", "left out: give --postgres URL"),
        }
    }
    if asked.wants("intake ses") {
        ses(asked, report).await;
    }
}

fn batches(run: u64) -> Arc<Vec<Vec<u8>>> {
    let now = server::now().secs();
    let make = |b: u64| {
        let mut batch = Batch::with_capacity(PER_BATCH as usize);
        for i in 0..PER_BATCH {
            let n = b * PER_BATCH + i;
            let id = run * 1_000_000_000 + n;
            let recipient = address(n % 60_000);
            let mail = Mail {
                event_id: id,
                message_id: id,
                recipient: &recipient,
                friendly_from: "news@shop.example",
                msg_from: "bounce@mail.shop.example",
                at: now - 60,
            };
            let bounced = Said::Bounce { class: 10, code: 550, reason: "550 5.1.1 user not found" };
            batch.push(&mail, if n.is_multiple_of(50) { bounced } else { Said::Delivery });
        }
        request("/hooks/sparkpost/bench", "content-type: application/json\r\n", &batch.finish())
    };
    Arc::new((0..BATCHES).map(make).collect())
}

async fn sparkpost(asked: &Asked, store: Option<&str>, name: &str, report: &mut Report) {
    let folder = asked.folder.join(format!("sparkpost-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    let hook = format!("[[endpoints.sparkpost]]\nname = \"bench\"\nteam = \"{TEAM}\"\nauth = \"none\"\n");
    let config = server::config(&folder, None, &hook);
    let config = match store {
        None => config,
        Some(url) => {
            // With PostgreSQL nothing makes a key file: the embedded default just did.
            Core::open(config, Clock::system(), true).await.expect("opens").close().await;
            server::config(&folder, Some(url), &hook)
        }
    };
    let daemon = Daemon::start(config.clone()).await;
    daemon.ready().await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for run in 0..3 {
        let outcome = load::run(daemon.bound.hooks, batches(run), 32, Duration::from_secs(120), None, true).await;
        assert_eq!((outcome.ok, outcome.other), (BATCHES, 0), "every batch is acknowledged");
        ours.push((BATCHES * PER_BATCH) as f64 / outcome.elapsed.as_secs_f64());
        bare.push(bare_inserts(&config, &folder, run).await);
    }
    let grouped = groups(&daemon).await;
    daemon.stop().await;
    ours.sort_by(f64::total_cmp);
    bare.sort_by(f64::total_cmp);
    report.add(
        format!("SparkPost intake, durable, {name}, beside bare multi-row inserts"),
        ">= 0.5 x",
        format!("{:.2} x ({:.0} beside {:.0} events/s)", ours[1] / bare[1], ours[1], bare[1]),
        ours[1] / bare[1] >= 0.5,
    );
    report.note("its groups", grouped);
}

/// The same rows (identity, event, record, sealed address, counts) by multi-row inserts and nothing else: tables of the same columns and
/// indexes, the same settings, a commit per 10,000 events as the group commit has under load.
async fn bare_inserts(config: &relaywatch::config::Config, folder: &Path, run: u64) -> f64 {
    bare::insert(config, folder, run, BATCHES * PER_BATCH).await
}

#[path = "bare.rs"]
mod bare;

async fn ses(asked: &Asked, report: &mut Report) {
    let folder = asked.folder.join("ses");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let signer = SnsSigner::new(server::now());
    let pem = folder.join("sns.pem");
    std::fs::write(&pem, signer.certificate_pem()).expect("written");
    let hook = format!(
        "[[endpoints.ses]]\nname = \"bench\"\nteam = \"{TEAM}\"\ntopics = [\"{TOPIC}\"]\n\
         [sns.certificates]\n{:?} = {:?}\n",
        signer.certificate_url(),
        pem.display().to_string()
    );
    let config = server::config(&folder, None, &hook);
    let built = endpoints(&config).expect("the endpoints are built");
    let source = Arc::clone(&built.hooks[&("ses".to_owned(), "bench".to_owned())]);
    let discard = server::verify_and_discard(source).await;
    let daemon = Daemon::start(config).await;
    daemon.ready().await;
    let messages: Vec<Vec<u8>> = (0..12_000u64)
        .map(|n| {
            let mail = SentMail {
                message_id: format!("0102018f{n:012}-bench"),
                at: server::now(),
                from: "news@shop.example".into(),
                source: "bounce@mail.shop.example".into(),
                to: vec![address(n % 5_000)],
            };
            let inner = mail.delivery(Form::Published, server::now()).to_string();
            signer.notification(TOPIC, &inner, None, server::now(), &format!("bench-{n}"))
        })
        .collect();
    let to = |path: &str, range: std::ops::Range<usize>| -> Arc<Vec<Vec<u8>>> {
        Arc::new(messages[range].iter().map(|m| request(path, "content-type: text/plain\r\n", m)).collect())
    };
    let (mut ours, mut base) = (Vec::new(), Vec::new());
    for third in 0..3 {
        let range = third * 4_000..(third + 1) * 4_000;
        let length = Duration::from_secs(60);
        base.push(load::run(discard, to("/discard", range.clone()), 256, length, None, true).await.rate());
        let outcome = load::run(daemon.bound.hooks, to("/hooks/ses/bench", range), 256, length, None, true).await;
        assert_eq!(outcome.other, 0, "every message is acknowledged");
        ours.push(outcome.rate());
    }
    let grouped = groups(&daemon).await;
    daemon.stop().await;
    ours.sort_by(f64::total_cmp);
    base.sort_by(f64::total_cmp);
    report.add(
        "SES intake, SQLite, beside verifying and discarding",
        ">= 0.7 x",
        format!("{:.2} x ({:.0}/s beside {:.0}/s)", ours[1] / base[1], ours[1], base[1]),
        ours[1] / base[1] >= 0.7,
    );
    report.note("its groups", grouped);
}

/// How the requests were grouped: what the rate rests on.
async fn groups(daemon: &Daemon) -> String {
    let groups = daemon.metric("relaywatch_intake_group_events_count").await.max(1.0);
    let events = daemon.metric("relaywatch_intake_group_events_sum").await;
    let seconds = daemon.metric("relaywatch_intake_commit_seconds_sum").await;
    format!("{:.0} events each, {:.1} ms to write and commit", events / groups, seconds / groups * 1e3)
}
