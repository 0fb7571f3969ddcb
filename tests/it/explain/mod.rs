//! `relaywatch explain`, through the real program: a body on standard input, one JSON document back.

mod apple;
mod braze;
mod configured;
mod hostile;
mod ses;
mod sns;
mod sparkpost;
mod usage;

use std::io::Write;
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};

use crate::lifeline;

/// Runs the program in an environment of its own.
fn run(arguments: &[&str], body: &[u8]) -> Output {
    let mut command = lifeline::bound("KILL", env!("CARGO_BIN_EXE_relaywatch"));
    command.arg("explain").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RELAYWATCH_") {
            command.env_remove(name);
        }
    }
    let mut child: Child = lifeline::spawn(command).expect("the program starts");
    let mut input = child.stdin.take().expect("its input is piped");
    // It need not read a body to its end.
    let _ = input.write_all(body);
    drop(input);
    child.wait_with_output().expect("the program runs")
}

/// What it explains; it must have ended well and said nothing else.
fn explain(arguments: &[&str], body: impl AsRef<[u8]>) -> Value {
    let output = run(&[arguments, &["--format", "json"]].concat(), body.as_ref());
    let (said, complained) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && complained.is_empty(), "{arguments:?}: {said}{complained}");
    assert_eq!(said.lines().count(), 1, "one document: {said}");
    serde_json::from_str(&said).unwrap()
}

/// What it says to a person.
fn text(arguments: &[&str], body: impl AsRef<[u8]>) -> String {
    let output = run(arguments, body.as_ref());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Kind, scope, freshness, effect and rule of each event.
fn meanings(explained: &Value) -> Vec<Value> {
    let of = |event: &Value| json!([event["kind"], event["scope"], event["fresh"], event["effect"], event["rule"]]);
    explained["events"].as_array().unwrap().iter().map(of).collect()
}

/// A refusal: its status and label. Whatever was in the body, no event is taken from it.
fn refusal(explained: &Value) -> (u64, &str) {
    assert_eq!((&explained["events"], &explained["quarantined"]), (&json!([]), &json!([])), "{explained}");
    assert!(!explained["because"].as_str().unwrap().is_empty());
    (explained["answer"].as_u64().unwrap(), explained["refusal"].as_str().unwrap())
}

/// A file with these contents, gone with the value.
struct File(tempfile::TempDir);

impl File {
    fn new(contents: impl AsRef<[u8]>) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        std::fs::write(file.0.path().join("file"), contents).unwrap();
        file
    }

    fn path(&self) -> String {
        self.0.path().join("file").to_str().unwrap().to_owned()
    }
}
