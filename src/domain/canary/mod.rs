//! Canaries: mail of our own to our own relay addresses, and what its ways say about everybody else's.
//!
//! A provider's "delivered" says that the relay took the message. Only a canary that is read in the mailbox behind the relay proves that it
//! was forwarded.

pub mod token;
