//! Whether the stream's mail passes SPF: the lint of its domains, and an evaluation for each of its sending addresses.

use std::net::IpAddr;

use super::plan::Plan;
use crate::domain::dns::{Inquiry, Name, Unanswered};
use crate::domain::finding::{Area, Code, Finding, Severity, State};
use crate::domain::spf::{Evaluation, Lint, Sender, SpfResult, evaluate, lint};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;

/// The SPF of one domain, for one stream.
#[derive(Debug, Clone)]
pub struct SenderPolicy {
    /// The domain.
    pub domain: Name,
    /// What the record says of itself.
    pub lint: Lint,
    /// What it says of each sending address of the stream; empty where the domain is not the envelope's.
    pub evaluations: Vec<Tried>,
    /// Whether mail of the stream passes; `Warn` where it does from some addresses only. `Pass` for a domain that is not the envelope's
    /// means that nothing in the record breaks it.
    pub passes: State,
    /// The first finding of the record with which receivers come to no pass, in the order in which they read it.
    pub breaks: Option<Code>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A sending address of the stream, and what the record says of it.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The address.
    pub ip: IpAddr,
    /// When ESPs last reported mail from it; `None` for one that the registration names.
    pub last_seen: Option<Timestamp>,
    /// What a receiver comes to.
    pub evaluation: Evaluation,
}

impl Tried {
    /// Whether it is an address of the registration or one that was observed.
    pub fn basis(&self) -> &'static str {
        if self.last_seen.is_none() { "registered" } else { "observed" }
    }

    fn is(&self, result: SpfResult) -> bool {
        self.evaluation.result == result
    }
}

/// Findings with which receivers do not come to a pass.
const BREAKING: &[Code] = &[
    Code::SpfMissing,
    Code::SpfMultiple,
    Code::SpfSyntax,
    Code::SpfLookupsExceeded,
    Code::SpfVoidExceeded,
    Code::SpfMxLimit,
    Code::SpfIncludeLoop,
    Code::SpfIncludeNoRecord,
    Code::SpfRedirectNoRecord,
    Code::SpfNoAuthorisedSenders,
    Code::SpfProviderMissing,
];

/// Judges the SPF of one of the stream's domains.
pub fn examine(
    inquiry: &mut Inquiry<'_>,
    stream: &Stream,
    observed: &[(IpAddr, Timestamp)],
    plan: &Plan,
    domain: &Name,
    now_seconds: u64,
) -> Result<SenderPolicy, Unanswered> {
    let is_envelope = plan.envelope.as_ref() == Some(domain);
    let host = domain.relative();
    let mail_from = format!("postmaster@{host}");
    let addresses = if is_envelope && stream.sends_mail { to_try(&stream.sending_ips, observed) } else { Vec::new() };
    // Asked before the first missing answer ends the run, so that all go on together.
    let lint = lint(inquiry, domain);
    let evaluated: Vec<Result<Tried, Unanswered>> = addresses
        .into_iter()
        .map(|(ip, last_seen)| {
            let sender = Sender { ip, mail_from: &mail_from, helo: &host, receiver: "unknown", now_seconds };
            Ok(Tried { ip, last_seen, evaluation: evaluate(inquiry, &sender)? })
        })
        .collect();
    let lint = lint?;
    let evaluations = evaluated.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut findings = lint.findings.clone();
    if !stream.sends_mail {
        findings.retain(|f| f.code != Code::SpfNoAuthorisedSenders);
    }
    if !is_envelope && let Some(envelope) = &plan.envelope {
        nobody_need_pass(&mut findings, envelope);
    }
    if is_envelope {
        findings.extend(refused(domain, &lint, &evaluations));
        findings.extend(provider_missing(plan, domain, &lint, &evaluations));
        soften(&mut findings, &evaluations);
    }
    let passes = passes(&lint, &evaluations, &findings);
    findings.sort();
    findings.dedup();
    let breaks = BREAKING.iter().copied().find(|code| findings.iter().any(|f| breaks(f) && f.code == *code));
    let refused = findings.iter().map(|f| f.code).find(|code| *code == Code::SpfIpNotAuthorised);
    Ok(SenderPolicy { domain: domain.clone(), lint, evaluations, passes, breaks: breaks.or(refused), findings })
}

/// The addresses of the registration, then those that were observed beside them.
fn to_try(registered: &[IpAddr], observed: &[(IpAddr, Timestamp)]) -> Vec<(IpAddr, Option<Timestamp>)> {
    let others = observed.iter().filter(|(ip, _)| !registered.contains(ip));
    registered.iter().map(|ip| (*ip, None)).chain(others.map(|(ip, last_seen)| (*ip, Some(*last_seen)))).collect()
}

/// The sending addresses that do not pass.
fn refused(domain: &Name, lint: &Lint, evaluations: &[Tried]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Tried { ip, last_seen, evaluation } in evaluations {
        let why = evaluation.problem.as_deref().or(evaluation.matched.as_deref()).unwrap_or("no term matches");
        let whence = match last_seen {
            None => "registered as a sending address".to_owned(),
            Some(at) => format!("observed as a sending address, last at {at}"),
        };
        let evidence = format!("{ip}, {whence}, evaluates to {} ({why})", evaluation.result.as_str());
        match evaluation.result {
            SpfResult::Pass => {}
            // Told by the lint, with the question that was not answered; here only where the lint did not meet it.
            SpfResult::Temperror if !lint.complete => {}
            SpfResult::Temperror => {
                let remedy =
                    "Nothing to publish: look at the name servers and at the resolver; the last known state stays";
                findings.push(Finding::new(Code::DnsServfail, domain, evidence, remedy).area(Area::Spf));
            }
            _ => {
                let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
                let otherwise = match last_seen {
                    None => "register the addresses that really send",
                    Some(_) => "send this stream's mail from the addresses that it passes",
                };
                let remedy = format!(
                    "Publish at {domain} what passes it: the provider's include, or {family}:{ip}; or {otherwise}"
                );
                let finding = Finding::new(Code::SpfIpNotAuthorised, domain, evidence, remedy);
                findings.push(match &lint.record {
                    Some(record) => finding.record(record),
                    None => finding,
                });
            }
        }
    }
    findings
}

/// Whether the record leaves out the provider. An evaluation that passes says more than a name that is missing: records may be flattened.
fn provider_missing(plan: &Plan, domain: &Name, lint: &Lint, evaluations: &[Tried]) -> Option<Finding> {
    let preset = plan.preset.as_ref()?;
    let record = lint.record.as_ref()?;
    let reached = || lint.reached.iter().any(|name| preset.spf.iter().any(|ours| name.is_within(ours)));
    let passes = || evaluations.iter().any(|tried| tried.is(SpfResult::Pass));
    if !lint.complete || reached() || passes() {
        return None;
    }
    let evidence = format!("the record never leads to {}, {}'s", preset.spf[0], preset.called);
    let remedy = format!("Publish at {domain}: {}", preset.spf_record);
    Some(Finding::new(Code::SpfProviderMissing, domain, evidence, remedy).record(record))
}

/// A domain that is in no envelope is right to pass nobody: `v=spf1 -all` is what such a domain should publish.
fn nobody_need_pass(findings: &mut [Finding], envelope: &Name) {
    for finding in findings.iter_mut().filter(|f| f.code == Code::SpfNoAuthorisedSenders) {
        finding.severity = Severity::Info;
        finding.evidence.push_str(&format!("; nobody need pass here, since the envelope is {envelope}"));
        finding.remedy = "Nothing has to change".to_owned();
    }
}

/// A record that goes on too long after the provider matched costs the provider's mail nothing.
fn soften(findings: &mut Vec<Finding>, evaluations: &[Tried]) {
    let all_pass = !evaluations.is_empty() && evaluations.iter().all(|tried| tried.is(SpfResult::Pass));
    if !all_pass {
        return;
    }
    for finding in findings {
        if matches!(finding.code, Code::SpfLookupsExceeded | Code::SpfVoidExceeded) {
            finding.severity = Severity::Warning;
            finding.evidence.push_str("; the known sending addresses match before the limit");
        }
    }
}

fn passes(lint: &Lint, evaluations: &[Tried], findings: &[Finding]) -> State {
    let count = |wanted: SpfResult| evaluations.iter().filter(|tried| tried.is(wanted)).count();
    let (pass, unknown) = (count(SpfResult::Pass), count(SpfResult::Temperror));
    if !evaluations.is_empty() {
        return match evaluations.len() {
            all if pass == all => State::Pass,
            _ if pass > 0 => State::Warn,
            _ if unknown > 0 => State::Unknown,
            _ => State::Fail,
        };
    }
    match () {
        () if findings.iter().any(breaks) => State::Fail,
        () if !lint.complete => State::Unknown,
        () => State::Pass,
    }
}

/// Whether receivers come to no pass with what was found.
fn breaks(finding: &Finding) -> bool {
    finding.severity >= Severity::Error && BREAKING.contains(&finding.code)
}
