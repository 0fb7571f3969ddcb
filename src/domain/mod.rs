//! Pure values and judgements: no I/O, no clock, no async. Time and randomness arrive as arguments.

pub mod address;
pub mod bounce;
pub mod cell;
pub mod event;
pub mod ids;
pub mod keyring;
pub mod policy;
pub mod record;
pub mod stream;
pub mod time;
pub mod verdict;
