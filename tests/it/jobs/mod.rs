//! The scheduled work, on a store with people in it, a clock moved by hand and real receivers.

mod breaker;
mod checks;
mod command;
mod deliver;
mod lease;
mod many_streams;
mod observed;
mod privacy;
mod prune;
mod reverse;
mod scheduler;
mod settle;
mod tee;
mod world;
