//! Asks the DNS what the judges want to know. What an answer means is the domain's business; here it is only fetched.
//!
//! A [`Resolver`] asks one question of the configured servers. A [`Sweep`] is one look at the DNS by many judges: whatever
//! two of them ask is asked once. [`gather()`] runs one judge on a sweep until it has ended.

pub mod answer;
mod check;
mod exchange;
mod gather;
mod memo;
pub mod message;
mod places;
mod resolver;
mod sweep;
mod system;

pub use check::check;
pub use gather::{Gathered, Replies, for_each, gather};
pub use memo::Memo;
pub use places::Places;
pub use resolver::{DnsMetrics, Limits, Resolver};
pub use sweep::{Resolvers, Sweep};
