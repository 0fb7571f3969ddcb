//! Who is checked: the client, the envelope sender, the HELO name.

use std::net::{IpAddr, Ipv6Addr};

use crate::domain::dns::Name;

use super::macros::Letter;

/// A mail that asks to be let in: the arguments of `check_host()` (RFC 7208 section 4.1).
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The client's address. An IPv4 address in IPv6 form counts as IPv4 (section 5).
    pub ip: IpAddr,
    /// MAIL FROM, without angle brackets; empty for a bounce.
    pub mail_from: &'a str,
    /// The name in HELO or EHLO.
    pub helo: &'a str,
    /// The name of the host that checks, for explanations.
    pub receiver: &'a str,
    /// The time, in seconds since 1970, for explanations.
    pub now_seconds: u64,
}

/// The sender in its parts, as macros need them.
#[derive(Debug)]
pub struct Identity<'a> {
    question: Sender<'a>,
    pub ip: IpAddr,
    local_part: &'a str,
    domain: &'a str,
}

impl<'a> Identity<'a> {
    /// `postmaster` stands in for a missing local part, the HELO name for a missing sender (RFC 7208 sections 2.4 and 4.3).
    pub fn of(question: &Sender<'a>) -> Self {
        let (local_part, domain) = match question.mail_from {
            "" => ("", question.helo),
            sender => sender.rsplit_once('@').unwrap_or(("", sender)),
        };
        let local_part = if local_part.is_empty() { "postmaster" } else { local_part };
        Self { question: *question, ip: question.ip.to_canonical(), local_part, domain }
    }

    /// The domain whose record is asked first; `None` where it is no domain name of several labels (RFC 7208 section 4.3).
    pub fn domain(&self) -> Option<Name> {
        let literal = self.domain.starts_with('[');
        Name::parse(self.domain).ok().filter(|name| !literal && name.depth() > 1)
    }

    /// What a letter stands for while the record of `domain` is evaluated. The validated name is known to the caller only.
    pub fn value(&self, letter: Letter, domain: &[u8], validated: Option<&[u8]>) -> Option<Vec<u8>> {
        Some(match letter {
            Letter::Sender => format!("{}@{}", self.local_part, self.domain).into_bytes(),
            Letter::LocalPart => self.local_part.into(),
            Letter::SenderDomain => self.domain.into(),
            Letter::Domain => domain.to_vec(),
            Letter::Ip => match self.ip {
                IpAddr::V4(ip) => ip.to_string().into(),
                IpAddr::V6(ip) => nibbles(ip).collect::<Vec<_>>().join(".").into_bytes(),
            },
            Letter::ValidatedName => validated?.to_vec(),
            Letter::IpVersion => if self.ip.is_ipv4() { "in-addr" } else { "ip6" }.into(),
            Letter::Helo => self.question.helo.into(),
            Letter::ReadableIp => self.ip.to_string().into(),
            Letter::Receiver => {
                if self.question.receiver.is_empty() { "unknown" } else { self.question.receiver }.into()
            }
            Letter::Time => self.question.now_seconds.to_string().into(),
        })
    }

    /// Where the names of the client's address stand (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub fn reverse_name(&self) -> Name {
        let text = match self.ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(ip) => {
                let mut nibbles: Vec<_> = nibbles(ip).collect();
                nibbles.reverse();
                format!("{}.ip6.arpa", nibbles.join("."))
            }
        };
        Name::from_bytes(text.as_bytes()).unwrap_or_else(|_| Name::root())
    }
}

/// The hexadecimal digits of an address, each a text.
fn nibbles(ip: Ipv6Addr) -> impl Iterator<Item = String> {
    ip.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| format!("{nibble:X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity<'a>(mail_from: &'a str, helo: &'a str, ip: &str) -> Identity<'a> {
        Identity::of(&Sender { ip: ip.parse().unwrap(), mail_from, helo, receiver: "", now_seconds: 7 })
    }

    fn value(who: &Identity<'_>, letter: Letter) -> String {
        String::from_utf8(who.value(letter, b"d.test", None).unwrap()).unwrap()
    }

    #[test]
    fn a_sender_has_a_local_part_and_a_domain() {
        for (mail_from, want, domain) in [
            ("a@b.test", "a@b.test", Some("b.test.")),
            ("a@x@b.test", "a@x@b.test", Some("b.test.")),
            ("@b.test", "postmaster@b.test", Some("b.test.")),
            ("b.test", "postmaster@b.test", Some("b.test.")),
            ("", "postmaster@mail.helo.test", Some("mail.helo.test.")),
            ("a@localhost", "a@localhost", None),
            ("a@[192.0.2.1]", "a@[192.0.2.1]", None),
            ("a@b..test", "a@b..test", None),
            ("a@", "a@", None),
        ] {
            let who = identity(mail_from, "mail.helo.test", "192.0.2.1");
            assert_eq!(value(&who, Letter::Sender), want);
            assert_eq!(who.domain().map(|name| name.to_string()).as_deref(), domain, "{mail_from}");
        }
    }

    #[test]
    fn an_address_is_one_family_only() {
        let mapped = identity("a@b.test", "", "::ffff:192.0.2.1");
        assert_eq!(
            (value(&mapped, Letter::Ip), value(&mapped, Letter::IpVersion)),
            ("192.0.2.1".into(), "in-addr".into())
        );
        assert_eq!(mapped.reverse_name().to_string(), "1.2.0.192.in-addr.arpa.");
        let six = identity("a@b.test", "", "2001:db8::cb01");
        assert_eq!(value(&six, Letter::Ip), "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
        assert_eq!(value(&six, Letter::ReadableIp), "2001:db8::cb01");
        assert!(six.reverse_name().to_string().starts_with("1.0.b.c.0.0."));
    }
}
