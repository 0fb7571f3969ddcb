//! What is wrong with the terms of one sound record, without asking anything.

use crate::domain::dns::Name;
use crate::domain::finding::{Code, Finding, Severity};

use super::super::record::{Record, text_of};
use super::super::rewrite::{corrected_term, ending_in, is_ignored_mechanism, without};
use super::super::term::{Mechanism, Qualifier, Term, TermKind};
use super::walk::{Place, Role};

/// A record of more characters does not fit an answer of 512 bytes beside its name (RFC 7208 section 3.4).
const LONG: usize = 450;

/// The findings of the record `raw` at `at`. `remedy` tells what to do, given the record to publish there.
pub fn findings(
    at: &Name,
    raw: &[u8],
    record: &Record,
    place: &Place,
    remedy: impl Fn(Option<String>) -> String,
) -> Vec<Finding> {
    let judge = Judge { at, raw, record, remedy };
    let mut findings = Vec::new();
    if place.passes {
        findings.extend(judge.networks(place.role));
        findings.extend(judge.plus_all());
    }
    if place.role == Role::Own {
        findings.extend(judge.end());
        findings.extend(judge.habits());
    }
    findings
}

struct Judge<'a, R> {
    at: &'a Name,
    raw: &'a [u8],
    record: &'a Record,
    remedy: R,
}

impl<R: Fn(Option<String>) -> String> Judge<'_, R> {
    fn finding(&self, code: Code, term: &Term, evidence: impl Into<String>, fixed: Option<String>) -> Finding {
        Finding::new(code, self.at, evidence, (self.remedy)(fixed)).offset(self.raw, term.span.start)
    }

    fn text(&self, term: &Term) -> String {
        text_of(self.raw, term)
    }

    /// The first `all`, with its qualifier.
    fn all(&self) -> Option<(&Term, Qualifier)> {
        let term = &self.record.terms[self.record.all()?];
        match term.kind {
            TermKind::Directive(qualifier, _) => Some((term, qualifier)),
            _ => None,
        }
    }

    fn plus_all(&self) -> Option<Finding> {
        let (all, _) = self.all().filter(|(_, qualifier)| *qualifier == Qualifier::Pass)?;
        let evidence = format!("`{}` passes every client there is", self.text(all));
        let fixed = ending_in(self.raw, self.record, "~all");
        Some(self.finding(Code::SpfPlusAll, all, evidence, Some(fixed)))
    }

    /// Networks that are too wide. What a provider owns may be wide; a sender's own is not.
    fn networks(&self, role: Role) -> Option<Finding> {
        let (wide4, wide6) = if role == Role::Own { (16, 32) } else { (8, 16) };
        let mut widest = u8::MAX;
        let mut wide = Vec::new();
        for term in self.record.live() {
            let TermKind::Directive(Qualifier::Pass, mechanism) = &term.kind else { continue };
            let (ip4, ip6) = match mechanism {
                Mechanism::Ip4(_, bits) => (*bits, 128),
                Mechanism::Ip6(_, bits) => (32, *bits),
                Mechanism::A(_, cidr) | Mechanism::Mx(_, cidr) => (cidr.ip4, cidr.ip6),
                _ => continue,
            };
            if ip4 < wide4 || ip6 < wide6 {
                widest = widest.min(ip4.min(ip6));
                wide.push(term);
            }
        }
        let first = wide.first()?;
        let texts: Vec<_> = wide.iter().map(|term| format!("`{}`", self.text(term))).collect();
        let evidence = match widest {
            0 => format!("{} passes every client of a family", texts.join(", ")),
            bits => format!("{} passes every client in a network of /{bits}", texts.join(", ")),
        };
        let spans: Vec<_> = wide.iter().map(|term| term.span.clone()).collect();
        let severity = if widest == 0 { Severity::Error } else { Severity::Warning };
        let finding = self.finding(Code::SpfOverbroad, first, evidence, Some(without(self.raw, &spans)));
        Some(finding.severity(severity))
    }

    /// How the record ends: `all`, `redirect`, neither, both, or something after.
    fn end(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let redirect = self.record.redirect().map(|(term, _)| term);
        match (self.all(), redirect) {
            (None, None) => {
                let evidence = "neither `all` nor `redirect=` ends the record: who is not listed gets `neutral`";
                let fixed = ending_in(self.raw, self.record, "~all");
                let finding = Finding::new(Code::SpfAllMissing, self.at, evidence, (self.remedy)(Some(fixed)));
                findings.push(finding.record(self.raw));
            }
            (Some((all, _)), Some(redirect)) => {
                let evidence = format!("`{}` beside `{}` is not followed", self.text(redirect), self.text(all));
                let fixed = without(self.raw, std::slice::from_ref(&redirect.span));
                findings.push(self.finding(Code::SpfRedirectIgnored, redirect, evidence, Some(fixed)));
            }
            _ => {}
        }
        if let Some((all, Qualifier::Neutral)) = self.all() {
            let evidence = "`?all` says nothing about who is not listed";
            let fixed = ending_in(self.raw, self.record, "~all");
            findings.push(self.finding(Code::SpfNeutralAll, all, evidence, Some(fixed)));
        }
        let dead: Vec<_> = self.record.dead().collect();
        if let (Some((all, _)), [first, ..]) = (self.all(), dead.as_slice()) {
            let texts: Vec<_> = dead.iter().map(|term| format!("`{}`", self.text(term))).collect();
            let evidence = format!("nobody reads {} after `{}`", texts.join(", "), self.text(all));
            let fixed = ending_in(self.raw, self.record, &self.text(all));
            findings.push(self.finding(Code::SpfTermsAfterAll, first, evidence, Some(fixed)));
        }
        findings
    }

    /// What works and should not be written so.
    fn habits(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_ptr = |term: &&Term| matches!(term.kind, TermKind::Directive(_, Mechanism::Ptr(_)));
        let ptrs: Vec<_> = self.record.live().filter(is_ptr).collect();
        if let [first, ..] = ptrs.as_slice() {
            let spans: Vec<_> = ptrs.iter().map(|term| term.span.clone()).collect();
            let evidence =
                format!("`{}` is slow, fails with the client's name servers, and is skipped by some", self.text(first));
            findings.push(self.finding(Code::SpfPtr, first, evidence, Some(without(self.raw, &spans))));
        }
        // Each shows the whole record, so of a record full of them only the first few are told.
        for term in self.record.terms.iter().filter(|term| is_ignored_mechanism(&self.text(term))).take(10) {
            let text = self.text(term);
            let evidence =
                format!("`{text}` is read as a modifier that nobody knows, and ignored: `=` stands where `:` belongs");
            let fixed = corrected_term(&text).map(|meant| {
                let [before, after] = [&self.raw[..term.span.start], &self.raw[term.span.end..]];
                String::from_utf8_lossy(&[before, meant.as_bytes(), after].concat()).into_owned()
            });
            findings.push(self.finding(Code::SpfSyntax, term, evidence, fixed).severity(Severity::Warning));
        }
        if self.raw.len() > LONG {
            let evidence =
                format!("{} characters; with more than {LONG} an answer may not fit 512 bytes", self.raw.len());
            let remedy = format!("Nothing has to change; a shorter record at {} would be safer", self.at);
            findings.push(Finding::new(Code::SpfLong, self.at, evidence, remedy).record(self.raw));
        }
        findings
    }
}
