//! The DNS Tree Walk (RFC 9989 section 4.10): which names are asked, which record applies, where an organization begins.

use std::collections::BTreeMap;

use crate::domain::dns::{Failure, Inquiry, Kind, Name, Question, Unanswered};

use super::record::{Psd, Record, is_dmarc};

/// A walk that starts at eight labels or more goes on at seven.
const JUMP: usize = 7;
/// With so many unanswered questions the possibilities are no longer tried out one by one.
const MOST_FAILURES: usize = 3;

/// What stands at `_dmarc` before a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The DMARC records. Receivers take one; of several, none.
    pub records: Vec<Vec<u8>>,
    /// The other texts.
    pub others: Vec<Vec<u8>>,
    /// Why there was no answer.
    pub failure: Option<Failure>,
    /// What a receiver sees; nothing where there was no answer.
    seen: Seen,
}

/// What a receiver sees at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// No record that counts.
    Nothing,
    /// A record with that `psd`.
    Record(Psd),
}

impl Answer {
    fn new(texts: Vec<Vec<u8>>, failure: Option<Failure>) -> Self {
        let (records, others): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| is_dmarc(text));
        let seen = match records.as_slice() {
            [only] => Record::read(only).map_or(Seen::Nothing, |record| Seen::Record(record.psd)),
            _ => Seen::Nothing,
        };
        Self { records, others, failure, seen }
    }
}

/// Where a walk has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The organizational domain of the start.
    pub organizational: Name,
    /// The domain whose record applies to the start.
    pub policy_at: Option<Name>,
}

/// The answers of several walks, which share names.
pub struct Walks {
    answers: BTreeMap<Name, Answer>,
}

/// The names of a walk, the start first: at most eight.
pub fn targets(start: &Name) -> Vec<Name> {
    let below = if start.depth() > JUMP { JUMP } else { start.depth().saturating_sub(1) };
    let start = (start.depth() > 0).then(|| start.clone());
    start.iter().cloned().chain((1..=below).rev().filter_map(|depth| Some(start.as_ref()?.suffix(depth)))).collect()
}

/// Where the record of a name stands; none where the name is too long for it.
pub fn record_name(name: &Name) -> Option<Name> {
    name.below("_dmarc").ok()
}

/// Walks, given what is seen at each name.
pub fn discover(start: &Name, seen: impl Fn(&Name) -> Seen) -> Discovery {
    let mut organizational = None;
    let mut highest = None;
    let mut suffix = None;
    for name in targets(start) {
        match seen(&name) {
            Seen::Nothing => {}
            Seen::Record(Psd::No) => {
                organizational = Some(name);
                break;
            }
            Seen::Record(Psd::Yes) if name != *start => {
                organizational = Some(start.suffix(name.depth() + 1));
                suffix = Some(name);
                break;
            }
            // At the start it ends the walk, and the start is the only record.
            Seen::Record(Psd::Yes) => {
                highest = Some(name);
                break;
            }
            Seen::Record(Psd::Unsaid) => highest = Some(name),
        }
    }
    let organizational = organizational.or(highest).unwrap_or_else(|| start.clone());
    let counts = |name: &Name| seen(name) != Seen::Nothing;
    let policy_at = if counts(start) {
        Some(start.clone())
    } else if targets(start).contains(&organizational) && counts(&organizational) {
        Some(organizational.clone())
    } else {
        suffix
    };
    Discovery { organizational, policy_at }
}

impl Walks {
    /// Asks for every name of the walks from these starts, all at once.
    pub fn ask(inquiry: &mut Inquiry<'_>, starts: &[&Name]) -> Result<Self, Unanswered> {
        let mut answers: BTreeMap<Name, Result<Answer, Unanswered>> = BTreeMap::new();
        for target in starts.iter().flat_map(|start| targets(start)) {
            if answers.contains_key(&target) {
                continue;
            }
            let answer = match record_name(&target) {
                None => Ok(Answer::new(Vec::new(), None)),
                Some(name) => {
                    inquiry.ask(Question::new(name, Kind::Txt)).map(|reply| Answer::new(reply.texts(), reply.failure()))
                }
            };
            answers.insert(target, answer);
        }
        let answers = answers.into_iter().map(|(name, answer)| Ok((name, answer?))).collect::<Result<_, _>>()?;
        Ok(Self { answers })
    }

    /// What stands at `_dmarc` before the name.
    pub fn answer(&self, name: &Name) -> Option<&Answer> {
        self.answers.get(name)
    }

    /// The record at the name that counts.
    pub fn record(&self, name: &Name) -> Option<Record> {
        match self.answer(name)?.records.as_slice() {
            [only] => Record::read(only),
            _ => None,
        }
    }

    fn seen(&self, name: &Name) -> Seen {
        self.answer(name).map_or(Seen::Nothing, |answer| answer.seen)
    }

    /// The names of a walk that receivers ask: up to the one that ends it.
    pub fn walked(&self, start: &Name) -> Vec<Name> {
        let mut walked = targets(start);
        let ends = |name: &Name| matches!(self.seen(name), Seen::Record(Psd::Yes | Psd::No));
        if let Some(end) = walked.iter().position(ends) {
            walked.truncate(end + 1);
        }
        walked
    }

    /// The names on the way of these starts that were not answered, and why.
    pub fn unanswered(&self, starts: &[&Name]) -> BTreeMap<Name, Failure> {
        let walked = starts.iter().flat_map(|start| self.walked(start));
        walked.filter_map(|name| self.answer(&name)?.failure.map(|failure| (name, failure))).collect()
    }

    /// What comes out of these walks, if it is the same whatever the questions would have found that were not answered.
    pub fn sure<T: PartialEq>(&self, starts: &[&Name], find: impl Fn(&dyn Fn(&Name) -> Seen) -> T) -> Option<T> {
        const MAY_BE: [Seen; 4] =
            [Seen::Nothing, Seen::Record(Psd::Unsaid), Seen::Record(Psd::No), Seen::Record(Psd::Yes)];
        let open: Vec<Name> = self.unanswered(starts).into_keys().collect();
        if open.len() > MOST_FAILURES {
            return None;
        }
        let mut found = None;
        for case in 0..MAY_BE.len().pow(open.len() as u32) {
            let seen = |name: &Name| match open.iter().position(|open| open == name) {
                Some(i) => MAY_BE[case / MAY_BE.len().pow(i as u32) % MAY_BE.len()],
                None => self.seen(name),
            };
            let here = find(&seen);
            if found.as_ref().is_some_and(|found| *found != here) {
                return None;
            }
            found = Some(here);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::zone::Zone;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn found(zone: &Zone, start: &str) -> (String, Option<String>) {
        let start = name(start);
        let (walks, ..) = zone.ask(|inquiry| Walks::ask(inquiry, &[&start]));
        let found = walks.sure(&[&start], |seen| discover(&start, seen)).unwrap();
        (found.organizational.relative(), found.policy_at.map(|at| at.relative()))
    }

    fn both(organizational: &str, policy_at: &str) -> (String, Option<String>) {
        (organizational.to_owned(), Some(policy_at.to_owned()))
    }

    #[test]
    fn a_walk_asks_at_most_eight_names() {
        let asked = |start: &str| targets(&name(start)).iter().map(Name::relative).collect::<Vec<_>>();
        // The example of section 4.10.
        assert_eq!(
            asked("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com"
            ]
        );
        assert_eq!(asked("a.b.c.d.e.f.g.com").len(), 8);
        assert_eq!(asked("a.b.c.d.e.f.com").len(), 7);
        assert_eq!(asked("com"), ["com"]);
        assert_eq!(targets(&Name::root()), []);
    }

    #[test]
    fn the_examples_of_section_4_10_2() {
        let plain =
            Zone::of(&[("_dmarc.mail.example.com", "v=DMARC1; p=none"), ("_dmarc.example.com", "v=DMARC1; p=none")]);
        assert_eq!(found(&plain, "a.mail.example.com"), both("example.com", "example.com"));
        let psd_n = Zone::of(&[
            ("_dmarc.mail.example.com", "v=DMARC1; p=none; psd=n"),
            ("_dmarc.example.com", "v=DMARC1; p=none"),
        ]);
        assert_eq!(found(&psd_n, "a.mail.example.com"), both("mail.example.com", "mail.example.com"));
        let psd_y = Zone::of(&[("_dmarc.com", "v=DMARC1; p=none; psd=y")]);
        assert_eq!(found(&psd_y, "a.mail.example.com"), both("example.com", "com"));
        assert_eq!(found(&Zone::default(), "a.mail.example.com"), ("a.mail.example.com".to_owned(), None));
    }

    #[test]
    fn the_examples_of_appendix_b_4() {
        let simple =
            Zone::of(&[("_dmarc.example.com", "v=DMARC1; p=none"), ("_dmarc.signing.example.com", "v=DMARC1; p=none")]);
        assert_eq!(found(&simple, "example.com"), both("example.com", "example.com"));
        assert_eq!(found(&simple, "signing.example.com"), both("example.com", "signing.example.com"));
        let deep = "a.b.c.d.e.f.g.h.i.j.k.example.com";
        assert_eq!(found(&simple, deep), both("example.com", "example.com"));
        let bank = Zone::of(&[
            ("_dmarc.bank.example", "v=DMARC1; p=reject; psd=y"),
            ("_dmarc.giant.bank.example", "v=DMARC1; p=reject"),
            ("_dmarc.example", "v=DMARC1; p=none"),
        ]);
        assert_eq!(found(&bank, "giant.bank.example"), both("giant.bank.example", "giant.bank.example"));
        assert_eq!(found(&bank, "mail.giant.bank.example"), both("giant.bank.example", "giant.bank.example"));
        assert_eq!(found(&bank, "mail.mega.bank.example"), both("mega.bank.example", "bank.example"));
        assert_eq!(found(&bank, "bank.example"), both("bank.example", "bank.example"));
    }

    #[test]
    fn the_policy_is_the_organization_s_and_not_the_nearest() {
        let zone =
            Zone::of(&[("_dmarc.mid.two.example", "v=DMARC1; p=none"), ("_dmarc.two.example", "v=DMARC1; p=reject")]);
        assert_eq!(found(&zone, "x.mid.two.example"), both("two.example", "two.example"));
        // Deeper than the walk jumps over, a record is never found (section 5.1.8).
        let zone = Zone::of(&[
            ("_dmarc.b.c.d.e.f.g.example.com", "v=DMARC1; p=none; psd=n"),
            ("_dmarc.example.com", "v=DMARC1; p=none"),
        ]);
        assert_eq!(found(&zone, "mail.a.b.c.d.e.f.g.example.com"), both("example.com", "example.com"));
    }

    #[test]
    fn several_records_at_a_name_are_none() {
        let zone = Zone::of(&[
            ("_dmarc.mail.example.com", "v=DMARC1; p=reject"),
            ("_dmarc.mail.example.com", "v=DMARC1; p=none"),
            ("_dmarc.example.com", "v=spf1 -all"),
            ("_dmarc.example.com", "v=DMARC1; p=none"),
        ]);
        assert_eq!(found(&zone, "mail.example.com"), both("example.com", "example.com"));
    }

    #[test]
    fn what_was_not_answered_matters_only_where_it_could_change_the_end() {
        let zone = Zone::of(&[("_dmarc.example.com", "v=DMARC1; p=none; psd=n")]);
        let sure = |zone: &Zone, start: &str| {
            let start = name(start);
            let (walks, ..) = zone.ask(|inquiry| Walks::ask(inquiry, &[&start]));
            walks.sure(&[&start], |seen| discover(&start, seen).organizational)
        };
        let above = zone.clone().failing("_dmarc.com", Kind::Txt, Failure::Timeout);
        assert_eq!(sure(&above, "example.com"), Some(name("example.com")));
        let below = zone.failing("_dmarc.a.example.com", Kind::Txt, Failure::Timeout);
        assert_eq!(sure(&below, "a.example.com"), None);
        let far = ["a.b.c.d.test", "b.c.d.test", "c.d.test", "d.test"]
            .iter()
            .fold(Zone::default(), |zone, at| zone.failing(&format!("_dmarc.{at}"), Kind::Txt, Failure::Timeout));
        assert_eq!(sure(&far, "a.b.c.d.test"), None);
    }
}
