//! Every statement is known by name and compiles on the databases it is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use relaywatch::store::Store;
use relaywatch::store::statements::{STATEMENTS, VACUUMS};
use sqlx::{Executor, SqlStr};

use crate::world::World;

/// Constants of the store that hold no single statement.
const NO_STATEMENTS: [&str; 5] =
    ["migrate::MIGRATIONS", "statements::STATEMENTS", "statements::VACUUMS", "people::VACUUM", "mod::READERS"];

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// `module::NAME` of every constant whose type can hold SQL.
fn constants(module: &str, text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.trim().split_once("const "));
    lines
        .filter(|(before, _)| before.is_empty() || before.starts_with("pub"))
        .filter_map(|(_, rest)| rest.split_once(": "))
        .filter(|(_, kind)| ["&", "[", "Twin"].iter().any(|form| kind.starts_with(form)))
        .map(|(name, _)| format!("{module}::{name}"))
        .collect()
}

#[test]
fn the_list_names_every_statement() {
    let found: BTreeSet<String> = files().iter().flat_map(|(module, text)| constants(module, text)).collect();
    let listed = STATEMENTS.iter().map(|s| s.name).chain(NO_STATEMENTS).map(str::to_owned).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "not in src/store/statements.rs: {missing:?}");
    let stale: Vec<_> = listed.difference(&found).filter(|name| *name != "mod::READERS").collect();
    assert!(stale.is_empty(), "no such constant: {stale:?}");
}

#[test]
fn no_statement_stands_outside_a_constant() {
    // `later` strings constants together and adds nothing but numbers.
    for (module, text) in files().into_iter().filter(|(module, _)| module != "later") {
        for (number, line) in text.lines().enumerate() {
            for call in ["query(\"", "query_scalar(\"", "query_as(\"", "query(format", "AssertSqlSafe"] {
                assert!(!line.contains(call), "src/store/{module}.rs:{}: {line}", number + 1);
            }
        }
    }
}

#[test]
fn a_constant_is_seen_in_each_of_its_forms() {
    let text = "pub(super) const A: &str = \"SELECT 1\";\nconst B: Twin = batch!(\n    pub const C: &[&str] = &[];\n\
                const N: u32 = 3;\n// const D: &str\nfn f() { let x: &str = 1; }\npub const E: [&str; 2] = [";
    assert_eq!(constants("m", text), ["m::A", "m::B", "m::C", "m::E"].map(str::to_owned).into());
}

#[tokio::test]
async fn every_statement_compiles_on_sqlite() {
    let world = World::new().await;
    let Store::Sqlite { write, .. } = &world.store else { panic!("not SQLite") };
    let mut connection = write.acquire().await.unwrap();
    for statement in STATEMENTS {
        let Some(sql) = statement.sqlite else { continue };
        let prepared = connection.prepare(SqlStr::from_static(sql)).await;
        assert!(prepared.is_ok(), "{}: {}", statement.name, prepared.err().unwrap());
    }
}

#[tokio::test]
async fn every_statement_compiles_on_postgresql() {
    let world = World::on_postgres().await;
    let Store::Postgres(pool) = &world.store else { panic!("not PostgreSQL") };
    let mut connection = pool.acquire().await.unwrap();
    let vacuums = VACUUMS.iter().map(|sql| ("VACUUMS", *sql));
    let own = STATEMENTS.iter().filter_map(|s| Some((s.name, s.postgres?)));
    for (name, sql) in own.chain(vacuums) {
        let prepared = connection.prepare(SqlStr::from_static(sql)).await;
        assert!(prepared.is_ok(), "{name}: {}", prepared.err().unwrap());
    }
}
