//! Writes that return nothing wait for the next read or the commit, and then go to SQLite's thread together: each call costs two changes
//! of thread, and on a busy machine each of those waits its turn behind the requests that are being received.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

/// An open transaction on SQLite, and what is still to be written in it.
pub struct SqliteTx {
    tx: Transaction<'static, Sqlite>,
    /// Statements, each with the one parameter of its place.
    sql: String,
    parameters: Vec<String>,
}

impl SqliteTx {
    /// Nothing is waiting yet.
    pub(super) fn new(tx: Transaction<'static, Sqlite>) -> Self {
        Self { tx, sql: String::new(), parameters: Vec::new() }
    }

    /// Writes this before anything that is read or written after it. `sql` binds `$1` and nothing else.
    pub(super) fn later(&mut self, sql: &'static str, parameter: String) {
        self.parameters.push(parameter);
        let place = format!("${}", self.parameters.len());
        self.sql.push_str(&sql.replace("$1", &place));
        self.sql.push(';');
    }

    /// The connection, with everything written.
    ///
    /// # Errors
    /// When a write that waited fails.
    pub(super) async fn now(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        if !self.parameters.is_empty() {
            // Only constants of this room and numbers of places stand in it.
            let sql = AssertSqlSafe(std::mem::take(&mut self.sql));
            let waiting = std::mem::take(&mut self.parameters);
            waiting.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind).execute(&mut *self.tx).await?;
        }
        Ok(&mut self.tx)
    }

    /// Writes what waits, and commits.
    ///
    /// # Errors
    /// When a write fails or the commit did not reach the disk.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        self.now().await?;
        self.tx.commit().await
    }
}
