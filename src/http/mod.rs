//! The listeners and what they serve: a request comes in, a bounded body is read, an answer goes out.

pub mod api;
pub mod body;
pub mod hooks;
pub mod listener;
pub mod observe;
pub mod operations;

#[cfg(test)]
mod wire;
