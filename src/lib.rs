//! `relaywatch` watches whether mail still reaches people who hide their address behind Apple's private relay.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod index;
pub mod intake;
pub mod logging;
pub mod metrics;
pub mod shutdown;
pub mod sources;
pub mod store;
