//! Many streams at once: few questions for each, in the order of the input, and nobody waits for another's silence.

use std::time::Duration;

use relaywatch::clock::Stopwatch;
use serde_json::json;

use super::documents;
use crate::many_streams::{answer, registration};
use crate::scripted_dns::{Answer, ScriptedDns};

const STREAMS: usize = 200;

/// The program runs beside the server, so the test must not stand in its way.
async fn checked_by_the_program(server: &ScriptedDns, lines: String) -> (i32, Vec<serde_json::Value>) {
    let address = server.address().to_string();
    let run = move || documents(&["check", "--stream-file", "-", "--resolver", &address], &lines);
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_share_what_they_share() {
    let server = ScriptedDns::start(|question, _| answer(question, Duration::from_millis(20))).await;
    let lines: Vec<_> = (0..STREAMS).map(registration).collect();
    let watch = Stopwatch::start();
    let (exit, rows) = checked_by_the_program(&server, lines.join("\n")).await;
    let took = watch.elapsed();
    assert_eq!((exit, rows.len()), (0, STREAMS));
    for (number, row) in rows.iter().enumerate() {
        assert_eq!((&row["stream"], &row["posture"]), (&json!(format!("s{number}")), &json!("pass")), "{row}");
    }
    let each = server.total() as f64 / STREAMS as f64;
    assert!(each <= 16.0, "{each} questions for each stream");
    // One after the other they would take a minute; the bench measures how long they take.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_domain_ends_and_keeps_nobody_waiting() {
    let server = ScriptedDns::start(|question, _| {
        if question.contains("shop0.test") { Answer::silence() } else { answer(question, Duration::ZERO) }
    })
    .await;
    let lines: Vec<_> = (0..20).map(registration).collect();
    let watch = Stopwatch::start();
    let (exit, rows) = checked_by_the_program(&server, lines.join("\n")).await;
    assert_eq!((exit, rows.len()), (2, 20));
    assert_eq!((&rows[0]["posture"], &rows[0]["status"]["spf"]), (&json!("unknown"), &json!("unknown")));
    assert!(
        rows[1..].iter().all(|row| row["posture"] == "pass" && row["seconds"].as_f64().unwrap() < 10.0),
        "{rows:#?}"
    );
    assert!(watch.elapsed() < Duration::from_secs(30), "{:?}", watch.elapsed());
}
