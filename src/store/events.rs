//! The log itself: one row per event that counted, by number.

use serde::ser::{Serialize, SerializeSeq, Serializer};
use sqlx::Row;

use super::dialect::{Twin, batch};
use super::{Result, StoreError, Tx, on};
use crate::domain::event::{Kind, Scope, Source};
use crate::domain::ids::{AddressKey, AppId, Esp, EventKey, StreamName, SubKey, TeamId};
use crate::domain::time::Timestamp;

/// One event as the log holds it. No address: keys and roles stand in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Event`, resolved to keys; see there")]
pub struct EventRow {
    /// Its number in the log.
    pub n: i64,
    pub id: EventKey,
    pub received_at: Timestamp,
    pub occurred_at: Timestamp,
    pub source: Source,
    /// The hook endpoint, or what else brought it (`import`, `api`, `cli`).
    pub endpoint: String,
    pub kind: Kind,
    pub scope: Scope,
    pub fresh: bool,
    /// Too old to be told from a repetition: kept without effect.
    pub stale: bool,
    pub rule: String,
    pub team: TeamId,
    pub app: Option<AppId>,
    pub stream: Option<StreamName>,
    pub esp: Option<Esp>,
    pub relay_domain: Option<String>,
    pub sending_domain: Option<String>,
    pub mail_from_domain: Option<String>,
    pub address_key: Option<AddressKey>,
    pub subject_key: Option<SubKey>,
    pub status: Option<String>,
    pub code: Option<u16>,
    pub diagnostic: Option<String>,
    pub provider_id: Option<String>,
    /// What an operator decided or the daemon found, as JSON.
    pub detail: Option<String>,
}

pub(super) const INSERT: Twin = batch!(
    "INSERT INTO events (n, id, received_at, occurred_at, source, endpoint, kind, scope, fresh, stale, rule, team, app, stream, \
     esp, relay_domain, sending_domain, mail_from_domain, address_key, subject_key, status, code, diagnostic, provider_id, detail)",
    [int 0, bytes 1, int 2, int 3, text 4, text 5, text 6, text 7, int 8, int 9, text 10, text 11, text 12, text 13, text 14,
     text 15, text 16, text 17, bytes 18, bytes 19, text 20, int 21, text 22, text 23, text 24],
    ""
);
pub(super) const AFTER: &str = "SELECT n, id, received_at, occurred_at, source, endpoint, kind, scope, fresh, stale, rule, team, \
     app, stream, esp, relay_domain, sending_domain, mail_from_domain, address_key, subject_key, status, code, diagnostic, \
     provider_id, detail FROM events WHERE n > $1 ORDER BY n LIMIT $2";
pub(super) const OLDEST: &str = "SELECT MIN(n) FROM events";
pub(super) const OF_ADDRESS: &str = "SELECT n, id, received_at, occurred_at, source, endpoint, kind, scope, fresh, stale, rule, \
     team, app, stream, esp, relay_domain, sending_domain, mail_from_domain, address_key, subject_key, status, code, diagnostic, \
     provider_id, detail FROM events WHERE address_key = $1 AND team = $2 ORDER BY n DESC LIMIT $3";

impl Tx {
    /// Appends events whose numbers were given out in this transaction.
    ///
    /// # Errors
    /// When the store fails or refuses a row.
    pub async fn append_events(&mut self, rows: &[EventRow]) -> Result<()> {
        self.append_numbered(rows.iter().map(|row| (row.n, row))).await
    }

    /// Appends events under these numbers, given out in this transaction.
    ///
    /// # Errors
    /// When the store fails or refuses a row.
    pub async fn append_numbered<'a>(&mut self, rows: impl Iterator<Item = (i64, &'a EventRow)>) -> Result<()> {
        let rows: Vec<Numbered<'_>> = rows.map(|(n, row)| Numbered(n, row)).collect();
        self.put(&INSERT, &rows).await
    }

    /// Up to `limit` events with a number above `n`, in order.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn events_after(&mut self, n: i64, limit: i64) -> Result<Vec<EventRow>> {
        on!(self, c => {
            let rows = sqlx::query(AFTER).bind(n).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| read(&Cells(row))).collect()
        })
    }

    /// The newest events of one address.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn events_of_address(&mut self, team: &TeamId, key: AddressKey, limit: i64) -> Result<Vec<EventRow>> {
        let (team, key) = (team.as_str().to_owned(), key.0.to_vec());
        on!(self, c => {
            let rows = sqlx::query(OF_ADDRESS).bind(key).bind(team).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| read(&Cells(row))).collect()
        })
    }

    /// The lowest number still kept, `None` when the log is empty.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn oldest_event(&mut self) -> Result<Option<i64>> {
        Ok(on!(self, c => sqlx::query_scalar(OLDEST).fetch_one(c).await)?)
    }
}

/// An event under the number it was given.
struct Numbered<'a>(i64, &'a EventRow);

/// One row of either database, read by column number.
struct Cells<'r, R>(&'r R);

trait ReadCells {
    fn int(&self, i: usize) -> Result<Option<i64>>;
    fn text(&self, i: usize) -> Result<Option<String>>;
    fn bytes(&self, i: usize) -> Result<Option<Vec<u8>>>;
}

macro_rules! read_cells {
    ($row:ty) => {
        impl ReadCells for Cells<'_, $row> {
            fn int(&self, i: usize) -> Result<Option<i64>> {
                Ok(self.0.try_get(i)?)
            }
            fn text(&self, i: usize) -> Result<Option<String>> {
                Ok(self.0.try_get(i)?)
            }
            fn bytes(&self, i: usize) -> Result<Option<Vec<u8>>> {
                Ok(self.0.try_get(i)?)
            }
        }
    };
}
read_cells!(sqlx::sqlite::SqliteRow);
read_cells!(sqlx::postgres::PgRow);

fn read(row: &impl ReadCells) -> Result<EventRow> {
    let corrupt = |column| StoreError::Corrupt { table: "events", column };
    let int = |i, column| row.int(i)?.ok_or(corrupt(column));
    let text = |i, column| row.text(i)?.ok_or(corrupt(column));
    let id = row.bytes(1)?.ok_or(corrupt("id"))?;
    Ok(EventRow {
        n: int(0, "n")?,
        id: EventKey::from_slice(&id).ok_or(corrupt("id"))?,
        received_at: Timestamp::from_micros(int(2, "received_at")?),
        occurred_at: Timestamp::from_micros(int(3, "occurred_at")?),
        source: Source::parse(&text(4, "source")?).ok_or(corrupt("source"))?,
        endpoint: text(5, "endpoint")?,
        kind: Kind::parse(&text(6, "kind")?).ok_or(corrupt("kind"))?,
        scope: Scope::parse(&text(7, "scope")?).ok_or(corrupt("scope"))?,
        fresh: int(8, "fresh")? != 0,
        stale: int(9, "stale")? != 0,
        rule: text(10, "rule")?,
        team: TeamId::new(text(11, "team")?),
        app: row.text(12)?.map(AppId::new),
        stream: row.text(13)?.map(StreamName::new),
        esp: row.text(14)?.map(Esp::new),
        relay_domain: row.text(15)?,
        sending_domain: row.text(16)?,
        mail_from_domain: row.text(17)?,
        address_key: row.bytes(18)?.map(|b| AddressKey::from_slice(&b).ok_or(corrupt("address_key"))).transpose()?,
        subject_key: row.bytes(19)?.map(|b| SubKey::from_slice(&b).ok_or(corrupt("subject_key"))).transpose()?,
        status: row.text(20)?,
        code: row.int(21)?.map(|c| u16::try_from(c).map_err(|_| corrupt("code"))).transpose()?,
        diagnostic: row.text(22)?,
        provider_id: row.text(23)?,
        detail: row.text(24)?,
    })
}

/// As the batch reads it: an array in the order of the columns of [`INSERT`].
impl Serialize for Numbered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self(n, event) = self;
        let mut row = serializer.serialize_seq(Some(25))?;
        row.serialize_element(n)?;
        row.serialize_element(&event.id)?;
        row.serialize_element(&event.received_at.micros())?;
        row.serialize_element(&event.occurred_at.micros())?;
        row.serialize_element(event.source.as_str())?;
        row.serialize_element(&event.endpoint)?;
        row.serialize_element(event.kind.as_str())?;
        row.serialize_element(event.scope.as_str())?;
        row.serialize_element(&u8::from(event.fresh))?;
        row.serialize_element(&u8::from(event.stale))?;
        row.serialize_element(&event.rule)?;
        row.serialize_element(&event.team)?;
        row.serialize_element(&event.app)?;
        row.serialize_element(&event.stream)?;
        row.serialize_element(&event.esp)?;
        row.serialize_element(&event.relay_domain)?;
        row.serialize_element(&event.sending_domain)?;
        row.serialize_element(&event.mail_from_domain)?;
        row.serialize_element(&event.address_key)?;
        row.serialize_element(&event.subject_key)?;
        row.serialize_element(&event.status)?;
        row.serialize_element(&event.code)?;
        row.serialize_element(&event.diagnostic)?;
        row.serialize_element(&event.provider_id)?;
        row.serialize_element(&event.detail)?;
        row.end()
    }
}

/// Under the number it carries.
impl Serialize for EventRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Numbered(self.n, self).serialize(serializer)
    }
}
