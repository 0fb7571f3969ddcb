//! Whether the stream's mail passes SPF: the lint of its domains, and an evaluation for each of its sending addresses.

use std::net::IpAddr;

use super::plan::Plan;
use crate::domain::dns::{Inquiry, Name, Unanswered};
use crate::domain::finding::{Area, Code, Finding, Severity, State};
use crate::domain::spf::{Evaluation, Lint, Sender, SpfResult, evaluate, lint};
use crate::domain::stream::Stream;

/// The SPF of one domain, for one stream.
#[derive(Debug, Clone)]
pub struct SenderPolicy {
    /// The domain.
    pub domain: Name,
    /// What the record says of itself.
    pub lint: Lint,
    /// What it says of each sending address of the stream; empty where the domain is not the envelope's.
    pub evaluations: Vec<(IpAddr, Evaluation)>,
    /// Whether mail of the stream passes; `Warn` where it does from some addresses only. `Pass` for a domain that is not the envelope's
    /// means that nothing in the record breaks it.
    pub passes: State,
    /// The first finding of the record with which receivers come to no pass, in the order in which they read it.
    pub breaks: Option<Code>,
    /// What was found.
    pub findings: Vec<Finding>,
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
    plan: &Plan,
    domain: &Name,
    now_seconds: u64,
) -> Result<SenderPolicy, Unanswered> {
    let is_envelope = plan.envelope.as_ref() == Some(domain);
    let host = domain.relative();
    let mail_from = format!("postmaster@{host}");
    let addresses: &[IpAddr] = if is_envelope && stream.sends_mail { &stream.sending_ips } else { &[] };
    // Asked before the first missing answer ends the run, so that all go on together.
    let lint = lint(inquiry, domain);
    let evaluated: Vec<Result<(IpAddr, Evaluation), Unanswered>> = addresses
        .iter()
        .map(|&ip| {
            let sender = Sender { ip, mail_from: &mail_from, helo: &host, receiver: "unknown", now_seconds };
            Ok((ip, evaluate(inquiry, &sender)?))
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

/// The sending addresses that do not pass.
fn refused(domain: &Name, lint: &Lint, evaluations: &[(IpAddr, Evaluation)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (ip, evaluation) in evaluations {
        let why = evaluation.problem.as_deref().or(evaluation.matched.as_deref()).unwrap_or("no term matches");
        let evidence = format!("{ip} evaluates to {} ({why})", evaluation.result.as_str());
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
                let remedy = format!(
                    "Publish at {domain} what passes it: the provider's include, or {family}:{ip}; or register the addresses that really send"
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
fn provider_missing(plan: &Plan, domain: &Name, lint: &Lint, evaluations: &[(IpAddr, Evaluation)]) -> Option<Finding> {
    let preset = plan.preset.as_ref()?;
    let record = lint.record.as_ref()?;
    let reached = || lint.reached.iter().any(|name| preset.spf.iter().any(|ours| name.is_within(ours)));
    let passes = || evaluations.iter().any(|(_, e)| e.result == SpfResult::Pass);
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
fn soften(findings: &mut Vec<Finding>, evaluations: &[(IpAddr, Evaluation)]) {
    let all_pass = !evaluations.is_empty() && evaluations.iter().all(|(_, e)| e.result == SpfResult::Pass);
    if !all_pass {
        return;
    }
    for finding in findings {
        if matches!(finding.code, Code::SpfLookupsExceeded | Code::SpfVoidExceeded) {
            finding.severity = Severity::Warning;
            finding.evidence.push_str("; the registered sending addresses match before the limit");
        }
    }
}

fn passes(lint: &Lint, evaluations: &[(IpAddr, Evaluation)], findings: &[Finding]) -> State {
    let count = |wanted: fn(SpfResult) -> bool| evaluations.iter().filter(|(_, e)| wanted(e.result)).count();
    let (pass, unknown) = (count(|r| r == SpfResult::Pass), count(|r| r == SpfResult::Temperror));
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
