//! What a suppressor that acts on the first hard bounce would have done, read from the log: the yardstick for `observe`.

use std::collections::HashSet;

use sqlx::Row;

use super::dialect::{Twin, lookup};
use super::{Result, StoreError, Tx, on};
use crate::domain::event::Scope;
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::time::Timestamp;

/// The first fresh hard bounce of an address that the log still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBounce {
    /// Whose.
    pub key: AddressKey,
    /// When.
    pub at: Timestamp,
    /// Whose fault it was read to be.
    pub scope: Scope,
    /// By which rule.
    pub rule: String,
}

pub(super) const FIRST_BOUNCES: &str = "SELECT e.address_key, e.occurred_at, e.scope, e.rule FROM events AS e JOIN (SELECT \
     MIN(n) AS n FROM events WHERE address_key > $1 AND team = $2 AND kind = 'hard_bounce' AND fresh = 1 AND stale = 0 \
     GROUP BY address_key ORDER BY address_key LIMIT $3) AS f ON f.n = e.n ORDER BY e.address_key";
pub(super) const BOUNCED: Twin = lookup!(
    "SELECT DISTINCT e.address_key",
    "events AS e",
    ["e.address_key" = bytes 0, "e.team" = text 1],
    "AND e.kind = 'hard_bounce' AND e.fresh = 1 AND e.stale = 0"
);

impl Tx {
    /// A page of the addresses of a team that had a fresh hard bounce, in the order of their keys, each with its first.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn first_bounces(
        &mut self,
        team: &TeamId,
        after: Option<AddressKey>,
        limit: i64,
    ) -> Result<Vec<FirstBounce>> {
        // No key is shorter than one, so the empty text stands before all of them.
        let after = after.map_or_else(Vec::new, |key| key.0.to_vec());
        on!(self, c => {
            let rows = sqlx::query(FIRST_BOUNCES).bind(after).bind(team.as_str()).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| Ok(FirstBounce {
                key: super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "events")?,
                at: Timestamp::from_micros(row.try_get(1)?),
                scope: Scope::parse(&row.try_get::<String, _>(2)?)
                    .ok_or(StoreError::Corrupt { table: "events", column: "scope" })?,
                rule: row.try_get(3)?,
            })).collect()
        })
    }

    /// Which of these addresses had a fresh hard bounce.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn bounced(&mut self, team: &TeamId, keys: &[AddressKey]) -> Result<HashSet<AddressKey>> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let rows: Vec<_> = keys.iter().map(|key| (key, team)).collect();
        let (sql, json) = (self.spell(&BOUNCED), super::json(&rows)?);
        on!(self, c => {
            let rows = sqlx::query(sql).bind(json).fetch_all(c).await?;
            rows.iter()
                .map(|row| super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "events"))
                .collect()
        })
    }
}
