//! The HTTP client of one destination: one URL, no redirect, no proxy, and no address inside a network unless that is allowed.
//!
//! What a name resolves to is judged when the connection is made, and the judged address is the one connected to: a name that
//! leads to the public Internet today can lead to a metadata service tomorrow.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::error::OutputError;
use super::retry_after::retry_after;
use crate::config::target_url::TargetUrl;
use crate::domain::public_address::is_public;
use crate::domain::time::Timestamp;

/// How long the name's resolution and the connection may take, within the time of the whole.
const CONNECT: Duration = Duration::from_secs(5);

/// How much of an answer's body is read, so that the connection can be used again; and how long for.
const BODY: usize = 16 * 1024;
const BODY_WAIT: Duration = Duration::from_secs(1);

/// A name being resolved.
pub type LookingUp = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves a host name. Passed in, so that tests can make a name lead anywhere.
pub type Lookup = Arc<dyn Fn(String) -> LookingUp + Send + Sync>;

/// The system's resolver.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Posts to one URL.
pub struct Client {
    http: reqwest::Client,
    url: Url,
    /// A literal address that is not allowed: refused before anything is sent. The configuration refuses it too, with its field.
    refused: bool,
}

impl Client {
    /// The client of one URL. `timeout` is for the whole of one delivery.
    ///
    /// # Errors
    /// [`OutputError::Unusable`] when the machine has no TLS roots or the like.
    pub fn new(
        target: &TargetUrl,
        allow_private_addresses: bool,
        timeout: Duration,
        lookup: Lookup,
    ) -> Result<Self, OutputError> {
        // The process may have chosen its provider already; then this changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("relaywatch/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Guard { lookup, allow_private_addresses })
            .redirect(reqwest::redirect::Policy::none())
            // The schedule is ours; a hidden second try would be a second delivery.
            .retry(reqwest::retry::never())
            // A proxy would resolve the name where we cannot judge it.
            .no_proxy()
            .https_only(!(target.is_plain() && allow_private_addresses))
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            .build()
            .map_err(|error| {
                // A builder's error knows no URL.
                tracing::error!(error = %error.without_url(), "no HTTP client can be built");
                OutputError::Unusable
            })?;
        let inside = target.address().is_some_and(|address| !is_public(address));
        Ok(Self { http, url: target.expose().clone(), refused: inside && !allow_private_addresses })
    }

    /// Posts a JSON body once.
    ///
    /// # Errors
    /// [`OutputError`] for every answer but 2xx, and when there is none.
    pub async fn post(&self, headers: HeaderMap, body: Vec<u8>, now: Timestamp) -> Result<(), OutputError> {
        if self.refused {
            return Err(OutputError::Unusable);
        }
        let request = self.http.post(self.url.clone()).headers(headers).body(body);
        let mut response = request.send().await.map_err(|error| told_apart(&error))?;
        let status = response.status();
        if status.is_success() {
            let drain = async {
                let mut read = 0;
                while let Ok(Some(chunk)) = response.chunk().await {
                    read += chunk.len();
                    if read > BODY {
                        break;
                    }
                }
            };
            // It has taken the change; what becomes of the rest of its answer does not matter.
            let _ = tokio::time::timeout(BODY_WAIT, drain).await;
            return Ok(());
        }
        Err(OutputError::Status { status: status.as_u16(), retry_after: retry_after(response.headers(), now) })
    }
}

/// From the client's error, which may quote the URL, to one that cannot.
fn told_apart(error: &reqwest::Error) -> OutputError {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<Unresolved>() {
            return match refusal {
                Unresolved::Private => OutputError::PrivateAddress,
                Unresolved::Unknown => OutputError::Resolve,
            };
        }
        source = inner.source();
    }
    if error.is_builder() {
        OutputError::Unusable
    } else if error.is_connect() {
        OutputError::Connect
    } else if error.is_timeout() {
        OutputError::Timeout
    } else {
        OutputError::Broken
    }
}

/// Resolves, and lets only allowed addresses through.
struct Guard {
    lookup: Lookup,
    allow_private_addresses: bool,
}

#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("the name leads to an address inside a network")]
    Private,
    #[error("the name was not resolved")]
    Unknown,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let looking_up = (self.lookup)(name.as_str().to_owned());
        let allow = self.allow_private_addresses;
        Box::pin(async move {
            let found = looking_up.await.map_err(|_| Unresolved::Unknown)?;
            if found.is_empty() {
                return Err(Unresolved::Unknown.into());
            }
            // One address inside is enough to refuse: a name of the public Internet has no business leading there at all.
            if !allow && !found.iter().copied().all(is_public) {
                return Err(Unresolved::Private.into());
            }
            let addresses: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
