//! The schema: numbered twins, listed here, forward only.

use std::borrow::Cow;

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
pub const MIGRATIONS: &[MigrationText] = &[migration!(1, "0001_log_and_records")];

impl Store {
    /// Brings the schema up to date. Safe when several daemons start at once.
    ///
    /// # Errors
    /// When a migration fails, or the database has one this version does not know.
    pub async fn migrate(&self) -> Result<()> {
        let done = match self {
            Self::Sqlite { write, .. } => migrator(|m| m.sqlite).run(write).await,
            Self::Postgres(pool) => migrator(|m| m.postgres).run(pool).await,
        };
        done.map_err(|e| StoreError::Schema(e.to_string()))
    }

    /// Refuses a database whose schema is not this version's.
    ///
    /// # Errors
    /// [`StoreError::Schema`] naming how many migrations are pending or unknown.
    pub async fn check_schema(&self) -> Result<()> {
        const APPLIED: &str = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success";
        let applied: std::result::Result<i64, sqlx::Error> = match self {
            Self::Sqlite { read, .. } => sqlx::query_scalar(APPLIED).fetch_one(read).await,
            Self::Postgres(pool) => sqlx::query_scalar(APPLIED).fetch_one(pool).await,
        };
        let applied = applied.map_err(|e| match StoreError::from(e) {
            StoreError::Refused(_) => StoreError::Schema("no migration has been applied".to_owned()),
            other => other,
        })?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if applied == known {
            Ok(())
        } else {
            Err(StoreError::Schema(format!("{applied} migrations applied, this version has {known}")))
        }
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
