//! How far the canaries' mailboxes were read, and how long canaries take to arrive in them.

use std::collections::BTreeMap;

use super::{Result, StoreError, Tx, on};
use crate::domain::canary::{Delays, Looks, RouteKey};
use crate::domain::time::Timestamp;

/// A mailbox, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRow {
    /// Its name.
    pub name: String,
    /// How far it was read, in the words of its reader; empty before the first look.
    pub cursor: String,
    /// From when on it has been read without a gap: what it received earlier may lie there unseen. `None`: since ever.
    pub read_from: Option<Timestamp>,
    /// When the last look began that read all of it.
    pub read_at: Option<Timestamp>,
    /// When our own old canaries in it were last deleted, or that was given up for the day.
    pub tidied_at: Option<Timestamp>,
    /// When it was last looked into.
    pub tried_at: Timestamp,
    /// Why the last look failed. No address, no secret.
    pub error: Option<String>,
}

impl MailboxRow {
    /// How far what lies in it is known.
    pub fn looks(&self) -> Looks {
        let failed_at = self.error.is_some().then_some(self.tried_at);
        Looks { read_from: self.read_from, read_at: self.read_at, failed_at }
    }
}

/// What a route has learned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// How long its canaries took.
    pub delays: Delays,
    /// When its last canary arrived.
    pub last_arrived_at: Option<Timestamp>,
    /// What that one showed of its way, as JSON.
    pub last_way: Option<String>,
}

pub(super) const ALL: &str =
    "SELECT name, cursor, read_from, read_at, tidied_at, tried_at, error FROM mailboxes ORDER BY name";
pub(super) const READ: &str = "INSERT INTO mailboxes (name, cursor, read_at, tried_at, read_from) VALUES ($1, $2, $3, $3, $4) \
     ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, read_at = excluded.read_at, tried_at = excluded.tried_at, \
     read_from = COALESCE(excluded.read_from, mailboxes.read_from), error = NULL";
pub(super) const READ_IN_PART: &str = "INSERT INTO mailboxes (name, cursor, tried_at, read_from) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, tried_at = excluded.tried_at, \
     read_from = COALESCE(excluded.read_from, mailboxes.read_from), error = NULL";
pub(super) const UNREADABLE: &str = "INSERT INTO mailboxes (name, cursor, tried_at, error) VALUES ($1, '', $2, $3) ON CONFLICT (name) DO \
     UPDATE SET tried_at = excluded.tried_at, error = excluded.error";
pub(super) const TIDIED: &str = "UPDATE mailboxes SET tidied_at = $2 WHERE name = $1";
pub(super) const LEARNED: &str =
    "SELECT route_key, delays, last_arrived_at, last_way FROM canary_routes ORDER BY route_key";
pub(super) const LEARN: &str =
    "UPDATE canary_routes SET delays = $2, last_arrived_at = $3, last_way = $4 WHERE route_key = $1";

impl Tx {
    /// All mailboxes that were ever looked into.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mailboxes(&mut self) -> Result<BTreeMap<String, MailboxRow>> {
        type Row = (String, String, Option<i64>, Option<i64>, Option<i64>, i64, Option<String>);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(ALL).fetch_all(c).await)?;
        let row = |(name, cursor, read_from, read_at, tidied_at, tried_at, error): Row| {
            let [read_from, read_at, tidied_at] =
                [read_from, read_at, tidied_at].map(|at| at.map(Timestamp::from_micros));
            let tried_at = Timestamp::from_micros(tried_at);
            (name.clone(), MailboxRow { name, cursor, read_from, read_at, tidied_at, tried_at, error })
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// A look that began at `began_at` read up to `cursor`: all there was, or a part of it. With `afresh` it did not go on where the one
    /// before had ended, and saw only what came from that time on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mailbox_was_read(
        &mut self,
        name: &str,
        cursor: &str,
        began_at: Timestamp,
        all: bool,
        afresh: Option<Timestamp>,
    ) -> Result<()> {
        let sql = if all { READ } else { READ_IN_PART };
        let (began_at, afresh) = (began_at.micros(), afresh.map(Timestamp::micros));
        on!(self, c => sqlx::query(sql).bind(name).bind(cursor).bind(began_at).bind(afresh).execute(c).await.map(drop))?;
        Ok(())
    }

    /// A look that began at `began_at` failed; what was read before stays read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mailbox_is_unreadable(&mut self, name: &str, began_at: Timestamp, because: &str) -> Result<()> {
        on!(self, c => sqlx::query(UNREADABLE).bind(name).bind(began_at.micros()).bind(because).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Our own old canaries in a mailbox that was read before are deleted, or that was given up for the day.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mailbox_was_tidied(&mut self, name: &str, at: Timestamp) -> Result<()> {
        on!(self, c => sqlx::query(TIDIED).bind(name).bind(at.micros()).execute(c).await.map(drop))?;
        Ok(())
    }

    /// What the routes have learned.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canary_delays(&mut self) -> Result<BTreeMap<RouteKey, Learned>> {
        type Row = (i64, String, Option<i64>, Option<String>);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LEARNED).fetch_all(c).await)?;
        let corrupt = |column| StoreError::Corrupt { table: "canary_routes", column };
        rows.into_iter()
            .map(|(key, delays, last, last_way)| {
                let key = RouteKey(u32::try_from(key).map_err(|_| corrupt("route_key"))?);
                let delays = serde_json::from_str(&delays).map_err(|_| corrupt("delays"))?;
                Ok((key, Learned { delays, last_arrived_at: last.map(Timestamp::from_micros), last_way }))
            })
            .collect()
    }

    /// Writes down what a route has learned. In a transaction that holds the head, so that nobody learns in between.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn_delays(&mut self, route: RouteKey, learned: &Learned) -> Result<()> {
        let (key, delays) = (i64::from(route.0), super::json(&learned.delays)?);
        let last = learned.last_arrived_at.map(Timestamp::micros);
        on!(self, c => sqlx::query(LEARN).bind(key).bind(&delays).bind(last).bind(learned.last_way.as_deref()).execute(c).await.map(drop))?;
        Ok(())
    }
}
