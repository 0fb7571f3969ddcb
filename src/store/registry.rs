//! What people registered over the API: streams, tokens, and who did what.

use sqlx::Row;

use super::{Result, StoreError, Tx, on};
use crate::domain::ids::{StreamName, TeamId};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;

/// A stream registered over the API.
#[derive(Debug, Clone)]
pub struct StreamRow {
    /// Its name.
    pub name: StreamName,
    /// Its team.
    pub team: TeamId,
    /// Its registration, as JSON.
    pub spec: String,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// An API token. The token itself is nowhere.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its id, `tok_…`.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the token.
    pub digest: Vec<u8>,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Who did what. Holds no address: keys stand in its place.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub action: String,
    /// About what, as JSON.
    pub detail: String,
}

pub(super) const STREAMS: &str = "SELECT name, team, spec, changed_at FROM streams ORDER BY name";
pub(super) const PUT_STREAM: &str = "INSERT INTO streams (name, team, spec, changed_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (name) DO UPDATE SET team = excluded.team, spec = excluded.spec, changed_at = excluded.changed_at";
pub(super) const TOKENS: &str =
    "SELECT id, name, digest, scopes, created_at, expires_at, revoked_at FROM tokens ORDER BY created_at, id";
pub(super) const PUT_TOKEN: &str =
    "INSERT INTO tokens (id, name, digest, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const REVOKE_TOKEN: &str = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
pub(super) const PUT_AUDIT: &str = "INSERT INTO audit (id, at, who, action, detail) VALUES ($1, $2, $3, $4, $5)";

/// The streams of the configuration file, then those registered over the API that the file does not name.
///
/// # Errors
/// When a row holds no registration.
pub fn with_registered(configured: &[Stream], rows: &[StreamRow]) -> Result<Vec<Stream>> {
    let mut streams = configured.to_vec();
    for row in rows.iter().filter(|row| configured.iter().all(|stream| stream.name != row.name)) {
        let corrupt = |_| StoreError::Corrupt { table: "streams", column: "spec" };
        streams.push(serde_json::from_str(&row.spec).map_err(corrupt)?);
    }
    Ok(streams)
}

impl Tx {
    /// The streams registered over the API.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn streams(&mut self) -> Result<Vec<StreamRow>> {
        on!(self, c => {
            let rows = sqlx::query(STREAMS).fetch_all(c).await?;
            rows.iter().map(|row| Ok(StreamRow {
                name: StreamName::new(row.try_get::<String, _>(0)?),
                team: TeamId::new(row.try_get::<String, _>(1)?),
                spec: row.try_get(2)?,
                changed_at: Timestamp::from_micros(row.try_get(3)?),
            })).collect()
        })
    }

    /// Registers or replaces a stream.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_stream(&mut self, row: &StreamRow) -> Result<()> {
        on!(self, c => sqlx::query(PUT_STREAM)
            .bind(row.name.as_str()).bind(row.team.as_str()).bind(&row.spec).bind(row.changed_at.micros())
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// All tokens, revoked ones too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tokens(&mut self) -> Result<Vec<TokenRow>> {
        on!(self, c => {
            let rows = sqlx::query(TOKENS).fetch_all(c).await?;
            rows.iter().map(|row| Ok(TokenRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                digest: row.try_get(2)?,
                scopes: row.try_get(3)?,
                created_at: Timestamp::from_micros(row.try_get(4)?),
                expires_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp::from_micros),
                revoked_at: row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_micros),
            })).collect()
        })
    }

    /// Stores a new token.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_token(&mut self, row: &TokenRow) -> Result<()> {
        on!(self, c => sqlx::query(PUT_TOKEN)
            .bind(&row.id).bind(&row.name).bind(&row.digest).bind(&row.scopes).bind(row.created_at.micros())
            .bind(row.expires_at.map(Timestamp::micros))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Revokes a token; false when there is none of that id that was still good.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_token(&mut self, id: &str, at: Timestamp) -> Result<bool> {
        let rows =
            on!(self, c => sqlx::query(REVOKE_TOKEN).bind(id).bind(at.micros()).execute(c).await?.rows_affected());
        Ok(rows > 0)
    }

    /// Writes down who did what.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_audit(&mut self, row: &AuditRow) -> Result<()> {
        on!(self, c => sqlx::query(PUT_AUDIT)
            .bind(&row.id).bind(row.at.micros()).bind(&row.who).bind(&row.action).bind(&row.detail)
            .execute(c).await.map(drop))?;
        Ok(())
    }
}
