//! The seam to the network: what a source may fetch, it fetches through this, and the fetcher has its own allow-list.

use std::pin::Pin;
use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};

/// A fetch under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// Fetches small public documents (certificates, key sets).
pub trait Fetch: Send + Sync {
    /// The body at `url`, at most `limit` bytes, no redirect followed.
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> Fetching<'a>;
}

/// Why a document could not be had. Holds neither body nor secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(3);

/// How long a whole fetch may take. SNS waits 15 s for our answer.
const WHOLE: Duration = Duration::from_secs(8);

/// Fetches over the network: only what its list allows, TLS verified, no redirect, in bounded time and size.
pub struct WebFetcher {
    client: Client,
    allows: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl WebFetcher {
    /// A fetcher for the URLs that `allows` says yes to; it is shown the text as given, before anything is parsed.
    ///
    /// # Errors
    /// When the system's trust roots cannot be loaded.
    pub fn new(allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Result<Self, FetchError> {
        // The HTTP client takes the process's provider. The first one installed stays, so a second call is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .user_agent(concat!("relaywatch/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| FetchError(format!("no HTTP client: {}", because(&error))))?;
        Ok(Self { client, allows: Box::new(allows) })
    }

    /// A fetcher for `https` URLs on these hosts, on the standard port and without userinfo.
    ///
    /// # Errors
    /// When the system's trust roots cannot be loaded.
    pub fn for_hosts(hosts: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, FetchError> {
        let hosts: Vec<String> = hosts.into_iter().map(Into::into).collect();
        Self::new(move |url| {
            url.strip_prefix("https://")
                .and_then(|rest| rest.split(['/', '?', '#']).next())
                .is_some_and(|host| hosts.iter().any(|listed| listed == host))
        })
    }

    async fn fetch(&self, url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
        if !(self.allows)(url) {
            return Err(FetchError("the URL is not on the list of what may be fetched".to_owned()));
        }
        let mut response = self.client.get(url).send().await.map_err(|error| FetchError(because(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError(format!("the host answered {}", response.status().as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchError(because(&error)))? {
            if body.len() + chunk.len() > limit {
                return Err(FetchError(format!("the document is larger than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Fetch for WebFetcher {
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> Fetching<'a> {
        Box::pin(self.fetch(url, limit))
    }
}

/// A fetcher for where there is no network: everything must have been given.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNetwork;

impl Fetch for NoNetwork {
    fn get<'a>(&'a self, _url: &'a str, _limit: usize) -> Fetching<'a> {
        Box::pin(async { Err(FetchError("it was not given, and nothing is fetched here".to_owned())) })
    }
}

/// What went wrong, without the URL: its query may hold a token.
fn because(error: &reqwest::Error) -> String {
    let what = match error {
        e if e.is_timeout() => "the host did not answer in time",
        e if e.is_connect() => "no connection, or the certificate of the host does not verify",
        e if e.is_body() || e.is_decode() => "the answer broke off",
        _ => "the request failed",
    };
    what.to_owned()
}
