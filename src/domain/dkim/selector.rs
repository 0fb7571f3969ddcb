//! What the DNS holds for one selector (RFC 6376 section 3.6.2), and where the path to it breaks off.

use crate::domain::dns::{Data, Failure, Inquiry, Kind, Name, Outcome, Question, Reply, Unanswered};

use super::record::is_key;

/// How far aliases are followed.
const LONGEST_CHAIN: usize = 8;

/// What was found at a selector's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Records: one, or too many. Sorted.
    Records(Vec<Vec<u8>>),
    /// The name leads to another, and that one has no record.
    Dangling,
    /// Nothing is there.
    Missing {
        /// Whether the key stands at the name with the domain typed twice.
        doubled: Option<Name>,
    },
    /// No answer.
    Failed(Failure),
}

/// What was found, and the names that aliases led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What was found.
    pub found: Found,
    /// The names that aliases led to, in their order.
    pub chain: Vec<Name>,
    /// `NXDOMAIN`, `NODATA`, or what else stood in the reply.
    pub seen: &'static str,
}

/// Asks for the records at `name`, which is that of a selector of `domain`.
pub fn look_up(inquiry: &mut Inquiry<'_>, name: &Name, domain: &Name) -> Result<Lookup, Unanswered> {
    let reply = inquiry.ask(Question::new(name.clone(), Kind::Txt))?;
    let seen = match reply.outcome {
        Outcome::NxDomain => "NXDOMAIN",
        Outcome::NoData => "NODATA",
        Outcome::Records(_) => "records",
        Outcome::Failed(failure) => failure.as_str(),
    };
    let chain = reply.chain.clone();
    if let Some(failure) = reply.failure() {
        return Ok(Lookup { found: Found::Failed(failure), chain, seen });
    }
    let texts = reply.texts();
    if !texts.is_empty() {
        return Ok(Lookup { found: Found::Records(texts), chain, seen });
    }
    // Of a chain that leads nowhere resolvers report only that nothing is there, so the aliases are asked for on their own.
    let doubled = labels_before(name, domain)
        .and_then(|at| Name::from_labels(at.chain(domain.labels()).chain(domain.labels())).ok());
    let doubled_reply = doubled.clone().map(|name| inquiry.ask(Question::new(name, Kind::Txt)));
    let chain = if chain.is_empty() { follow(inquiry, name)? } else { chain };
    if !chain.is_empty() {
        return Ok(Lookup { found: Found::Dangling, chain, seen });
    }
    let is_there = doubled_reply.transpose()?.is_some_and(|reply| reply.texts().iter().any(|text| is_key(text)));
    Ok(Lookup { found: Found::Missing { doubled: doubled.filter(|_| is_there) }, chain, seen })
}

fn labels_before<'a>(name: &'a Name, domain: &Name) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
    Some(name.labels().take(name.depth().checked_sub(domain.depth())?))
}

/// The names that aliases lead to from `name`. A loop ends where it closes.
fn follow(inquiry: &mut Inquiry<'_>, name: &Name) -> Result<Vec<Name>, Unanswered> {
    let mut chain: Vec<Name> = Vec::new();
    while chain.len() < LONGEST_CHAIN {
        let last = chain.last().unwrap_or(name);
        let Some(next) = alias(inquiry.ask(Question::new(last.clone(), Kind::Cname))?) else { break };
        let closes = next == *name || chain.contains(&next);
        chain.push(next);
        if closes {
            break;
        }
    }
    Ok(chain)
}

/// The one name that an alias leads to; the first of several, which is no less wrong than the others.
fn alias(reply: &Reply) -> Option<Name> {
    let names = reply.records().iter().filter_map(|data| match data {
        Data::Cname(target) => Some(target.clone()),
        _ => None,
    });
    names.min()
}
