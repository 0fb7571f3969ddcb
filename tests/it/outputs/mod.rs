//! Outputs against real local receivers, and against names and addresses they must not reach.

pub mod destinations;
pub mod receiver;
mod ssrf;
mod webhook;
