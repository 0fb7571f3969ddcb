//! How a judge asks: it takes what is known, notes what is missing, and is called again when that has been asked.
//!
//! A judge is a plain function that gives up with [`Unanswered`] where a reply is missing. Whoever runs it asks the missing
//! questions, all at once, and calls it again from the start, until it ends. So a judge reads like the RFC, needs no state of
//! its own, and can be run against a table of replies.

use std::collections::{BTreeMap, BTreeSet};

use super::reply::{Question, Reply};

/// Where replies are kept.
pub trait Known {
    /// The reply to the question, if it has been asked.
    fn reply(&self, question: &Question) -> Option<&Reply>;
}

impl Known for BTreeMap<Question, Reply> {
    fn reply(&self, question: &Question) -> Option<&Reply> {
        self.get(question)
    }
}

/// A reply is missing: the judge cannot go on until the inquiry's missing questions have been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// One run of a judge.
pub struct Inquiry<'a> {
    known: &'a dyn Known,
    asked: BTreeSet<Question>,
    missing: BTreeSet<Question>,
}

impl<'a> Inquiry<'a> {
    /// A run on what is known.
    pub fn new(known: &'a dyn Known) -> Self {
        Self { known, asked: BTreeSet::new(), missing: BTreeSet::new() }
    }

    /// The reply, or `Unanswered` after noting that it is missing.
    ///
    /// A judge that will need several replies asks for all before it takes the first with `?`: they are then fetched at once.
    pub fn ask(&mut self, question: Question) -> Result<&'a Reply, Unanswered> {
        let reply = self.known.reply(&question);
        if reply.is_none() {
            self.missing.insert(question.clone());
        }
        self.asked.insert(question);
        reply.ok_or(Unanswered)
    }

    /// What must be asked before the judge can go on.
    pub fn missing(&self) -> &BTreeSet<Question> {
        &self.missing
    }

    /// Every question of this run, each once.
    pub fn asked(&self) -> &BTreeSet<Question> {
        &self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::{Kind, Name, Outcome};

    #[test]
    fn what_is_missing_is_noted_and_asked_once() {
        let question = |name: &str| Question::new(Name::parse(name).unwrap(), Kind::Txt);
        let mut known = BTreeMap::from([(question("a.test"), Reply::of(Outcome::NoData))]);
        let judge = |inquiry: &mut Inquiry<'_>| {
            let both = [inquiry.ask(question("b.test")), inquiry.ask(question("c.test"))];
            inquiry.ask(question("a.test"))?;
            let [b, c] = both;
            Ok::<_, Unanswered>(b?.is_void() && c?.is_void())
        };
        let mut first = Inquiry::new(&known);
        assert_eq!(judge(&mut first), Err(Unanswered));
        let missing = first.missing().clone();
        assert_eq!(missing, BTreeSet::from([question("b.test"), question("c.test")]));
        known.extend(missing.into_iter().map(|q| (q, Reply::of(Outcome::NxDomain))));
        let mut second = Inquiry::new(&known);
        assert_eq!(judge(&mut second), Ok(true));
        assert!(second.missing().is_empty() && second.asked().len() == 3);
    }
}
