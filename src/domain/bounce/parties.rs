//! Who an address in a reply is: the recipient, the envelope sender, or somebody else.

use super::{CONSUMER_DOMAINS, Role};
use crate::domain::address::Address;

/// The parties of one message, as far as they are known.
pub(super) struct Parties<'a> {
    pub recipient: Option<&'a Address>,
    mail_from: Option<&'a Address>,
    /// What an address squashed to letters and digits holds when it carries one of the parties inside (VERP, SRS).
    carried: Vec<String>,
}

/// What may stand before the recipient's local part within one run of characters: `to=`, `/`, a percent-encoded `<`.
const BEFORE_RECIPIENT: &str = "=/?&:|*'`#~^!${}<\"";

/// A domain longer than this is not compared: no known party has one (RFC 1035 section 2.3.4, in UTF-8).
const LONGEST_DOMAIN: usize = 1024;

impl<'a> Parties<'a> {
    pub(super) fn new(recipient: Option<&'a Address>, mail_from: Option<&'a Address>) -> Self {
        let mut carried = Vec::new();
        if let Some((local, domain)) = recipient.map(squashed).filter(|(local, _)| !local.is_empty()) {
            // `local=domain`, `local_at_domain` and whatever else stands between or around them.
            carried.extend([format!("{local}{domain}"), format!("{local}at{domain}")]);
        }
        if let Some((local, domain)) = mail_from.map(squashed).filter(|(local, _)| !local.is_empty()) {
            // A forwarder's SRS form turns the order round.
            carried.extend([format!("{local}{domain}"), format!("{domain}{local}")]);
        }
        Self { recipient, mail_from, carried }
    }

    /// Whose address `local@domain` is. Both are as they stand in the text; the local part may be quoted or
    /// percent-encoded.
    pub(super) fn role(&self, local: &str, domain: &str) -> Role {
        let local = unquoted(&percent_decoded(local)).to_lowercase();
        if domain.len() <= LONGEST_DOMAIN {
            let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase());
            if self.recipient.is_some_and(|r| same_mailbox_domain(&domain, r.domain()) && names(&local, r)) {
                return Role::Recipient;
            }
            if self.mail_from.is_some_and(|from| self.is_senders(&local, &domain, from)) {
                return Role::Sender;
            }
        }
        let squashed = squash(&local);
        if self.carried.iter().any(|inside| squashed.contains(inside.as_str())) { Role::Sender } else { Role::Other }
    }

    /// The sender itself or another address of its domain: a provider that hashes its VERP addresses reports a different
    /// one each time. Not so on the recipient's own domain, where the neighbours are strangers.
    fn is_senders(&self, local: &str, domain: &str, from: &Address) -> bool {
        if domain == from.domain() && names(local, from) {
            return true;
        }
        let recipients = self.recipient.is_some_and(|r| same_mailbox_domain(from.domain(), r.domain()));
        !recipients && (within(domain, from.domain()) || within(from.domain(), domain))
    }
}

/// Whether a local part is the address's own, or ends in it behind a character that no mailbox name needs.
fn names(local: &str, address: &Address) -> bool {
    let own = unquoted(address.local());
    local
        .strip_suffix(&own)
        .is_some_and(|before| before.is_empty() || before.ends_with(|c| BEFORE_RECIPIENT.contains(c)))
}

fn within(domain: &str, parent: &str) -> bool {
    parent.contains('.') && domain.strip_suffix(parent).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn same_mailbox_domain(a: &str, b: &str) -> bool {
    a == b || (CONSUMER_DOMAINS.contains(&a) && CONSUMER_DOMAINS.contains(&b))
}

fn squashed(address: &Address) -> (String, String) {
    (squash(address.local()), squash(address.domain()))
}

fn squash(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn unquoted(local: &str) -> String {
    match local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => local.to_owned(),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (decoded, len) = percent_char(rest).unwrap_or((c, c.len_utf8()));
        out.push(decoded);
        rest = &rest[len..];
    }
    out
}

/// The character that a text opens with in percent-encoding (RFC 3986 section 2.1), and how many bytes spell it.
pub(super) fn percent_char(text: &str) -> Option<(char, usize)> {
    let bytes = text.as_bytes();
    let octet = |n: usize| match bytes.get(n * 3..n * 3 + 3)? {
        [b'%', high, low] => {
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
            Some(digit(*high)? << 4 | digit(*low)?)
        }
        _ => None,
    };
    let first = octet(0)?;
    let count = match first {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let octets: Vec<u8> = (0..count).map(octet).collect::<Option<_>>()?;
    let decoded = std::str::from_utf8(&octets).ok()?.chars().next()?;
    Some((decoded, count * 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str = "6qj4xaisn4k@privaterelay.appleid.com";
    const VERP: &str = "bounce+b53c9e.27949-6qj4xaisn4k=privaterelay.appleid.com@test.x.domain.example";

    fn role(text: &str, recipient: Option<&str>, mail_from: Option<&str>) -> Role {
        let (recipient, mail_from) = (recipient.and_then(Address::parse), mail_from.and_then(Address::parse));
        let (local, domain) = text.rsplit_once('@').unwrap();
        Parties::new(recipient.as_ref(), mail_from.as_ref()).role(local, domain)
    }

    #[test]
    fn a_verp_sender_is_the_sender_in_every_encoding() {
        for text in [
            VERP,
            "b-6qj4xaisn4k_at_privaterelay_appleid_com@send.example",
            "b+6qj4xaisn4k=privaterelay.appleid.com@send.example",
            "b-6qj4xaisn4k%3Dprivaterelay.appleid.com@send.example",
            "b=6QJ4XAISN4K--PRIVATERELAY.APPLEID.COM=x@send.example",
            "6qj4xaisn4k=privaterelay.appleid.com@send.example",
        ] {
            assert_eq!(role(text, Some(RELAY), None), Role::Sender, "{text}");
        }
    }

    #[test]
    fn a_hashed_sender_is_known_by_its_domain() {
        let from = Some("bounces+77aa@send.shop.example");
        for text in ["bounces+77aa@send.shop.example", "bounces+0f12@send.shop.example", "news@shop.example"] {
            assert_eq!(role(text, Some(RELAY), from), Role::Sender, "{text}");
        }
        assert_eq!(role("x@othershop.example", Some(RELAY), from), Role::Other);
        assert_eq!(role("SRS0=ab=cd=send.shop.example=bounces+77aa@fwd.example", Some(RELAY), from), Role::Sender);
        assert_eq!(role(VERP, None, None), Role::Other, "nobody is known");
    }

    #[test]
    fn a_neighbour_is_not_the_recipient() {
        for (text, want) in [
            (RELAY, Role::Recipient),
            ("6QJ4XAISN4K@PrivateRelay.AppleID.com", Role::Recipient),
            ("to=6qj4xaisn4k@privaterelay.appleid.com", Role::Recipient),
            ("%3C6qj4xaisn4k@privaterelay.appleid.com", Role::Recipient),
            ("x6qj4xaisn4k@privaterelay.appleid.com", Role::Other),
            ("6qj4xaisn4k@private.icloud.com", Role::Other),
            ("6qj4xaisn4k@privaterelay.appleid.com.example", Role::Other),
            ("6qj4xaisn4@privaterelay.appleid.com", Role::Other),
        ] {
            assert_eq!(role(text, Some(RELAY), None), want, "{text}");
        }
        let relay_sender = Some("other1@privaterelay.appleid.com");
        assert_eq!(role("third33@privaterelay.appleid.com", Some(RELAY), relay_sender), Role::Other);
    }

    #[test]
    fn one_consumer_mailbox_on_three_domains() {
        assert_eq!(role("jane.roe@me.com", Some("jane.roe@icloud.com"), None), Role::Recipient);
        assert_eq!(role("jane.roe@private.icloud.com", Some("jane.roe@icloud.com"), None), Role::Other);
    }

    #[test]
    fn foreign_spellings() {
        assert_eq!(role("\"jane roe\"@b.example", Some("jane@b.example"), None), Role::Other);
        assert_eq!(role("\"jane\"@b.example", Some("jane@b.example"), None), Role::Recipient);
        assert_eq!(role("jane@EXÄMPLE.example", Some("jane@exämple.example"), None), Role::Recipient);
        assert_eq!(role("j%C3%B6rg@b.example", Some("jörg@b.example"), None), Role::Recipient);
    }
}
