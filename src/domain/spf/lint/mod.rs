//! What is wrong with a domain's SPF, whoever sends: every term, both address families, the longest way through.

mod absence;
mod limits;
mod names;
mod terms;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;

use crate::domain::dns::{Inquiry, Name, Unanswered};
use crate::domain::finding::{Area, Code, Finding};

use super::publication::Publication;
use super::record::Record;
use super::rewrite::{merged, names_somebody};
use super::tree::{Counts, Tree};
use walk::{Place, Walk};

/// What a lint found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// Sorted, each once.
    pub findings: Vec<Finding>,
    /// The one record of the domain.
    pub record: Option<Vec<u8>>,
    /// The records that it leads to.
    pub tree: Option<Tree>,
    /// The lookups of the longest way, and the voids of the worse address family.
    pub counts: Counts,
    /// Every name whose record or address takes part: the domain, what `include`, `redirect` and `exists` name, and where CNAMEs
    /// led. Of a name that depends on the mail, the labels after the last macro.
    pub reached: BTreeSet<Name>,
    /// Whether there is a sound record that passes nobody.
    pub authorises_nobody: bool,
    /// Whether every question was answered and every record looked at.
    pub complete: bool,
}

/// Judges the SPF record of a domain and those it leads to.
pub fn lint(inquiry: &mut Inquiry<'_>, domain: &Name) -> Result<Lint, Unanswered> {
    let (publication, reply) = Publication::ask(inquiry, domain)?;
    let mut walk = Walk::new(inquiry, domain);
    walk.reached.insert(domain.clone());
    walk.reached.extend(reply.chain.iter().cloned());
    walk.findings.extend(absence::leftovers(domain, reply));
    let mut kept = None;
    let mut tree = Tree::new(domain, None);
    let mut authorises_nobody = false;
    match publication {
        Publication::Failed(failure) => {
            walk.complete = false;
            walk.findings.push(Finding::unanswered(Area::Spf, domain, failure, format!("TXT of {domain}")));
        }
        Publication::None => {
            tree.problem = Some("no SPF record".to_owned());
            walk.findings.extend(absence::missing(walk.inquiry, domain, reply)?);
        }
        Publication::Several(records) => {
            tree.problem = Some(format!("{} SPF records", records.len()));
            walk.findings.push(absence::several(
                domain,
                &records,
                merged(&records).map(|record| publish(domain, &record)),
            ));
            for raw in &records {
                if let Ok(record) = Record::parse(raw) {
                    walk.reach(&record, domain);
                }
            }
        }
        Publication::One(raw) => {
            if reply.over_tcp {
                walk.findings.push(absence::large(domain, reply, &raw));
            }
            let place = Place { role: walk::Role::Own, passes: true, via: None };
            let mut path = vec![domain.clone()];
            authorises_nobody = walk.record(&raw, &place, &mut path, &mut tree) == walk::Authorises::Nobody;
            if authorises_nobody {
                let remedy = from_provider(domain);
                let evidence = "no term of the record passes anybody";
                walk.findings.push(Finding::new(Code::SpfNoAuthorisedSenders, domain, evidence, remedy).record(&raw));
            }
            walk.findings.extend(limits::findings(&walk, &tree, &raw));
            kept = Some(raw);
        }
    }
    if walk.pending {
        return Err(Unanswered);
    }
    let voids = walk.voids.worse();
    let Walk { mut findings, reached, complete, .. } = walk;
    findings.sort();
    findings.dedup();
    let counts = Counts { lookups: tree.total_lookups, voids };
    Ok(Lint { findings, record: kept, tree: Some(tree), counts, reached, authorises_nobody, complete })
}

/// The remedy that is a record.
fn publish(domain: &Name, record: &str) -> String {
    format!("Publish at {domain} as the only SPF record: {record}")
}

/// The remedy where only the provider knows the record.
fn from_provider(domain: &Name) -> String {
    format!("Publish at {domain} the record that your provider gives, as v=spf1 include:PROVIDER ~all")
}

/// The remedy that is a record with something left out. Nobody is told to publish one that passes nobody.
fn publish_rest(domain: &Name, record: &str) -> String {
    if names_somebody(record) { publish(domain, record) } else { from_provider(domain) }
}
