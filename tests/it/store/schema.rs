//! The migrations: twins of each other, listed in the code, checked before a daemon starts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use relaywatch::store::{MIGRATIONS, Store, StoreError};

use super::{execute, on_both};
use crate::postgres;
use crate::world::World;

on_both! {
    a_database_of_this_version_is_taken,
    a_pending_migration_is_refused_by_number,
    an_unknown_migration_is_refused_by_number,
    a_migration_applied_from_another_text_is_refused,
    daemons_that_start_at_once_migrate_once,
}

#[test]
fn the_files_are_twins_and_the_list_names_them_all() {
    let names = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    let listed = |text: fn(&relaywatch::store::MigrationText) -> &'static str| {
        MIGRATIONS.iter().map(|m| (format!("{}.sql", m.name), text(m).to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(names("sqlite"), listed(|m| m.sqlite));
    assert_eq!(names("postgres"), listed(|m| m.postgres));
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert_eq!(migration.version, number);
        assert!(migration.name.starts_with(&format!("{number:04}_")), "{}", migration.name);
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let sqlite = sqlite_schema(&World::new().await.store).await;
    let postgres = postgres_schema(&World::on_postgres().await.store).await;
    assert!(sqlite.len() > 50, "the reading found {} things", sqlite.len());
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(only(&sqlite, &postgres), "", "only on SQLite");
    assert_eq!(only(&postgres, &sqlite), "", "only on PostgreSQL");
}

/// Columns, primary keys and indexes, one line each.
async fn sqlite_schema(store: &Store) -> BTreeSet<String> {
    let Store::Sqlite { read, .. } = store else { panic!("not SQLite") };
    let columns: Vec<(String, String, String, bool, i64)> = sqlx::query_as(
        "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
         WHERE t.type = 'table' AND t.name NOT GLOB '_sqlx*' AND t.name NOT GLOB 'sqlite_*'",
    )
    .fetch_all(read)
    .await
    .unwrap();
    let indexes: Vec<(String, String, bool, String, String)> = sqlx::query_as(
        "SELECT t.name, i.name, i.\"unique\", (SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_index_info(i.name) \
         ORDER BY seqno)), s.sql FROM sqlite_master AS t, pragma_index_list(t.name) AS i, sqlite_master AS s \
         WHERE t.type = 'table' AND i.origin = 'c' AND s.name = i.name",
    )
    .fetch_all(read)
    .await
    .unwrap();
    let columns =
        columns.into_iter().map(|(table, name, kind, not_null, key)| column(&table, &name, &kind, not_null, key));
    let indexes = indexes.into_iter().map(|(table, name, unique, of, sql)| {
        let filter = sql.split_once(" WHERE ").map(|(_, filter)| filter.to_owned());
        index(&table, &name, unique, &of, filter)
    });
    columns.chain(indexes).collect()
}

async fn postgres_schema(store: &Store) -> BTreeSet<String> {
    let Store::Postgres(pool) = store else { panic!("not PostgreSQL") };
    let columns: Vec<(String, String, String, bool, i64)> = sqlx::query_as(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         COALESCE(array_position(k.indkey::int2[], a.attnum) + 1, 0)::bigint \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
         LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary \
         WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname NOT LIKE '\\_sqlx%' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let indexes: Vec<(String, String, bool, String, Option<String>)> = sqlx::query_as(
        "SELECT t.relname, i.relname, x.indisunique, (SELECT string_agg(a.attname, ' ' ORDER BY k.place) FROM \
         unnest(x.indkey::int2[]) WITH ORDINALITY AS k(number, place) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number), \
         pg_get_expr(x.indpred, x.indrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = 'public' AND NOT x.indisprimary AND t.relname NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let columns =
        columns.into_iter().map(|(table, name, kind, not_null, key)| column(&table, &name, &kind, not_null, key));
    let indexes =
        indexes.into_iter().map(|(table, name, unique, of, filter)| index(&table, &name, unique, &of, filter));
    columns.chain(indexes).collect()
}

fn column(table: &str, name: &str, kind: &str, not_null: bool, key: i64) -> String {
    let class = match kind.to_ascii_lowercase().as_str() {
        "bigint" | "integer" => "int",
        "text" => "text",
        "blob" | "bytea" => "bytes",
        other => panic!("{table}.{name}: {other} is not among the allowed types"),
    };
    // SQLite alone lets the column of a primary key be empty.
    let filled = if not_null || key > 0 { "not null" } else { "nullable" };
    let key = if key > 0 { format!(", {key} of the key") } else { String::new() };
    format!("{table}.{name}: {class} {filled}{key}")
}

fn index(table: &str, name: &str, unique: bool, columns: &str, filter: Option<String>) -> String {
    let filter = filter.map_or(String::new(), |f| format!(" where {}", f.replace(['(', ')'], "")));
    format!("{table}: index {name} ({columns}){}{filter}", if unique { " unique" } else { "" })
}

async fn a_database_of_this_version_is_taken(world: World) {
    world.store.check_schema().await.unwrap();
    world.store.migrate().await.unwrap();
    world.store.check_schema().await.unwrap();
}

async fn refusal(store: &Store) -> String {
    match store.check_schema().await.unwrap_err() {
        StoreError::Schema(why) => why,
        other => panic!("{other}"),
    }
}

async fn a_pending_migration_is_refused_by_number(world: World) {
    execute(&world.store, "DELETE FROM _sqlx_migrations").await;
    assert_eq!(refusal(&world.store).await, "migration 1 is pending");
    // As many as are known, but not the same.
    apply_of_tomorrow(&world.store).await;
    assert_eq!(refusal(&world.store).await, "migration 1 is pending");
    execute(&world.store, "DROP TABLE _sqlx_migrations").await;
    assert_eq!(refusal(&world.store).await, "migration 1 is pending", "of a database that was never migrated");
}

/// Some bytes, as the database writes them.
fn bytes(store: &Store) -> &'static str {
    match store {
        Store::Sqlite { .. } => "x'00'",
        Store::Postgres(_) => "'\\x00'",
    }
}

async fn apply_of_tomorrow(store: &Store) {
    let columns = "version, description, success, checksum, execution_time";
    let values = format!("9999, 'of tomorrow', TRUE, {}, 1", bytes(store));
    execute(store, &format!("INSERT INTO _sqlx_migrations ({columns}) VALUES ({values})")).await;
}

async fn an_unknown_migration_is_refused_by_number(world: World) {
    apply_of_tomorrow(&world.store).await;
    assert_eq!(refusal(&world.store).await, "migration 9999 is unknown to this version");
    assert!(matches!(world.store.migrate().await, Err(StoreError::Schema(_))), "nor does migrating touch it");
}

async fn a_migration_applied_from_another_text_is_refused(world: World) {
    execute(&world.store, &format!("UPDATE _sqlx_migrations SET checksum = {}", bytes(&world.store))).await;
    assert_eq!(refusal(&world.store).await, "migration 1 is not the one that was applied");
}

async fn daemons_that_start_at_once_migrate_once(world: World) {
    let (folder, database) = (tempfile::tempdir().unwrap(), postgres::database().await);
    let url = match &world.store {
        Store::Sqlite { .. } => format!("sqlite:{}", folder.path().join("deep/er/relaywatch.db").display()),
        Store::Postgres(_) => database.url().to_owned(),
    };
    let daemons = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let store = Store::open(&url).await.unwrap();
            store.migrate().await.unwrap();
            store.check_schema().await.unwrap();
            store.close().await;
        })
    });
    for daemon in daemons.collect::<Vec<_>>() {
        daemon.await.unwrap();
    }
}
