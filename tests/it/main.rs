//! The integration tests: one binary, one file per room or subject.

mod api;
mod architecture;
mod cable;
mod chance;
mod client;
mod config;
mod crash;
mod daemon;
mod demo;
mod doctor;
mod end_to_end;
mod explain;
mod feeds;
mod jobs;
mod lifeline;
mod outputs;
mod overload;
mod postgres;
mod privacy;
mod private_paths;
mod properties;
mod sources;
mod stage;
mod store;
mod stories;
mod world;
