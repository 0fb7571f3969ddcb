//! `relaywatch` watches whether mail still reaches people who hide their address behind Apple's private relay.

pub mod cli;
pub mod config;
pub mod domain;
pub mod sources;
pub mod store;
