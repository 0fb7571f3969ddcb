//! What the configuration alone tells.

use super::{Diagnosis, HOOKS, installed};
use crate::daemon::Home;

#[test]
fn everything_wrong_with_the_configuration_is_told_and_nothing_else() {
    let home = Home::new();
    let toml = installed(&home, "[limits]\nqueue_bytes = \"1KiB\"\n[policy]\nconviction_gap = \"1h\"\n");
    let diagnosis = Diagnosis::of(&home, &toml);
    assert_eq!(diagnosis.failing(), ["configuration", "configuration"]);
    diagnosis.says("configuration", "fail", "limits.queue_bytes: must be at least 1MiB");
    diagnosis.says("configuration", "fail", "policy.conviction_gap: must be at least 24h");
    assert_eq!(diagnosis.checks.len(), 2);
    Diagnosis::of(&home, "[server\n").says("configuration", "fail", "config.toml:1: ");
    Diagnosis::by(&home, &["--config", "none.toml"]).says("configuration", "fail", "none.toml: cannot be read");
}

#[test]
fn what_only_building_the_hooks_can_tell() {
    let home = Home::new();
    let toml = installed(&home, &HOOKS.replace("[sns]", "[apple]\nkeys_file = \"gone.json\"\n[sns]"));
    let diagnosis = Diagnosis::of(&home, &toml);
    assert_eq!((diagnosis.failing(), diagnosis.code), (vec!["configuration"], 1));
    diagnosis.says("configuration", "fail", "apple.keys_file: cannot read gone.json");
    diagnosis.says("apple", "info", "Apple's keys come from gone.json");
}

#[test]
fn every_hook_with_its_secret_is_in_order() {
    let home = Home::new();
    let diagnosis = Diagnosis::of(&home, &installed(&home, HOOKS));
    assert_eq!(
        diagnosis.lines("hooks"),
        [("ok", "/hooks/ses/main, /hooks/sparkpost/main, /hooks/braze/main, /hooks/apple/main")]
    );
    assert_eq!(diagnosis.lines("sns"), [("ok", "only signatures of version 2 are taken")]);
    assert_eq!(diagnosis.lines("apple"), [("ok", "1 app, 2 audiences valid now")]);
    assert_eq!(diagnosis.lines("teams"), [("ok", "TEAM1")]);
    assert_eq!(diagnosis.lines("streams"), [("ok", "1 registered in the file")]);
    assert_eq!(diagnosis.code, 0);
}

#[test]
fn hooks_that_believe_everybody_are_named() {
    let home = Home::new();
    let open = r#"
[[endpoints.sparkpost]]
name = "eu"
team = "T"
auth = "none"
[[endpoints.braze]]
name = "crm"
team = "T"
auth = "none"
[[endpoints.ses]]
name = "raw"
team = "T"
raw_delivery = { basic = { user = "sns", passwords = ["hush"] } }
[sns.emulator]
endpoint = "http://127.0.0.1:4566"
"#;
    let diagnosis = Diagnosis::of(&home, &installed(&home, open));
    for (check, state, part) in [
        ("hooks", "warn", "/hooks/sparkpost/eu believes anybody who knows its URL"),
        ("hooks", "warn", "/hooks/braze/crm believes anybody who knows its URL"),
        ("hooks", "info", "/hooks/ses/raw lists no topic"),
        ("sns", "warn", "the stand-in at http://127.0.0.1:4566"),
        ("sns", "warn", "signatures of version 1 (SHA-1) are still taken"),
        ("apple", "warn", "no hook takes Apple's notifications"),
        ("teams", "warn", "a misspelled team of an endpoint goes unnoticed"),
        ("streams", "info", "counts as stream `unregistered`"),
    ] {
        diagnosis.says(check, state, part);
    }
    assert_eq!(diagnosis.code, 0, "warnings fail nothing");
}

#[test]
fn an_app_whose_audiences_have_all_ended_is_named() {
    let home = Home::new();
    let ended = HOOKS.replace(
        r#"audiences = ["com.example.app", "com.example.web"]"#,
        r#"audiences = [{ id = "com.example.app", until = "2026-01-01T00:00:00Z" }]"#,
    );
    let diagnosis = Diagnosis::of(&home, &installed(&home, &ended));
    assert_eq!(diagnosis.lines("apple"), [("warn", "no audience of app com.example.app of team TEAM1 is valid now")]);
}
