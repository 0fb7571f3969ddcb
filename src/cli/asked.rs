//! Whom a command asks about the DNS: the resolver of its command line, else those of the configuration, else the system's.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use clap::Args;

use crate::config::dns::Dns;
use crate::dns::Resolvers;

/// The port of the DNS.
const PORT: u16 = 53;

/// Which resolver is asked.
#[derive(Debug, Clone, Copy, Args)]
pub struct Asked {
    /// The recursive resolver to ask. Without it: those of the configuration, and without any there, the system's.
    #[arg(long, value_name = "IP:PORT", value_parser = resolver)]
    resolver: Option<SocketAddr>,
}

fn resolver(text: &str) -> Result<SocketAddr, &'static str> {
    let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
    match address {
        Ok(address) if address.port() != 0 => Ok(address),
        _ => Err("takes an address and a port, as 192.0.2.53:53 or [2001:db8::53]:53"),
    }
}

impl Asked {
    /// The configured settings, with the resolver that was named instead of theirs.
    pub fn settings(&self, configured: &Dns) -> Dns {
        match self.resolver {
            Some(resolver) => Dns { resolvers: vec![resolver], second_resolvers: Vec::new(), ..configured.clone() },
            None => configured.clone(),
        }
    }
}

/// The resolvers of these settings.
///
/// # Errors
/// When the system is to be asked and does not say whom.
pub fn resolvers(dns: &Dns) -> anyhow::Result<Resolvers> {
    Resolvers::new(dns).context("no resolver to ask (name one with --resolver or dns.resolvers)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_and_a_port() {
        for (text, want) in [
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:54", Some("[2001:db8::53]:54")),
            ("192.0.2.53:0", None),
            ("dns.example", None),
            ("", None),
        ] {
            assert_eq!(resolver(text).ok().map(|address| address.to_string()).as_deref(), want, "{text}");
        }
    }
}
