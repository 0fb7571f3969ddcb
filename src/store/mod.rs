//! The store: one concrete type over the two real databases, SQLite embedded and PostgreSQL to grow.
//!
//! [`Store::read`] and [`Store::write`] are the only doors, and both give a [`Tx`]. A write transaction is `BEGIN IMMEDIATE` on
//! SQLite: a deferred one that reads first fails at once when anyone wrote in between. Dropping a `Tx` rolls it back. Every query
//! is a method on `Tx`; its SQL is a constant in the common subset, or a [`dialect::Twin`] where the two must differ. No
//! transaction is held across the network.

mod canaries;
mod canary_rounds;
mod cells;
mod checks;
mod deliveries;
pub mod dialect;
mod dns_history;
mod error;
mod events;
mod glances;
mod health;
mod later;
mod leases;
mod listing;
mod log;
mod mailboxes;
mod migrate;
mod observed;
mod one_strike;
mod outbox;
mod people;
mod quarantine;
mod records;
mod registry;
mod retention;
#[doc(hidden)]
pub mod statements;
mod tee;
mod views;

pub use canaries::CanaryRow;
pub use canary_rounds::RoundRow;
pub use cells::{CellCount, SenderRow, bucket};
pub use checks::{CheckDone, CheckRow, CheckSlot};
pub use deliveries::DeliveryRow;
pub use dns_history::{ChangeRow, RecordRow};
pub use error::StoreError;
pub use events::EventRow;
pub use health::Durability;
pub use later::SqliteTx;
pub use leases::Lease;
pub use listing::Sighting;
pub use log::Entered;
pub use mailboxes::{Learned, MailboxRow};
pub use migrate::{MIGRATIONS, MigrationText};
pub use one_strike::FirstBounce;
pub use outbox::{Attempt, Claiming, DesiredRow, Due, Halt, OutboxSummary};
pub use people::{Mark, SealedRow, Tombstone};
pub use quarantine::{QuarantineRow, QuarantineSummary};
pub use records::{AddressAt, AddressRow, SubjectAt, SubjectRow};
pub use registry::{AuditRow, StreamRow, TokenRow, with_registered};
pub use retention::Cutoffs;
pub use tee::{TeeRow, TeeSummary};

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Postgres, Transaction};

/// Runs the same body on the connection of either database.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $conn = tx.now().await?;
                $body
            }
            $crate::store::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

/// The two databases behind one name.
#[derive(Clone)]
pub enum Store {
    /// One file, one daemon. Writes go through one connection, reads through several.
    Sqlite {
        /// The single writer.
        write: SqlitePool,
        /// The readers.
        read: SqlitePool,
    },
    /// Several daemons may share it.
    Postgres(PgPool),
}

/// An open transaction. Dropped: rolled back.
pub enum Tx {
    /// On SQLite.
    Sqlite(SqliteTx),
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// The result of a store method.
pub type Result<T> = std::result::Result<T, StoreError>;

const READERS: u32 = 8;
const OPENING_TRIES: u32 = 50;
const OPENING_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to be had, or to say that it is alive.
const ANSWER: Duration = Duration::from_secs(5);

impl Store {
    /// Opens by URL: `sqlite:PATH` or `postgres://…`. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::Url`] for any other scheme, [`StoreError::Unavailable`] when the database does not answer.
    pub async fn open(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(path.strip_prefix("//").unwrap_or(path)).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await
        } else {
            Err(StoreError::Url("expected sqlite:PATH or postgres://…".to_owned()))
        }
    }

    async fn open_sqlite(path: &str) -> Result<Self> {
        if path.is_empty() || path.starts_with(":memory:") {
            return Err(StoreError::Url(
                "SQLite needs a file: an in-memory store would acknowledge and forget".to_owned(),
            ));
        }
        if let Some(folder) = std::path::Path::new(path).parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|e| StoreError::Url(format!("cannot make folder {}: {e}", folder.display())))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged event survives power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("secure_delete", "ON")
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "MEMORY")
            // 64 MiB: keys are random, so what a group writes lies all over the file, and each page is worth many groups' changes.
            .pragma("wal_autocheckpoint", "16384")
            .pragma("journal_size_limit", "67108864")
            .pragma("mmap_size", "268435456");
        let write = sqlite_pool(1, options.clone()).await?;
        // Whoever writes must come through the writer's door: a reader that turns writer fails at random.
        let read = sqlite_pool(READERS, options.pragma("query_only", "ON")).await?;
        Ok(Self::Sqlite { write, read })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Url("not a PostgreSQL URL".to_owned()))?;
        let options = options.application_name("relaywatch").options([
            ("synchronous_commit", "on"),
            ("statement_timeout", "60s"),
            ("lock_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(ANSWER)
            .after_release(|connection, _| {
                // One that was given up in the middle of a statement may be silent for good, and would keep its place for ever.
                Box::pin(async move {
                    let silent = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
                    tokio::time::timeout(ANSWER, connection.ping()).await.map_err(silent)??;
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// A transaction to read in: one consistent view.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn read(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { read, .. } => Ok(Tx::Sqlite(SqliteTx::new(read.begin().await?))),
            Self::Postgres(pool) => {
                Ok(Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?))
            }
        }
    }

    /// A transaction to write in.
    ///
    /// # Errors
    /// When no connection is to be had, or the writer's lock is not free in time.
    pub async fn write(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { write, .. } => Ok(Tx::Sqlite(SqliteTx::new(write.begin_with("BEGIN IMMEDIATE").await?))),
            // Each statement must see what was committed while it waited for the head's lock, whatever the server's default.
            Self::Postgres(pool) => {
                Ok(Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?))
            }
        }
    }

    /// Closes every connection; on SQLite this checkpoints the write-ahead log.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// The word for the database.
    pub fn backend(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// Connects. Of two processes that open a new file, one may find it locked at once while the other turns the write-ahead log on: no
/// busy timeout covers that switch, so it is tried again.
async fn sqlite_pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool> {
    let mut tries = OPENING_TRIES;
    loop {
        tries -= 1;
        // A connection to a file in this process does not go away, so it is not asked whether it is there.
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false);
        match pool.connect_with(options.clone()).await {
            Err(sqlx::Error::Database(e)) if tries > 0 && e.code().as_deref() == Some("5") => {
                tokio::time::sleep(OPENING_PAUSE).await;
            }
            done => return Ok(done?),
        }
    }
}

impl Tx {
    /// Makes everything done so far durable.
    ///
    /// # Errors
    /// When the commit did not reach the disk.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// The statement in this transaction's dialect.
    fn spell(&self, twin: &dialect::Twin) -> &'static str {
        match self {
            Self::Sqlite(_) => twin.sqlite,
            Self::Postgres(_) => twin.postgres,
        }
    }
}

/// The JSON a batch binds.
fn json<T: serde::Serialize + ?Sized>(rows: &T) -> Result<String> {
    serde_json::to_string(rows).map_err(|e| StoreError::Refused(sqlx::Error::Encode(Box::new(e))))
}
