//! The integration tests: one binary, one file per room or subject.

mod architecture;
mod chance;
mod client;
mod config;
mod crash;
mod daemon;
mod demo;
mod feeds;
mod lifeline;
mod postgres;
mod privacy;
mod sources;
mod store;
mod world;
