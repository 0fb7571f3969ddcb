//! The names in a record's terms, and the questions about them.

use std::collections::BTreeSet;

use crate::domain::dns::{Kind, Name, Question, Reply};
use crate::domain::finding::{Area, Code, Finding};

use super::super::macros::{Letter, MacroString};
use super::super::matching::exchanges;
use super::super::publication::{bytes_of, target_name};
use super::super::record::{Record, text_of};
use super::super::rewrite::without;
use super::super::term::{Mechanism, Term, TermKind};
use super::super::tree::MOST_EXCHANGES;
use super::walk::{Place, Walk};

/// What a domain-spec stands for when nobody in particular sends.
pub enum Target {
    Name(Name),
    /// It depends on the mail; the whole labels after the last macro.
    Depends(Option<Name>),
    /// The DNS can hold no such name.
    Malformed,
}

impl<'k> Walk<'_, 'k> {
    /// Notes what a record names, without asking.
    pub fn reach(&mut self, record: &Record, at: &Name) {
        for term in &record.terms {
            let (TermKind::Directive(_, Mechanism::Include(target) | Mechanism::Exists(target))
            | TermKind::Redirect(target)) = &term.kind
            else {
                continue;
            };
            match self.target(target, at) {
                Target::Name(name) => drop(self.reached.insert(name)),
                Target::Depends(suffix) => self.reached.extend(suffix),
                Target::Malformed => {}
            }
        }
    }

    pub fn mx(&mut self, name: &Name, term: &Term, raw: &[u8], path: &[Name], place: &Place) {
        let Some(reply) = self.ask(name, Kind::Mx) else { return };
        if reply.is_void() {
            return self.voids.add_both(format!("MX of {name}"), term, path);
        }
        let hosts = exchanges(reply);
        if hosts.len() > MOST_EXCHANGES {
            let at = path.last().cloned().unwrap_or_else(Name::root);
            let evidence =
                format!("`{}`: {name} has {} exchanges, more than {MOST_EXCHANGES}", text_of(raw, term), hosts.len());
            let fixed = without(raw, std::slice::from_ref(&term.span));
            let remedy = self.remedy(&at, place, Some(fixed));
            self.findings.push(Finding::new(Code::SpfMxLimit, &at, evidence, remedy).offset(raw, term.span.start));
            return;
        }
        let hosts: BTreeSet<_> = hosts.into_iter().map(|(_, host)| host).collect();
        for host in hosts {
            if self.step() {
                self.addresses(&host, None);
            }
        }
    }

    /// Asks for any address of a name: an A lookup, whatever the client's family (RFC 7208 section 5.7).
    pub fn exists(&mut self, name: &Name, term: &Term, path: &[Name]) {
        self.reached.insert(name.clone());
        if self.ask(name, Kind::A).is_some_and(Reply::is_void) {
            self.voids.add_both(format!("A of {name}"), term, path);
        }
    }

    /// Asks for the addresses of a name, in both families. `only` is the term that matches nobody where there are none.
    pub fn addresses(&mut self, name: &Name, only: Option<(&Term, &[Name])>) {
        let [ip4, ip6] = [Kind::A, Kind::Aaaa].map(|kind| self.ask(name, kind).is_some_and(Reply::is_void));
        match (ip4, ip6, only) {
            (true, true, Some((term, path))) => return self.voids.add_both(format!("addresses of {name}"), term, path),
            (true, _, _) => self.voids.add_ip4(format!("A of {name}")),
            _ => {}
        }
        if ip6 {
            self.voids.add_ip6(format!("AAAA of {name}"));
        }
    }

    /// The reply, where it is an answer.
    pub fn ask(&mut self, name: &Name, kind: Kind) -> Option<&'k Reply> {
        let Ok(reply) = self.inquiry.ask(Question::new(name.clone(), kind)) else {
            self.pending = true;
            return None;
        };
        let Some(failure) = reply.failure() else { return Some(reply) };
        self.complete = false;
        self.findings.push(Finding::unanswered(Area::Spf, name, failure, format!("{kind} of {name}")));
        None
    }

    pub fn target(&self, spec: &MacroString, at: &Name) -> Target {
        let expanded = spec.expand(|letter| match letter {
            Letter::Domain => Some(bytes_of(at)),
            Letter::SenderDomain => Some(bytes_of(&self.domain)),
            _ => None,
        });
        match expanded {
            Some(bytes) => target_name(&bytes).map_or(Target::Malformed, Target::Name),
            None => Target::Depends(spec.literal_suffix().and_then(|suffix| target_name(suffix.as_bytes()))),
        }
    }

    /// The name that a mechanism asks for, where that can be said without a mail.
    pub fn name_of(&mut self, spec: &MacroString, term: &Term, raw: &[u8], at: &Name, place: &Place) -> Option<Name> {
        match self.target(spec, at) {
            Target::Name(name) => Some(name),
            Target::Depends(suffix) => {
                if matches!(term.kind, TermKind::Directive(_, Mechanism::Exists(_))) {
                    self.reached.extend(suffix);
                }
                None
            }
            Target::Malformed => {
                let evidence = format!("`{}` names nothing that the DNS can hold", text_of(raw, term));
                let remedy = self.remedy(at, place, Some(without(raw, std::slice::from_ref(&term.span))));
                self.findings.push(Finding::new(Code::SpfSyntax, at, evidence, remedy).offset(raw, term.span.start));
                None
            }
        }
    }

    pub fn own_or(
        &mut self,
        spec: Option<&MacroString>,
        term: &Term,
        raw: &[u8],
        at: &Name,
        place: &Place,
    ) -> Option<Name> {
        match spec {
            Some(spec) => self.name_of(spec, term, raw, at, place),
            None => Some(at.clone()),
        }
    }
}
