//! The resolvers that the system is set to use, as hickory reads them: resolv.conf, or the system's own word elsewhere.

use std::io;
use std::net::SocketAddr;

use hickory_resolver::config::{ProtocolConfig, ResolverConfig};
use hickory_resolver::system_conf::read_system_conf;

/// Their addresses, in the order in which they are to be asked.
///
/// # Errors
/// When the system does not say, or names none.
pub(super) fn resolvers() -> io::Result<Vec<SocketAddr>> {
    let unknown = |why: String| io::Error::other(format!("the system does not say which resolvers to ask: {why}"));
    let (config, _) = read_system_conf().map_err(|error| unknown(error.to_string()))?;
    let found = addresses(&config);
    if found.is_empty() { Err(unknown("it names none".to_owned())) } else { Ok(found) }
}

/// Where the servers are asked over UDP, each once. Search domains are not wanted: every name here is whole.
fn addresses(config: &ResolverConfig) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for server in config.name_servers() {
        let udp = server.connections.iter().filter(|connection| connection.protocol == ProtocolConfig::Udp);
        for address in udp.map(|connection| SocketAddr::new(server.ip, connection.port)) {
            if !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};

    use super::*;

    #[test]
    fn servers_are_asked_in_their_order_and_each_once() {
        let both = |ip: &str| NameServerConfig::udp_and_tcp(ip.parse().unwrap());
        let tcp = |ip: &str| NameServerConfig::new(ip.parse().unwrap(), true, vec![ConnectionConfig::tcp()]);
        let mut moved = both("192.0.2.2");
        moved.connections[0].port = 5353;
        let servers = vec![both("192.0.2.9"), both("2001:db8::1"), tcp("192.0.2.7"), moved, both("192.0.2.9")];
        let found = addresses(&ResolverConfig::from_parts(None, Vec::new(), servers));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.9:53", "[2001:db8::1]:53", "192.0.2.2:5353"]);
    }
}
