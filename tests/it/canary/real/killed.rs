//! `kill -9` while rounds are planned and sent: nothing is forgotten, and nothing is sent twice. Counted at the server that takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use relaywatch::clock::Stopwatch;
use serde_json::Value;

use super::{PATIENCE, Setup, told};
use crate::mail::scripted_smtp::ScriptedSmtp;

/// Rounds of one canary each: enough that some are not begun when the first have been taken.
const ROUNDS: usize = 40;

fn states(told: &Value) -> BTreeMap<String, String> {
    let rounds = told["rounds"].as_array().expect("rounds").iter();
    let text = |value: &Value| value.as_str().unwrap_or("never").to_owned();
    rounds.map(|round| (text(&round["round"]), text(&round["routes"][0]["state"]))).collect()
}

fn count(states: &BTreeMap<String, String>, wanted: &[&str]) -> usize {
    states.values().filter(|state| wanted.contains(&state.as_str())).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_forgets_no_canary_and_sends_none_twice() {
    let (server, folder) = (ScriptedSmtp::sound().await, tempfile::tempdir().unwrap());
    for part in ["tmp", "new", "cur"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    let tls = format!("host = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nconnections = 1", server.port());
    let mut setup = Setup::new("5m").submission("scripted", "probe@sender.test", &tls);
    setup.toml = setup.toml.replace("timeout = \"9s\"", "timeout = \"2s\"");
    setup.toml += &format!("[[mailboxes]]\nname = \"m\"\nkind = \"maildir\"\npath = \"{}\"\n", folder.path().display());
    setup = setup.address("plain", "plain-canary@mailbox.test");
    for n in 0..ROUNDS {
        setup = setup.route(&format!("r{n:02}"), "plain", ["shop", "scripted", "plain", "m"]);
    }
    let mut stage = setup.start().await;
    let began = Stopwatch::start();
    while server.taken().len() < 2 {
        assert!(began.elapsed() < PATIENCE, "nothing was sent");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.daemon.kill_9();
    let before = server.taken().len();
    stage.daemon.restart().await;
    let known = states(&told(&stage).await);
    let (planned, begun) = (count(&known, &["planned"]), count(&known, &["sent", "accepted"]));
    assert!(planned > 0 && begun >= before, "killed in the midst: {planned} planned, {begun} begun of {ROUNDS}");

    // The dead one's lease runs out, and the rest is sent.
    let began = Stopwatch::start();
    let last = loop {
        let now = states(&told(&stage).await);
        if count(&now, &["sent", "accepted"]) == ROUNDS && count(&now, &["sent"]) <= begun {
            break now;
        }
        assert!(began.elapsed() < PATIENCE, "some were forgotten: {now:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for (round, state) in known.iter().filter(|(_, state)| *state == "accepted") {
        assert_eq!(last.get(round), Some(state), "{round}");
    }
    // Another look of the job that sends, at least: there is nothing left to do.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let letters = server.taken();
    let tokens: BTreeSet<&str> = letters.iter().map(|letter| token(letter)).collect();
    assert_eq!(tokens.len(), letters.len(), "one was sent twice");
    let accepted = count(&states(&told(&stage).await), &["accepted"]);
    assert!((accepted..=ROUNDS).contains(&letters.len()), "{} letters for {accepted} accepted", letters.len());
}

/// The token in a letter's subject: it names route and sequence.
fn token(letter: &str) -> &str {
    let at = letter.find("rwc1-").expect("a token");
    &letter[at..at + 57]
}
