//! `relaywatch doctor`, through the real program: each thing that a new operator gets wrong.

mod database;
mod listeners;
mod secrets;
mod settings;

use std::fs;

use serde_json::Value;

use crate::daemon::Home;

/// What the doctor said of one installation.
struct Diagnosis {
    code: i32,
    checks: Vec<Value>,
}

impl Diagnosis {
    /// Runs it in `home` on this configuration.
    fn of(home: &Home, toml: &str) -> Self {
        fs::write(home.folder().join("config.toml"), toml).unwrap();
        Self::by(home, &["--config", "config.toml"])
    }

    fn by(home: &Home, arguments: &[&str]) -> Self {
        let output = home.run(&[&["doctor", "--format", "json"], arguments].concat());
        let (said, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(complained.is_empty(), "{complained}");
        assert_eq!(said.lines().count(), 1, "one document: {said}");
        let report: Value = serde_json::from_str(&said).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let count = |state: &str| checks.iter().filter(|check| check["state"] == state).count();
        assert_eq!(
            (report["fails"].as_u64(), report["warnings"].as_u64()),
            (Some(count("fail") as u64), Some(count("warn") as u64))
        );
        let code = output.status.code().expect("it ends by itself");
        assert_eq!((report["ok"].as_bool(), code), (Some(count("fail") == 0), i32::from(count("fail") > 0)), "{said}");
        for check in &checks {
            let has_remedy = check["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty());
            let wants_remedy = check["state"] == "warn" || check["state"] == "fail";
            assert_eq!(has_remedy, wants_remedy, "{check}");
        }
        Self { code, checks }
    }

    /// State and finding of every line of one check.
    fn lines(&self, check: &str) -> Vec<(&str, &str)> {
        let of = self.checks.iter().filter(|line| line["check"] == check);
        of.map(|line| (line["state"].as_str().unwrap(), line["finding"].as_str().unwrap())).collect()
    }

    /// Asserts that a check says this, in this state.
    fn says(&self, check: &str, state: &str, part: &str) {
        let lines = self.lines(check);
        assert!(
            lines.iter().any(|(s, finding)| *s == state && finding.contains(part)),
            "{check} {state} {part}: {lines:?}"
        );
    }

    /// The checks in which something fails.
    fn failing(&self) -> Vec<&str> {
        let failing = self.checks.iter().filter(|line| line["state"] == "fail");
        failing.map(|line| line["check"].as_str().unwrap()).collect()
    }
}

/// The sections of listeners and a SQLite store in the folder of `home`, with the data folder there as well.
fn installed(home: &Home, more: &str) -> String {
    format!("{}data_dir = \"data\"\n{more}", home.toml("sqlite:data/relaywatch.db"))
}

/// One endpoint of every source, each with its secret.
const HOOKS: &str = r#"
[sns]
allow_signature_version_1 = false

[[teams]]
id = "TEAM1"
[[teams.apps]]
id = "com.example.app"
audiences = ["com.example.app", "com.example.web"]

[[streams]]
name = "news"
team = "TEAM1"
from_domain = "shop.example"
mail_from_domain = "bounce.shop.example"
provider = "sparkpost"

[[endpoints.ses]]
name = "main"
team = "TEAM1"
topics = ["arn:aws:sns:eu-west-1:123456789012:ses-events"]

[[endpoints.sparkpost]]
name = "main"
team = "TEAM1"
auth = { bearer = { tokens = ["hush-1"] } }

[[endpoints.braze]]
name = "main"
team = "TEAM1"
auth = { bearer = { tokens = ["hush-2"] } }

[[endpoints.apple]]
name = "main"
"#;

#[test]
fn before_the_first_start_nothing_fails_and_nothing_is_made() {
    let home = Home::new();
    let diagnosis = Diagnosis::by(&home, &[]);
    assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 0);
    diagnosis.says("configuration", "info", "no file is given");
    diagnosis.says("keys", "info", "./data/keys.toml is not there yet; the first start makes it");
    diagnosis.says("store", "info", "sqlite:./data/relaywatch.db is not there yet");
    diagnosis.says("data_dir", "ok", "the first start makes it");
    diagnosis.says("hooks", "warn", "no hook is configured");
    diagnosis.says("apple", "warn", "no hook takes Apple's notifications");
}

#[test]
fn wrong_usage_ends_64() {
    let home = Home::new();
    for arguments in [&["doctor", "--fix"][..], &["doctor", "--format", "xml"], &["doctor", "config.toml"]] {
        let output = home.run(arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{arguments:?}");
    }
}

#[test]
fn a_person_reads_columns_and_a_last_line() {
    let home = Home::new();
    fs::write(home.folder().join("config.toml"), installed(&home, HOOKS)).unwrap();
    let output = home.run(&["doctor", "--config", "config.toml"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with(
            "ok    configuration  config.toml is valid\nok    hooks          /hooks/ses/main, /hooks/spark"
        ),
        "{said}"
    );
    assert!(said.ends_with("\nAll is well.\n"), "{said}");
    assert!(output.status.success() && output.stderr.is_empty());
}
