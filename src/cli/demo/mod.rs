//! The demo: a small loopback world that plays an incident against the real daemon. Tests and bench sign with it too.

pub mod world;
