//! What the world knows to be true of each person, and how the daemon's answers compare with it.

use std::collections::{BTreeMap, BTreeSet};

use super::cast::{Person, Role};
use crate::domain::verdict::{Answer, Reason, Verdict};

/// What is true of a person, whatever was said of him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Can and wants to be mailed.
    Healthy,
    /// Nobody can tell yet; not to be given up.
    Doubtful,
    /// The address is dead.
    Gone,
    /// Left, in Apple's word or his own.
    Left,
    /// No user of the team.
    Stranger,
}

/// What one answer has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// What is true.
    pub standing: Standing,
    /// The reason that follows from it.
    pub reason: Reason,
    /// A limit that has to stand beside it.
    pub limit: Option<Reason>,
}

impl Role {
    /// What is true of whoever plays this part, at his present address.
    pub fn truth(self) -> Expected {
        use Standing::{Doubtful, Gone, Healthy, Left, Stranger};
        let (standing, reason) = match self {
            Self::Steady
            | Self::WaveHit
            | Self::WaveHitThenListed
            | Self::ListedBySes
            | Self::RevokedOtherApp
            | Self::NamedWithOthers
            | Self::BouncedThenAccepted
            | Self::Unsubscribed
            | Self::Returned => (Healthy, Reason::Ok),
            Self::ForwardingBackOn => (Healthy, Reason::ForwardingEnabled),
            Self::BouncedOnceLongAgo => (Doubtful, Reason::Released),
            Self::BouncedOnce | Self::BouncedTwiceInTheWave => (Doubtful, Reason::RecentBounce),
            Self::BouncedUnclearly => (Doubtful, Reason::AmbiguousBounce),
            Self::Dead => (Gone, Reason::RecipientGone),
            Self::Revoked | Self::RevokedThenBounced | Self::BouncedThenRevoked => (Left, Reason::ConsentRevoked),
            Self::ForwardingOff => (Left, Reason::ForwardingDisabled),
            Self::Deleted | Self::DeletedOtherApp => (Left, Reason::AccountDeleted),
            Self::Complained => (Left, Reason::Complaint),
            Self::Ordinary => (Stranger, Reason::NotRelay),
            Self::NeverSeen => (Stranger, Reason::NotSeen),
        };
        let limit = match self {
            Self::Unsubscribed => Some(Reason::Unsubscribed),
            Self::WaveHitThenListed | Self::ListedBySes => Some(Reason::EspSuppressed),
            _ => None,
        };
        Expected { standing, reason, limit }
    }
}

/// One question about one address of one person.
#[derive(Clone)]
pub struct Question {
    /// The app.
    pub app: usize,
    /// The address.
    pub address: String,
    /// What the answer has to be.
    pub expected: Expected,
}

/// Every question: each person's present address, and the former one of those who have one.
pub fn questions(people: &[Person]) -> Vec<Question> {
    let mut questions = Vec::new();
    for person in people {
        let mut ask = |address: &String, expected| {
            questions.push(Question { app: person.app, address: address.clone(), expected });
        };
        let mut expected = person.role.truth();
        if person.is_user() && !person.is_private {
            expected.reason = Reason::NotRelay;
        }
        ask(&person.address, expected);
        if let Some((former, _)) = &person.former {
            ask(former, Expected { standing: Standing::Left, reason: Reason::Superseded, limit: None });
        }
    }
    questions
}

/// The daemon's answers, counted and compared.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Addresses asked about.
    pub asked: usize,
    /// Healthy users whom the daemon would not have mailed at all.
    pub wrongly_marked: usize,
    /// People who left and would have been mailed.
    pub revoked_sendable: usize,
    /// On hold.
    pub held: usize,
    /// Released from a hold by time.
    pub released: usize,
    /// Answers with another reason or limit than the world's truth calls for.
    pub surprises: BTreeMap<String, usize>,
    /// Addresses by reason.
    pub by_reason: BTreeMap<Reason, usize>,
    /// Sendable addresses that one stream or ESP must leave out, by reason.
    pub by_limit: BTreeMap<Reason, usize>,
    /// Index of one question per reason, to try by hand.
    pub samples: BTreeMap<Reason, usize>,
}

impl Judgement {
    /// Compares answers with questions, in the same order.
    pub fn of(questions: &[Question], answers: &[Verdict]) -> Self {
        let mut all = Self { asked: questions.len(), ..Self::default() };
        for (n, (question, verdict)) in questions.iter().zip(answers).enumerate() {
            all.add(n, &question.expected, verdict);
        }
        all
    }

    fn add(&mut self, n: usize, expected: &Expected, verdict: &Verdict) {
        let suppressed = verdict.verdict == Answer::Suppressed;
        self.wrongly_marked += usize::from(match expected.standing {
            Standing::Healthy => !verdict.send,
            // On hold is right; given up is wrong.
            Standing::Doubtful => suppressed,
            _ => false,
        });
        self.revoked_sendable += usize::from(expected.standing == Standing::Left && verdict.send);
        self.held += usize::from(verdict.verdict == Answer::Hold);
        self.released += usize::from(verdict.reason == Reason::Released);
        *self.by_reason.entry(verdict.reason).or_default() += 1;
        self.samples.entry(verdict.reason).or_insert(n);
        let limits: BTreeSet<Reason> = verdict.limits.iter().map(|limit| limit.reason).collect();
        if verdict.send {
            for limit in &limits {
                *self.by_limit.entry(*limit).or_default() += 1;
                self.samples.entry(*limit).or_insert(n);
            }
        }
        if verdict.reason != expected.reason || expected.limit.is_some_and(|limit| !limits.contains(&limit)) {
            let words = format!("{} where {} was due", verdict.reason.as_str(), expected.reason.as_str());
            *self.surprises.entry(words).or_default() += 1;
        }
    }

    /// Whether both promises were kept.
    pub fn is_good(&self) -> bool {
        self.wrongly_marked == 0 && self.revoked_sendable == 0
    }
}

/// What two simple rules would have done to the same people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct OneStrike {
    /// Healthy users whom "one bounce and you are out" would have lost.
    pub healthy_lost: usize,
    /// Doubtful ones whom it would have given up unheard.
    pub doubtful_lost: usize,
    /// People who left without any bounce, and would have been mailed on by whoever listens to bounces alone.
    pub left_unnoticed: usize,
}

impl OneStrike {
    /// From who bounced at all.
    pub fn of(people: &[Person], bounced: &BTreeSet<usize>) -> Self {
        let count = |standing, has_bounced| {
            let fits = |(n, p): &(usize, &Person)| {
                p.role.truth().standing == standing && bounced.contains(n) == has_bounced && p.role != Role::Complained
            };
            people.iter().enumerate().filter(fits).count()
        };
        Self {
            healthy_lost: count(Standing::Healthy, true),
            doubtful_lost: count(Standing::Doubtful, true),
            left_unnoticed: count(Standing::Left, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::domain::verdict::{Limit, Reach};

    fn verdict(answer: Answer, reason: Reason, limits: &[Reason]) -> Verdict {
        let limit = |reason: &Reason| Limit {
            scope: Reach::Esp,
            esp: None,
            stream: None,
            app: None,
            reason: *reason,
            wave: None,
        };
        Verdict {
            verdict: answer,
            send: answer == Answer::Sendable,
            reason,
            scope: Reach::User,
            limits: limits.iter().map(limit).collect(),
            as_of: Timestamp::default(),
            valid_until: Timestamp::default(),
            evidence: Vec::new(),
            cursor: "1".to_owned(),
            policy_version: "1:0000".to_owned(),
        }
    }

    fn judged(role: Role, answer: Verdict) -> Judgement {
        let mut all = Judgement::default();
        all.add(0, &role.truth(), &answer);
        all
    }

    #[test]
    fn a_healthy_user_who_is_not_mailed_is_a_mistake_and_so_is_one_who_left_and_is() {
        let held = judged(Role::WaveHit, verdict(Answer::Hold, Reason::RecentBounce, &[]));
        assert_eq!((held.wrongly_marked, held.revoked_sendable, held.held), (1, 0, 1));
        assert_eq!(held.surprises.len(), 1);
        let mailed = judged(Role::Revoked, verdict(Answer::Sendable, Reason::Ok, &[]));
        assert_eq!((mailed.wrongly_marked, mailed.revoked_sendable), (0, 1));
        assert!(!held.is_good() && !mailed.is_good());
    }

    #[test]
    fn a_doubtful_one_may_be_held_but_not_given_up() {
        let held = judged(Role::BouncedOnce, verdict(Answer::Hold, Reason::RecentBounce, &[]));
        assert!(held.is_good() && held.surprises.is_empty());
        let gone = judged(Role::BouncedOnce, verdict(Answer::Suppressed, Reason::RecipientGone, &[]));
        assert!(!gone.is_good() && gone.surprises.len() == 1);
    }

    #[test]
    fn a_missing_limit_is_a_surprise() {
        let with = judged(Role::Unsubscribed, verdict(Answer::Sendable, Reason::Ok, &[Reason::Unsubscribed]));
        assert!(with.surprises.is_empty());
        assert_eq!(with.by_limit.get(&Reason::Unsubscribed), Some(&1));
        let without = judged(Role::Unsubscribed, verdict(Answer::Sendable, Reason::Ok, &[]));
        assert_eq!(without.surprises.len(), 1);
    }
}
