//! `kill -9` while rounds are planned and sent: nothing is forgotten, and nothing is sent twice. Counted at the server that takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use relaywatch::clock::Stopwatch;
use relaywatch::store::Store;
use serde_json::Value;

use super::{PATIENCE, Setup, told};
use crate::canary::token_of;
use crate::daemon::Home;
use crate::mail::scripted_smtp::ScriptedSmtp;

/// Rounds of one canary each.
const ROUNDS: usize = 40;

/// The later half of them cannot be begun: the daemon that dies has planned them and no more, however fast it is.
const HOLD_BACK: &str = "CREATE TRIGGER hold_back BEFORE UPDATE ON canaries WHEN NEW.round >= 'r20' \
    BEGIN SELECT RAISE(ABORT, 'held back'); END";
const LET_GO: &str = "DROP TRIGGER hold_back";

/// The server takes two letters, and has the third in hand when the daemon dies.
const TAKEN: usize = 2;

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
    let (server, folder) = (ScriptedSmtp::gated(TAKEN).await, tempfile::tempdir().unwrap());
    for part in ["tmp", "new", "cur"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    let tls = format!("host = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nconnections = 1", server.port());
    let mut setup = Setup::new("5m").submission("scripted", "probe@sender.test", &tls);
    // All of them wait for the one connection; a lease of the dead one is as long and half a minute.
    setup.toml = setup.toml.replace("timeout = \"9s\"", "timeout = \"20s\"");
    setup.toml += &format!("[[mailboxes]]\nname = \"m\"\nkind = \"maildir\"\npath = \"{}\"\n", folder.path().display());
    setup = setup.address("plain", "plain-canary@mailbox.test");
    for n in 0..ROUNDS {
        setup = setup.route(&format!("r{n:02}"), "plain", ["shop", "scripted", "plain", "m"]);
    }
    let home = Home::new();
    Store::open(&home.sqlite_url()).await.unwrap().migrate().await.unwrap();
    home.sql(HOLD_BACK).await;
    let mut stage = setup.start_in(home).await;
    let began = Stopwatch::start();
    while server.received() <= TAKEN || count(&states(&told(&stage).await), &["never"]) > 0 {
        assert!(began.elapsed() < PATIENCE, "not all are planned, or nothing was sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.daemon.kill_9();
    assert_eq!(server.taken().len(), TAKEN);
    server.open();
    stage.daemon.restart().await;
    let known = states(&told(&stage).await);
    let (planned, begun) = (count(&known, &["planned"]), count(&known, &["sent", "accepted"]));
    assert!(planned >= ROUNDS / 2 && begun > TAKEN, "killed in the midst: {planned} planned, {begun} begun");
    assert_eq!(planned + begun, ROUNDS, "{known:?}");

    // The rest is sent, what a lease of the dead one covers when that has run out.
    stage.daemon.home().sql(LET_GO).await;
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
    let tokens: BTreeSet<&str> = letters.iter().map(|letter| token_of(letter)).collect();
    assert_eq!(tokens.len(), letters.len(), "one was sent twice");
    let accepted = count(&states(&told(&stage).await), &["accepted"]);
    assert!((accepted..=ROUNDS).contains(&letters.len()), "{} letters for {accepted} accepted", letters.len());
}
