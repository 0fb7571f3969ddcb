//! A start that must fail says which setting is wrong; wrong usage exits 64.

use std::fs;

use crate::daemon::{Daemon, Home};
use crate::feeds::Feeds;
use crate::postgres;
use crate::stage::Stage;

/// Starts a daemon whose configuration was changed, and gives what it said as it refused.
fn refusal(change: impl Fn(&str) -> String) -> String {
    let home = Home::new();
    let toml = Feeds::new().settle(&home, &home.sqlite_url());
    let changed = change(&toml);
    assert_ne!(changed, toml, "nothing was changed");
    let (status, log) = Daemon::refuses(&home, &changed);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!home.folder().join("relaywatch.db").exists() || log.contains("sns") || log.contains("apple"), "{log}");
    log
}

#[test]
fn a_wrong_setting_is_named_with_its_file_and_line() {
    for (from, to, want) in [
        ("auth = { bearer", "auth = { token", "endpoints.braze.0.auth"),
        ("[apple]", "[apple]\nkeys_ur = \"x\"", "apple"),
        ("[sns.certificates]", "[server.tls]\na = 1\n[sns.certificates]", "server"),
        ("name = \"news\"", "name = \"a b\"", "streams.0.name"),
        ("sqlite:", "sqlit:", "store.url"),
        ("keys_file = \"apple.json\"", "keys_url = \"http://keys.example/\"", "keys_url"),
        ("team = \"TEAM1\"\ntopics", "team = \"TEAM9\"\ntopics", "endpoints.ses.0.team"),
    ] {
        let said = refusal(|toml| toml.replacen(from, to, 1));
        assert!(said.contains(want) && said.contains("config.toml:"), "{to}: {said}");
    }
}

#[test]
fn a_file_that_is_missing_or_wrong_is_named_with_its_setting() {
    for (from, to, want) in [
        ("= \"sns.pem\"", "= \"none.pem\"", "sns.certificates"),
        ("= \"sns.pem\"", "= \"apple.json\"", "sns.certificates"),
        ("= \"apple.json\"", "= \"none.json\"", "apple.keys_file"),
        ("= \"apple.json\"", "= \"sns.pem\"", "apple.keys_file"),
    ] {
        let said = refusal(|toml| toml.replacen(from, to, 1));
        assert!(said.contains(want), "{to}: {said}");
    }
}

#[tokio::test]
async fn a_shared_database_needs_a_key_file_that_is_there() {
    let database = postgres::database().await;
    let home = Home::new();
    let toml = Feeds::new().settle(&home, database.url());
    let keys = home.folder().join("data/keys.toml");
    fs::remove_file(&keys).unwrap();
    let (status, log) = Daemon::refuses(&home, &toml);
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("keys.file") && !keys.exists(), "{log}");
    fs::write(&keys, "[[keys]]\nid = 1\nsecret = \"c2hvcnQ=\"\n").unwrap();
    let (_, log) = Daemon::refuses(&home, &toml);
    assert!(log.contains("keys.0.secret") && !log.contains("c2hvcnQ"), "{log}");
}

#[tokio::test]
async fn a_second_daemon_on_the_same_addresses_refuses_and_the_first_goes_on() {
    let stage = Stage::sqlite().await;
    let second = stage.daemon.home().run(&["serve", "--config", "config.toml"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {}", stage.daemon.home().hooks)), "{said}");
    stage.expect_verdict("a@private.icloud.com", "unknown", "not_seen").await;
}

#[test]
fn wrong_usage_exits_64_and_help_does_not() {
    let home = Home::new();
    for arguments in [
        &["serve", "--confg", "x"][..],
        &["no-such-command"],
        &[],
        &["token", "create", "--name", "a", "--scope", "everything"],
        &["quarantine", "rerun", "--all", "qua_1"],
        &["config"],
    ] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        assert_eq!(home.run(arguments).status.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 0, "a mere question made files");
}
