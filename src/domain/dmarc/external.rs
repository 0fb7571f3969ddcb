//! Whether report addresses of other organizations have agreed (RFC 9990 section 4).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::dns::{Inquiry, Kind, Name, Question, Unanswered};
use crate::domain::finding::{Area, Code, Finding};

use super::alignment::same_registrable;
use super::record::{Record, is_dmarc};
use super::walk::{Walks, discover};

/// So many hosts are asked; receivers need not send to more than two.
const MOST_HOSTS: usize = 10;

/// What is to be said of the hosts that the record at `at` has reports sent to.
pub fn check(inquiry: &mut Inquiry<'_>, record: &Record, at: &Name) -> Result<Vec<Finding>, Unanswered> {
    let mut hosts: BTreeMap<&Name, usize> = BTreeMap::new();
    for address in record.rua.iter().chain(&record.ruf) {
        if let Some(host) = &address.host {
            hosts.entry(host).or_insert(address.at);
        }
    }
    let hosts = hosts.into_iter().filter(|(host, _)| *host != at).take(MOST_HOSTS);
    // Every host is asked before the first missing answer ends the run.
    let checked: Vec<_> = hosts.map(|(host, offset)| (offset, host_agrees(inquiry, at, host))).collect();
    let mut findings = Vec::new();
    for (offset, found) in checked {
        findings.extend(
            found?.map(
                |finding| if finding.code.leaves_unknown() { finding } else { finding.offset(&record.raw, offset) },
            ),
        );
    }
    Ok(findings)
}

fn host_agrees(inquiry: &mut Inquiry<'_>, at: &Name, host: &Name) -> Result<Option<Finding>, Unanswered> {
    // The likelier of the two reasons for which reports may be sent is asked first.
    if same_registrable(at, host) {
        Ok(match same_organization(inquiry, at, host)? {
            Some(true) => None,
            _ => authorized(inquiry, at, host)?.err(),
        })
    } else {
        let Err(finding) = authorized(inquiry, at, host)? else { return Ok(None) };
        Ok(match same_organization(inquiry, at, host)? {
            Some(true) => None,
            _ => Some(finding),
        })
    }
}

fn same_organization(inquiry: &mut Inquiry<'_>, at: &Name, host: &Name) -> Result<Option<bool>, Unanswered> {
    let walks = Walks::ask(inquiry, &[at, host])?;
    Ok(walks.sure(&[at, host], |seen| discover(at, seen).organizational == discover(host, seen).organizational))
}

fn authorized(inquiry: &mut Inquiry<'_>, at: &Name, host: &Name) -> Result<Result<(), Finding>, Unanswered> {
    let labels = at.labels().chain([b"_report".as_slice(), b"_dmarc"]).chain(host.labels());
    let Ok(name) = Name::from_labels(labels) else {
        let evidence = format!("the name at which {host} would agree is too long for the DNS");
        let remedy = "Send reports to a host with a shorter name, or to your own domain";
        return Ok(Err(Finding::new(Code::DmarcRuaExternalUnauthorised, host, evidence, remedy)));
    };
    let reply = inquiry.ask(Question::new(name.clone(), Kind::Txt))?;
    if let Some(failure) = reply.failure() {
        return Ok(Err(Finding::unanswered(Area::Dmarc, &name, failure, format!("TXT {name}"))));
    }
    let agreed: Vec<Record> =
        reply.texts().iter().filter(|text| is_dmarc(text)).filter_map(|text| Record::read(text)).collect();
    let elsewhere: BTreeSet<&Name> = agreed
        .iter()
        .flat_map(|record| record.rua.iter().chain(&record.ruf))
        .filter_map(|address| address.host.as_ref())
        .filter(|other| *other != host)
        .collect();
    let evidence = match (agreed.is_empty(), elsewhere.first()) {
        (false, None) => return Ok(Ok(())),
        (false, Some(other)) => format!("{name} sends the reports on to {other}, which receivers must not follow"),
        (true, _) => {
            let seen = if reply.is_nxdomain() { "NXDOMAIN" } else { "no DMARC record" };
            format!("{host} has not agreed to take reports about {at}: TXT {name}: {seen}; receivers send none there")
        }
    };
    let remedy = format!("Have the TXT record v=DMARC1 published at {}, or take the address out", name.relative());
    Ok(Err(Finding::new(Code::DmarcRuaExternalUnauthorised, &name, evidence, remedy)))
}
