//! What the README says of canaries is what the daemon does.

use std::collections::BTreeSet;

use relaywatch::config::Config;
use relaywatch::config::canaries::Canaries;
use relaywatch::domain::canary::{Folder, Part, Role, Sight, State, diagnose};

const README: &str = include_str!("../../../README.md");

/// Its section about canaries.
fn section() -> &'static str {
    let (_, rest) = README.split_once("\n## Is mail really arriving?\n").expect("the section");
    rest.split_once("\n## ").expect("another section").0
}

/// The rows of the table whose head begins so, as cells.
fn table(head: &str) -> Vec<Vec<String>> {
    let lines = section().lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_three_results_name_the_part_that_the_table_names() {
    let rows = table("| `production`");
    assert_eq!(rows.len(), 7);
    for row in rows {
        let states = |cell: &str| match cell {
            "arrived" => vec![State::Arrived(Folder::Inbox)],
            "not" => vec![State::Lost],
            "any" => vec![State::Arrived(Folder::Inbox), State::Lost, State::Unknown],
            _ => panic!("{cell}"),
        };
        let roles = [Role::Production, Role::Control];
        for plain in states(&row[2]) {
            let mut legs: Vec<Sight> = roles
                .iter()
                .zip(&row)
                .map(|(role, cell)| Sight { role: *role, state: states(cell)[0], refusal: None })
                .collect();
            legs.push(Sight { role: Role::Plain, state: plain, refusal: None });
            for other_team in [true, false] {
                let broken = diagnose(&legs, other_team).broken;
                assert!(row[3].contains(&format!("`{}`", broken.as_str())), "{broken:?} in {row:?}");
            }
        }
    }
    assert!(section().contains(&format!("`{}`", Part::Unknown.as_str())));
}

#[test]
fn the_table_lists_every_state() {
    let every = [
        State::Planned,
        State::Sent,
        State::Accepted,
        State::Arrived(Folder::Inbox),
        State::Arrived(Folder::Spam),
        State::Late(Folder::Inbox),
        State::Refused,
        State::Uncertain,
        State::NotSent,
        State::Lost,
        State::DeliveredNeverArrived,
        State::Unknown,
    ];
    let listed: Vec<String> = table("| state").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(listed, every.map(|state| format!("`{}`", state.as_str())));
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), every.len());
}

#[test]
fn the_numbers_of_the_budget_are_those_that_are_checked() {
    let rows = table("| a round every");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let idle = row[0].split(',').next().unwrap();
        let section: Canaries = toml::from_str(&format!("idle = '{idle}'")).unwrap();
        for (cell, addresses) in row[1..].iter().zip([1, 2, 4]) {
            let sum = section.pace().load(&[addresses]).sum();
            let refused = if sum > section.daily as u64 { ", refused" } else { "" };
            assert_eq!(*cell, format!("{sum}{refused}"), "{idle} among {addresses}");
        }
    }
}

#[test]
fn its_configuration_is_a_sound_one() {
    let (_, rest) = section().split_once("```toml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    // Where secrets come from is the machine's business.
    let literal = |line: &str| match line.split_once("{ env = ") {
        Some((before, _)) => format!("{before}'secret'\n"),
        None => format!("{line}\n"),
    };
    let shown: String = shown.lines().map(literal).collect();
    let team = |team: &str, app: &str, stream: &str, domain: &str| {
        format!(
            "[[teams]]\nid = '{team}'\n[[teams.apps]]\nid = '{app}'\n[[streams]]\nname = '{stream}'\nteam = '{team}'\n\
             from_domain = '{domain}'\nprovider = 'ses'\n"
        )
    };
    let before = team("A1B2C3D4E5", "com.example.shop", "news", "news.example.com")
        + &team("F6G7H8I9J0", "com.example.other", "known-good", "other.example");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relaywatch.toml");
    std::fs::write(&file, before + &shown).unwrap();
    let config = Config::load(Some(&file), std::iter::empty()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.canaries.routes.len(), 3);
}
