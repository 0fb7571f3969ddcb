//! The design's rules about the sources, checked: who may use whom, how a file is shaped, what stands where.
//!
//! Each check is a function from sources to complaints, so that its own test can feed it a bad one.

mod arrows;
mod paths;
mod purity;
mod repository;
mod shape;
mod source;

use std::fs;
use std::path::Path;

use source::Source;

/// The repository's root.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All Rust files under a folder of the repository, in order of their paths. A folder that is not there has none.
fn sources_under(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&Path::new(ROOT).join(folder), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    // A test module in a file of its own is declared in another file; what it holds is test code as well.
    let tests: Vec<_> = found.iter().flat_map(Source::test_files).collect();
    found.retain(|source| !tests.contains(&source.path));
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            // Crates of their own (bench, fuzz) build into a folder of their own.
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source is UTF-8");
            let path = path.strip_prefix(ROOT).expect("inside the repository");
            found.push(Source::new(&path.to_string_lossy(), &text));
        }
    }
}

/// Fails with all complaints, one a line.
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn the_checks_see_the_sources() {
    let found = sources_under("src");
    assert!(found.iter().any(|source| source.path == "src/lib.rs"));
    assert!(found.iter().any(|source| source.path == "src/domain/mod.rs"));
}
