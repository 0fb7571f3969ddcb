//! DKIM keys (RFC 6376): whether receivers can verify what is signed with the registered selectors.

mod der;
mod record;
mod selector;

use std::collections::BTreeSet;

pub use record::{Algorithm, Flaw, KeyRecord, read};
use selector::{Found, Lookup, look_up};

use super::dns::{Failure, Inquiry, Name, Unanswered};
use super::finding::{Area, Code, Finding, Severity, printable};

/// Whether receivers verify rsa-sha256 mail with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usable {
    /// They do.
    Yes,
    /// They do not.
    No,
    /// Not known: no answer, several records of which receivers take any or none, or an Ed25519 key, which few of them read.
    Unknown,
}

/// A registered selector and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `s=`, as registered.
    pub selector: String,
    /// `d=`.
    pub domain: Name,
    /// The name that was asked; none where selector and domain make no name.
    pub name: Option<Name>,
    /// The names that aliases led to, in their order.
    pub chain: Vec<Name>,
    /// The record as published, as `finding::printable` shows it. Of several, the first in their order as bytes.
    pub record: Option<String>,
    /// What key it is, where it could be read.
    pub algorithm: Option<Algorithm>,
    /// Whether the record says that DKIM is being tested (`t=y`).
    pub testing: bool,
    /// Whether receivers verify rsa-sha256 mail with it.
    pub usable: Usable,
    /// Why there was no answer, where none came.
    pub failure: Option<Failure>,
}

/// What is to be said of the registered selectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// One for each registered selector, in their order.
    pub keys: Vec<Key>,
    /// What was found, sorted.
    pub findings: Vec<Finding>,
}

/// Judges the keys of the selectors (`s=` with `d=`) that sign for `from_domain`. Alignment is DMARC's (`dmarc::lint`).
pub fn lint(inquiry: &mut Inquiry<'_>, selectors: &[(String, Name)], from_domain: &Name) -> Result<Dkim, Unanswered> {
    let names: Vec<Option<Name>> = selectors.iter().map(|(selector, domain)| name_of(selector, domain)).collect();
    // Every selector is asked before the first missing answer ends the run.
    let looked_up: Vec<Option<Result<Lookup, Unanswered>>> = selectors
        .iter()
        .zip(&names)
        .map(|((_, domain), name)| Some(look_up(inquiry, name.as_ref()?, domain)))
        .collect();
    let mut judged = Vec::new();
    for (((selector, domain), name), lookup) in selectors.iter().zip(names).zip(looked_up) {
        judged.push(judge(selector, domain, name, lookup.transpose()?));
    }
    let (keys, found): (Vec<Key>, Vec<Vec<Finding>>) = judged.into_iter().unzip();
    let mut findings: BTreeSet<Finding> = BTreeSet::new();
    for (key, found) in keys.iter().zip(found) {
        let works = |other: &Key| other.usable == Usable::Yes && other.domain == key.domain;
        for finding in found {
            let spare = finding.code == Code::DkimSelectorMissing && keys.iter().any(works);
            findings.insert(if spare { finding.severity(Severity::Warning) } else { finding });
        }
    }
    findings.extend(ed25519_only(&keys));
    if keys.is_empty() {
        let remedy = "Register s= and d= of the DKIM-Signature: selectors cannot be found by asking the DNS";
        findings.insert(Finding::new(Code::DkimNotConfigured, from_domain, "no selector is registered", remedy));
    }
    Ok(Dkim { keys, findings: findings.into_iter().collect() })
}

/// `SELECTOR._domainkey.DOMAIN`; a selector may have several labels.
fn name_of(selector: &str, domain: &Name) -> Option<Name> {
    if selector.is_empty() || domain.depth() == 0 {
        return None;
    }
    let selector = Name::parse(selector).ok().filter(|name| name.depth() > 0)?;
    Name::from_labels(selector.labels().chain([b"_domainkey".as_slice()]).chain(domain.labels())).ok()
}

fn judge(selector: &str, domain: &Name, name: Option<Name>, lookup: Option<Lookup>) -> (Key, Vec<Finding>) {
    let mut key = Key {
        selector: selector.to_owned(),
        domain: domain.clone(),
        name: name.clone(),
        chain: Vec::new(),
        record: None,
        algorithm: None,
        testing: false,
        usable: Usable::No,
        failure: None,
    };
    let (Some(name), Some(lookup)) = (name, lookup) else {
        let evidence = format!("{selector:?} is no selector: it makes no name below _domainkey");
        let remedy = "Register the s= of the DKIM-Signature";
        return (key, vec![Finding::new(Code::DomainInvalid, domain, evidence, remedy).area(Area::Dkim)]);
    };
    let way = way(&name, &lookup.chain);
    key.chain = lookup.chain;
    let findings = match lookup.found {
        Found::Failed(failure) => {
            (key.usable, key.failure) = (Usable::Unknown, Some(failure));
            vec![Finding::unanswered(Area::Dkim, &name, failure, format!("TXT {way}"))]
        }
        Found::Records(records) => judge_records(&mut key, &name, &records, &way),
        Found::Dangling => {
            let evidence = format!("TXT {way}: {}", lookup.seen);
            let remedy = "Point the CNAME to the name that the provider gives; the provider publishes the key there";
            vec![Finding::new(Code::DkimCnameDangling, &name, evidence, remedy)]
        }
        Found::Missing { doubled } => {
            let remedy = format!(
                "Publish at {} the TXT record v=DKIM1; k=rsa; p=… or the CNAME that the provider gives",
                name.relative()
            );
            let missing = Finding::new(Code::DkimSelectorMissing, &name, format!("TXT {way}: {}", lookup.seen), remedy);
            let doubled = doubled.map(|at| {
                let evidence = "the key stands here: the domain was typed although the zone adds it".to_owned();
                Finding::new(Code::DkimNameDoubled, &at, evidence, format!("Publish it at {}", name.relative()))
            });
            [Some(missing), doubled].into_iter().flatten().collect()
        }
    };
    (key, findings)
}

fn judge_records(key: &mut Key, name: &Name, records: &[Vec<u8>], way: &str) -> Vec<Finding> {
    let read: Vec<KeyRecord> = records.iter().map(|text| read(text)).collect();
    let mut findings = Vec::new();
    key.record = records.first().map(|text| printable(text));
    if let [only] = read.as_slice() {
        (key.algorithm, key.testing) = (only.algorithm, only.testing);
        key.usable = match only.algorithm {
            Some(Algorithm::Ed25519) if only.accepted => Usable::Unknown,
            Some(Algorithm::Rsa { .. }) if only.accepted => Usable::Yes,
            _ => Usable::No,
        };
    } else {
        if read.iter().any(|record| record.accepted) {
            key.usable = Usable::Unknown;
        }
        let shown: Vec<String> = records.iter().map(|text| format!("\"{}\"", printable(text))).collect();
        let evidence = format!(
            "TXT {way}: {} records, and which one receivers take is undefined: {}",
            records.len(),
            shown.join(", ")
        );
        let remedy = "Delete all but the record of the key that signs; a further key goes under a selector of its own";
        findings.push(Finding::new(Code::DkimMultiple, name, evidence, remedy).record(&records[0]));
    }
    for (text, record) in records.iter().zip(read) {
        let flaws = record.flaws.into_iter();
        findings.extend(flaws.map(|flaw| {
            let evidence = if key.chain.is_empty() { flaw.evidence } else { format!("{} ({way})", flaw.evidence) };
            Finding::new(flaw.code, name, evidence, flaw.remedy).offset(text, flaw.at)
        }));
    }
    findings
}

/// The name and where its aliases lead.
fn way(name: &Name, chain: &[Name]) -> String {
    chain.iter().fold(name.to_string(), |way, next| format!("{way} -> {next}"))
}

/// Said of each Ed25519 key of a domain that has no RSA key that works, nor one of which that is not known.
fn ed25519_only(keys: &[Key]) -> impl Iterator<Item = Finding> {
    let rsa = |domain: &Name| {
        keys.iter().any(|key| {
            let known = matches!(key.algorithm, Some(Algorithm::Rsa { .. })) && key.usable == Usable::Yes;
            key.domain == *domain && (known || (key.usable == Usable::Unknown && key.algorithm.is_none()))
        })
    };
    let only = keys.iter().filter(move |key| {
        key.algorithm == Some(Algorithm::Ed25519) && key.usable == Usable::Unknown && !rsa(&key.domain)
    });
    only.filter_map(|key| {
        let remedy = "Sign with an RSA key of 2048 bits as well, under a selector of its own: v=DKIM1; k=rsa; p=…";
        let evidence =
            format!("no RSA key is registered that works for {}, and few receivers verify Ed25519", key.domain);
        let finding = Finding::new(Code::DkimEd25519Only, key.name.as_ref()?, evidence, remedy);
        Some(Finding { record: key.record.clone(), ..finding })
    })
}

#[cfg(test)]
mod tests;
