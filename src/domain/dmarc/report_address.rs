//! Where reports go: the URIs of `rua` and `ruf` (RFC 9989 section 4.6).

use crate::domain::dns::Name;
use crate::domain::tags::{Dialect, Tag, items};

/// One URI of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAddress {
    /// As written, without the obsolete size.
    pub uri: String,
    /// The host that a `mailto:` goes to; none for other schemes, which receivers ignore.
    pub host: Option<Name>,
    /// Where it starts in the record.
    pub at: usize,
    /// Whether it ends in an obsolete size, as `!10m`.
    pub sized: bool,
}

/// The URIs of a tag, and the byte and the reason of each piece that is none.
pub fn read(tag: &Tag<'_>) -> (Vec<ReportAddress>, Vec<(usize, &'static str)>) {
    let mut addresses = Vec::new();
    let mut wrong = Vec::new();
    for (at, item) in items(tag, b',', Dialect::Dmarc) {
        match address(at, item) {
            Ok(address) => addresses.push(address),
            Err(why) => wrong.push((at, why)),
        }
    }
    (addresses, wrong)
}

fn address(at: usize, item: &[u8]) -> Result<ReportAddress, &'static str> {
    let text = std::str::from_utf8(item).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    let text = text.ok_or("has a byte that a URI cannot have")?;
    if text.is_empty() {
        return Err("is empty");
    }
    let (uri, sized) = match text.split_once('!') {
        None => (text, false),
        Some((uri, size)) if is_size(size) => (uri, true),
        Some(_) => return Err("has an exclamation mark, which must be written as %21"),
    };
    let (scheme, rest) = uri.split_once(':').ok_or("is no URI: it has no scheme, as mailto:")?;
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme || rest.is_empty() {
        return Err("is no URI");
    }
    let mut host = None;
    if scheme.eq_ignore_ascii_case("mailto") {
        host = Some(mail_host(rest.split('?').next().unwrap_or(rest)).ok_or("has no mail address after mailto:")?);
    }
    Ok(ReportAddress { uri: uri.to_owned(), host, at, sized })
}

fn is_size(size: &str) -> bool {
    let digits = size.trim_end_matches(['k', 'm', 'g', 't', 'K', 'M', 'G', 'T']);
    !digits.is_empty() && size.len() - digits.len() <= 1 && digits.bytes().all(|b| b.is_ascii_digit())
}

fn mail_host(address: &str) -> Option<Name> {
    let (local, host) = address.rsplit_once('@')?;
    let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if local.is_empty() || !is_host {
        return None;
    }
    Name::parse(host).ok().filter(|name| name.depth() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tags::TagList;

    fn of(value: &str) -> (Vec<ReportAddress>, Vec<(usize, &'static str)>) {
        let record = format!("v=DMARC1; rua={value}");
        let list = TagList::parse(record.as_bytes(), Dialect::Dmarc);
        read(list.get("rua").unwrap())
    }

    #[test]
    fn addresses_are_found_with_their_hosts() {
        let (found, wrong) =
            of("mailto:a@r.example , MAILTO:b%40c@Other.EXAMPLE?subject=x!10m, https://r.example/dmarc");
        assert_eq!(wrong, []);
        let seen: Vec<_> = found.iter().map(|a| (a.host.as_ref().map(Name::relative), a.at, a.sized)).collect();
        assert_eq!(
            seen,
            [
                (Some("r.example".to_owned()), 14, false),
                (Some("other.example".to_owned()), 35, true),
                (None, 77, false)
            ]
        );
        assert_eq!(found[1].uri, "MAILTO:b%40c@Other.EXAMPLE?subject=x");
    }

    #[test]
    fn what_is_no_address_is_told() {
        for value in [
            "",
            "a@r.example",
            "mailto:",
            "mailto:a",
            "mailto:@r.example",
            "mailto:a@",
            "mailto:a@r!x",
            "1:a",
            "mailto:a@r..example",
            "mailto:a b@r.example",
        ] {
            let (found, wrong) = of(value);
            assert_eq!((found.len(), wrong.len()), (0, 1), "{value}");
        }
        let (found, wrong) = of("mailto:a@r.example,,b@r.example");
        assert_eq!((found.len(), wrong.iter().map(|w| w.0).collect::<Vec<_>>()), (1, vec![33, 34]));
    }
}
