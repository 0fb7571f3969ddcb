//! Everything that is known, page by page: the keys of a team, and where an address was mailed from.

use sqlx::Row;

use super::{Result, Tx, on};
use crate::domain::ids::{AddressKey, Esp, StreamName, TeamId};
use crate::domain::time::Timestamp;

/// How often, and when, an ESP reported on an address under one team, way of sending and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The address.
    pub key: AddressKey,
    /// The team of the endpoint that reported.
    pub team: TeamId,
    /// The stream that the report was found to belong to.
    pub stream: Option<StreamName>,
    /// The domain of the header From, where the report tells it.
    pub sending_domain: Option<String>,
    /// The ESP.
    pub esp: Option<Esp>,
    /// How many events.
    pub events: i64,
    /// When the first happened.
    pub first_at: Timestamp,
    /// When the last happened.
    pub last_at: Timestamp,
}

pub(super) const KEYS: &str = "SELECT key FROM address_records WHERE team = $1 AND key > $2 ORDER BY key LIMIT $3";
pub(super) const MENTIONED: &str =
    "SELECT DISTINCT address_key FROM events WHERE address_key > $1 ORDER BY address_key LIMIT $2";
pub(super) const SIGHTINGS: &str = "SELECT address_key, team, stream, sending_domain, esp, COUNT(*), MIN(occurred_at), \
     MAX(occurred_at) FROM events WHERE address_key >= $1 AND address_key <= $2 AND occurred_at >= $3 \
     AND source IN ('ses', 'sparkpost', 'braze') GROUP BY address_key, team, stream, sending_domain, esp \
     ORDER BY address_key, MIN(n)";

impl Tx {
    /// The next keys of a team's addresses behind `after`, in order.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn keys_of(&mut self, team: &TeamId, after: Option<AddressKey>, limit: i64) -> Result<Vec<AddressKey>> {
        let after = start(after);
        on!(self, c => {
            let rows = sqlx::query(KEYS).bind(team.as_str()).bind(after).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "address_records")).collect()
        })
    }

    /// The next keys behind `after` that the log mentions, in order.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn mentioned(&mut self, after: Option<AddressKey>, limit: i64) -> Result<Vec<AddressKey>> {
        let after = start(after);
        on!(self, c => {
            let rows = sqlx::query(MENTIONED).bind(after).bind(limit).fetch_all(c).await?;
            rows.iter().map(|row| super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "events")).collect()
        })
    }

    /// What ESPs reported on the addresses from one key to another, both included, since an instant.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn sightings(&mut self, from: AddressKey, to: AddressKey, since: Timestamp) -> Result<Vec<Sighting>> {
        on!(self, c => {
            let rows = sqlx::query(SIGHTINGS).bind(from.0.to_vec()).bind(to.0.to_vec()).bind(since.micros()).fetch_all(c).await?;
            rows.iter().map(|row| Ok(Sighting {
                key: super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(0)?, "events")?,
                team: TeamId::new(row.try_get::<String, _>(1)?),
                stream: row.try_get::<Option<String>, _>(2)?.map(StreamName::new),
                sending_domain: row.try_get(3)?,
                esp: row.try_get::<Option<String>, _>(4)?.map(Esp::new),
                events: row.try_get(5)?,
                first_at: Timestamp::from_micros(row.try_get(6)?),
                last_at: Timestamp::from_micros(row.try_get(7)?),
            })).collect()
        })
    }
}

/// No key is empty, so nothing is in front of the empty one.
fn start(after: Option<AddressKey>) -> Vec<u8> {
    after.map(|key| key.0.to_vec()).unwrap_or_default()
}
