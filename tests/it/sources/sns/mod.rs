//! Amazon SNS: what proves a message, and what does not.

mod certificates;
pub mod endpoint;
mod fetcher;
mod message_types;
mod raw_delivery;
mod recut;
mod signature;
