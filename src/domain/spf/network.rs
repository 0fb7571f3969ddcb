//! Networks: the lengths of prefixes as SPF writes them, and whether an address lies within.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::syntax::SyntaxError;

/// The prefix lengths of `a` and `mx`, in bits; 32 and 128 where none is written (RFC 7208 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DualCidr {
    /// For IPv4 clients.
    pub ip4: u8,
    /// For IPv6 clients.
    pub ip6: u8,
}

impl DualCidr {
    /// Whether the client lies in the network around that address. Two families never match.
    pub fn matches(self, client: IpAddr, address: IpAddr) -> bool {
        match (client, address) {
            (IpAddr::V4(client), IpAddr::V4(address)) => within4(client, address, self.ip4),
            (IpAddr::V6(client), IpAddr::V6(address)) => within6(client, address, self.ip6),
            _ => false,
        }
    }
}

/// Whether both addresses have the same first `bits` bits.
pub fn within4(client: Ipv4Addr, network: Ipv4Addr, bits: u8) -> bool {
    let differ = client.to_bits() ^ network.to_bits();
    differ.checked_shr(32 - u32::from(bits.min(32))).unwrap_or(0) == 0
}

/// Whether both addresses have the same first `bits` bits.
pub fn within6(client: Ipv6Addr, network: Ipv6Addr, bits: u8) -> bool {
    let differ = client.to_bits() ^ network.to_bits();
    differ.checked_shr(128 - u32::from(bits.min(128))).unwrap_or(0) == 0
}

/// Reads the digits of a prefix length: no leading zero, at most `longest` (RFC 7208 section 12).
pub fn prefix_length(digits: &str, at: usize, longest: u8) -> Result<u8, SyntaxError> {
    let here = at..at + digits.len();
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    match digits.parse::<u8>() {
        Ok(bits) if plain && bits <= longest => Ok(bits),
        _ if digits.is_empty() => Err(SyntaxError::new(here, "a slash without a prefix length")),
        _ => Err(SyntaxError::new(here, format!("a prefix length that is not a number from 0 to {longest}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_any_length_is_compared() {
        let [a, b] = ["192.0.2.1", "192.0.3.1"].map(|text| text.parse::<Ipv4Addr>().unwrap());
        assert!(within4(a, b, 0) && within4(a, b, 23) && !within4(a, b, 24) && within4(a, a, 32));
        let [a, b] = ["2001:db8::1", "2001:db8:8000::1"].map(|text| text.parse::<Ipv6Addr>().unwrap());
        assert!(within6(a, b, 0) && within6(a, b, 32) && !within6(a, b, 33) && within6(a, a, 128));
        let all = DualCidr { ip4: 0, ip6: 0 };
        assert!(!all.matches("192.0.2.1".parse().unwrap(), IpAddr::V6(a)), "families never match");
    }

    #[test]
    fn a_prefix_length_is_a_plain_number_in_range() {
        for good in ["0", "1", "32"] {
            assert_eq!(prefix_length(good, 0, 32), Ok(good.parse().unwrap()));
        }
        for bad in ["", "00", "032", "33", "256", "+1", "1x", "-1"] {
            assert!(prefix_length(bad, 0, 32).is_err(), "{bad}");
        }
        assert_eq!(prefix_length("128", 0, 128), Ok(128));
    }
}
