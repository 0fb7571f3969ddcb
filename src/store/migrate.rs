//! The schema: numbered twins, listed here, forward only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Result, Store, StoreError};

/// One migration in both dialects.
#[derive(Debug, Clone, Copy)]
pub struct MigrationText {
    /// Its number.
    pub version: i64,
    /// Its name, the same in both folders.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! migration {
    ($version:literal, $file:literal) => {
        MigrationText {
            version: $version,
            name: $file,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $file, ".sql")),
        }
    };
}

/// Every migration, in order. A new one is a new line and a new pair of files; an old one is never edited.
pub const MIGRATIONS: &[MigrationText] = &[
    migration!(1, "0001_log_and_records"),
    migration!(2, "0002_deliveries"),
    migration!(3, "0003_posture"),
    migration!(4, "0004_observed"),
    migration!(5, "0005_canaries"),
    migration!(6, "0006_mailboxes"),
];

pub(super) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

impl Store {
    /// Brings the schema up to date. Safe when several daemons start at once.
    ///
    /// # Errors
    /// When a migration fails, or the database has one this version does not know.
    pub async fn migrate(&self) -> Result<()> {
        let done = match self {
            // Nothing but the file's own lock keeps two processes from applying the same migration.
            Self::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                // `run` would not let the caller be sent between threads; sqlx keeps this one for the purpose.
                let done = migrator(|m| m.sqlite).run_direct(None, &mut *tx, false).await;
                if done.is_ok() {
                    tx.commit().await?;
                }
                done
            }
            Self::Postgres(pool) => migrator(|m| m.postgres).run(pool).await,
        };
        done.map_err(|e| StoreError::Schema(e.to_string()))
    }

    /// Refuses a database whose schema is not this version's.
    ///
    /// # Errors
    /// [`StoreError::Schema`] naming the migrations that are pending or unknown, or that were applied from another text.
    pub async fn check_schema(&self) -> Result<()> {
        let applied: std::result::Result<Vec<(i64, Vec<u8>)>, sqlx::Error> = match self {
            Self::Sqlite { read, .. } => sqlx::query_as(APPLIED).fetch_all(read).await,
            Self::Postgres(pool) => sqlx::query_as(APPLIED).fetch_all(pool).await,
        };
        let applied: BTreeMap<i64, Vec<u8>> = match applied.map_err(StoreError::from) {
            Ok(applied) => applied.into_iter().collect(),
            Err(e) if e.is_missing_table() => BTreeMap::new(),
            Err(e) => return Err(e),
        };
        let own = match self {
            Self::Sqlite { .. } => migrator(|m| m.sqlite),
            Self::Postgres(_) => migrator(|m| m.postgres),
        };
        let own: BTreeMap<i64, &[u8]> = own.iter().map(|m| (m.version, m.checksum.as_ref())).collect();
        let wrong = |what: &str, version: &i64| StoreError::Schema(format!("migration {version} is {what}"));
        if let Some(version) = own.keys().find(|v| !applied.contains_key(v)) {
            return Err(wrong("pending", version));
        }
        if let Some(version) = applied.keys().find(|v| !own.contains_key(v)) {
            return Err(wrong("unknown to this version", version));
        }
        let other = own.iter().find(|(version, sum)| applied.get(version).is_some_and(|had| had != *sum));
        other.map_or(Ok(()), |(version, _)| Err(wrong("not the one that was applied", version)))
    }
}

fn migrator(text: impl Fn(&MigrationText) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|m| {
            let sql = sqlx::SqlStr::from_static(text(m));
            Migration::new(m.version, Cow::Borrowed(m.name), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}
