//! The check of a stream as a document: what the commands print and whoever else passes a check on.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::check::CheckReport;
use super::examine::Judged;
use super::report::Published;
use super::sender_policy::{SenderPolicy, Tried};
use crate::domain::dkim::{Algorithm, Key, Usable};
use crate::domain::dmarc::{Dmarc, Policy};
use crate::domain::dns::Name;
use crate::domain::finding::State;
use crate::domain::spf::{Counts, Evaluation, SpfResult, Tree};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;

/// One finished check: of what, when, and what came of it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The registration that was checked.
    pub stream: Stream,
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub judged: Judged,
    /// How many questions it took, those included whose answers were known already.
    pub queries: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// A check as it is written.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(flatten)]
    report: CheckReport,
    mail_from_domain: &'a str,
    spf: Vec<Spf<'a>>,
    dkim: Vec<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dmarc: Option<Applied<'a>>,
    /// What is published at the names that were asked.
    records: &'a [Published],
}

/// The SPF of one domain.
#[derive(Debug, Serialize)]
struct Spf<'a> {
    domain: &'a Name,
    /// Whether mail of the stream passes; of a domain that is not the envelope's, whether nothing breaks the record.
    passes: State,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<&'a Tree>,
    evaluations: Vec<OfAddress<'a>>,
}

/// What a record says of one sending address.
#[derive(Debug, Serialize)]
struct OfAddress<'a> {
    ip: IpAddr,
    /// `registered` or `observed`.
    basis: &'static str,
    result: SpfResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    counts: Counts,
}

/// A registered selector.
#[derive(Debug, Serialize)]
struct Selector<'a> {
    selector: &'a str,
    domain: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    /// Of the modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<usize>,
    /// Whether receivers verify with it; nothing where that is not known.
    usable: Option<bool>,
}

/// The DMARC record that applies.
#[derive(Debug, Serialize)]
struct Applied<'a> {
    policy: Option<&'static str>,
    /// The domain whose record it is.
    at: Option<&'a Name>,
    organizational_domain: Option<&'a Name>,
}

impl Checked {
    /// The report of this check, as it is stored and answered.
    pub fn report(&self) -> CheckReport {
        CheckReport::new(&self.stream, &self.judged, self.at, self.queries, self.elapsed)
    }

    /// The document of this check.
    pub fn document(&self) -> Document<'_> {
        let judged = &self.judged;
        Document {
            report: self.report(),
            mail_from_domain: &self.stream.mail_from_domain,
            spf: judged.spf.iter().map(Spf::of).collect(),
            dkim: judged.keys.iter().map(Selector::of).collect(),
            dmarc: judged.dmarc.as_ref().map(Applied::of),
            records: &judged.published,
        }
    }
}

impl<'a> Spf<'a> {
    fn of(policy: &'a SenderPolicy) -> Self {
        let evaluations = policy.evaluations.iter().map(OfAddress::of).collect();
        let SenderPolicy { domain, lint, passes, .. } = policy;
        Self { domain, passes: *passes, counts: lint.counts, tree: lint.tree.as_ref(), evaluations }
    }
}

impl<'a> OfAddress<'a> {
    fn of(tried: &'a Tried) -> Self {
        let Evaluation { result, matched, problem, counts, .. } = &tried.evaluation;
        let (ip, basis) = (tried.ip, tried.basis());
        Self { ip, basis, result: *result, matched: matched.as_deref(), problem: problem.as_deref(), counts: *counts }
    }
}

impl<'a> Selector<'a> {
    fn of(key: &'a Key) -> Self {
        let (algorithm, bits) = match key.algorithm {
            Some(Algorithm::Rsa { bits }) => (Some("rsa"), Some(bits)),
            Some(Algorithm::Ed25519) => (Some("ed25519"), None),
            None => (None, None),
        };
        let usable = match key.usable {
            Usable::Yes => Some(true),
            Usable::No => Some(false),
            Usable::Unknown => None,
        };
        Self { selector: &key.selector, domain: &key.domain, algorithm, bits, usable }
    }
}

impl<'a> Applied<'a> {
    fn of(dmarc: &'a Dmarc) -> Self {
        Self {
            policy: dmarc.policy.map(Policy::as_str),
            at: dmarc.at.as_ref(),
            organizational_domain: dmarc.organizational_domain.as_ref(),
        }
    }
}
