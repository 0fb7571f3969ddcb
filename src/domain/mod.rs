//! Pure values and judgements: no I/O, no clock, no async. Time and randomness arrive as arguments.

pub mod address;
pub mod bounce;
pub mod event;
pub mod ids;
pub mod time;
