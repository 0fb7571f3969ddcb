//! `check_host()`: whether a client may send for a domain (RFC 7208 section 4).

use serde::{Deserialize, Serialize};

use crate::domain::dns::{Inquiry, Name, Unanswered};
use crate::domain::finding::printable;

use super::explain::explanation;
use super::macros::MacroString;
use super::matching::Client;
use super::publication::Publication;
use super::record::{Record, text_of};
use super::sender::{Identity, Sender};
use super::term::{Mechanism, Qualifier, Term, TermKind};
use super::tree::{Counts, MOST_LOOKUPS, Tree};

/// The result of an evaluation (RFC 7208 section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// The client may send.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    Softfail,
    /// The domain does not say.
    Neutral,
    /// There is no domain, or no record.
    None,
    /// An answer of the DNS is missing.
    Temperror,
    /// The record cannot be evaluated.
    Permerror,
}

/// What an evaluation came to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// The result.
    pub result: SpfResult,
    /// What the domain says about its `fail` (`exp=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The term that matched, in the record that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Why there is no result but an error or `none`, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The lookups and voids until the end of the evaluation.
    pub counts: Counts,
    /// The records that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Tree>,
}

/// Why an evaluation ends before it has a result.
pub enum Stop {
    /// A reply has to be asked for first.
    Unanswered,
    /// `temperror`, and why.
    Temporary(String),
    /// `permerror`, and why.
    Permanent(String),
}

impl From<Unanswered> for Stop {
    fn from(_: Unanswered) -> Self {
        Self::Unanswered
    }
}

/// What one record came to.
struct Decision {
    result: SpfResult,
    matched: Option<String>,
    /// `exp=` of the record that decided, and the name at which that record stands.
    explanation: Option<(MacroString, Name)>,
}

/// Evaluates the policy of the sender's domain for the client's address.
pub fn evaluate(inquiry: &mut Inquiry<'_>, question: &Sender<'_>) -> Result<Evaluation, Unanswered> {
    let who = Identity::of(question);
    let Some(domain) = who.domain() else {
        let problem = "the sender's domain is no domain name of several labels".to_owned();
        return Ok(Evaluation::without_record(SpfResult::None, problem, None));
    };
    let mut tree = Tree::new(&domain, None);
    let mut walk = Walk { client: Client::new(inquiry, &who) };
    let decided = walk.check_host(&domain, &mut tree);
    let counts = walk.client.counts;
    let evaluation = match decided {
        Err(Stop::Unanswered) => return Err(Unanswered),
        Err(Stop::Temporary(problem)) => Evaluation::without_record(SpfResult::Temperror, problem, Some(tree)),
        Err(Stop::Permanent(problem)) => Evaluation::without_record(SpfResult::Permerror, problem, Some(tree)),
        Ok(None) => {
            let problem = format!("no SPF record at {domain}");
            Evaluation::without_record(SpfResult::None, problem, Some(tree))
        }
        Ok(Some(decision)) => {
            let explanation = match (&decision.explanation, decision.result) {
                (Some((target, at)), SpfResult::Fail) => explanation(&mut walk.client, target, at)?,
                _ => None,
            };
            let Decision { result, matched, .. } = decision;
            Evaluation { result, explanation, matched, problem: None, counts, tree: Some(tree) }
        }
    };
    Ok(Evaluation { counts, ..evaluation })
}

impl Evaluation {
    fn without_record(result: SpfResult, problem: String, tree: Option<Tree>) -> Self {
        let problem = Some(problem);
        Self { result, explanation: None, matched: None, problem, counts: Counts::default(), tree }
    }
}

struct Walk<'a, 'k> {
    client: Client<'a, 'k>,
}

impl Walk<'_, '_> {
    /// The decision of the record at that domain; `None` where there is none. Depth is bounded by the limit of lookups.
    fn check_host(&mut self, domain: &Name, node: &mut Tree) -> Result<Option<Decision>, Stop> {
        let decided = self.read(domain, node);
        if let Err(Stop::Temporary(problem) | Stop::Permanent(problem)) = &decided {
            // The problem stands at the record that has it, not at those that lead there.
            if !node.children.iter().any(|child| child.problem.is_some()) {
                node.problem = Some(problem.clone());
            }
        }
        node.sum_up();
        decided
    }

    fn read(&mut self, domain: &Name, node: &mut Tree) -> Result<Option<Decision>, Stop> {
        // A name of one label is not asked for (RFC 7208 section 4.3).
        if domain.depth() < 2 {
            return Ok(None);
        }
        let raw = match Publication::ask(self.client.inquiry, domain)?.0 {
            Publication::None => return Ok(None),
            Publication::One(raw) => raw,
            Publication::Several(records) => {
                return Err(Stop::Permanent(format!("{} SPF records at {domain}", records.len())));
            }
            Publication::Failed(failure) => {
                return Err(Stop::Temporary(format!("TXT of {domain}: {}", failure.as_str())));
            }
        };
        node.record = Some(printable(&raw));
        let record = Record::parse(&raw)
            .map_err(|wrong| Stop::Permanent(format!("in the record of {domain} there is {wrong}")))?;
        for term in record.live() {
            let TermKind::Directive(qualifier, mechanism) = &term.kind else { continue };
            let text = text_of(&raw, term);
            if self.matches(term, mechanism, &text, domain, node)? {
                node.matched = Some(text.clone());
                let explanation = record.explanation().map(|target| (target.clone(), domain.clone()));
                let result = SpfResult::of(*qualifier);
                return Ok(Some(Decision { result, matched: Some(text), explanation }));
            }
        }
        if let Some((term, target)) = record.redirect().filter(|_| record.all().is_none()) {
            let text = text_of(&raw, term);
            return self
                .follow(term, target, &text, domain, node)?
                .map(Some)
                .ok_or_else(|| Stop::Permanent(format!("`{text}` in the record of {domain} leads to no SPF record")));
        }
        Ok(Some(Decision { result: SpfResult::Neutral, matched: None, explanation: None }))
    }

    fn matches(
        &mut self,
        term: &Term,
        mechanism: &Mechanism,
        text: &str,
        domain: &Name,
        node: &mut Tree,
    ) -> Result<bool, Stop> {
        if let Mechanism::Include(target) = mechanism {
            let decision = self
                .follow(term, target, text, domain, node)?
                .ok_or_else(|| Stop::Permanent(format!("`{text}` in the record of {domain} leads to no SPF record")))?;
            return Ok(decision.result == SpfResult::Pass);
        }
        self.count(term, text, domain, node)?;
        let before = self.client.counts.voids;
        let matches = self.client.matches(mechanism, text, domain);
        node.voids += self.client.counts.voids - before;
        matches
    }

    /// The decision of the record that an `include` or `redirect` names.
    fn follow(
        &mut self,
        term: &Term,
        target: &MacroString,
        text: &str,
        domain: &Name,
        node: &mut Tree,
    ) -> Result<Option<Decision>, Stop> {
        self.count(term, text, domain, node)?;
        let Some(target) = self.client.target(target, domain)? else { return Ok(None) };
        let mut child = Tree::new(&target, Some(text.to_owned()));
        let decided = self.check_host(&target, &mut child);
        if matches!(decided, Ok(None)) {
            child.problem = Some("no SPF record".to_owned());
        }
        node.children.push(child);
        decided
    }

    fn count(&mut self, term: &Term, text: &str, domain: &Name, node: &mut Tree) -> Result<(), Stop> {
        if !term.is_lookup() {
            return Ok(());
        }
        self.client.counts.lookups += 1;
        node.own_lookups += 1;
        if self.client.counts.lookups > MOST_LOOKUPS {
            return Err(Stop::Permanent(format!(
                "more than {MOST_LOOKUPS} lookups, at `{text}` in the record of {domain}"
            )));
        }
        Ok(())
    }
}

impl SpfResult {
    /// The word for it in RFC 7208.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Softfail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::Temperror => "temperror",
            Self::Permerror => "permerror",
        }
    }

    fn of(qualifier: Qualifier) -> Self {
        match qualifier {
            Qualifier::Pass => Self::Pass,
            Qualifier::Fail => Self::Fail,
            Qualifier::Softfail => Self::Softfail,
            Qualifier::Neutral => Self::Neutral,
        }
    }
}
