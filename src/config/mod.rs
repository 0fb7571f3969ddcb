//! The configuration: one file per section, unknown keys refused, errors that name the field.

pub mod apple;
pub mod secret;
pub mod teams;
