//! Who may use whom.

use super::paths::paths;
use super::source::Source;
use super::{expect_none, sources_under};

/// "`clock`, `metrics`, `config` may be used by all but domain"; logging and shutdown are of the same kind.
const SERVICES: &[&str] = &["clock", "config", "logging", "metrics", "shutdown"];

/// "`main -> cli -> app -> {http, jobs} -> {sources, outputs, dns, mail, intake -> store} -> domain -> nothing`; http and
/// jobs may read the store". A room may use any room further right, none beside it, and itself. `index` is a cache of the
/// store that intake feeds, so it stands between the two.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["app", "http", "jobs", "sources", "outputs", "dns", "mail", "intake", "index", "store", "domain"]),
    ("app", &["http", "jobs", "sources", "outputs", "dns", "mail", "intake", "index", "store", "domain"]),
    ("http", &["sources", "outputs", "dns", "mail", "intake", "index", "store", "domain"]),
    ("jobs", &["sources", "outputs", "dns", "mail", "intake", "index", "store", "domain"]),
    ("sources", &["domain"]),
    ("outputs", &["domain"]),
    ("dns", &["domain"]),
    ("mail", &["domain"]),
    ("intake", &["index", "store", "domain"]),
    ("index", &["store", "domain"]),
    ("store", &["domain"]),
    ("domain", &[]),
    ("clock", &["domain"]),
    ("config", &["domain"]),
    ("logging", &["domain"]),
    ("metrics", &["domain"]),
    ("shutdown", &["domain"]),
];

/// The rooms that the services do not serve: the two that only hand over, the one that is pure, and "`config` uses only
/// `domain` and itself".
const WITHOUT_SERVICES: &[&str] = &["main", "lib", "domain", "config"];

fn complaints(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let from = source.room();
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| *room == from) else {
            complaints.push(format!("{}: no room of the design is called {from}", source.path));
            continue;
        };
        for (offset, path) in paths(&source.code) {
            let Some(to) = target(source, &path) else { continue };
            let place = format!("{}:{}: {}", source.path, source.line(offset), path.join("::"));
            if !ARROWS.iter().any(|(room, _)| *room == to) {
                complaints.push(format!("{place}: no room of the design is called {to}"));
            } else if to != from
                && !allowed.contains(&to)
                && (!SERVICES.contains(&to) || WITHOUT_SERVICES.contains(&from))
            {
                complaints.push(format!("{place}: {from} -> {to} is no arrow of the design"));
            }
        }
    }
    complaints
}

/// The room that a path leads to, if it starts at the root of the crate: `crate::room`, `super` up to the root, or (in
/// `main.rs`) the library's name.
fn target<'a>(source: &Source, path: &[&'a str]) -> Option<&'a str> {
    let up = path.iter().take_while(|&&segment| segment == "super").count();
    match path {
        ["crate" | "relaywatch", room, ..] => Some(room),
        ["super", ..] if up >= source.module().len() => path.get(up).copied(),
        _ => None,
    }
}

#[test]
fn the_sources_keep_to_the_arrows() {
    expect_none(&complaints(&sources_under("src")));
}

#[test]
fn an_arrow_against_the_design_is_named_with_its_line() {
    let told = |path: &str, text: &str| complaints(&[Source::new(path, text)]).join("\n");
    for (path, text, want) in [
        (
            "src/sources/ses.rs",
            "//! x\nuse crate::store::Tx;",
            "src/sources/ses.rs:2: crate::store::Tx: sources -> store",
        ),
        (
            "src/sources/ses.rs",
            "use crate::{\n domain::event,\n outputs::Push};",
            ":3: crate::outputs::Push: sources ->",
        ),
        ("src/sources/ses.rs", "use super::super::intake::take;", "sources -> intake"),
        ("src/sources/mod.rs", "use super::mail;", "sources -> mail"),
        ("src/http/mod.rs", "fn f() { crate::jobs::run() }", "http -> jobs"),
        ("src/jobs/prune.rs", "use crate::http::x;", "jobs -> http"),
        ("src/store/mod.rs", "use crate::intake::x;", "store -> intake"),
        ("src/domain/time.rs", "use crate::clock::Clock;", "domain -> clock"),
        ("src/config/mod.rs", "use crate::metrics::x;", "config -> metrics"),
        ("src/app.rs", "use crate::cli::x;", "app -> cli"),
        ("src/main.rs", "fn main() { relaywatch::app::run() }", "main -> app"),
        ("src/http/mod.rs", "use crate::drawer::x;", "no room of the design is called drawer"),
        ("src/drawer.rs", "", "no room of the design is called drawer"),
    ] {
        let got = told(path, text);
        assert!(got.contains(want), "{path}: {text}\n{got}");
    }
    for (path, text) in [
        ("src/main.rs", "fn main() { relaywatch::cli::run() }"),
        ("src/sources/ses.rs", "use crate::domain::event::Event; use crate::metrics::x; use super::fetch::Fetch;"),
        ("src/sources/sns/verify.rs", "use super::super::fetch::Fetch; use crate::sources::Request;"),
        (
            "src/intake.rs",
            "use crate::store::Store;\n// use crate::http::x;\n#[cfg(test)]\nmod tests { use crate::app::x; }",
        ),
        ("src/jobs/prune.rs", "use crate::{store::Store, clock::Clock};"),
        ("src/domain/time.rs", "const S: &str = \"crate::store\"; use super::ids;"),
    ] {
        assert_eq!(told(path, text), "", "{path}: {text}");
    }
}
