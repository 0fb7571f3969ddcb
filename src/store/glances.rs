//! Reading every glance in bulk, for the index.

use futures_util::TryStreamExt;
use sqlx::Row;

use super::dialect::Twin;
use super::{Result, Store, StoreError, Tx};
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::verdict::Glance;

/// Rows come packed, thousands to a value, because on both databases handing over a row costs more than reading it: 17 bytes per address,
/// its key and the digit of its glance. Parts are cut by the first byte of the key.
pub(super) const PACKED: Twin = Twin {
    sqlite: "SELECT CAST(group_concat(key || glance, '') AS BLOB) FROM address_records WHERE team = $1 AND key >= $2 AND key < $3",
    postgres: "SELECT string_agg(key || convert_to(CAST(glance AS TEXT), 'UTF8'), CAST('' AS BYTEA)) FROM address_records \
               WHERE team = $1 AND key >= $2 AND key < $3",
};
pub(super) const TEAMS: &str = "SELECT DISTINCT team FROM address_records";
pub(super) const ERASED: &str = "SELECT team, key FROM tombstones WHERE kind = 'address'";

/// How many ranges of keys are read one after the other: each packs about a thousandth of all addresses.
const RANGES: u32 = 1_024;

impl Store {
    /// In how many parts the glances are best read side by side.
    pub fn glance_parts(&self) -> u32 {
        2
    }
}

impl Tx {
    /// Reads one of `parts` equal parts of all glances.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn load_glances(
        &mut self,
        part: u32,
        parts: u32,
        mut each: impl FnMut(&TeamId, AddressKey, Glance),
    ) -> Result<()> {
        let sql = self.spell(&PACKED);
        for team in self.teams().await? {
            for range in (0..RANGES).filter(|range| range % parts == part) {
                let (from, to) = (bound(range), bound(range + 1));
                let packed: Option<Vec<u8>> = super::on!(self, c => sqlx::query_scalar(sql)
                    .bind(team.as_str()).bind(from).bind(to).fetch_one(c).await)?;
                unpack(&packed.unwrap_or_default(), |key, glance| each(&team, key, glance))?;
            }
        }
        Ok(())
    }

    /// The teams that have addresses.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn teams(&mut self) -> Result<Vec<TeamId>> {
        super::on!(self, c => {
            let rows = sqlx::query(TEAMS).fetch_all(c).await?;
            rows.iter().map(|row| Ok(TeamId::new(row.try_get::<String, _>(0)?))).collect()
        })
    }

    /// The keys of all erased addresses.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn erased_addresses(&mut self) -> Result<Vec<(TeamId, AddressKey)>> {
        super::on!(self, c => {
            let mut found = Vec::new();
            let mut rows = sqlx::query(ERASED).fetch(c);
            while let Some(row) = rows.try_next().await? {
                let team = TeamId::new(row.try_get::<String, _>(0)?);
                found.push((team, super::records::key(AddressKey::from_slice, &row.try_get::<Vec<u8>, _>(1)?, "tombstones")?));
            }
            Ok(found)
        })
    }
}

/// The first key of a range: its number in the highest ten bits. The end of the last range is above every key.
fn bound(range: u32) -> Vec<u8> {
    if range == RANGES {
        return vec![0xff; 17];
    }
    let high = u16::try_from(range << 6).unwrap_or(u16::MAX);
    high.to_be_bytes().to_vec()
}

fn unpack(packed: &[u8], mut each: impl FnMut(AddressKey, Glance)) -> Result<()> {
    let corrupt = || StoreError::Corrupt { table: "address_records", column: "glance" };
    let (rows, rest) = packed.as_chunks::<17>();
    if !rest.is_empty() {
        return Err(corrupt());
    }
    for row in rows {
        let [key @ .., digit] = row;
        let glance = match digit {
            b'1' => Glance::Ok,
            b'2' => Glance::NotRelay,
            b'3' => Glance::Ask,
            _ => return Err(corrupt()),
        };
        each(AddressKey(*key), glance);
    }
    Ok(())
}
