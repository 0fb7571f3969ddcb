//! What a walk over records found: one node a record, with its counts.

use serde::Serialize;

use crate::domain::dns::Name;

/// How many terms that do lookups a receiver evaluates before it gives up (RFC 7208 section 4.6.4).
pub const MOST_LOOKUPS: u32 = 10;
/// How many questions may come back void (RFC 7208 section 4.6.4).
pub const MOST_VOIDS: u32 = 2;
/// How many exchanges of one `mx` are asked for; more are an error (RFC 7208 section 4.6.4).
pub const MOST_EXCHANGES: usize = 10;
/// How many names of one address are looked at (RFC 7208 section 4.6.4).
pub const MOST_NAMES: usize = 10;

/// What counts against the limits of RFC 7208 section 4.6.4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Terms that do lookups: `include`, `a`, `mx`, `ptr`, `exists`, `redirect`.
    pub lookups: u32,
    /// Questions that came back empty or with NXDOMAIN.
    pub voids: u32,
}

/// One record of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Where the record stands; as written where no name can be built of it.
    pub domain: String,
    /// The record as published, in printable form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The term that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The term that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// The lookups of this record's own terms.
    pub own_lookups: u32,
    /// Its own lookups and those of the records below it.
    pub total_lookups: u32,
    /// Its own void questions; of a walk for both address families, those of the worse one.
    pub voids: u32,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The records that its terms lead to, in the order of the terms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Tree>,
}

impl Tree {
    /// A node without a record so far.
    pub fn new(domain: &Name, via: Option<String>) -> Self {
        Self {
            domain: domain.to_string(),
            record: None,
            via,
            matched: None,
            own_lookups: 0,
            total_lookups: 0,
            voids: 0,
            problem: None,
            children: Vec::new(),
        }
    }

    /// Adds up the lookups, once all children are there.
    pub fn sum_up(&mut self) {
        self.total_lookups = self.children.iter().map(|child| child.total_lookups).sum::<u32>() + self.own_lookups;
    }
}
