//! Canaries: what was planned, and what is known of each. Their rounds stand in `canary_rounds`.

use std::collections::BTreeMap;

use sqlx::{ColumnIndex, Decode, Row, Type};

use super::mailboxes::MailboxRow;
use super::{Result, StoreError, Tx, on};
use crate::domain::canary::{Facts, Looks, Role, RouteKey};
use crate::domain::ids::{AddressKey, Esp, StreamName, TeamId};
use crate::domain::time::Timestamp;

/// One canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryRow {
    /// Its route, as its token names it.
    pub route_key: RouteKey,
    /// Its number on that route.
    pub sequence: u32,
    /// The route's name.
    pub route: String,
    /// The round it is sent in.
    pub round: String,
    /// The number of that round.
    pub round_n: i64,
    /// What its route is for.
    pub role: Role,
    /// The team of its stream.
    pub team: TeamId,
    /// The stream it is sent as.
    pub stream: StreamName,
    /// The provider of that stream.
    pub esp: Esp,
    /// The submission that takes it.
    pub submission: String,
    /// The mailbox it is looked for in; `None`: in none.
    pub mailbox: Option<String>,
    /// To whom.
    pub address_key: AddressKey,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// What is known of it.
    pub facts: Facts,
    /// The state that the log last heard of.
    pub told: String,
    /// Whether time alone may still change its state.
    pub is_open: bool,
}

impl CanaryRow {
    /// How far its mailbox is known. An address that does not exist has none: only the provider can tell what became of it.
    pub fn looks(&self, mailboxes: &BTreeMap<String, MailboxRow>, now: Timestamp) -> Looks {
        match &self.mailbox {
            Some(name) => mailboxes.get(name).map(MailboxRow::looks).unwrap_or_default(),
            None if self.facts.delivered.is_some() => Looks { read_at: Some(now), ..Looks::default() },
            None => Looks { failed_at: Some(now), ..Looks::default() },
        }
    }
}

pub(super) const PUT: &str = "INSERT INTO canaries (route_key, sequence, route, round, round_n, role, team, stream, esp, submission, \
     mailbox, address_key, planned_at, facts, told, is_open) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
pub(super) const UPDATE: &str = "UPDATE canaries SET provider_id = $3, facts = $4, told = $5, is_open = $6 WHERE route_key = $1 AND \
     sequence = $2";
/// What [`read`] reads, from `canaries`.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT route_key, sequence, route, round, round_n, role, team, stream, esp, submission, mailbox, address_key, planned_at, ",
            "provider_id, facts, told, is_open FROM canaries ",
            $which
        )
    };
}

pub(super) const ONE: &str = select!("WHERE route_key = $1 AND sequence = $2");
pub(super) const OF_ROUNDS: &str =
    select!("WHERE round = $1 AND round_n > $2 ORDER BY round_n DESC, route_key, sequence");
pub(super) const LAST_OF_ROUTE: &str = select!("WHERE route_key = $1 ORDER BY sequence DESC LIMIT $2");
pub(super) const OPEN: &str = select!(
    "WHERE is_open = 1 AND (told <> 'unknown' OR planned_at < $1) ORDER BY planned_at, route_key, sequence LIMIT $2"
);
pub(super) const UNKNOWN_OF_MAILBOX: &str = select!(
    "WHERE is_open = 1 AND told = 'unknown' AND mailbox = $1 AND planned_at >= $2 AND planned_at < $3 ORDER BY planned_at, route_key, \
     sequence LIMIT $4"
);
pub(super) const NOT_BEGUN: &str = select!(
    "WHERE is_open = 1 AND told = 'planned' AND round = $1 AND planned_at > $2 ORDER BY planned_at, route_key, sequence"
);
pub(super) const BY_PROVIDER_ID: &str = select!("WHERE provider_id = $1 AND address_key = $2 LIMIT 1");
pub(super) const OF_ADDRESS: &str =
    select!("WHERE address_key = $1 AND planned_at > $2 AND planned_at <= $3 ORDER BY planned_at DESC LIMIT 200");
pub(super) const PLANNED_FOR: &str =
    "SELECT planned_at FROM canaries WHERE address_key = $1 AND planned_at > $2 ORDER BY planned_at";

impl Tx {
    /// Writes a planned canary down.
    ///
    /// # Errors
    /// When the store fails, or the canary is there already.
    pub async fn put_canary(&mut self, row: &CanaryRow) -> Result<()> {
        let facts = super::json(&row.facts)?;
        on!(self, c => sqlx::query(PUT)
            .bind(i64::from(row.route_key.0)).bind(i64::from(row.sequence)).bind(&row.route).bind(&row.round).bind(row.round_n)
            .bind(row.role.as_str()).bind(row.team.as_str()).bind(row.stream.as_str()).bind(row.esp.as_str()).bind(&row.submission)
            .bind(row.mailbox.as_deref()).bind(row.address_key.0.to_vec()).bind(row.planned_at.micros()).bind(&facts)
            .bind(&row.told).bind(i64::from(row.is_open)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Writes what is now known of a canary.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn update_canary(&mut self, row: &CanaryRow) -> Result<()> {
        let facts = super::json(&row.facts)?;
        on!(self, c => sqlx::query(UPDATE)
            .bind(i64::from(row.route_key.0)).bind(i64::from(row.sequence)).bind(row.provider_id.as_deref()).bind(&facts)
            .bind(&row.told).bind(i64::from(row.is_open)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// One canary.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canary(&mut self, route: RouteKey, sequence: u32) -> Result<Option<CanaryRow>> {
        on!(self, c => {
            let row = sqlx::query(ONE).bind(i64::from(route.0)).bind(i64::from(sequence)).fetch_optional(c).await?;
            row.as_ref().map(read).transpose()
        })
    }

    /// The canaries of a round from behind its `n`-th time on, the newest first.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canaries_of_rounds_after(&mut self, round: &str, n: i64) -> Result<Vec<CanaryRow>> {
        on!(self, c => sqlx::query(OF_ROUNDS).bind(round).bind(n).fetch_all(c).await?.iter().map(read).collect())
    }

    /// The last canaries of a route, the newest first.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canaries_of_route(&mut self, route: RouteKey, limit: i64) -> Result<Vec<CanaryRow>> {
        on!(self, c => {
            sqlx::query(LAST_OF_ROUTE).bind(i64::from(route.0)).bind(limit).fetch_all(c).await?.iter().map(read).collect()
        })
    }

    /// Canaries whose state time alone may change, the oldest first. Of those that are told to be unknown only what was planned before
    /// `forget`: they wait for their mailbox, see [`Self::unknown_canaries`].
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn open_canaries(&mut self, forget: Timestamp, limit: i64) -> Result<Vec<CanaryRow>> {
        on!(self, c => sqlx::query(OPEN).bind(forget.micros()).bind(limit).fetch_all(c).await?.iter().map(read).collect())
    }

    /// Open canaries that are told to be unknown, of a mailbox, planned from `from` on and before `until`.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn unknown_canaries(
        &mut self,
        mailbox: &str,
        from: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<CanaryRow>> {
        on!(self, c => {
            let rows = sqlx::query(UNKNOWN_OF_MAILBOX).bind(mailbox).bind(from.micros()).bind(until.micros()).bind(limit);
            rows.fetch_all(c).await?.iter().map(read).collect()
        })
    }

    /// Canaries of a round that were planned after `after` and that nobody has begun.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canaries_not_begun(&mut self, round: &str, after: Timestamp) -> Result<Vec<CanaryRow>> {
        on!(self, c => sqlx::query(NOT_BEGUN).bind(round).bind(after.micros()).fetch_all(c).await?.iter().map(read).collect())
    }

    /// The canary to an address that a provider knows by this id.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canary_by_provider_id(&mut self, id: &str, address: AddressKey) -> Result<Option<CanaryRow>> {
        on!(self, c => {
            let row = sqlx::query(BY_PROVIDER_ID).bind(id).bind(address.0.to_vec()).fetch_optional(c).await?;
            row.as_ref().map(read).transpose()
        })
    }

    /// The canaries to an address that were planned after `after` and not after `until`, the newest first.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn canaries_of_address(
        &mut self,
        address: AddressKey,
        after: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<CanaryRow>> {
        on!(self, c => {
            let rows = sqlx::query(OF_ADDRESS).bind(address.0.to_vec()).bind(after.micros()).bind(until.micros());
            rows.fetch_all(c).await?.iter().map(read).collect()
        })
    }

    /// When canaries were planned for an address, after `after`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn planned_for(&mut self, address: AddressKey, after: Timestamp) -> Result<Vec<Timestamp>> {
        let at: Vec<i64> = on!(self, c => sqlx::query_scalar(PLANNED_FOR)
            .bind(address.0.to_vec()).bind(after.micros()).fetch_all(c).await)?;
        Ok(at.into_iter().map(Timestamp::from_micros).collect())
    }
}

fn read<R: Row>(row: &R) -> Result<CanaryRow>
where
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    let corrupt = |column| StoreError::Corrupt { table: "canaries", column };
    let number = |i: usize, column| u32::try_from(row.try_get::<i64, _>(i)?).map_err(|_| corrupt(column));
    let role: String = row.try_get(5)?;
    let facts: String = row.try_get(14)?;
    Ok(CanaryRow {
        route_key: RouteKey(number(0, "route_key")?),
        sequence: number(1, "sequence")?,
        route: row.try_get(2)?,
        round: row.try_get(3)?,
        round_n: row.try_get(4)?,
        role: Role::parse(&role).ok_or_else(|| corrupt("role"))?,
        team: TeamId::new(row.try_get::<String, _>(6)?),
        stream: StreamName::new(row.try_get::<String, _>(7)?),
        esp: Esp::new(row.try_get::<String, _>(8)?),
        submission: row.try_get(9)?,
        mailbox: row.try_get(10)?,
        address_key: AddressKey::from_slice(&row.try_get::<Vec<u8>, _>(11)?).ok_or_else(|| corrupt("address_key"))?,
        planned_at: Timestamp::from_micros(row.try_get(12)?),
        provider_id: row.try_get(13)?,
        facts: serde_json::from_str(&facts).map_err(|_| corrupt("facts"))?,
        told: row.try_get(15)?,
        is_open: row.try_get::<i64, _>(16)? != 0,
    })
}
