//! The integration tests: one binary, one file per room or subject.

mod architecture;
mod client;
mod config;
mod daemon;
mod lifeline;
mod postgres;
mod privacy;
mod properties;
mod sources;
mod store;
mod stories;
mod world;
