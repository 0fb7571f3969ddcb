//! The head of the log and the identities already seen: what makes the log gap-free and an event count once.

use std::collections::HashSet;

use super::dialect::{Twin, batch, lookup};
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::EventKey;
use crate::domain::time::Timestamp;

pub(super) const LOCK_HEAD: &str = "UPDATE log_head SET n = n + 0 WHERE id = 1 RETURNING n";
pub(super) const ADVANCE_HEAD: Twin = Twin {
    sqlite: "UPDATE log_head SET n = n + CAST($1 AS INTEGER) WHERE id = 1",
    postgres: "UPDATE log_head SET n = n + CAST($1 AS BIGINT) WHERE id = 1",
};
pub(super) const READ_HEAD: &str = "SELECT n FROM log_head WHERE id = 1";
/// With the identities comes what every writing group wants first: the head of the log, and whether anybody was ever erased.
pub(super) const ALREADY_SEEN: Twin = lookup!(
    "SELECT (SELECT n FROM log_head WHERE id = 1), (SELECT COUNT(*) FROM (SELECT 1 FROM tombstones LIMIT 1) AS t), \
     string_agg(CAST(batch.n AS TEXT), ',')",
    "seen AS s",
    ["s.id" = bytes 0],
    ""
);
pub(super) const MARK_SEEN: Twin = batch!("INSERT INTO seen (id, at)", [bytes 0, int 1], "ON CONFLICT (id) DO NOTHING");
pub(super) const IS_SEEN: &str = "SELECT 1 FROM seen WHERE id = $1";

impl Tx {
    /// Takes the head's row lock and returns the last number given. It is the first statement of every writing group, so groups
    /// follow one another and numbers commit in order. It gives no number yet: only new events get one ([`Tx::advance_head`]), so that a
    /// repeated event leaves no gap.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn lock_head(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(LOCK_HEAD).fetch_one(c).await)?)
    }

    /// Gives out the `k` numbers behind `head`, which this transaction has locked; returns the last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn advance_head(&mut self, head: i64, k: usize) -> Result<i64> {
        self.write(&ADVANCE_HEAD, k.to_string()).await?;
        Ok(head.saturating_add(i64::try_from(k).unwrap_or(i64::MAX)))
    }

    /// The last number given.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn head(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(READ_HEAD).fetch_one(c).await)?)
    }

    /// Takes the head's row lock, and looks which of these identities are new.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enter(&mut self, ids: &[EventKey]) -> Result<Entered> {
        if matches!(self, Self::Postgres(_)) {
            // By itself and first: what comes after it sees what was committed while it waited. A writer on SQLite waited when it began.
            self.lock_head().await?;
        }
        let rows: Vec<(EventKey,)> = ids.iter().map(|id| (*id,)).collect();
        let (sql, json) = (self.spell(&ALREADY_SEEN), super::json(&rows)?);
        // Repeated events are few: asking for those hands over less than being told the new ones.
        let (head, erased, known): (i64, i64, Option<String>) =
            on!(self, c => sqlx::query_as(sql).bind(json).fetch_one(c).await)?;
        let mut new: HashSet<EventKey> = ids.iter().copied().collect();
        for n in known.iter().flat_map(|known| known.split(',')) {
            let at = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            let id = at.and_then(|i| ids.get(i)).ok_or(StoreError::Corrupt { table: "seen", column: "id" })?;
            new.remove(id);
        }
        Ok(Entered { head, any_erased: erased != 0, new })
    }

    /// Remembers identities that were found new in this transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mark_seen(&mut self, new: &[EventKey], at: Timestamp) -> Result<()> {
        let rows: Vec<(EventKey, i64)> = new.iter().map(|id| (*id, at.micros())).collect();
        self.put(&MARK_SEEN, &rows).await
    }

    /// Whether an identity is remembered.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_seen(&mut self, id: EventKey) -> Result<bool> {
        let id = id.0.to_vec();
        let found: Option<i64> = on!(self, c => {
            sqlx::query(IS_SEEN).bind(id).fetch_optional(c).await?.map(|_| 1)
        });
        Ok(found.is_some())
    }
}

/// What a writing group finds when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The last number given.
    pub head: i64,
    /// Whether anybody was ever erased.
    pub any_erased: bool,
    /// The identities that nobody has sent before.
    pub new: HashSet<EventKey>,
}
