//! Passing Apple's verified notifications on, byte for byte, to a service that wants them too.
//!
//! The body is signed by Apple, so it needs no signature of ours. `webhook-id` is the same at every try, for who cannot bear a
//! notification twice.

use http::{HeaderMap, HeaderValue};

use super::client::{Client, Lookup};
use super::error::OutputError;
use crate::config::tee::TeeTarget;
use crate::domain::time::Timestamp;

/// One service.
pub struct Tee {
    client: Client,
}

impl Tee {
    /// The way to a configured target.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn open(target: &TeeTarget, lookup: Lookup) -> Result<Self, OutputError> {
        let client = Client::new(&target.url, target.allow_private_addresses, target.timeout.get(), lookup)?;
        Ok(Self { client })
    }

    /// Passes one body on, once.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn pass_on(&self, id: &str, body: Vec<u8>, now: Timestamp) -> Result<(), OutputError> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", HeaderValue::from_str(id).map_err(|_| OutputError::Unusable)?);
        self.client.post(headers, body, now).await
    }
}
