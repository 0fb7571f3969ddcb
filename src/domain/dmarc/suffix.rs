//! Where organizations end by the public suffix list, which receivers used before RFC 9989 (RFC 7489 section 3.2).

use psl::{List, Psl};

use crate::domain::dns::Name;

/// The public suffix of the name and one label more; none for a public suffix itself.
pub fn registrable(name: &Name) -> Option<Name> {
    // The list has its names in lower case, and so has a `Name`.
    let mut labels: Vec<&[u8]> = name.labels().collect();
    labels.reverse();
    let suffix = List.find(labels.iter().copied()).len;
    let mut length = 0;
    for (depth, label) in labels.into_iter().enumerate() {
        if length >= suffix {
            return Some(name.suffix(depth + 1));
        }
        length += label.len() + usize::from(depth > 0);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_end_where_the_list_says() {
        for (name, want) in [
            ("example.com", Some("example.com")),
            ("a.mail.Example.CO.UK", Some("example.co.uk")),
            ("co.uk", None),
            ("com", None),
            ("", None),
            ("news.bank.example", Some("bank.example")),
            ("a.b.github.io", Some("b.github.io")),
            ("www.ck", Some("www.ck")),
            ("xn--bcher-kva.xn--p1ai", Some("xn--bcher-kva.xn--p1ai")),
        ] {
            let found = registrable(&Name::parse(name).unwrap());
            assert_eq!(found, want.map(|want| Name::parse(want).unwrap()), "{name}");
        }
        let odd = Name::from_labels([b"a.b\xff".as_slice(), b"co", b"uk"]).unwrap();
        assert_eq!(registrable(&odd), Some(odd));
    }
}
