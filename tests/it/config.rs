//! Configuration files as people write them: wrong ones say what is wrong where, and the example knows every key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use relaywatch::config::Config;
use serde::Deserialize;
use toml::{Table, Value};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Each `invalid-*.toml` says in its first lines, `# expect: LINE: FIELD: MESSAGE`, exactly what is to be said about it; a
/// ` …` at the end stands for what other sections add.
#[test]
fn each_invalid_file_is_refused_with_its_message() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder("tests/fixtures/config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("invalid-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
        assert!(!expected.is_empty(), "{name} expects nothing");
        let refused = Config::load(Some(&path), std::iter::empty()).expect_err(name).to_string();
        let folder = path.to_str().unwrap().to_owned() + ":";
        let said: Vec<_> = refused.lines().map(|line| line.strip_prefix(&folder).unwrap_or(line)).collect();
        assert_eq!(said.len(), expected.len(), "{name}: {said:#?}");
        for (said, expected) in said.iter().zip(&expected) {
            match expected.strip_suffix(" …") {
                Some(start) => assert!(said.starts_with(start), "{name}: {said}"),
                None => assert_eq!(said, expected, "{name}"),
            }
        }
        count += 1;
    }
    assert!(count >= 15, "only {count} files");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = folder("tests/fixtures/config/none.toml");
    let refused = Config::load(Some(&path), std::iter::empty()).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("{}: cannot be read: ", path.display())), "{refused}");
}

#[test]
fn a_variable_wins_over_the_file_and_is_named_when_wrong() {
    let load = |text: &str| {
        let variable = ("RELAYWATCH__SERVER__MAX_CONNECTIONS".to_owned(), text.to_owned());
        Config::load(Some(&folder("deploy/config.example.toml")), [variable].into_iter())
    };
    assert_eq!(load("3").unwrap().server.max_connections, 3);
    let refused = load("0").unwrap_err().to_string();
    assert_eq!(refused, "RELAYWATCH__SERVER__MAX_CONNECTIONS: server.max_connections: must be from 1 to 1048576");
}

fn example() -> String {
    std::fs::read_to_string(folder("deploy/config.example.toml")).unwrap()
}

#[test]
fn the_example_is_valid_and_says_the_defaults() {
    let config = Config::load(Some(&folder("deploy/config.example.toml")), std::iter::empty()).unwrap();
    assert_eq!(format!("{config:#?}"), format!("{:#?}", Config::default()));
}

/// The example with what it shows commented out (`#key = …`, `#[table]`; prose has a space after the `#`) switched on.
fn whole_example() -> Table {
    let text = example();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(shown) if shown.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => shown,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse().unwrap()
}

/// A table is asked for its keys by giving it one that no table has: the refusal lists them all.
#[test]
fn the_example_has_every_key_of_every_section() {
    let whole = Value::Table(whole_example());
    Config::deserialize(whole.clone()).expect("the example with everything switched on is read");
    let mut tables = vec![Vec::new()];
    let mut asked = 0;
    while let Some(path) = tables.pop() {
        let table = at(&whole, &path).as_table().unwrap();
        for (key, value) in table {
            let below = |element: Option<&str>| -> Vec<String> {
                path.iter().cloned().chain([key.clone()]).chain(element.map(str::to_owned)).collect()
            };
            match value {
                Value::Table(_) => tables.push(below(None)),
                Value::Array(list) => {
                    let first = list.iter().position(Value::is_table);
                    tables.extend(first.map(|position| below(Some(&position.to_string()))));
                }
                _ => (),
            }
        }
        let Some(known) = known_keys(&whole, &path) else { continue };
        let shown: BTreeSet<_> = table.keys().cloned().collect();
        assert_eq!(known, shown, "keys of [{}]", path.join("."));
        asked += known.len();
    }
    assert!(asked >= 15, "only {asked} keys were found");
}

fn at<'v>(value: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(list) => &list[key.parse::<usize>().unwrap()],
        table => &table[key],
    })
}

/// `None` for a value that is a table only in writing, such as a secret in a file.
fn known_keys(whole: &Value, path: &[String]) -> Option<BTreeSet<String>> {
    let mut probed = whole.clone();
    let table = path.iter().fold(&mut probed, |value, key| match value {
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        table => &mut table[key],
    });
    table.as_table_mut().unwrap().insert("no_such_key".to_owned(), Value::Boolean(true));
    let refused = Config::deserialize(probed).expect_err("unknown keys are refused").to_string();
    let (_, list) = refused.split_once("unknown field `no_such_key`, expected ")?;
    Some(list.lines().next()?.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
