//! What is said of a From domain's DMARC, fact by fact.

use crate::domain::dkim::Usable;
use crate::domain::dns::{Name, Reply};
use crate::domain::finding::{Area, Code, Finding, Severity};

use super::Context;
use super::alignment::{Alignment, Identifier, Path, same_registrable};
use super::record::{Author, Mode, Policy, Psd, Record, is_dmarc, is_near_miss, place};
use super::suffix::registrable;
use super::walk::{Walks, record_name};

/// Everything that was found out.
pub(super) struct View<'a> {
    pub(super) from: &'a Name,
    pub(super) ctx: &'a Context,
    pub(super) walks: &'a Walks,
    pub(super) starts: &'a [&'a Name],
    /// Whose record applies; none where that is not known.
    pub(super) policy_at: Option<Option<&'a Name>>,
    pub(super) record: Option<&'a Record>,
    /// As whom the record sees the From domain; none where that is not known.
    pub(super) author: Option<Author>,
    pub(super) policy: Option<Policy>,
    pub(super) organizational_domain: Option<&'a Name>,
    pub(super) alignment: &'a Alignment,
    /// The TXT records of the From domain itself, where they were asked.
    pub(super) apex: Option<&'a Reply>,
}

impl View<'_> {
    pub(super) fn all(&self) -> Vec<Finding> {
        let mut findings = self.several();
        findings.extend(self.missing());
        findings.extend(self.near_misses());
        findings.extend(self.wrong_location());
        findings.extend(self.of_the_record());
        findings.extend(self.psd_without_being_one());
        findings.extend(self.organization_differs());
        findings.extend(self.unaligned());
        findings.extend(self.no_aligned_path());
        findings.extend(self.unanswered());
        findings
    }

    /// Where the records of a name stand. Too long a name has none, and then the name itself is told.
    fn at(&self, name: &Name) -> Name {
        record_name(name).unwrap_or_else(|| name.clone())
    }

    /// The names of the From domain's walk that are the organization's, as far as the public suffix list knows.
    fn own_names(&self) -> impl Iterator<Item = Name> {
        let least = registrable(self.from).map_or(1, |domain| domain.depth());
        self.walks.walked(self.from).into_iter().filter(move |name| name.depth() >= least)
    }

    fn proposed(&self) -> String {
        let domain = registrable(self.from).unwrap_or_else(|| self.from.clone());
        let (at, domain) = (self.at(&domain).relative(), domain.relative());
        format!("Publish at {at} the TXT record v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain}")
    }

    fn several(&self) -> Vec<Finding> {
        let several = |name: Name| {
            let records = &self.walks.answer(&name)?.records;
            let (first, more) = records.split_first().filter(|(_, more)| !more.is_empty())?;
            let evidence = format!("{} DMARC records: receivers take none of them", more.len() + 1);
            let kept = Record::read(first).map_or_else(String::new, |record| record.mended());
            let remedy = format!("Keep one, as {kept}, and delete the others");
            Some(Finding::new(Code::DmarcMultiple, &self.at(&name), evidence, remedy).record(first))
        };
        self.own_names().filter_map(several).collect()
    }

    fn missing(&self) -> Option<Finding> {
        // Records that cancel each other out are told as such.
        if self.policy_at != Some(None) || !self.several().is_empty() {
            return None;
        }
        let asked: Vec<String> = self.walks.walked(self.from).iter().map(|name| self.at(name).to_string()).collect();
        let evidence = format!("no DMARC record at {}", asked.join(", "));
        let severity = if self.ctx.bulk { Severity::Error } else { Severity::Warning };
        Some(Finding::new(Code::DmarcMissing, &self.at(self.from), evidence, self.proposed()).severity(severity))
    }

    fn near_misses(&self) -> Vec<Finding> {
        let near = |name: Name| {
            let others = self.walks.answer(&name)?.others.iter().filter(|text| is_near_miss(text)).take(5);
            let findings = others.map(|text| {
                let evidence =
                    "it does not begin with v=DMARC1, in capitals and with nothing before it: receivers ignore it";
                let remedy = format!("{}, without the record that is there", self.proposed());
                Finding::new(Code::DmarcTagInvalid, &self.at(&name), evidence, remedy).offset(text, 0)
            });
            Some(findings.collect::<Vec<_>>())
        };
        self.own_names().filter_map(near).flatten().collect()
    }

    fn wrong_location(&self) -> Option<Finding> {
        let text = self.apex?.texts().into_iter().find(|text| is_dmarc(text))?;
        let at = self.at(self.from);
        let evidence = format!("a DMARC record stands at the domain itself; receivers look at {at}");
        let record = Record::read(&text).map_or_else(String::new, |record| record.mended());
        let remedy = format!("Publish it at {} and not here: {record}", at.relative());
        Some(Finding::new(Code::DmarcWrongLocation, self.from, evidence, remedy).record(&text))
    }

    fn of_the_record(&self) -> Vec<Finding> {
        let (Some(record), Some(Some(at))) = (self.record, self.policy_at) else { return Vec::new() };
        let at = self.at(at);
        let publish = |text: String| format!("Publish at {} the TXT record {text}", at.relative());
        let finding = |code, place, evidence: String, remedy| {
            Finding::new(code, &at, evidence, remedy).offset(&record.raw, place)
        };
        let mut findings: Vec<Finding> = Vec::new();
        for flaw in &record.flaws {
            let remedy = match flaw.code {
                Code::DmarcTestMode => format!("{}, once reports show no surprises", publish(record.mended())),
                _ => publish(record.mended()),
            };
            findings.push(finding(flaw.code, flaw.at, flaw.evidence.clone(), remedy).severity(flaw.severity));
        }
        let written = self.author.and_then(|author| record.written(author));
        if self.policy.is_some() && written == Some(Policy::None) {
            let stronger = Record { p: Some(Policy::Quarantine), sp: None, np: None, ..record.clone() };
            let tag = match self.author {
                Some(Author::Nonexistent) if record.np.is_some() => "np",
                Some(Author::Nonexistent | Author::Subdomain) if record.sp.is_some() => "sp",
                _ => "p",
            };
            let evidence = format!("the policy for {} is none: nothing is enforced", self.from);
            let remedy = format!("{}, once reports show that all mail passes", publish(stronger.mended()));
            findings.push(finding(Code::DmarcPolicyNone, place(&record.raw, tag), evidence, remedy));
        }
        if let Some((p, sp)) = record.p.zip(record.sp).filter(|(p, sp)| sp < p) {
            let evidence =
                format!("sp={} is weaker than p={}: subdomains are easier to forge", sp.as_str(), p.as_str());
            let stronger = Record { sp: None, ..record.clone() };
            findings.push(finding(Code::DmarcSpWeaker, place(&record.raw, "sp"), evidence, publish(stronger.mended())));
        }
        if let Some((sub, np)) = record.sp.or(record.p).zip(record.np).filter(|(sub, np)| np < sub) {
            let evidence =
                format!("np={} is weaker than {}, which is what existing subdomains have", np.as_str(), sub.as_str());
            let stronger = Record { np: None, ..record.clone() };
            findings.push(finding(Code::DmarcNpWeaker, place(&record.raw, "np"), evidence, publish(stronger.mended())));
        }
        if record.rua.iter().all(|address| address.host.is_none()) {
            let domain = self.organizational_domain.unwrap_or(self.from).relative();
            let remedy = publish(format!("{}; rua=mailto:dmarc-reports@{domain}", record.mended()));
            findings.push(finding(Code::DmarcRuaMissing, 0, "no rua=: nobody learns who fails".to_owned(), remedy));
        }
        findings
    }

    fn psd_without_being_one(&self) -> Vec<Finding> {
        let claims = |name: Name| {
            let record = self.walks.record(&name).filter(|record| record.psd == Psd::Yes)?;
            let evidence = format!(
                "psd=y makes every name below {name} an organization of its own; the public suffix list does not have it"
            );
            let remedy = format!("Publish at {} the TXT record {}", self.at(&name).relative(), record.mended());
            let finding = Finding::new(Code::DmarcPsdY, &self.at(&name), evidence, remedy);
            registrable(&name).map(|_| finding.offset(&record.raw, place(&record.raw, "psd")))
        };
        self.walks.walked(self.from).into_iter().filter_map(claims).collect()
    }

    fn organization_differs(&self) -> Vec<Finding> {
        let Some(record) = self.record else { return Vec::new() };
        let mut findings = Vec::new();
        if let (Some(walked), Some(listed)) = (self.organizational_domain, registrable(self.from))
            && *walked != listed
        {
            let evidence = format!(
                "the organizational domain of {} is {walked} by the tree walk, and {listed} by the public suffix list of older receivers",
                self.from
            );
            let remedy = format!(
                "Publish a record at {} as well, and sign with the From domain itself: {}",
                self.at(&listed).relative(),
                record.mended()
            );
            findings.push(Finding::new(Code::DmarcOrgDiffersPsl, self.from, evidence, remedy));
        }
        for identifier in self.alignment.mail_from.iter().chain(&self.alignment.dkim) {
            let listed = same_registrable(self.from, &identifier.domain);
            if identifier.relaxed.is_some_and(|walked| walked != listed) && *self.from != identifier.domain {
                let [by_walk, by_list] =
                    if listed { ["does not align", "aligns"] } else { ["aligns", "does not align"] };
                let evidence = format!(
                    "{} {by_walk} with {} by the tree walk, and {by_list} by the public suffix list of older receivers",
                    identifier.domain, self.from
                );
                let remedy = format!("Use {} itself, which aligns in either way", self.from.relative());
                findings.push(Finding::new(Code::DmarcOrgDiffersPsl, &identifier.domain, evidence, remedy));
            }
        }
        findings
    }

    fn unaligned(&self) -> Vec<Finding> {
        let why = |identifier: &Identifier, mode: Option<Mode>| match mode {
            Some(Mode::Strict) => {
                format!("{} is not {}, and the record asks for strict alignment", identifier.domain, self.from)
            }
            _ => format!("{} is of another organizational domain than {}", identifier.domain, self.from),
        };
        let mut findings = Vec::new();
        let unaligned = |identifier: &&Identifier| identifier.aligned == Some(false);
        if let Some(identifier) = self.alignment.mail_from.as_ref().filter(unaligned) {
            let remedy = format!(
                "Have the provider use an envelope domain of yours: {}",
                self.aligned_example(self.record.map(|r| r.aspf), "bounce")
            );
            let evidence = why(identifier, self.record.map(|record| record.aspf));
            findings.push(Finding::new(Code::MailfromUnaligned, &identifier.domain, evidence, remedy));
        }
        let signers = || self.alignment.dkim.iter().zip(&self.ctx.dkim);
        let spare =
            signers().any(|(identifier, (_, usable))| identifier.aligned == Some(true) && *usable == Usable::Yes);
        for identifier in self.alignment.dkim.iter().filter(unaligned) {
            let remedy = format!("Have the provider sign with d={}", self.from.relative());
            let evidence = why(identifier, self.record.map(|record| record.adkim));
            let finding = Finding::new(Code::DkimUnaligned, &identifier.domain, evidence, remedy);
            // A provider's own signature beside the sender's does no harm.
            findings.push(if spare { finding.severity(Severity::Info) } else { finding });
        }
        findings
    }

    fn aligned_example(&self, mode: Option<Mode>, label: &str) -> String {
        let from = self.from.relative();
        if mode == Some(Mode::Strict) { from } else { format!("{label}.{from}") }
    }

    fn no_aligned_path(&self) -> Option<Finding> {
        if self.alignment.path != Path::Closed {
            return None;
        }
        let spf = match &self.alignment.mail_from {
            None => "MAIL FROM is the provider's own domain".to_owned(),
            Some(identifier) if identifier.aligned == Some(false) => {
                format!("MAIL FROM {} does not align", identifier.domain)
            }
            Some(identifier) => format!("MAIL FROM {} aligns, and SPF cannot pass", identifier.domain),
        };
        let mut signers: Vec<String> = self
            .alignment
            .dkim
            .iter()
            .map(|identifier| match identifier.aligned {
                Some(false) => format!("d={} does not align", identifier.domain.relative()),
                _ => format!("d={} aligns, and its key does not work", identifier.domain.relative()),
            })
            .collect();
        signers.sort_unstable();
        signers.dedup();
        let record = self.record.filter(|record| record.is_effective());
        let cannot = match record {
            Some(_) => "DMARC cannot pass",
            None => "no DMARC record applies, and with one DMARC could not pass",
        };
        let evidence = format!("{cannot}: {spf}; {}", signers.join("; "));
        let remedy = format!(
            "Have the provider sign with d={} and publish its key, or use the envelope domain {} with SPF that passes",
            self.from.relative(),
            self.aligned_example(self.record.map(|r| r.aspf), "bounce")
        );
        let finding = Finding::new(Code::DmarcNoAlignedPath, self.from, evidence, remedy);
        // Where no record applies nothing is rejected for DMARC, except by those that insist on it for bulk mail.
        Some(match (record, self.ctx.bulk) {
            (Some(_), _) => finding,
            (None, true) => finding.severity(Severity::Error),
            (None, false) => finding.severity(Severity::Warning),
        })
    }

    /// The answers that are missing, where they could change the record, the policy or whether DMARC can pass.
    fn unanswered(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let record_unknown = self.policy_at.is_none();
        let path_unknown = self.alignment.path == Path::Unknown;
        let alignment_unknown =
            self.alignment.mail_from.iter().chain(&self.alignment.dkim).any(|identifier| identifier.aligned.is_none());
        let starts = if path_unknown && alignment_unknown { self.starts } else { &self.starts[..1] };
        if record_unknown || (path_unknown && alignment_unknown) {
            for (name, failure) in self.walks.unanswered(starts) {
                let at = self.at(&name);
                findings.push(Finding::unanswered(Area::Dmarc, &at, failure, format!("TXT {at}")));
            }
        }
        if let (Some(record), None) = (self.record, self.author)
            && let Some(failure) = self.apex.and_then(Reply::failure)
            && record.policy(Author::Subdomain) != record.policy(Author::Nonexistent)
        {
            let what = format!("whether {} exists, which decides between sp and np", self.from);
            findings.push(Finding::unanswered(Area::Dmarc, self.from, failure, what));
        }
        if let (true, Some(failure)) = (path_unknown, self.ctx.failure) {
            findings.push(Finding::unanswered(Area::Dmarc, self.from, failure, "whether SPF or DKIM can pass"));
        }
        findings
    }
}
