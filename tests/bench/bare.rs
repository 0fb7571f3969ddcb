//! The baseline of intake: the rows it would write, written by multi-row `INSERT … VALUES` statements and nothing else.

use std::path::Path;

use relaywatch::clock::Stopwatch;
use relaywatch::config::Config;
use relaywatch::config::store::Backend;
use relaywatch::store::{MIGRATIONS, Store};
use sqlx::{AssertSqlSafe, Executor};

/// Rows of one statement.
const PER_STATEMENT: u64 = 500;
/// Events of one commit.
const PER_COMMIT: u64 = 10_000;

/// Inserts the rows of `events` new events and returns how many a second. On SQLite into a file of its own; on PostgreSQL into a schema
/// of its own.
pub async fn insert(config: &Config, folder: &Path, run: u64, events: u64) -> f64 {
    match config.store.url.backend() {
        Backend::Sqlite => {
            let path = folder.join(format!("bare-{run}.db"));
            let store = Store::open(&format!("sqlite:{}", path.display())).await.expect("opens");
            let Store::Sqlite { write, .. } = &store else { unreachable!("a SQLite URL") };
            write.execute(MIGRATIONS[0].sqlite).await.expect("the schema");
            let rate = rows(write, run, events, |hex| format!("x'{hex}'")).await;
            store.close().await;
            rate
        }
        Backend::Postgres => {
            let store = Store::open(config.store.url.expose()).await.expect("opens");
            let Store::Postgres(pool) = &store else { unreachable!("a PostgreSQL URL") };
            let schema = format!("CREATE SCHEMA bare_{run}; SET search_path TO bare_{run};");
            let mut connection = pool.acquire().await.expect("a connection");
            connection.execute(AssertSqlSafe(schema)).await.expect("a schema");
            connection.execute(MIGRATIONS[0].postgres).await.expect("the tables");
            let rate = rows_on(&mut *connection, run, events, |hex| format!("'\\x{hex}'")).await;
            drop(connection);
            store.close().await;
            rate
        }
    }
}

async fn rows(pool: &sqlx::SqlitePool, run: u64, events: u64, blob: impl Fn(&str) -> String) -> f64 {
    let mut connection = pool.acquire().await.expect("a connection");
    rows_on(&mut *connection, run, events, blob).await
}

async fn rows_on<C>(connection: &mut C, run: u64, events: u64, blob: impl Fn(&str) -> String) -> f64
where
    for<'c> &'c mut C: Executor<'c>,
{
    let facts = r#"{"d":"privaterelay.appleid.com","ok":[1700000000000000,"00000000000000000000000000000000"],"ul":{"sparkpost":[1700000000000000,"00000000000000000000000000000000"]}}"#;
    let statements: Vec<Vec<String>> = (0..events.div_ceil(PER_COMMIT))
        .map(|commit| {
            let mut of_commit = Vec::new();
            let first = commit * PER_COMMIT;
            for part in (first..(first + PER_COMMIT).min(events)).step_by(PER_STATEMENT as usize) {
                let ns = part..(part + PER_STATEMENT).min(events);
                let id = |n: u64| blob(&hex(run, n));
                let person = |n: u64| blob(&hex(99, n % 60_000));
                let list = |row: &dyn Fn(u64) -> String| ns.clone().map(row).collect::<Vec<_>>().join(",");
                of_commit.push(format!(
                    "INSERT INTO seen (id, at) VALUES {} ON CONFLICT DO NOTHING",
                    list(&|n| format!("({}, 1700000000000000)", id(n)))
                ));
                of_commit.push(format!(
                    "INSERT INTO events (n, id, received_at, occurred_at, source, endpoint, kind, scope, fresh, stale, rule, team, \
                     stream, esp, relay_domain, sending_domain, mail_from_domain, address_key, provider_id) VALUES {}",
                    list(&|n| format!(
                        "({n}, {}, 1700000000000000, 1700000000000000, 'sparkpost', 'bench', 'delivered', 'recipient', 1, 0, \
                         'sparkpost.delivery', 'BENCHTEAM1', 'unregistered', 'sparkpost', 'privaterelay.appleid.com', \
                         'shop.example', 'mail.shop.example', {}, '{n}')",
                        id(n),
                        person(n)
                    ))
                ));
                of_commit.push(format!(
                    "INSERT INTO address_records (team, key, facts, version, subject_asks, glance) VALUES {} ON CONFLICT (team, key) \
                     DO UPDATE SET facts = excluded.facts, version = excluded.version",
                    list(&|n| format!("('BENCHTEAM1', {}, '{facts}', {n}, 0, 1)", person(n)))
                ));
                if part < 60_000 {
                    of_commit.push(format!(
                        "INSERT INTO sealed_values (team, kind, key, key_id, value) VALUES {} ON CONFLICT DO NOTHING",
                        list(&|n| format!("('BENCHTEAM1', 'address', {}, 1, {})", person(n), blob(&"5a".repeat(66))))
                    ));
                }
            }
            of_commit
        })
        .collect();
    let began = Stopwatch::start();
    for of_commit in statements {
        connection.execute("BEGIN").await.expect("begun");
        for statement in of_commit {
            connection.execute(AssertSqlSafe(statement)).await.expect("inserted");
        }
        connection.execute("COMMIT").await.expect("committed");
    }
    events as f64 / began.elapsed().as_secs_f64()
}

/// Keys as random as the real ones.
fn hex(salt: u64, n: u64) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{salt}/{n}").as_bytes());
    digest.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect()
}
