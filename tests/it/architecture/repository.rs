//! What the repository holds: known names at its top, and no trace of the machine it was written on.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ROOT, expect_none};

/// The names at the top, beside dotfiles. Everything else has its place in one of these folders.
const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "src", "migrations", "dashboards", "deploy", "tests"];

/// The one source of crates that `Cargo.lock` may name.
const CRATES: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// The files of the repository with their contents: those that git tracks, or without git all but what it would ignore.
fn files() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["-C", ROOT, "ls-files", "-z"]).output();
    let names = match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).expect("paths are UTF-8");
            names.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut names = Vec::new();
            walk(Path::new(ROOT), &mut names);
            names
        }
    };
    let read = |name: String| {
        // A file may be deleted and not yet committed so.
        let bytes = fs::read(Path::new(ROOT).join(&name)).ok()?;
        Some((name, String::from_utf8_lossy(&bytes).into_owned()))
    };
    names.into_iter().filter_map(read).collect()
}

fn walk(folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(ROOT).expect("inside the repository").to_string_lossy().into_owned();
        if ["target", "data", ".git"].contains(&name.as_str()) || name.ends_with("/target") {
            continue;
        }
        if path.is_dir() { walk(&path, names) } else { names.push(name) }
    }
}

/// Complaints about names at the top of the repository.
fn strangers(names: &[&str]) -> Vec<String> {
    let mut tops: Vec<_> = names.iter().filter_map(|name| name.split('/').next()).collect();
    tops.dedup();
    tops.retain(|top| !top.starts_with('.') && !TOP.contains(top));
    tops.iter().map(|top| format!("{top}: not a name for the top of the repository")).collect()
}

/// Complaints about one file. The words are put together here, so that this file does not hold them.
fn traces(name: &str, text: &str) -> Vec<String> {
    let homes = ["work", "root", "farm"].map(|folder| format!("/{folder}/"));
    let hosts =
        ["index.crates.%io", "static.crates.%io", "pypi.%org", "pythonhosted.%org", "npmjs.%org", "proxy.golang.%org"]
            .map(|host| host.replace('%', ""));
    let sparse = ["sparse", "+http"].concat();
    let mut complaints = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", at + 1);
        if homes.iter().any(|home| begins_a_path(line, home)) {
            complaints.push(format!("{place}: names a path of some machine"));
        }
        if hosts.iter().chain([&sparse]).any(|host| line.contains(host.as_str())) {
            complaints.push(format!("{place}: names the host of a package registry"));
        }
        if name.ends_with("Cargo.lock") && line.starts_with("source = ") && line != CRATES {
            complaints.push(format!("{place}: a crate from elsewhere"));
        }
    }
    complaints
}

/// Whether the absolute path stands in the line, and not the middle of some other path.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}~".contains(c)))
}

#[test]
fn the_top_holds_known_names_only() {
    let files = files();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"Cargo.toml"), "the list of files is wrong");
    expect_none(&strangers(&names));
}

#[test]
fn no_file_names_the_machine_or_a_registry() {
    let complaints: Vec<_> = files().iter().flat_map(|(name, text)| traces(name, text)).collect();
    expect_none(&complaints);
}

#[test]
fn a_stranger_at_the_top_is_named() {
    assert_eq!(strangers(&["Cargo.toml", ".ci/run", "src/a.rs"]), [""; 0]);
    let told = strangers(&["NOTES.md", "scripts/a", "scripts/b"]);
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_trace_is_named_with_its_line() {
    let home = |folder: &str| format!("/{folder}/relaywatch");
    for text in [home("work"), format!("file://{}", home("root")), format!("cd '{}'", home("farm"))] {
        assert_eq!(traces("a", &format!("\n{text}")), ["a:2: names a path of some machine"], "{text}");
    }
    for host in [["index.crates", "io"], ["pypi", "org"], ["registry.npmjs", "org"]] {
        let text = format!("https://{}/x", host.join("."));
        assert_eq!(traces("a", &text), ["a:1: names the host of a package registry"], "{text}");
    }
    let mirror = "source = \"registry+https://mirror.example/index\"";
    assert_eq!(traces("Cargo.lock", mirror), ["Cargo.lock:1: a crate from elsewhere"]);
    for text in [CRATES, "src/work/a.rs", "https://docs.example/work", "https://docs.rs/serde"] {
        assert_eq!(traces("Cargo.lock", text), [""; 0], "{text}");
    }
}
