//! An email address as a sealed value: it can be compared and keyed, and no formatting of it shows it.

use std::fmt;

/// A mail address in canonical form: lower case, domain in its ASCII (IDNA) form. `Debug` prints `<address>`; there is no
/// `Display` and no `Serialize`, so an address leaves the process only where someone writes [`Address::expose`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: String,
    at: usize,
}

/// RFC 5321 section 4.5.3.1 allows 64 + 1 + 255 octets.
const LONGEST: usize = 320;

/// The domains whose every address is a relay address. `icloud.com` is not here: only Apple's `is_private_email` tells.
pub const RELAY_DOMAINS: [&str; 2] = ["privaterelay.appleid.com", "private.icloud.com"];

/// The domains on which Apple issues mailboxes to everyone, among them relay addresses that only a flag reveals.
pub const SHARED_DOMAINS: [&str; 1] = ["icloud.com"];

impl Address {
    /// Reads `a@b`, `<a@b>` or `Name <a@b>`. `None` for anything that is not one address.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = match (text.rfind('<'), text.ends_with('>')) {
            (Some(open), true) => &text[open + 1..text.len() - 1],
            _ => text,
        };
        let bare = bare.trim();
        if bare.is_empty() || bare.len() > LONGEST {
            return None;
        }
        let (local, domain) = bare.rsplit_once('@')?;
        if local.is_empty() || local.chars().any(|c| c.is_control() || c.is_whitespace() || "<>,;".contains(c)) {
            return None;
        }
        let domain = idna::domain_to_ascii(domain.trim_end_matches('.')).ok()?;
        if !is_host_name(&domain) {
            return None;
        }
        let local = local.to_lowercase();
        let (text, at) = (format!("{local}@{domain}"), local.len());
        // In its ASCII form a domain is longer; what is kept must be readable again.
        (text.len() <= LONGEST).then_some(Self { text, at })
    }

    /// The canonical text. Every call is a place where an address leaves its seal: look at it twice.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part after the `@`, in ASCII form. Not personal for the relay's domains.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether the domain alone proves a relay address.
    pub fn on_relay_domain(&self) -> bool {
        RELAY_DOMAINS.contains(&self.domain())
    }

    /// Whether the address may be a relay address although its domain does not prove it.
    pub fn on_shared_domain(&self) -> bool {
        SHARED_DOMAINS.contains(&self.domain())
    }
}

/// The domain of a mail address or of a bare domain name, in lower-case ASCII form. `None` if neither.
pub fn domain_of(text: &str) -> Option<String> {
    if let Some(address) = Address::parse(text) {
        return Some(address.domain().to_owned());
    }
    let domain = idna::domain_to_ascii(text.trim().trim_end_matches('.')).ok()?;
    is_host_name(&domain).then_some(domain)
}

fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<address>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_every_spelling() {
        let want = Address::parse("abc123@privaterelay.appleid.com").unwrap();
        for text in [
            "ABC123@PrivateRelay.AppleID.com",
            " <abc123@privaterelay.appleid.com> ",
            "A. Person <abc123@privaterelay.appleid.com>",
            "abc123@privaterelay.appleid.com.",
        ] {
            assert_eq!(Address::parse(text).as_ref(), Some(&want), "{text}");
        }
        assert!(want.on_relay_domain());
    }

    #[test]
    fn no_formatting_shows_it() {
        let address = Address::parse("abc123@private.icloud.com").unwrap();
        assert_eq!(format!("{address:?} {:?}", Some(&address)), "<address> Some(<address>)");
    }

    #[test]
    fn refuses_what_is_not_one_address() {
        for text in
            ["", "@", "a@", "@b.example", "a b@c.example", "a@b@", "a@b,c@d.example x", "a@exa mple.com", "a@[1.2.3.4]"]
        {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_read_can_be_read_again() {
        let address = |local: usize| Address::parse(&format!("{}@ü.com", "x".repeat(local)));
        let longest = address(308).unwrap();
        assert_eq!((longest.expose().len(), Address::parse(longest.expose())), (LONGEST, Some(longest.clone())));
        assert_eq!(address(309), None, "longer than any address once its domain is in ASCII form");
    }
}
