//! Two hundred streams through the job and its writes: every check is stored, none is lost or done twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use relaywatch::clock::Stopwatch;
use relaywatch::config::checks::Checks;
use relaywatch::domain::event::Kind;
use relaywatch::domain::posture::{CheckReport, Posture};
use relaywatch::domain::stream::{Stream, StreamBook};
use relaywatch::jobs::CheckDomains;
use serde_json::{Value, json};

use super::checks::resolvers;
use super::world::{TEAM, World, secs};
use crate::many_streams::{answer, registration};
use crate::scripted_dns::ScriptedDns;

const STREAMS: usize = 200;

fn stream(number: usize) -> Stream {
    let mut fields: Value = serde_json::from_str(&registration(number)).unwrap();
    fields["team"] = json!(TEAM);
    serde_json::from_value(fields).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_are_checked_and_remembered_by_two_replicas() {
    let dns = ScriptedDns::start(|question, _| answer(question, Duration::from_millis(20))).await;
    let world = World::sqlite(vec![]).await;
    // Half past: no slot of the schedule falls into the test.
    world.wait(secs(1_800));
    let streams: Vec<Stream> = (0..STREAMS).map(stream).collect();
    let doors = [world.replica(), world.replica()];
    for door in &doors {
        door.context().streams.store(Arc::new(StreamBook::new(streams.clone())));
    }
    let job = |door: &relaywatch::intake::Intake| {
        let deadline = secs(20);
        CheckDomains::new(world.means.clone(), door.clone(), resolvers(&dns, None), Checks::default(), deadline)
    };
    let jobs = doors.each_ref().map(job);
    let watch = Stopwatch::start();
    let (one, two) = tokio::join!(world.turn(&jobs[0]), world.turn(&jobs[1]));
    let took = watch.elapsed();
    let count = |word: &str| one.count(word) + two.count(word);
    assert_eq!(["checked", "unknown", "lease_lost"].map(count), [STREAMS as u64, 0, 0], "{one:?} {two:?}");
    // For whoever runs it by hand; how long it may take is the bench's to say.
    println!("{STREAMS} streams checked and stored in {took:?}, {} questions", dns.total());

    let mut tx = world.store().read().await.unwrap();
    let rows = tx.checks().await.unwrap();
    let names: BTreeSet<_> = rows.iter().map(|row| row.stream.clone()).collect();
    assert_eq!((rows.len(), names.len()), (STREAMS, STREAMS));
    for row in &rows {
        let report: CheckReport = serde_json::from_str(row.report.as_deref().expect("a report")).unwrap();
        assert_eq!((&report.stream, report.posture), (&row.stream, Posture::Pass), "{report:?}");
        assert_eq!((row.memory.posture, row.checked_at), (Posture::Pass, Some(report.checked_at)));
        assert!(row.due_at > world.now());
        let records = tx.records_of(&row.stream, 100).await.unwrap();
        let envelope = format!("bounce.{}.", report.from_domain);
        assert!(records.iter().any(|r| r.name == envelope && r.kind == "TXT" && r.current), "{records:?}");
    }
    drop(tx);
    // So many changes at once are told over several turns.
    while !world.store().read().await.unwrap().untold_changes(1).await.unwrap().is_empty() {
        world.wait(secs(5));
        assert_eq!(world.turn(&jobs[0]).await.count("checked"), 0, "nothing is due");
    }
    let mut tx = world.store().read().await.unwrap();
    let told = tx.events_after(0, 10_000).await.unwrap();
    let told: Vec<_> = told.into_iter().filter(|event| event.kind == Kind::PostureChanged).collect();
    let of: BTreeSet<_> = told.iter().map(|event| event.stream.clone()).collect();
    assert_eq!((told.len(), of.len()), (STREAMS, STREAMS), "each changed from unknown to pass, once");
    drop(tx);

    let mut tx = world.store().write().await.unwrap();
    let free: Vec<_> = tx
        .claim_checks(&names.into_iter().collect::<Vec<_>>(), "other", world.now().plus(secs(7_200)), secs(1), 1_000)
        .await
        .unwrap();
    assert_eq!(free.len(), STREAMS, "no lease was left behind");
}
