//! Sealing what could not be read, and what the store refused.

use super::Context;
use super::prepare::{Prepared, clean};
use crate::domain::address::Address;
use crate::domain::ids::Sub;
use crate::domain::time::Timestamp;
use crate::store::{QuarantineRow, QuarantineSummary, Result, Store, StoreError};

/// One unreadable part, before it is sealed.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The source's path segment.
    pub source: &'a str,
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// Where in the body (RFC 6901).
    pub at: &'a str,
    /// Why it could not be read.
    pub because: &'a str,
    /// The part as it came.
    pub body: &'a [u8],
}

impl Context {
    /// Seals an unreadable part. Its id is made of what it is, so that a provider's retry is the same row.
    pub fn quarantine(&self, part: &Part<'_>, received_at: Timestamp) -> QuarantineRow {
        let mut identity = part.body.to_vec();
        identity.extend_from_slice(part.at.as_bytes());
        let identity = crate::domain::event::Identity::new(
            "quarantine",
            &[part.source, part.endpoint, &String::from_utf8_lossy(&identity)],
        );
        let id = format!("qua_{}", self.keyring.event(&identity));
        let mut nonce = [0; 12];
        (self.random)(&mut nonce);
        let body = self.keyring.seal(id.as_bytes(), part.body, nonce);
        let summary = QuarantineSummary {
            id,
            received_at,
            source: part.source.to_owned(),
            endpoint: part.endpoint.to_owned(),
            at: clean(part.at.to_owned()),
            because: clean(part.because.to_owned()),
            rerun_at: None,
        };
        QuarantineRow { summary, body }
    }
}

/// Puts an event aside that the store refuses by itself.
pub(super) async fn put_refused(context: &Context, store: &Store, poison: &Prepared, error: &StoreError) -> Result<()> {
    let recipient = poison.address.as_ref().map(|(_, a)| Address::expose(a));
    let sub = poison.sub.as_ref().map(|(_, s)| Sub::expose(s));
    let body = serde_json::json!({"recipient": recipient, "sub": sub, "row": poison.row}).to_string();
    let because = format!("the store refused the event: {}", kind_of(error));
    let source = poison.row.source.as_str();
    let part = Part { source, endpoint: &poison.row.endpoint, at: "", because: &because, body: body.as_bytes() };
    let row = context.quarantine(&part, poison.row.received_at);
    context.metrics.hooks.quarantined_total.inc([&poison.row.source]);
    let mut tx = store.write().await?;
    tx.put_quarantine(&row).await?;
    tx.commit().await
}

/// The database's message may quote the row; its code does not.
fn kind_of(error: &StoreError) -> String {
    match error {
        StoreError::Refused(sqlx::Error::Database(db)) => format!("code {}", db.code().unwrap_or_default()),
        StoreError::Refused(_) => "it does not fit a column".to_owned(),
        other => other.to_string(),
    }
}
