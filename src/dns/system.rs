//! The resolvers that the system is set to use (resolv.conf).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// Their addresses, in the order in which they are to be asked.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn resolvers() -> io::Result<Vec<SocketAddr>> {
    match fs::read(FILE) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes), interface)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(parse("", interface)),
        Err(error) => Err(io::Error::new(error.kind(), format!("{FILE}: {error}"))),
    }
}

/// The number of a network interface.
fn interface(name: &str) -> Option<u32> {
    if name.contains('/') {
        return None;
    }
    fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
}

/// Reads the `nameserver` lines. Without one the resolver is this machine (resolv.conf(5)). Search domains are not wanted:
/// every name here is whole.
fn parse(text: &str, interface: impl Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
    let address = |text: &str| -> Option<SocketAddr> {
        let Some((ip, zone)) = text.split_once('%') else {
            return Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT));
        };
        let scope = zone.parse().ok().or_else(|| interface(zone))?;
        Some(SocketAddrV6::new(ip.parse::<Ipv6Addr>().ok()?, PORT, 0, scope).into())
    };
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(server) = words.next().and_then(address)
            && !found.contains(&server)
        {
            found.push(server);
        }
    }
    if found.is_empty() {
        found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_in_their_order() {
        let text = "# nameserver 192.0.2.9\nsearch example.com\n nameserver\t192.0.2.1 # first\nnameserver 2001:db8::1\n\
            nameserver fe80::1%eth0\nnameserver fe80::2%3\nnameserver fe80::3%none\nnameserver 192.0.2.1\nnameserver\nnameserver x\n";
        let found = parse(text, |name| (name == "eth0").then_some(7));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53", "[fe80::2%3]:53"]);
    }

    #[test]
    fn without_any_it_is_this_machine() {
        assert_eq!(parse("options ndots:5\n", |_| None), ["127.0.0.1:53".parse::<SocketAddr>().unwrap()]);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_number() {
        assert_eq!(interface("lo").is_some(), fs::exists("/sys/class/net/lo").unwrap());
        assert_eq!(interface("../../lo"), None);
    }
}
