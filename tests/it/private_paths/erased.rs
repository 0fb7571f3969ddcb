//! After an erasure: not even the keyed hash of a person is left, except as a tombstone.

use relaywatch::app::Core;
use relaywatch::clock::Clock;
use relaywatch::config::Config;
use relaywatch::domain::address::Address;
use relaywatch::domain::ids::{Sub, TeamId};
use relaywatch::intake::Erasure;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};

use super::store;
use crate::feeds::{TEAM, keyring};
use crate::privacy::{self, Marked};
use crate::stage::Stage;

/// More than the posts name.
const PEOPLE: usize = 90;

/// The people by everything they were called.
fn everybody(people: &Marked) -> (Vec<Address>, Vec<Sub>) {
    let domains = ["privaterelay.appleid.com", "private.icloud.com", "icloud.com", "mail.example.org"];
    let addresses = (0..PEOPLE).flat_map(|n| domains.map(|domain| people.address_at(n, domain)));
    let addresses = addresses.map(|text| Address::parse(&text).expect("an address")).collect();
    (addresses, (0..PEOPLE).map(|n| Sub::parse(&people.sub(n)).expect("a sub")).collect())
}

/// The keys of all of them, each with what it is the key of.
fn keys(people: &Marked) -> Vec<[u8; 16]> {
    let (keyring, (addresses, subs)) = (keyring(), everybody(people));
    addresses.iter().map(|a| keyring.address(a).0).chain(subs.iter().map(|s| keyring.sub(s).0)).collect()
}

/// Erases everybody through the door, half by address and half by subject, who then leads to the address.
pub async fn erase_everybody(stage: &Stage, store_url: &str, people: &Marked) {
    let path = stage.daemon.home().folder().join("config.toml");
    let mut config = Config::load(Some(&path), std::iter::empty()).expect("the daemon's own configuration");
    config.store.data_dir = stage.daemon.home().folder().join("data");
    let before = known(store_url, people).await;
    assert!(before >= 60, "only {before} names of people were stored");
    let core = Core::open(config, Clock::system(), false).await.expect("store and keys open");
    let (addresses, subs) = everybody(people);
    let erasure = |address: Option<Address>, sub: Option<Sub>| Erasure {
        team: TeamId::new(TEAM),
        address,
        sub,
        who: "test".into(),
    };
    for sub in subs.into_iter().step_by(2) {
        core.intake.erase(&erasure(None, Some(sub))).await.expect("an erasure");
    }
    for address in addresses {
        core.intake.erase(&erasure(Some(address), None)).await.expect("an erasure");
    }
    for sub in everybody(people).1 {
        core.intake.erase(&erasure(None, Some(sub))).await.expect("an erasure");
    }
    core.close().await;
    assert_eq!(known(store_url, people).await, 0);
}

/// How many records and sealed values there are of these people.
async fn known(store_url: &str, people: &Marked) -> usize {
    let (store, keyring, team) = (store(store_url).await, keyring(), TeamId::new(TEAM));
    let (addresses, subs) = everybody(people);
    let mut tx = store.read().await.unwrap();
    let addresses: Vec<_> = addresses.iter().map(|a| (team.clone(), keyring.address(a))).collect();
    let subs: Vec<_> = subs.iter().map(|s| (team.clone(), keyring.sub(s))).collect();
    let mut found = tx.addresses(&addresses).await.unwrap().len() + tx.subjects(&subs).await.unwrap().len();
    let names: Vec<_> = addresses.iter().map(|(_, key)| key.to_string()).collect();
    found += tx.sealed(&team, "address", &names).await.unwrap().len();
    let names: Vec<_> = subs.iter().map(|(_, key)| key.to_string()).collect();
    found += tx.sealed(&team, "sub", &names).await.unwrap().len();
    drop(tx);
    store.close().await;
    found
}

/// No file holds a key, once the tombstones themselves are overwritten.
pub async fn expect_no_key_in_sqlite(stage: &Stage, people: &Marked) {
    let file = stage.daemon.home().folder().join("relaywatch.db");
    let mut db = SqliteConnectOptions::new().filename(&file).pragma("secure_delete", "ON").connect().await.unwrap();
    let marks: i64 = db.fetch_one("SELECT COUNT(*) FROM tombstones").await.unwrap().get(0);
    assert_eq!(marks, i64::try_from(keys(people).len()).unwrap(), "one tombstone for each key");
    let bare: i64 = db.fetch_one("SELECT COUNT(*) FROM events").await.unwrap().get(0);
    assert!(bare > 30, "the events stay, as bare counts");
    db.execute("DELETE FROM tombstones").await.unwrap();
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    db.close().await.unwrap();
    let found = keys_in_files(stage, people);
    assert!(found.is_empty(), "keys of the erased in {} places:\n{}", found.len(), found.join("\n"));
}

fn keys_in_files(stage: &Stage, people: &Marked) -> Vec<String> {
    let keys = keys(people);
    let hex = |key: &[u8; 16]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let forms = keys.iter().flat_map(|key| [("raw", key.to_vec()), ("hexadecimal", hex(key).into_bytes())]).collect();
    let files = privacy::files_under(stage.daemon.home().folder());
    let haystacks: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    privacy::places_of(forms, &haystacks)
}

/// No row of any table but the tombstones holds a key, as bytes or within a text.
pub async fn expect_no_key_in_postgresql(url: &str, people: &Marked) {
    let mut db = PgConnection::connect(url).await.unwrap();
    let tables =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'tombstones'";
    let tables: Vec<String> = db.fetch_all(tables).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(tables.len() >= 10, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        // Bytes print as hexadecimal.
        let rows = db.fetch_all(AssertSqlSafe(format!("SELECT CAST({table} AS text) FROM {table}"))).await.unwrap();
        let text: String = rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect();
        found.extend(keys(people).iter().filter_map(|key| {
            let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            text.contains(&hex).then(|| format!("{table}: {hex}"))
        }));
    }
    assert!(found.is_empty(), "keys of the erased:\n{}", found.join("\n"));
    let marks: i64 = db.fetch_one("SELECT COUNT(*) FROM tombstones").await.unwrap().get(0);
    assert_eq!(marks, i64::try_from(keys(people).len()).unwrap());
}
