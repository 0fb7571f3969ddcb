//! The seam to the network: what a source may fetch, it fetches through this, and the fetcher has its own allow-list.

use std::pin::Pin;

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
