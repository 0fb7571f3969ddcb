//! How a file is shaped: it says its purpose first, it has a name of its own, and it stays short.

use super::source::Source;
use super::{expect_none, sources_under};

/// The names of drawers: a thing without a home gets a file named after it.
const DRAWERS: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "type", "types", "manager", "managers"];

/// "Aim at 250 lines, stop at 400 (inline tests not counted)."
const LONGEST: usize = 400;

fn complaints(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Source { path, text, lines, .. } in sources {
        if text.lines().next().and_then(|line| line.strip_prefix("//! ")).is_none_or(|said| said.trim().is_empty()) {
            complaints.push(format!("{path}:1: does not open with `//! ` and its purpose"));
        }
        for name in path.trim_end_matches(".rs").split('/').filter(|name| DRAWERS.contains(name)) {
            complaints.push(format!("{path}: `{name}` says nothing about what is in it"));
        }
        if *lines > LONGEST {
            complaints.push(format!("{path}: {lines} lines without its tests, at most {LONGEST} are allowed"));
        }
    }
    complaints
}

#[test]
fn the_sources_are_in_shape() {
    expect_none(&complaints(&sources_under("src")));
    expect_none(&complaints(&sources_under("tests")));
}

#[test]
fn a_file_out_of_shape_is_named() {
    let told = |path: &str, text: &str| complaints(&[Source::new(path, text)]).join("\n");
    let long = |lines: usize| format!("//! Long.\n{}", "fn f() {}\n".repeat(lines - 1));
    for (path, text, want) in [
        ("src/a.rs", "use b;\n//! Late.".to_owned(), "src/a.rs:1: does not open"),
        ("src/a.rs", "//!\n//! Late.".to_owned(), "src/a.rs:1: does not open"),
        ("src/a.rs", String::new(), "src/a.rs:1: does not open"),
        ("src/http/utils.rs", "//! x".to_owned(), "`utils` says nothing"),
        ("src/common/mod.rs", "//! x".to_owned(), "`common` says nothing"),
        ("src/a.rs", long(401), "401 lines without its tests"),
    ] {
        let got = told(path, &text);
        assert!(got.contains(want), "{path}: {got}");
    }
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", long(399), "fn f() {}\n".repeat(500));
    for (path, text) in [("src/common_name.rs", long(400)), ("src/a.rs", tested)] {
        assert_eq!(told(path, &text), "", "{path}");
    }
}
