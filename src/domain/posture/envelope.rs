//! The envelope domain itself: it exists, takes bounces, and leads to the provider as the provider prescribes.

use super::plan::Plan;
use super::provider::Preset;
use crate::domain::dns::{Data, Inquiry, Kind, Name, Question, Reply, Unanswered};
use crate::domain::finding::{Area, Code, Finding, Severity};

/// Judges the envelope domain of a stream that sends mail.
pub fn examine(inquiry: &mut Inquiry<'_>, plan: &Plan) -> Result<Vec<Finding>, Unanswered> {
    let Some(domain) = &plan.envelope else { return Ok(vec![not_own(plan)]) };
    let mx = inquiry.ask(Question::new(domain.clone(), Kind::Mx))?;
    if let Some(failure) = mx.failure() {
        return Ok(vec![Finding::unanswered(Area::Mailfrom, domain, failure, format!("MX of {domain}"))]);
    }
    if mx.is_nxdomain() {
        return Ok(vec![nxdomain(domain, mx, plan.preset.as_ref())]);
    }
    let exchanges = exchanges(mx);
    if exchanges.iter().any(|(_, host)| host.depth() == 0) {
        let remedy = publish(domain, plan.preset.as_ref());
        return Ok(vec![
            Finding::new(Code::MailfromNullMx, domain, "the MX is \".\": bounces cannot come back", remedy)
                .record(b"MX 0 ."),
        ]);
    }
    match &plan.preset {
        Some(preset) if preset.aliases.iter().any(|alias| mx.chain.iter().any(|name| name.is_within(alias))) => {
            Ok(Vec::new())
        }
        Some(preset) => Ok(prescribed(domain, &exchanges, preset)),
        None if exchanges.is_empty() => addresses(inquiry, domain),
        None => Ok(Vec::new()),
    }
}

/// Without an MX, mail goes to the domain's own address (RFC 5321 section 5.1).
fn addresses(inquiry: &mut Inquiry<'_>, domain: &Name) -> Result<Vec<Finding>, Unanswered> {
    let both = [Kind::A, Kind::Aaaa].map(|kind| inquiry.ask(Question::new(domain.clone(), kind)));
    let [v4, v6] = both;
    let (v4, v6) = (v4?, v6?);
    if !v4.records().is_empty() || !v6.records().is_empty() {
        return Ok(Vec::new());
    }
    if let Some(failure) = v4.failure().or(v6.failure()) {
        return Ok(vec![Finding::unanswered(Area::Mailfrom, domain, failure, format!("address of {domain}"))]);
    }
    let remedy = format!("Publish at {domain} the MX of the host that takes your bounces");
    let evidence = "no MX, no A, no AAAA: bounces cannot come back";
    Ok(vec![Finding::new(Code::MailfromMxMissing, domain, evidence, remedy).severity(Severity::Warning)])
}

fn prescribed(domain: &Name, exchanges: &[(u16, Name)], preset: &Preset) -> Vec<Finding> {
    let remedy = publish(domain, Some(preset));
    let shown = shown(exchanges);
    let right = exchanges.iter().filter(|(_, host)| preset.exchange.is(host)).count();
    let finding =
        |code, evidence: String| Finding::new(code, domain, evidence, remedy.clone()).record(shown.as_bytes());
    if exchanges.is_empty() {
        let evidence = format!("no MX, and {} takes bounces there", preset.called);
        return vec![Finding::new(Code::MailfromMxMissing, domain, evidence, remedy)];
    }
    let mut findings = Vec::new();
    if right == 0 {
        findings.push(finding(Code::MailfromMxWrong, format!("no MX is {}'s", preset.called)));
    }
    if preset.alone && exchanges.len() > 1 {
        let evidence = format!(
            "{} MX records: {} wants exactly one, and falls back to its own envelope domain",
            exchanges.len(),
            preset.called
        );
        findings.push(finding(Code::MailfromMxMultiple, evidence));
    }
    findings
}

fn not_own(plan: &Plan) -> Finding {
    let evidence = match &plan.sent_as {
        Some(name) => {
            format!("the envelope is {name}, the provider's own: SPF passes there and says nothing of {}", plan.from)
        }
        None => format!("the envelope is the provider's own: SPF passes there and says nothing of {}", plan.from),
    };
    let from = plan.from.relative();
    let remedy = match &plan.preset {
        Some(preset) => format!(
            "Set up an envelope domain of your own, such as bounce.{from}, with {} and {}, and register it with Apple",
            preset.exchange.record(),
            preset.spf_record
        ),
        None => format!("Set up an envelope domain of your own, such as bounce.{from}, and register it with Apple"),
    };
    Finding::new(Code::MailfromNotOwnDomain, &plan.from, evidence, remedy)
}

fn nxdomain(domain: &Name, mx: &Reply, preset: Option<&Preset>) -> Finding {
    let evidence = match mx.chain.last() {
        Some(end) => format!("NXDOMAIN: {domain} leads to {end}, which does not exist"),
        None => "NXDOMAIN: receivers refuse mail from a domain that does not exist".to_owned(),
    };
    Finding::new(Code::MailfromNxdomain, domain, evidence, publish(domain, preset))
}

fn publish(domain: &Name, preset: Option<&Preset>) -> String {
    let Some(preset) = preset else {
        return format!("Publish at {domain} the MX of the host that takes your bounces");
    };
    let only = if preset.alone { " as the only MX" } else { "" };
    let alias = preset.aliases.first().map_or(String::new(), |alias| format!(" (or: {domain} CNAME {alias})"));
    format!("Publish{only}: {domain} {}{alias}", preset.exchange.record())
}

/// The exchanges, sorted.
fn exchanges(mx: &Reply) -> Vec<(u16, Name)> {
    let mut all: Vec<(u16, Name)> = mx
        .records()
        .iter()
        .filter_map(|data| match data {
            Data::Mx { preference, exchange } => Some((*preference, exchange.clone())),
            _ => None,
        })
        .collect();
    all.sort();
    all
}

fn shown(exchanges: &[(u16, Name)]) -> String {
    let each: Vec<String> = exchanges.iter().map(|(preference, host)| format!("MX {preference} {host}")).collect();
    each.join("; ")
}
