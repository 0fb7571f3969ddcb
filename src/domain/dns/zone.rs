//! A table of records for the tests of the judges, written as in a zone file, and the loop that asks it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Data, Failure, Inquiry, Kind, Name, Outcome, Question, Reply, Unanswered};

/// What the DNS of a test holds. A name that is not in it does not exist, unless one below it does.
#[derive(Default, Clone)]
pub struct Zone {
    replies: BTreeMap<Question, Reply>,
}

impl Zone {
    /// A zone of these TXT records.
    pub fn of(texts: &[(&str, &str)]) -> Self {
        texts.iter().fold(Self::default(), |zone, (name, text)| zone.txt(name, text))
    }

    /// With a TXT record more.
    pub fn txt(self, name: &str, text: &str) -> Self {
        self.data(name, Kind::Txt, Data::Txt(vec![text.as_bytes().into()]))
    }

    /// With an alias.
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.data(name, Kind::Cname, Data::Cname(Name::parse(target).unwrap()))
    }

    /// With a question that gets no answer.
    pub fn failing(mut self, name: &str, kind: Kind, failure: Failure) -> Self {
        let question = Question::new(Name::parse(name).unwrap(), kind);
        self.replies.insert(question, Reply::of(Outcome::Failed(failure)));
        self
    }

    /// With a record more.
    pub fn data(mut self, name: &str, kind: Kind, data: Data) -> Self {
        let question = Question::new(Name::parse(name).unwrap(), kind);
        let reply = self.replies.entry(question).or_insert_with(|| Reply::of(Outcome::Records(Vec::new())));
        if let Outcome::Records(records) = &mut reply.outcome {
            records.push(data);
        }
        self
    }

    /// With the records of every reply in the other order.
    pub fn reversed(mut self) -> Self {
        for reply in self.replies.values_mut() {
            if let Outcome::Records(records) = &mut reply.outcome {
                records.reverse();
            }
        }
        self
    }

    fn reply(&self, question: &Question) -> Reply {
        if let Some(reply) = self.replies.get(question) {
            return reply.clone();
        }
        let exists = self.replies.keys().any(|known| known.name.is_within(&question.name));
        Reply::of(if exists { Outcome::NoData } else { Outcome::NxDomain })
    }

    /// Runs a judge until nothing is missing. Says what it found, what it asked, and in how many rounds.
    pub fn ask<T>(&self, judge: impl Fn(&mut Inquiry<'_>) -> Result<T, Unanswered>) -> (T, BTreeSet<Question>, usize) {
        let mut known = BTreeMap::new();
        for round in 0..64 {
            let mut inquiry = Inquiry::new(&known);
            let judged = judge(&mut inquiry);
            let (asked, missing) = (inquiry.asked().clone(), inquiry.missing().clone());
            match judged {
                Ok(judgement) => return (judgement, asked, round),
                Err(Unanswered) => known.extend(missing.into_iter().map(|q| (q.clone(), self.reply(&q)))),
            }
        }
        panic!("the judge does not end");
    }
}
