//! The head of the log and the identities already seen: what makes the log gap-free and an event count once.

use std::collections::HashSet;

use super::dialect::{Twin, batch, lookup};
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::EventKey;
use crate::domain::time::Timestamp;

pub(super) const LOCK_HEAD: &str = "UPDATE log_head SET n = n + 0 WHERE id = 1 RETURNING n";
pub(super) const ADVANCE_HEAD: &str = "UPDATE log_head SET n = n + $1 WHERE id = 1 RETURNING n";
pub(super) const READ_HEAD: &str = "SELECT n FROM log_head WHERE id = 1";
pub(super) const ALREADY_SEEN: Twin =
    lookup!("SELECT string_agg(CAST(batch.n AS TEXT), ',')", "seen AS s", ["s.id" = bytes 0], "");
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

    /// Gives out `k` numbers and returns the last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn advance_head(&mut self, k: i64) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(ADVANCE_HEAD).bind(k).fetch_one(c).await)?)
    }

    /// The last number given.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn head(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(READ_HEAD).fetch_one(c).await)?)
    }

    /// Remembers identities and returns those that were new. In a transaction that holds the head, so that nobody marks in between.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mark_seen(&mut self, ids: &[EventKey], at: Timestamp) -> Result<HashSet<EventKey>> {
        let rows: Vec<(EventKey, i64)> = ids.iter().map(|id| (*id, at.micros())).collect();
        let (known, mark) = (self.spell(&ALREADY_SEEN), self.spell(&MARK_SEEN));
        let json = super::json(&rows)?;
        let mut new: HashSet<EventKey> = ids.iter().copied().collect();
        // Repeated events are few: asking for those hands over less than being told the new ones.
        let known: Option<String> = on!(self, c => sqlx::query_scalar(known).bind(&json).fetch_one(c).await)?;
        for n in known.iter().flat_map(|known| known.split(',')) {
            let at = n.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            let id = at.and_then(|i| ids.get(i)).ok_or(StoreError::Corrupt { table: "seen", column: "id" })?;
            new.remove(id);
        }
        if new.is_empty() {
            return Ok(new);
        }
        on!(self, c => sqlx::query(mark).bind(json).execute(c).await.map(drop))?;
        Ok(new)
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
