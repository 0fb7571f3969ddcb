//! Erasure on the tables and on the files: nothing of a person is left but keyed tombstones.

use std::time::Duration;

use relaywatch::clock::Clock;
use relaywatch::store::Store;
use sqlx::{AssertSqlSafe, Row};

use super::{on_both, team};
use crate::privacy::files_under;
use crate::world::{
    ANN, ANN_SUB, BEN, BEN_SUB, HOUR, World, authorized, complaint, decided, delivered, forwarding_off, revoked,
    user_not_found,
};
use relaywatch::domain::record::OverrideAction;

on_both! {
    only_tombstones_name_the_erased,
    what_is_said_later_of_the_erased_names_nobody,
}

/// In which tables, and how often, a text or its bytes stand in any column.
async fn places(store: &Store, hex: &str) -> Vec<String> {
    let (tables, sqlite): (Vec<(String, String)>, bool) = match store {
        Store::Sqlite { read, .. } => {
            let sql =
                "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'";
            (sqlx::query_as(sql).fetch_all(read).await.unwrap(), true)
        }
        Store::Postgres(pool) => {
            let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
            (sqlx::query_as(sql).fetch_all(pool).await.unwrap(), false)
        }
    };
    assert!(tables.len() > 50, "{} columns", tables.len());
    let mut found = Vec::new();
    for (table, column) in tables {
        let text = if sqlite {
            format!("CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END")
        } else {
            // A bytea as text is hexadecimal.
            format!("CAST({column} AS TEXT)")
        };
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE LOWER({text}) LIKE '%{hex}%'");
        let n: i64 = match store {
            Store::Sqlite { read, .. } => sqlx::query(AssertSqlSafe(sql)).fetch_one(read).await.unwrap().get(0),
            Store::Postgres(pool) => sqlx::query(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap().get(0),
        };
        if n > 0 {
            found.push(format!("{table}.{column}: {n}"));
        }
    }
    found.sort();
    found
}

async fn a_life(world: &World) {
    world
        .receive_all(&[
            authorized(ANN_SUB, ANN),
            authorized(BEN_SUB, BEN),
            user_not_found(ANN),
            delivered(ANN),
            complaint(ANN),
            forwarding_off(ANN_SUB, ANN),
            revoked(ANN_SUB),
            revoked(BEN_SUB),
            decided(ANN, OverrideAction::Lift, None),
        ])
        .await;
}

async fn only_tombstones_name_the_erased(world: World) {
    a_life(&world).await;
    let (address, sub) = (world.key(ANN).to_string(), world.sub_key(ANN_SUB).to_string());
    let before = places(&world.store, &address).await;
    for table in ["address_records.key: 1", "sealed_values.key: 1", "subject_records.facts: 1", "desired_states.who: 2"]
    {
        assert!(before.iter().any(|place| place == table), "the search sees {table}: {before:?}");
    }
    let done = world.erase(Some(ANN), None).await;
    assert_eq!((done.addresses, done.subjects), (1, 1));
    assert_eq!(places(&world.store, &address).await, ["tombstones.key: 1"]);
    assert_eq!(places(&world.store, &sub).await, ["tombstones.key: 1"]);
    let mut tx = world.read().await;
    let events = tx.events_after(0, 100).await.unwrap();
    assert_eq!(events.len(), 10, "what happened is still counted, and the erasure stands in the log");
    assert_eq!(events.iter().map(|e| e.n).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(events.iter().filter(|e| e.provider_id.is_some()).all(|e| e.subject_key == Some(world.sub_key(BEN_SUB))));
    let bens = [(team(), world.key(BEN))];
    assert_eq!(tx.addresses(&bens).await.unwrap().len(), 1, "nobody else is touched");
    assert_eq!(places(&world.store, &world.key(BEN).to_string()).await.len(), 5);
}

async fn what_is_said_later_of_the_erased_names_nobody(world: World) {
    a_life(&world).await;
    world.erase(None, Some(ANN_SUB)).await;
    world.pass(HOUR);
    let old = world.now().minus(2 * HOUR);
    let told = [
        delivered(ANN),
        user_not_found(ANN),
        authorized(ANN_SUB, ANN).at(old),
        forwarding_off(ANN_SUB, ANN),
        revoked(ANN_SUB),
        decided(ANN, OverrideAction::Suppress, None),
    ];
    assert_eq!(world.receive_all(&told).await.new, 6);
    for key in [world.key(ANN).to_string(), world.sub_key(ANN_SUB).to_string()] {
        assert_eq!(places(&world.store, &key).await, ["tombstones.key: 1"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sealed_text_is_in_no_file_of_sqlite_any_more() {
    let world = World::new().await;
    a_life(&world).await;
    let sealed = sealed_bytes(&world).await;
    let stands = |bytes: &[u8]| {
        let inside = |file: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
        files_under(world.folder())
            .into_iter()
            .filter(|(_, file)| inside(file))
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert!(!stands(&sealed).is_empty(), "the search sees it");
    // A reader looks at the old pages for longer than one checkpoint waits.
    let mut reader = world.read().await;
    reader.head().await.unwrap();
    let reading = tokio::spawn(async move {
        Clock::system().sleep(Duration::from_millis(5_500)).await;
        drop(reader);
    });
    world.erase(Some(ANN), None).await;
    reading.await.unwrap();
    assert_eq!(stands(&sealed), [""; 0]);
    let key = world.key(BEN).0;
    assert!(!stands(&key).is_empty(), "what is not erased is still there");
}

async fn sealed_bytes(world: &World) -> Vec<u8> {
    let key = world.key(ANN).to_string();
    let mut tx = world.read().await;
    tx.sealed(&team(), "address", std::slice::from_ref(&key)).await.unwrap().remove(&key).unwrap().bytes
}
