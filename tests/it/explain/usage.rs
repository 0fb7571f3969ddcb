//! How the command is called: wrong usage is 64, an unreadable file 1, an explanation 0.

use serde_json::Value;

use super::{File, explain, run};
use crate::daemon::Home;
use crate::sources::sns::endpoint::fixture;

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn wrong_usage_ends_64_and_prints_no_document() {
    for arguments in [
        &[][..],
        &["--source", "mailgun"],
        &["--source", "ses", "--now", "yesterday"],
        &["--source", "ses", "--format", "xml"],
        &["--source", "ses", "--header", "no colon"],
        &["--source", "ses", "--header", "bad name: x"],
        &["--source", "ses", "--header", "name: line\nend"],
        &["--source", "sns", "--topic", "ses-events"],
        &["--source", "sns", "--certificate", "cert.pem"],
        &["--source", "ses", "--secret", "x"],
        &["--source", "ses", "one", "two"],
    ] {
        let output = run(arguments, b"{}");
        assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(64), ""), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn what_cannot_be_read_ends_1_and_is_named() {
    let broken = File::new("not a certificate");
    let certificate = format!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem={}", broken.path());
    let folder = std::env::temp_dir();
    for (arguments, part) in [
        (&["--source", "ses", "/nowhere/body.json"][..], "cannot read /nowhere/body.json"),
        (&["--source", "ses", folder.to_str().unwrap()], "cannot read"),
        (&["--source", "apple", "--jwks", "/nowhere/keys.json"], "cannot read /nowhere/keys.json"),
        (&["--source", "apple", "--jwks", &broken.path()], "the key set"),
        (&["--source", "sns", "--trust-root", &broken.path()], "trust root"),
        (&["--source", "sns", "--certificate", &certificate], "certificate https://sns.eu-west-1"),
        (&["--source", "ses", "--config", "/nowhere/config.toml"], "/nowhere/config.toml"),
    ] {
        let output = run(arguments, b"{}");
        let complained = said(&output.stderr);
        assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(1), ""), "{arguments:?}");
        assert!(complained.contains(part), "{arguments:?}: {complained}");
    }
}

#[test]
fn a_file_and_standard_input_say_the_same() {
    let file = File::new(fixture("bounce_identity.json"));
    let read = explain(&["--source", "ses", &file.path()], "not read");
    for arguments in [&["--source", "ses"][..], &["--source", "ses", "-"]] {
        assert_eq!(explain(arguments, fixture("bounce_identity.json")), read);
    }
}

#[test]
fn an_option_that_says_nothing_is_told_on_stderr_and_changes_nothing() {
    let plain = explain(&["--source", "ses"], fixture("bounce_identity.json"));
    let output = run(
        &["--source", "ses", "--audience", "com.example.app", "--endpoint", "main", "--format", "json"],
        fixture("bounce_identity.json").as_bytes(),
    );
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), plain);
    let complained = said(&output.stderr);
    for option in ["--audience", "--endpoint"] {
        assert!(complained.contains(&format!("{option} says nothing about ses")), "{complained}");
    }
}

#[test]
fn it_opens_no_store_and_leaves_nothing_behind() {
    let (home, file) = (Home::new(), File::new(fixture("bounce_identity.json")));
    let output = home.run(&["explain", "--source", "ses", &file.path()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_dir(home.folder()).unwrap().count(), 0);
}
