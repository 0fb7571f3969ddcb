//! A question to the DNS and what came back: records, the word that there are none, or no answer at all.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::name::Name;

/// The types of record that the judges ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Text.
    Txt,
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Mail exchange.
    Mx,
    /// The name of an address.
    Ptr,
    /// Another name for it. Asked on its own where a chain leads nowhere: resolvers then report only that nothing is there.
    Cname,
    /// Type 99, of which RFC 7208 section 3.1 says that it is dead.
    Spf,
}

/// One question.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Question {
    /// Whose records.
    pub name: Name,
    /// Of which type.
    pub kind: Kind,
}

impl Question {
    /// The records of that type at that name.
    pub fn new(name: Name, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Txt => "TXT",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Cname => "CNAME",
            Self::Spf => "SPF",
        })
    }
}

/// What came back on a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The answer, or that there was none.
    pub outcome: Outcome,
    /// The names that CNAME records led to, in their order; the last is where the records stand, or should.
    pub chain: Vec<Name>,
    /// How long the answer may be kept, in seconds. `None` where nothing said so.
    pub ttl: Option<u32>,
    /// Whether the answer was too large for UDP and came over TCP.
    pub over_tcp: bool,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Records of the asked type: one or more.
    Records(Vec<Data>),
    /// The name exists and has no record of that type (NODATA).
    NoData,
    /// The name does not exist, and nothing below it (NXDOMAIN, RFC 8020).
    NxDomain,
    /// No answer. Says nothing about the record.
    Failed(Failure),
}

/// Why there was no answer. Never a statement about the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// RCODE 2.
    Servfail,
    /// SERVFAIL that an unvalidated question (CD=1) answers: the zone's signatures are broken or have expired (RFC 4035 section 3.2.2).
    Bogus,
    /// RCODE 5.
    Refused,
    /// Silence until the deadline.
    Timeout,
    /// Records that were known are gone by one resolver's word and not by a second one's.
    Disputed,
    /// Any other failure: lame, malformed, out of reach.
    Other,
}

/// The data of one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// The character-strings of a TXT (or type 99) record, as they came.
    Txt(Vec<Box<[u8]>>),
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchange.
    Mx {
        /// The lower is asked first.
        preference: u16,
        /// The host; the root says that no mail is taken (RFC 7505).
        exchange: Name,
    },
    /// The name of an address.
    Ptr(Name),
    /// The name that this one stands for.
    Cname(Name),
}

impl Reply {
    /// A reply of that outcome, without a chain or a lifetime.
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, chain: Vec::new(), ttl: None, over_tcp: false }
    }

    /// The records; none where there are none or no answer came.
    pub fn records(&self) -> &[Data] {
        match &self.outcome {
            Outcome::Records(records) => records,
            _ => &[],
        }
    }

    /// The TXT records, each with its strings joined without a space (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2), in an order
    /// that does not depend on the order of the answer.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        let mut texts: Vec<Vec<u8>> = self
            .records()
            .iter()
            .filter_map(|data| match data {
                Data::Txt(strings) => Some(strings.concat()),
                _ => None,
            })
            .collect();
        texts.sort();
        texts
    }

    /// Why no answer came, where none came.
    pub fn failure(&self) -> Option<Failure> {
        match self.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether the name does not exist.
    pub fn is_nxdomain(&self) -> bool {
        self.outcome == Outcome::NxDomain
    }

    /// Whether the DNS answered that there is no such record: NXDOMAIN or NODATA. RFC 7208 section 4.6.4 calls it void.
    pub fn is_void(&self) -> bool {
        matches!(self.outcome, Outcome::NxDomain | Outcome::NoData)
    }
}

impl Failure {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Servfail => "SERVFAIL",
            Self::Bogus => "SERVFAIL (DNSSEC bogus)",
            Self::Refused => "REFUSED",
            Self::Timeout => "timeout",
            Self::Disputed => "gone, and a second resolver does not confirm it",
            Self::Other => "no usable answer",
        }
    }
}
