//! A conversation whose libraries panic ends as one that failed, and nothing else ends with it: what they read is a stranger's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

/// The work did not end by itself: something in it panicked. The log has its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// Does this, and catches a panic in it. Nothing of the work may be used afterwards but what says how far it has come.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// As [`caught`], for work that does not wait.
pub(super) fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}
