//! The walk over a record and all it leads to. It asks for everything it can see and goes on where answers are missing, so that one
//! round of questions is one level of the tree.

use std::collections::BTreeSet;

use crate::domain::dns::{Inquiry, Name};
use crate::domain::finding::{Area, Code, Finding, printable};

use super::super::macros::MacroString;
use super::super::publication::Publication;
use super::super::record::{Record, text_of};
use super::super::rewrite::{corrected, names_somebody, without};
use super::super::term::{Mechanism, Qualifier, Term, TermKind};
use super::super::tree::Tree;
use super::limits::Voids;
use super::names::Target;
use super::{absence, from_provider, publish_rest, terms};

/// How many names are asked about, at most: ten times what receivers ask, and enough to show where the lookups come from.
const MOST_STEPS: u32 = 200;
/// How deep records may lead into one another before the walk stops.
const MOST_RECORDS_DEEP: usize = 20;

/// Whether a record is answerable for the result, or only for whom it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The domain's own, or where `redirect` took it.
    Own,
    /// One that is included.
    Included,
}

/// Whether a record passes anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorises {
    Somebody,
    Nobody,
    /// It cannot be read.
    Unknown,
}

/// How the walk came to a record.
#[derive(Debug, Clone)]
pub struct Place {
    pub role: Role,
    /// Whether who matches here passes.
    pub passes: bool,
    pub via: Option<Via>,
}

/// The term that led to a record.
#[derive(Debug, Clone)]
pub struct Via {
    /// The linted domain's record without its own term on the way here.
    pub without: String,
}

pub struct Walk<'a, 'k> {
    pub inquiry: &'a mut Inquiry<'k>,
    /// The linted domain.
    pub domain: Name,
    pub findings: Vec<Finding>,
    pub reached: BTreeSet<Name>,
    /// Whether an answer has yet to be asked for.
    pub pending: bool,
    pub complete: bool,
    /// Whether the walk stopped at its bound.
    pub stopped: bool,
    pub voids: Voids,
    /// What each term of the linted domain's record costs, in lookups.
    pub costs: Vec<(String, u32)>,
    steps: u32,
}

impl<'a, 'k> Walk<'a, 'k> {
    pub fn new(inquiry: &'a mut Inquiry<'k>, domain: &Name) -> Self {
        Self {
            inquiry,
            domain: domain.clone(),
            findings: Vec::new(),
            reached: BTreeSet::new(),
            pending: false,
            complete: true,
            stopped: false,
            voids: Voids::default(),
            costs: Vec::new(),
            steps: 0,
        }
    }

    /// Judges the record `raw` that stands at the end of `path`.
    pub fn record(&mut self, raw: &[u8], place: &Place, path: &mut Vec<Name>, tree: &mut Tree) -> Authorises {
        let at = path.last().cloned().unwrap_or_else(Name::root);
        tree.record = Some(printable(raw));
        let record = match Record::parse(raw) {
            Ok(record) => record,
            Err(wrong) => {
                tree.problem = Some(wrong.to_string());
                let remedy = self.remedy(&at, place, corrected(raw));
                let evidence = format!("there is {}", wrong.problem);
                self.findings.push(Finding::new(Code::SpfSyntax, &at, evidence, remedy).offset(raw, wrong.span.start));
                return Authorises::Unknown;
            }
        };
        self.findings.extend(terms::findings(&at, raw, &record, place, |fixed| self.remedy(&at, place, fixed)));
        let mut authorises = Authorises::Nobody;
        let redirect = record.redirect().filter(|_| record.all().is_none());
        for term in record.live().chain(redirect.map(|(term, _)| term)) {
            if term.is_lookup() && !self.step() {
                authorises = Authorises::Unknown;
                break;
            }
            tree.own_lookups += u32::from(term.is_lookup());
            let before = tree.children.len();
            let one = self.term(term, raw, place, path, tree);
            if path.len() == 1 && term.is_lookup() {
                let below: u32 = tree.children[before..].iter().map(|child| child.total_lookups).sum();
                self.costs.push((text_of(raw, term), 1 + below));
            }
            authorises = match (authorises, one) {
                (Authorises::Somebody, _) | (_, Authorises::Somebody) => Authorises::Somebody,
                (Authorises::Unknown, _) | (_, Authorises::Unknown) => Authorises::Unknown,
                _ => Authorises::Nobody,
            };
        }
        tree.sum_up();
        authorises
    }

    /// Judges one term: whom it passes, and what its questions bring.
    fn term(&mut self, term: &Term, raw: &[u8], place: &Place, path: &mut Vec<Name>, tree: &mut Tree) -> Authorises {
        let at = path.last().cloned().unwrap_or_else(Name::root);
        let (qualifier, mechanism) = match &term.kind {
            TermKind::Directive(qualifier, mechanism) => (*qualifier, mechanism),
            TermKind::Redirect(target) => return self.follow(term, target, raw, place, path, tree),
            TermKind::Explanation(_) | TermKind::UnknownModifier(_) => return Authorises::Nobody,
        };
        if let Mechanism::Include(target) = mechanism {
            let passes = place.passes && qualifier == Qualifier::Pass;
            let place = Place { role: Role::Included, passes, ..place.clone() };
            let included = self.follow(term, target, raw, &place, path, tree);
            return if qualifier == Qualifier::Pass { included } else { Authorises::Nobody };
        }
        let before = self.voids.counts();
        match mechanism {
            Mechanism::A(target, _) => {
                if let Some(name) = self.own_or(target.as_ref(), term, raw, &at, place) {
                    self.addresses(&name, Some((term, path)));
                }
            }
            Mechanism::Mx(target, _) => {
                if let Some(name) = self.own_or(target.as_ref(), term, raw, &at, place) {
                    self.mx(&name, term, raw, path, place);
                }
            }
            Mechanism::Exists(target) => {
                if let Some(name) = self.name_of(target, term, raw, &at, place) {
                    self.exists(&name, term, path);
                }
            }
            // An `include` was followed above; the others ask nothing that could be asked without a client.
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) | Mechanism::Ptr(_) | Mechanism::Include(_) => {}
        }
        tree.voids += self.voids.since(before);
        if qualifier == Qualifier::Pass { Authorises::Somebody } else { Authorises::Nobody }
    }

    /// Judges the record that an `include` or `redirect` names.
    fn follow(
        &mut self,
        term: &Term,
        target: &MacroString,
        raw: &[u8],
        place: &Place,
        path: &mut Vec<Name>,
        tree: &mut Tree,
    ) -> Authorises {
        let at = path.last().cloned().unwrap_or_else(Name::root);
        let text = text_of(raw, term);
        let is_redirect = matches!(term.kind, TermKind::Redirect(_));
        let via = Via {
            without: match &place.via {
                Some(via) => via.without.clone(),
                None if is_redirect => without(raw, std::slice::from_ref(&term.span)) + " ~all",
                None => without(raw, std::slice::from_ref(&term.span)),
            },
        };
        let place = Place { via: Some(via), ..place.clone() };
        let nowhere = if is_redirect { Code::SpfRedirectNoRecord } else { Code::SpfIncludeNoRecord };
        let name = match self.target(target, &at) {
            Target::Name(name) if name.depth() > 1 => name,
            Target::Depends(suffix) => {
                self.reached.extend(suffix);
                return Authorises::Unknown;
            }
            Target::Name(_) | Target::Malformed => {
                let evidence = format!("`{text}` names nothing that the DNS can hold");
                let remedy = self.remedy(&at, &place, None);
                self.findings.push(Finding::new(nowhere, &at, evidence, remedy).offset(raw, term.span.start));
                return Authorises::Unknown;
            }
        };
        let mut child = Tree::new(&name, Some(text.clone()));
        self.reached.insert(name.clone());
        let authorises = if path.contains(&name) {
            child.problem = Some("leads back to itself".to_owned());
            let way: Vec<_> = path.iter().chain([&name]).map(ToString::to_string).collect();
            let evidence = format!("`{text}` leads back to where it came from: {}", way.join(" -> "));
            let remedy = self.remedy(&at, &place, None);
            self.findings.push(Finding::new(Code::SpfIncludeLoop, &at, evidence, remedy).offset(raw, term.span.start));
            Authorises::Unknown
        } else if path.len() >= MOST_RECORDS_DEEP {
            child.problem = Some("too deep to be followed".to_owned());
            self.stop();
            Authorises::Unknown
        } else {
            self.read(&name, nowhere, (term, raw), &place, path, &mut child)
        };
        tree.children.push(child);
        authorises
    }

    /// Reads what a term leads to. `from` is that term, and the record it stands in.
    fn read(
        &mut self,
        name: &Name,
        nowhere: Code,
        from: (&Term, &[u8]),
        place: &Place,
        path: &mut Vec<Name>,
        tree: &mut Tree,
    ) -> Authorises {
        let Ok((publication, reply)) = Publication::ask(self.inquiry, name) else {
            self.pending = true;
            return Authorises::Unknown;
        };
        self.reached.extend(reply.chain.iter().cloned());
        match publication {
            Publication::One(record) => {
                path.push(name.clone());
                let authorises = self.record(&record, place, path, tree);
                path.pop();
                return authorises;
            }
            Publication::Failed(failure) => {
                tree.problem = Some(failure.as_str().to_owned());
                self.complete = false;
                self.findings.push(Finding::unanswered(Area::Spf, name, failure, format!("TXT of {name}")));
            }
            Publication::None => {
                tree.problem = Some("no SPF record".to_owned());
                let (term, raw) = from;
                let seen = if reply.is_nxdomain() { "NXDOMAIN" } else { "no SPF record" };
                let evidence = format!("`{}` leads to {name}: {seen} there", text_of(raw, term));
                let remedy = self.remedy(name, place, None);
                self.findings.push(Finding::new(nowhere, name, evidence, remedy).offset(raw, term.span.start));
            }
            Publication::Several(records) => {
                tree.problem = Some(format!("{} SPF records", records.len()));
                let remedy = self.remedy(name, place, None);
                self.findings.push(absence::several(name, &records, Some(remedy)));
            }
        }
        Authorises::Unknown
    }

    /// What to do about the record at `at`: publish `fixed`, or do without what leads there.
    pub fn remedy(&self, at: &Name, place: &Place, fixed: Option<String>) -> String {
        let own = &self.domain;
        match (fixed, &place.via) {
            (Some(fixed), _) if at == own => publish_rest(own, &fixed),
            (Some(fixed), _) if names_somebody(&fixed) => format!("Have whoever publishes {at} publish there: {fixed}"),
            (_, Some(via)) if names_somebody(&via.without) => format!(
                "Have the record at {at} mended by whoever publishes it, or publish at {own} without the term that leads there: {}",
                via.without
            ),
            (_, None) => format!("Correct the record at {own}"),
            _ => format!("Have the record at {at} mended by whoever publishes it, or: {}", from_provider(own)),
        }
    }

    /// Whether the walk may go one step further.
    pub fn step(&mut self) -> bool {
        if self.steps >= MOST_STEPS {
            self.stop();
            return false;
        }
        self.steps += 1;
        true
    }

    fn stop(&mut self) {
        (self.stopped, self.complete) = (true, false);
    }
}
