//! The contract of the store: every case runs on SQLite and on PostgreSQL, and a missing PostgreSQL is a failure.

mod checks;
mod concurrency;
mod contention;
mod door;
mod erasure;
mod leases;
mod log;
mod observed;
mod outbox;
mod people;
mod records;
mod recovery;
mod registry;
mod retention;
mod schema;
mod statements;

use relaywatch::domain::ids::{AddressKey, EventKey, SubKey, TeamId};
use relaywatch::domain::time::Timestamp;
use relaywatch::store::Store;
use sqlx::{AssertSqlSafe, Executor};

use crate::world::{START, TEAM};

/// Instantiates cases, each an `async fn(World)`, on both databases.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::world::World::new().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::world::World::on_postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// Text that has broken stores before: quotes, wide characters, both ends of the planes, what looks like syntax or a number.
const ODD: [&str; 9] = [
    "",
    " ",
    "O'Hara\"\\",
    "Grüße 日本語 👩‍👩‍👧",
    "\u{1}\u{7f}\u{fffd}\u{10ffff}",
    "a\r\n\tb",
    "$1 ? :x %s {}",
    "null",
    "00012e5",
];

/// Runs a statement on the database itself, past the store.
async fn execute(store: &Store, sql: &str) {
    let done = match store {
        Store::Sqlite { write, .. } => write.execute(AssertSqlSafe(sql)).await.map(|done| done.rows_affected()),
        Store::Postgres(pool) => pool.execute(AssertSqlSafe(sql)).await.map(|done| done.rows_affected()),
    };
    done.unwrap();
}

fn team() -> TeamId {
    TeamId::new(TEAM)
}

fn key(n: u64) -> AddressKey {
    AddressKey(u128::from(n).to_be_bytes())
}

fn sub(n: u64) -> SubKey {
    SubKey((u128::from(n) << 64).to_be_bytes())
}

fn event_key(n: u64) -> EventKey {
    EventKey((u128::from(n) | 1 << 100).to_be_bytes())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(START + seconds)
}
