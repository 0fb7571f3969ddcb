//! Asking the DNS: what a resolver's answers come to, and what many judges see at once.

mod gather;
mod resolver;
mod sweep;

use std::net::SocketAddr;
use std::time::Duration;

use relaywatch::dns::{Limits, Places, Resolver};
use relaywatch::domain::dns::{Kind, Name, Question};

fn question(name: &str, kind: Kind) -> Question {
    Question::new(name_of(name), kind)
}

fn txt(name: &str) -> Question {
    question(name, Kind::Txt)
}

fn name_of(name: &str) -> Name {
    Name::parse(name).unwrap()
}

/// One that asks there, each try so long.
fn resolver(servers: &[SocketAddr], attempts: usize, timeout: Duration) -> Resolver {
    Resolver::new(servers, Limits { timeout, attempts }, Places::new(64)).unwrap()
}
