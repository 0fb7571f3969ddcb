//! `relaywatch check` and `relaywatch spf`: every finding in a zone that has it, through the judge and through the real program.

mod catalogue;
mod command;
mod findings;
mod load;
mod readme;
mod silence;
mod spf_command;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use relaywatch::dns::{Sweep, gather};
use relaywatch::domain::dns::Inquiry;
use relaywatch::domain::finding::Code;
use relaywatch::domain::observed::Seen;
use relaywatch::domain::posture::{Checked, examine_observed};
use relaywatch::domain::stream::Stream;
use relaywatch::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::dns_server::resolvers;
use crate::lifeline;

/// A time to check at.
pub const NOW: i64 = 1_700_000_000;

/// A registration of which only some fields are said.
pub fn stream(fields: Value) -> Stream {
    let mut all = json!({"name": "news", "team": "T1"});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// What the judge says of a stream, asked of that server.
pub async fn checked(server: SocketAddr, stream: Stream) -> Checked {
    checked_with(server, stream, &Seen::default()).await
}

/// Likewise, of a stream of whose sending something was seen.
pub async fn checked_with(server: SocketAddr, stream: Stream, seen: &Seen) -> Checked {
    let sweep = Sweep::new(resolvers(server), Timestamp::from_secs(NOW));
    let judge = |inquiry: &mut Inquiry<'_>| examine_observed(&stream, seen, inquiry, NOW.unsigned_abs());
    let gathered = gather(&sweep, Duration::from_secs(20), judge).await;
    let at = sweep.at();
    Checked { stream, at, judged: gathered.value, queries: gathered.queries, elapsed: gathered.elapsed }
}

/// The codes of the findings, sorted, each once.
pub fn codes(checked: &Checked) -> Vec<&'static str> {
    let mut codes: Vec<_> = checked.judged.findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Whether a code was found.
pub fn has(checked: &Checked, code: Code) -> bool {
    checked.judged.findings.iter().any(|finding| finding.code == code)
}

/// Runs the program in an environment of its own, with that on standard input.
pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = lifeline::bound("KILL", env!("CARGO_BIN_EXE_relaywatch"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.current_dir(std::env::temp_dir());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RELAYWATCH_") {
            command.env_remove(name);
        }
    }
    let mut child: Child = lifeline::spawn(command).expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input is piped");
    // It need not read all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program runs")
}

/// Its exit code and the JSON documents that it prints, a line each; it must have said nothing else.
pub fn documents(arguments: &[&str], input: &str) -> (i32, Vec<Value>) {
    let output = run(&[arguments, &["--format", "json"]].concat(), input);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(complained.is_empty(), "{arguments:?}: {complained}");
    let said = String::from_utf8(output.stdout).unwrap();
    let documents = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), documents)
}

/// Its exit code and the one document that it prints.
pub fn document(arguments: &[&str]) -> (i32, Value) {
    let (code, mut documents) = documents(arguments, "");
    assert_eq!(documents.len(), 1, "{arguments:?}");
    (code, documents.remove(0))
}

/// The codes of the findings in a document, sorted, each once.
pub fn codes_in(document: &Value) -> Vec<&str> {
    let findings = document["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let mut codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}
