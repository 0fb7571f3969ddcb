//! A domain name: labels of any bytes, compared without regard to case (RFC 1034 section 3.1, RFC 4343).

use std::fmt;

use serde::{Serialize, Serializer};

/// An absolute domain name. Labels are kept in lower case, so that two spellings of one name are equal.
///
/// A label may hold any byte: the macros of SPF build names out of whatever stands in an envelope sender (RFC 7208 section 7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    labels: Vec<Box<[u8]>>,
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
const MAX_LABEL: usize = 63;

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self { labels: Vec::new() }
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
        let mut kept: Vec<Box<[u8]>> = Vec::new();
        let mut wire = 1;
        for label in labels {
            match label.len() {
                0 => return Err(NotAName::EmptyLabel),
                1..=MAX_LABEL => wire += 1 + label.len(),
                _ => return Err(NotAName::LongLabel),
            }
            if wire > MAX_WIRE {
                return Err(NotAName::TooLong);
            }
            kept.push(label.to_ascii_lowercase().into());
        }
        Ok(Self { labels: kept })
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.labels.iter().map(AsRef::as_ref)
    }

    /// How many labels it has, the root not counted.
    pub fn depth(&self) -> usize {
        self.labels.len()
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.labels.split_first()?;
        Some(Self { labels: rest.to_vec() })
    }

    /// The rightmost `depth` labels; the whole name where it has fewer.
    pub fn suffix(&self, depth: usize) -> Self {
        Self { labels: self.labels[self.labels.len().saturating_sub(depth)..].to_vec() }
    }

    /// Whether the name is `ancestor` or stands below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.labels.ends_with(&ancestor.labels)
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

/// With its trailing dot; a byte that is not printable, a dot and a backslash inside a label as `\DDD` or `\.` (RFC 1035 section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
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
        assert_eq!(below.parent(), Some(name("_domainkey.example.com")));
        assert_eq!(Name::root().parent(), None);
        assert_eq!((below.depth(), below.suffix(2)), (4, name("example.com")));
        assert_eq!(below.suffix(9), below);
    }
}
