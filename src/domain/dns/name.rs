//! A domain name: labels of any bytes, compared without regard to case (RFC 1034 section 3.1, RFC 4343).

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// An absolute domain name. Labels are kept in lower case, so that two spellings of one name are equal.
///
/// A label may hold any byte: the macros of SPF build names out of whatever stands in an envelope sender (RFC 7208 section 7).
///
/// Cheap to clone: a judge is run again with every answer, and most of what it handles is names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// As on the wire, without the root: each label behind its length.
    octets: Arc<[u8]>,
}

/// Why a text is no domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// Two dots in a row, or one at the start.
    #[error("has an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets (RFC 1035 section 2.3.4).
    #[error("has a label of more than 63 octets")]
    LongLabel,
    /// More than 255 octets on the wire (RFC 1035 section 2.3.4).
    #[error("is longer than 253 characters")]
    TooLong,
    /// Not ASCII, and not a valid internationalized name either (UTS 46).
    #[error("is not a valid internationalized name")]
    Unicode,
}

/// What a name may take on the wire: a length octet before each label, and the root.
const MAX_WIRE: usize = 255;
const MAX_LABEL: u8 = 63;
/// What the root takes.
const ROOT: usize = 1;

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self::of(&[])
    }

    fn of(octets: &[u8]) -> Self {
        Self { octets: octets.into() }
    }

    /// The name that a person wrote: U-labels are converted (UTS 46), one trailing dot is allowed, the empty text is the root.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        if text.is_ascii() {
            return Self::from_bytes(text.as_bytes());
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| NotAName::Unicode)?;
        Self::from_bytes(ascii.as_bytes())
    }

    /// The name of these bytes, taken as they are, split at the dots; one trailing dot is allowed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAName> {
        let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        Self::from_labels(bytes.split(|&b| b == b'.'))
    }

    /// The name of these labels, leftmost first.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NotAName> {
        let mut octets = [0; MAX_WIRE - ROOT];
        let mut end = 0;
        for label in labels {
            let length = match u8::try_from(label.len()) {
                Ok(0) => return Err(NotAName::EmptyLabel),
                Ok(length @ 1..=MAX_LABEL) => length,
                _ => return Err(NotAName::LongLabel),
            };
            let place = octets.get_mut(end..=end + label.len()).ok_or(NotAName::TooLong)?;
            place[0] = length;
            place[1..].copy_from_slice(label);
            place[1..].make_ascii_lowercase();
            end += place.len();
        }
        Ok(Self::of(&octets[..end]))
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.octets;
        std::iter::from_fn(move || {
            let (&length, behind) = rest.split_first()?;
            let (label, next) = behind.split_at(length.into());
            rest = next;
            Some(label)
        })
    }

    /// How many labels it has, the root not counted.
    pub fn depth(&self) -> usize {
        self.labels().count()
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let first = self.labels().next()?;
        Some(Self::of(&self.octets[1 + first.len()..]))
    }

    /// The rightmost `depth` labels; the whole name where it has fewer.
    pub fn suffix(&self, depth: usize) -> Self {
        Self::of(self.rightmost(depth))
    }

    fn rightmost(&self, depth: usize) -> &[u8] {
        let left = self.depth().saturating_sub(depth);
        let start: usize = self.labels().take(left).map(|label| 1 + label.len()).sum();
        &self.octets[start..]
    }

    /// Whether the name is `ancestor` or stands below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        // The octets alone do not tell where a label begins.
        self.octets.ends_with(&ancestor.octets) && self.rightmost(ancestor.depth()) == &*ancestor.octets
    }

    /// The name with the labels of `prefix` (split at its dots) before it, as `_dmarc` before a domain.
    pub fn below(&self, prefix: &str) -> Result<Self, NotAName> {
        let prefix = Self::from_bytes(prefix.as_bytes())?;
        Self::from_labels(prefix.labels().chain(self.labels()))
    }

    /// The name as people write it, without the trailing dot.
    pub fn relative(&self) -> String {
        let mut text = self.to_string();
        if text.len() > 1 {
            text.pop();
        }
        text
    }
}

/// Label by label, the leftmost first.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.labels().cmp(other.labels())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// With its trailing dot; a byte that is not printable, a dot and a backslash inside a label as `\DDD` or `\.` (RFC 1035 section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.octets.is_empty() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    b'!'..=b'~' => f.write_char(char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_name_has_one_form() {
        assert_eq!(name("Example.COM"), name("example.com."));
        assert_eq!(name("example.com").to_string(), "example.com.");
        assert_eq!(name("example.com").relative(), "example.com");
        assert_eq!(name("bücher.example").to_string(), "xn--bcher-kva.example.");
        assert_eq!(name("").to_string(), ".");
        assert_eq!(name("").relative(), ".");
        assert_eq!(
            Name::from_labels([b"a.b\\ \xff".as_slice(), b"test"]).unwrap().to_string(),
            "a\\.b\\\\\\032\\255.test."
        );
    }

    #[test]
    fn names_are_ordered_label_by_label() {
        let sorted = ["", "a.test", "aa.test", "b", "b.test", "b.test.a"].map(name);
        assert!(sorted.is_sorted(), "{sorted:?}");
    }

    #[test]
    fn what_the_wire_cannot_carry_is_no_name() {
        assert_eq!(Name::parse("a..b"), Err(NotAName::EmptyLabel));
        assert_eq!(Name::parse(".a"), Err(NotAName::EmptyLabel));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NotAName::LongLabel));
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(Name::parse(&longest).is_ok());
        assert_eq!(Name::parse(&format!("{longest}b")), Err(NotAName::TooLong));
    }

    #[test]
    fn a_name_stands_below_its_ancestors() {
        let below = name("example.com").below("s1._domainkey").unwrap();
        assert_eq!(below, name("s1._domainkey.example.com"));
        assert!(below.is_within(&name("example.com")) && below.is_within(&below) && below.is_within(&Name::root()));
        assert!(!name("badexample.com").is_within(&name("example.com")));
        let odd = Name::from_labels([b"x\x04test".as_slice()]).unwrap();
        assert!(!odd.is_within(&name("test")), "a label's inside is no label");
        assert_eq!(below.parent(), Some(name("_domainkey.example.com")));
        assert_eq!(Name::root().parent(), None);
        assert_eq!((below.depth(), below.suffix(2)), (4, name("example.com")));
        assert_eq!(below.suffix(9), below);
    }
}
