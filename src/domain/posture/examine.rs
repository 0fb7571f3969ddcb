//! The check of one stream: asks every judge, and puts together what they say.

use super::envelope;
use super::observed;
use super::plan::Plan;
use super::relay::{self, Reasons};
use super::report::{Apple, AppleVerdict, Posture, Published, Status, posture_of};
use super::sender_policy::{self, SenderPolicy};
use crate::domain::dkim::{self, Key, Usable};
use crate::domain::dmarc::{self, Dmarc};
use crate::domain::dns::{Data, Inquiry, Kind, Name, NotAName, Outcome, Question, Reply, Unanswered};
use crate::domain::finding::{Area, Code, Finding, Severity, State, printable};
use crate::domain::observed::Seen;
use crate::domain::stream::Stream;

/// Everything that a check of a stream found.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What the findings come to.
    pub posture: Posture,
    /// Per area.
    pub status: Status,
    /// Apple's two paths.
    pub apple: Apple,
    /// Why each of the paths stands so, for people.
    pub reasons: Reasons,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// The SPF of the envelope domain and of the registered domains.
    pub spf: Vec<SenderPolicy>,
    /// The keys of the registered selectors.
    pub keys: Vec<Key>,
    /// What DMARC comes to; none where the From domain is no name.
    pub dmarc: Option<Dmarc>,
    /// What was published at every name that was asked for text, mail exchanges or another name.
    pub published: Vec<Published>,
}

/// Checks a stream of whose sending nothing was observed. `now_seconds`: since 1970, for the macros of SPF that show the time.
pub fn examine(stream: &Stream, inquiry: &mut Inquiry<'_>, now_seconds: u64) -> Result<Judged, Unanswered> {
    examine_observed(stream, &Seen::default(), inquiry, now_seconds)
}

/// Checks a stream, its registration and what ESPs reported of its sending.
pub fn examine_observed(
    stream: &Stream,
    seen: &Seen,
    inquiry: &mut Inquiry<'_>,
    now_seconds: u64,
) -> Result<Judged, Unanswered> {
    let plan = match Plan::of(stream) {
        Ok(plan) => plan,
        Err((field, error)) => return Ok(unreadable(stream, field, error)),
    };
    // Every judge asks before the first missing answer ends the run: what can be asked at once is.
    let mut domains: Vec<&Name> = [&plan.from].into_iter().chain(&plan.envelope).collect();
    domains.extend(plan.signers.iter().map(|(_, domain)| domain));
    dmarc::ask_ahead(inquiry, &domains);
    let text = inquiry.ask(Question::new(plan.from.clone(), Kind::Txt));
    let policies: Vec<Result<SenderPolicy, Unanswered>> = plan
        .spf_domains()
        .into_iter()
        .map(|domain| sender_policy::examine(inquiry, stream, &seen.addresses, &plan, domain, now_seconds))
        .collect();
    let envelope = if stream.sends_mail { envelope::examine(inquiry, &plan) } else { Ok(Vec::new()) };
    let keys = dkim::lint(inquiry, &plan.signers, &plan.from);
    let (text, envelope, keys) = (text?, envelope?, keys?);
    let policies = policies.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of_envelope = policies.iter().find(|policy| plan.envelope.as_ref() == Some(&policy.domain));
    let dmarc = dmarc::lint(inquiry, &plan.from, &context(stream, &plan, of_envelope, &keys.keys))?;

    let mut findings: Vec<Finding> = policies.iter().flat_map(|policy| policy.findings.clone()).collect();
    findings.extend(existence(&plan, text));
    findings.extend(relay::irrelevant(&plan.from, text));
    let gone = envelope.iter().any(|f| f.code == Code::MailfromNxdomain);
    findings.extend(envelope);
    findings.extend(keys.findings);
    findings.extend(dmarc.findings.clone());
    findings.extend(seen.strangers.iter().filter_map(|seen| observed::stranger(stream, seen)));
    let (apple, reasons) = if stream.sends_mail {
        let (apple, reasons, found) = relay::examine(&plan, of_envelope, gone, &keys.keys, &dmarc.alignment);
        findings.extend(found);
        (apple, reasons)
    } else {
        findings.retain(|f| !only_of_senders(f.code));
        not_judged("the stream is registered as sending no mail".to_owned())
    };
    sort(&mut findings);
    let posture = if stream.sends_mail { posture_of(&findings, &apple) } else { posture_without_mail(&findings) };
    let published = published(inquiry)?;
    let (status, keys) = (Status::of(&findings), keys.keys);
    Ok(Judged { posture, status, apple, reasons, findings, spf: policies, keys, dmarc: Some(dmarc), published })
}

fn context(stream: &Stream, plan: &Plan, envelope: Option<&SenderPolicy>, keys: &[Key]) -> dmarc::Context {
    let spf_can_pass = envelope.and_then(|policy| match policy.passes {
        State::Pass | State::Warn => Some(true),
        State::Fail => Some(false),
        State::Unknown => None,
    });
    let dkim = keys.iter().map(|key| (key.domain.clone(), key.usable)).collect();
    let failure = keys.iter().filter(|key| key.usable == Usable::Unknown).find_map(|key| key.failure);
    dmarc::Context { mail_from: plan.envelope.clone(), spf_can_pass, dkim, failure, bulk: stream.bulk }
}

/// Whether the From domain exists. That this could not be asked is told by its SPF where that is judged.
fn existence(plan: &Plan, text: &Reply) -> Option<Finding> {
    let from = &plan.from;
    if let Some(failure) = text.failure() {
        let is_told = plan.spf_domains().contains(&from);
        return (!is_told).then(|| Finding::unanswered(Area::Dns, from, failure, format!("TXT of {from}")));
    }
    let (evidence, remedy) = match text.chain.last() {
        Some(end) => (
            format!("NXDOMAIN: {from} leads to {end}, which does not exist"),
            format!("Point the CNAME at {} to a name that exists, or delete it", from.relative()),
        ),
        None => (
            "NXDOMAIN: receivers refuse mail from a domain that does not exist".to_owned(),
            format!("Register the domain {}, or mend the delegation of its zone", from.relative()),
        ),
    };
    text.is_nxdomain().then(|| Finding::new(Code::DomainNxdomain, from, evidence, remedy))
}

/// Nothing to say of Apple's paths, and why.
fn not_judged(because: String) -> (Apple, Reasons) {
    let (verdict, path) = (AppleVerdict::Unknown, State::Unknown);
    let reasons = Reasons { spf: because.clone(), dkim: because.clone(), granted: None };
    (Apple { verdict, spf_path: path, dkim_path: path, because }, reasons)
}

/// What is a fault only where mail is sent.
fn only_of_senders(code: Code) -> bool {
    matches!(
        code,
        Code::DkimNotConfigured
            | Code::DmarcNoAlignedPath
            | Code::DkimUnaligned
            | Code::MailfromUnaligned
            | Code::SpfIpNotAuthorised
            | Code::SpfProviderMissing
    )
}

fn posture_without_mail(findings: &[Finding]) -> Posture {
    let deciding = |f: &Finding| f.code.leaves_unknown() && matches!(f.area, Area::Spf | Area::Dmarc);
    match findings.iter().map(|f| f.severity).max() {
        Some(Severity::Critical) => Posture::Failing,
        Some(Severity::Error) => Posture::AtRisk,
        _ if findings.iter().any(deciding) => Posture::Unknown,
        _ => Posture::Pass,
    }
}

fn sort(findings: &mut Vec<Finding>) {
    findings.sort();
    findings.dedup();
    // Stable: within one severity the order of areas stays.
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
}

/// What can be said of a registration that names no domain.
fn unreadable(stream: &Stream, field: &str, error: NotAName) -> Judged {
    let evidence = format!("{field} {error}");
    let remedy = format!("Register the stream again with a domain name as {field}");
    let mut finding = Finding::new(Code::DomainInvalid, &Name::root(), evidence, remedy);
    let written = match field {
        "mail_from_domain" => &stream.mail_from_domain,
        _ => &stream.from_domain,
    };
    finding.name = printable(written.as_bytes());
    let (apple, reasons) = not_judged(format!("{field} of the registration is no domain name"));
    let findings = vec![finding];
    Judged {
        posture: Posture::Unknown,
        status: Status { spf: State::Unknown, dkim: State::Unknown, dmarc: State::Unknown },
        apple,
        reasons,
        findings,
        spf: Vec::new(),
        keys: Vec::new(),
        dmarc: None,
        published: Vec::new(),
    }
}

/// What the answers of this run say is published. What was not answered is left out: it says nothing.
fn published(inquiry: &mut Inquiry<'_>) -> Result<Vec<Published>, Unanswered> {
    let mut published = Vec::new();
    for question in inquiry.asked().clone() {
        if !matches!(question.kind, Kind::Txt | Kind::Mx | Kind::Cname) {
            continue;
        }
        let reply = inquiry.ask(question.clone())?;
        let records = match &reply.outcome {
            Outcome::Failed(_) => continue,
            Outcome::NoData | Outcome::NxDomain => Vec::new(),
            Outcome::Records(records) => {
                let mut records: Vec<String> = records.iter().filter_map(shown).collect();
                records.sort();
                records
            }
        };
        published.push(Published { name: question.name, kind: question.kind, records });
    }
    Ok(published)
}

fn shown(data: &Data) -> Option<String> {
    match data {
        Data::Txt(strings) => Some(printable(&strings.concat())),
        Data::Mx { preference, exchange } => Some(format!("{preference} {exchange}")),
        Data::Cname(name) => Some(name.to_string()),
        Data::A(_) | Data::Aaaa(_) | Data::Ptr(_) => None,
    }
}
