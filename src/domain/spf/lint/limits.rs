//! The counts of a whole walk against the limits of RFC 7208 section 4.6.4.

use std::ops::Range;

use crate::domain::dns::Name;
use crate::domain::finding::{Code, Finding, Severity};

use super::super::rewrite::without;
use super::super::term::Term;
use super::super::tree::{MOST_LOOKUPS, MOST_VOIDS, Tree};
use super::publish_rest;
use super::walk::Walk;

/// From here on the next provider may be one too many.
const NEAR: u32 = 8;

/// The questions that came back void. A client asks in its own address family only.
#[derive(Debug, Default)]
pub struct Voids {
    ip4: Vec<String>,
    ip6: Vec<String>,
    /// The terms of the linted domain's record that match nobody.
    useless: Vec<Range<usize>>,
}

impl Voids {
    /// A question that is void for every client. `path` is the way to the record of the term.
    pub fn add_both(&mut self, what: String, term: &Term, path: &[Name]) {
        self.ip4.push(what.clone());
        self.ip6.push(what);
        if path.len() == 1 {
            self.useless.push(term.span.clone());
        }
    }

    /// A question that is void for IPv4 clients.
    pub fn add_ip4(&mut self, what: String) {
        self.ip4.push(what);
    }

    /// A question that is void for IPv6 clients.
    pub fn add_ip6(&mut self, what: String) {
        self.ip6.push(what);
    }

    /// How many in each family.
    pub fn counts(&self) -> (usize, usize) {
        (self.ip4.len(), self.ip6.len())
    }

    /// How many since then, in the worse family.
    pub fn since(&self, before: (usize, usize)) -> u32 {
        let more = (self.ip4.len() - before.0).max(self.ip6.len() - before.1);
        u32::try_from(more).unwrap_or(u32::MAX)
    }

    /// How many in the worse family.
    pub fn worse(&self) -> u32 {
        self.since((0, 0))
    }
}

/// What the counts come to for the linted domain with the record `raw`.
pub fn findings(walk: &Walk<'_, '_>, tree: &Tree, raw: &[u8]) -> Vec<Finding> {
    let lookups = lookups(walk, tree).into_iter();
    lookups.chain(voids(walk, raw)).map(|finding| finding.record(raw)).collect()
}

fn lookups(walk: &Walk<'_, '_>, tree: &Tree) -> Option<Finding> {
    let total = tree.total_lookups;
    let costs: Vec<_> = walk.costs.iter().map(|(term, cost)| format!("{term} {cost}")).collect();
    let costs = costs.join(", ");
    if total > MOST_LOOKUPS {
        let at_least = if walk.stopped { "at least " } else { "" };
        let evidence = format!("{at_least}{total} lookups, {MOST_LOOKUPS} are allowed: {costs}");
        let dear = walk.costs.iter().max_by_key(|(_, cost)| *cost).map_or("", |(term, _)| term);
        let remedy = format!(
            "Take {} of the lookups out of the record at {}: terms of providers that no longer send, then `{dear}`, by sending through it from a \
             subdomain with a record of its own",
            total - MOST_LOOKUPS,
            walk.domain
        );
        return Some(Finding::new(Code::SpfLookupsExceeded, &walk.domain, evidence, remedy));
    }
    (total >= NEAR).then(|| {
        let evidence = format!("{total} lookups of {MOST_LOOKUPS}: {costs}");
        let remedy = "Nothing has to change; before another provider is added, take out one that no longer sends";
        Finding::new(Code::SpfLookupsNearLimit, &walk.domain, evidence, remedy)
    })
}

fn voids(walk: &Walk<'_, '_>, raw: &[u8]) -> Option<Finding> {
    let Voids { ip4, ip6, useless } = &walk.voids;
    let most = MOST_VOIDS as usize;
    let (code, severity) = match (ip4.len(), ip6.len()) {
        (0, 0) => return None,
        (four, _) if four > most => (Code::SpfVoidExceeded, Severity::Error),
        // Clients with an IPv4 address are not concerned.
        (_, six) if six > most => (Code::SpfVoidExceeded, Severity::Warning),
        _ => (Code::SpfVoidPresent, Severity::Info),
    };
    let list = |family: &str, voids: &[String]| match voids {
        [] => format!("none for {family} clients"),
        _ => format!("{} for {family} clients ({})", voids.len(), voids.join(", ")),
    };
    let evidence =
        format!("lookups without an answer, {MOST_VOIDS} are allowed: {}; {}", list("IPv4", ip4), list("IPv6", ip6));
    let remedy = match useless.as_slice() {
        [] => "Name hosts that have addresses, or name their networks with ip4: and ip6: instead".to_owned(),
        useless => publish_rest(&walk.domain, &without(raw, useless)),
    };
    Some(Finding::new(code, &walk.domain, evidence, remedy).severity(severity))
}
