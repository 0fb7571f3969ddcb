//! `relaywatch demo` as a newcomer runs it: the real program, its document, its exit code, and nothing left behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Method;
use relaywatch::clock::Stopwatch;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Request;
use crate::lifeline;
use crate::privacy::files_under;

/// Its promise is 60 seconds on an idle machine; this one may be busy, and this build is slow.
const CAP: Duration = Duration::from_secs(120);

/// What every relay address of the demo has in it, also inside an envelope sender.
const MARKS: [&str; 3] = ["privaterelay.appleid.com", "@private.icloud.com", "=private.icloud.com"];

/// A running demo with a folder for temporary files of its own.
struct Demo {
    child: Child,
    folder: TempDir,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command: Command = lifeline::bound("KILL", env!("CARGO_BIN_EXE_relaywatch"));
        command.arg("demo").args(arguments).current_dir(folder.path()).env("TMPDIR", folder.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RELAYWATCH_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = lifeline::spawn(command).unwrap();
        let mut stderr: ChildStderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, folder, stdout, stderr }
    }

    /// The next line of stdout.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end: status, the rest of stdout, stderr. Nothing may be left in the folder.
    fn end(mut self) -> (ExitStatus, String, String) {
        let began = Stopwatch::start();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > CAP => {
                    self.child.kill().unwrap();
                    panic!("the demo did not end within {CAP:?}");
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut rest = String::new();
        self.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        let left: Vec<_> = files_under(self.folder.path()).into_iter().map(|(name, _)| name).collect();
        assert!(left.is_empty() && fs::read_dir(self.folder.path()).unwrap().next().is_none(), "left behind: {left:?}");
        (status, rest, self.stderr.join().unwrap())
    }
}

fn check(summary: &Value) {
    assert_eq!((&summary["wrongly_marked"], &summary["revoked_sendable"]), (&json!(0), &json!(0)), "{summary}");
    assert_eq!(summary["surprises"], json!({}), "{summary}");
    let number = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("{name} in {summary}"));
    assert_eq!(number("users"), 3_000);
    assert!(number("events") > 20_000 && number("repeated") > 1_000, "{summary}");
    assert_eq!((number("refused"), number("quarantined")), (5, 1), "{summary}");
    // Twice `user not found` without a control holds as once does.
    assert_eq!((number("held"), number("released")), (45 + 6 + 20, 30), "{summary}");
    assert!(summary["seconds"].as_f64().is_some_and(|s| s > 0.0));
    let by_reason = summary["by_reason"].as_object().unwrap();
    assert_eq!(by_reason.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), number("asked"));
    for (reason, n) in [
        ("recipient_gone", 48),
        ("consent_revoked", 130),
        ("forwarding_disabled", 60),
        ("forwarding_enabled", 25),
        ("account_deleted", 36),
        ("complaint", 25),
        ("superseded", 16),
        ("recent_bounce", 51),
        ("ambiguous_bounce", 20),
        ("not_seen", 10),
    ] {
        assert_eq!(by_reason[reason], n, "{reason} in {summary}");
    }
    assert_eq!(summary["limits"], json!({"unsubscribed": 40, "esp_suppressed": 80}));
    assert!(summary["one_strike"]["healthy_lost"].as_u64().unwrap() > 400, "{summary}");
    assert!(summary.get("wave").is_none(), "it is not built yet, and left out");
    check_canaries(&summary["canaries"]);
}

/// Two rounds of three; in the second the relay drops the newsletter's.
fn check_canaries(canaries: &Value) {
    for (name, n) in [("sent", 6), ("arrived", 5), ("lost", 1)] {
        assert_eq!(canaries[name], n, "{name} in {canaries}");
    }
    assert_eq!(canaries["broken"], "stream_at_relay", "{canaries}");
    assert!(canaries["because"].as_str().unwrap().contains("mail of this stream does not come through"), "{canaries}");
    let legs: Vec<[&str; 2]> = canaries["routes"].as_array().unwrap().iter().map(leg).collect();
    assert_eq!(legs[0], ["production", "delivered_never_arrived"], "accepted is not forwarded: {canaries}");
    assert_eq!([legs[1][0], legs[2][0]], ["control", "plain"], "{canaries}");
    // On a machine that is busy enough they may be late.
    assert!(legs[1..].iter().all(|[_, state]| ["arrived", "late"].contains(state)), "{canaries}");
}

fn leg(route: &Value) -> [&str; 2] {
    ["role", "state"].map(|name| route[name].as_str().unwrap())
}

/// No address in what a person may paste into a ticket.
fn check_words(stderr: &str) {
    assert!(!stderr.contains('@') && MARKS.iter().all(|mark| !stderr.contains(mark)), "{stderr}");
}

#[tokio::test]
async fn two_at_once_although_the_usual_ports_are_taken_one_ends_and_one_serves_on() {
    // An error means that somebody else has the port, which serves as well.
    let _taken = [8725, 9725].map(|port| TcpListener::bind(("127.0.0.1", port)));
    let began = Stopwatch::start();
    let (ends, mut serves) = (Demo::start(&["--exit", "--format", "json"]), Demo::start(&["--format", "json"]));
    let (status, stdout, stderr) = ends.end();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let mut documents = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
    let one = documents.next().unwrap().unwrap();
    assert!(documents.next().is_none() && one.get("serving").is_none(), "exactly one document: {stdout}");
    check(&one);
    check_words(&stderr);
    assert!(stderr.lines().count() >= 9 && stderr.contains("100 %"), "a line per act: {stderr}");
    for act in ["Canaries go out, and all of them arrive", "The relay takes a canary and drops it"] {
        let line = stderr.lines().find(|line| line.starts_with(act)).unwrap_or_else(|| panic!("{act} in {stderr}"));
        assert!(line.contains("100 %") && line.contains("3 canaries"), "{line}");
    }

    let other: Value = serde_json::from_str(&serves.line()).unwrap();
    assert!(began.elapsed() < CAP, "{:?}", began.elapsed());
    check(&other);
    for name in ["by_reason", "limits", "events", "one_strike"] {
        assert_eq!(one[name], other[name], "the story is the same every time");
    }
    still_serves(&other["serving"]).await;
    no_address_in(serves.folder.path());
    lifeline::signal(&serves.child, "TERM");
    let (status, rest, stderr) = serves.end();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "{stderr}");
    check_words(&stderr);
}

async fn still_serves(serving: &Value) {
    let at = |name: &str| serving[name].as_str().unwrap().to_owned();
    let token = fs::read_to_string(at("token_file")).unwrap();
    let question = json!({"address": "somebody-else@privaterelay.appleid.com"});
    let ask = || Request::new(Method::POST, &format!("{}/v1/sendability", at("api")));
    let verdict: Value = ask().bearer(token.trim()).json(&question).expect(200).await.json();
    assert_eq!((&verdict["verdict"], &verdict["reason"]), (&json!("unknown"), &json!("not_seen")));
    ask().json(&question).expect(401).await;
    Request::new(Method::GET, &format!("{}/readyz", at("operations"))).expect(200).await;
    Request::new(Method::POST, &format!("{}/hooks/apple/demo", at("hooks"))).body("{}").expect(400).await;
    let metrics = Request::new(Method::GET, &format!("{}/metrics", at("operations"))).expect(200).await.text();
    assert!(metrics.contains("relaywatch_events_total") && !metrics.contains('@'), "{metrics}");
    let broken = metrics.lines().find(|line| line.starts_with("relaywatch_canary_broken{")).unwrap();
    assert!(
        broken.contains("\"news\"") && broken.contains("\"stream_at_relay\"") && broken.ends_with(" 1"),
        "{broken}"
    );
    let canaries = format!("{}/v1/canaries", at("api"));
    let standing: Value = Request::new(Method::GET, &canaries).bearer(token.trim()).expect(200).await.json();
    assert_eq!(standing["rounds"][0]["broken"], "stream_at_relay", "{standing}");
    assert_eq!(standing["rounds"][0]["told_by"], 2, "{standing}");
}

/// Thousands of people went through these files. The world's own mailboxes and the configuration that it wrote are not the daemon's.
fn no_address_in(folder: &Path) {
    let mut files = files_under(folder);
    let all = files.len();
    files.retain(|(name, _)| !name.contains("/mail/") && !name.ends_with("/demo.toml"));
    assert_eq!(all - files.len(), 5 + 1, "five canaries arrived, and one configuration");
    assert!(files.iter().any(|(name, bytes)| name.ends_with("relaywatch.db") && bytes.len() > 1 << 20), "no database");
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(&bytes);
        // The domain alone stands there, as part of a cell; an address never.
        for mark in [
            "@privaterelay",
            "=privaterelay",
            "@private.icloud",
            "=private.icloud",
            "@icloud.com",
            "@mail.example",
            "@mailbox.example",
        ] {
            assert!(!text.contains(mark), "{mark} in {name}");
        }
    }
}

#[test]
fn the_text_says_who_may_be_mailed_and_what_to_try() {
    let mut demo = Demo::start(&[]);
    let mut text = String::new();
    while !text.contains("canary send --config") {
        let line = demo.line();
        assert!(!line.is_empty(), "it ended: {text}");
        text.push_str(&line);
    }
    lifeline::signal(&demo.child, "INT");
    let (status, _, stderr) = demo.end();
    assert_eq!(status.code(), Some(0), "{stderr}");
    for part in [
        "May they be mailed?",
        "Healthy users marked wrongly:               0\n",
        "6 canaries were sent to addresses of our own, 5 arrived, 1 vanished.",
        "production   news           delivered_never_arrived\n",
        "Broken: stream_at_relay\n",
        "look at its registration with Apple",
        "TOKEN=$(cat '",
        "/metrics",
        "/v1/canaries -H",
        "canary status --config",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // As the README shows it; on a machine that is busy enough some come late.
    let (_, canaries) = text.split_once("\nIs mail really arriving?").unwrap();
    let (canaries, _) = canaries.split_once("\n\n23,").unwrap();
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&canaries.replace(" late\n", " arrived\n")),
        "README.md shows other canaries than these: {canaries}"
    );
    for reason in ["ok", "consent_revoked", "recipient_gone", "recent_bounce", "unsubscribed", "esp_suppressed"] {
        assert!(text.contains(&format!("# {reason}\n")), "no question to try for {reason}: {text}");
    }
    check_words(&stderr);
}

#[test]
fn broken_off_it_leaves_nothing_behind() {
    let demo = Demo::start(&["--exit"]);
    let began = Stopwatch::start();
    // The key file is made when the daemon's parts open.
    while !files_under(demo.folder.path()).iter().any(|(name, _)| name.ends_with("keys.toml")) {
        assert!(began.elapsed() < CAP);
        thread::sleep(Duration::from_millis(5));
    }
    lifeline::signal(&demo.child, "TERM");
    let (status, stdout, stderr) = demo.end();
    assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("stopped before the end"), "{stderr}");
}
