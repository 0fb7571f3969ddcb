//! What may not stand in a room: I/O and clocks in the domain, statements that write outside the store.

use super::paths::paths;
use super::source::Source;
use super::{expect_none, sources_under};

/// "No I/O, no clock, no async." With what to do instead, where there is a way.
const IMPURE: &[(&[&str], &str)] = &[
    (&["tokio"], "the domain does not wait"),
    (&["async"], "the domain does not wait"),
    (&["await"], "the domain does not wait"),
    (&["std", "fs"], "the domain has no files"),
    (&["std", "net"], "the domain has no sockets"),
    (&["std", "env"], "the domain has no environment"),
    (&["std", "process"], "the domain has no processes"),
    (&["std", "thread"], "the domain has no threads"),
    (&["SystemTime"], "time is an argument"),
    (&["Instant", "now"], "time is an argument"),
    (&["Utc", "now"], "time is an argument"),
    (&["Local", "now"], "time is an argument"),
    (&["sqlx"], "the domain has no database"),
    (&["reqwest"], "the domain has no network"),
];

/// Addresses are values, also where they live among the sockets.
const VALUES: &[&[&str]] = &[&["std", "net", "IpAddr"], &["std", "net", "Ipv4Addr"], &["std", "net", "Ipv6Addr"]];

fn impure(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.room() == "domain") {
        for (offset, path) in paths(&source.code).into_iter().filter(|(_, path)| !VALUES.contains(&path.as_slice())) {
            for (_, why) in IMPURE.iter().filter(|(banned, _)| path.windows(banned.len()).any(|part| part == *banned)) {
                let line = source.line(offset);
                complaints.push(format!("{}:{line}: `{}`: {why}", source.path, path.join("::")));
            }
        }
    }
    complaints
}

/// "Only intake writes users, holds and events", and all SQL that writes is in the store, which intake calls.
fn writes_outside_the_store(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| !["store", "intake"].contains(&source.room())) {
        for (offset, text) in source.literals.iter().filter(|(_, text)| writes(text)) {
            let first = text.trim().lines().next().unwrap_or_default();
            complaints.push(format!("{}:{}: `{first}` belongs into the store", source.path, source.line(*offset)));
        }
    }
    complaints
}

/// Whether a text holds an SQL statement that writes. In the middle of a text only capitals count: the words are English.
fn writes(text: &str) -> bool {
    let words: Vec<_> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    let statement = |words: &[&str]| {
        let [first, second, rest @ ..] = words else { return false };
        match *first {
            "INSERT" => ["INTO", "OR"].contains(second),
            "REPLACE" => *second == "INTO",
            "DELETE" => *second == "FROM" && !rest.is_empty(),
            "UPDATE" => rest.first() == Some(&"SET"),
            "TRUNCATE" => true,
            _ => false,
        }
    };
    let opening: Vec<_> = words.iter().take(3).map(|word| word.to_uppercase()).collect();
    let opening: Vec<_> = opening.iter().map(String::as_str).collect();
    statement(&opening) || (0..words.len()).any(|at| statement(&words[at..]))
}

#[test]
fn the_domain_is_pure() {
    expect_none(&impure(&sources_under("src")));
}

#[test]
fn only_the_store_writes() {
    expect_none(&writes_outside_the_store(&sources_under("src")));
}

#[test]
fn impurity_is_named_with_its_line() {
    let told = |path: &str, text: &str| impure(&[Source::new(path, text)]).join("\n");
    for text in [
        "use tokio::time;",
        "use std::{fmt, fs};",
        "use std::net::{IpAddr, UdpSocket};",
        "use std::net;",
        "async fn f() {}",
        "fn f() { x.await }",
        "fn f() { std::time::Instant::now() }",
        "use std::time::SystemTime;",
        "let now = chrono::Utc::now();",
    ] {
        let got = told("src/domain/a.rs", &format!("//! x\n{text}"));
        assert!(got.starts_with("src/domain/a.rs:2: `"), "{text}: {got}");
        assert_eq!(told("src/dns/a.rs", text), "");
    }
    for text in
        ["use std::time::Duration; use std::net::{IpAddr, Ipv6Addr};", "/// tokio\nfn f(now: Timestamp) -> Instant {}"]
    {
        assert_eq!(told("src/domain/a.rs", text), "", "{text}");
    }
}

#[test]
fn a_write_outside_the_store_is_named_with_its_line() {
    let told = |path: &str, text: &str| writes_outside_the_store(&[Source::new(path, text)]).join("\n");
    for text in [
        "const A: &str = \"INSERT INTO users (n) VALUES ($1)\";",
        "query(\"update holds set n = 1\")",
        "r#\"\n  WITH x AS (SELECT 1)\n DELETE FROM events WHERE 1\"#",
        "\"UPDATE log_head SET n = n + $1 RETURNING n\"",
    ] {
        let got = told("src/jobs/a.rs", &format!("\n{text}"));
        assert!(got.starts_with("src/jobs/a.rs:2: `"), "{text}: {got}");
        assert_eq!(told("src/store/users.rs", text), "");
        assert_eq!(told("src/intake.rs", text), "");
        assert_eq!(told("src/jobs/a.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}")), "");
    }
    for text in ["\"SELECT n FROM users\"", "\"cannot delete from the list\"", "// INSERT INTO users"] {
        assert_eq!(told("src/jobs/a.rs", text), "", "{text}");
    }
}
