//! The README's table of findings is that of the code.

use std::fmt::Write;

use relaywatch::domain::finding::Code;

#[test]
fn the_readme_lists_every_finding_as_it_is() {
    let mut table = String::from("| finding | severity | when |\n|---|---|---|\n");
    for code in Code::ALL {
        let meaning = code.meaning().trim_end_matches('.');
        writeln!(table, "| `{code}` | {} | {meaning} |", code.severity().as_str()).unwrap();
    }
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&table), "README.md has another table than this:\n{table}");
}
