//! Pure values and judgements: no I/O, no clock, no async. Time and randomness arrive as arguments.

pub mod address;
pub mod bounce;
pub mod breaker;
pub mod canary;
pub mod cell;
pub mod daily_limit;
pub mod delivery;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod event;
pub mod finding;
pub mod ids;
pub mod keyring;
pub mod observed;
pub mod policy;
pub mod posture;
pub mod public_address;
pub mod record;
pub mod schedule;
pub mod spf;
pub mod stream;
pub mod tags;
pub mod time;
pub mod verdict;
pub mod webhook_signature;
