//! What has become of a canary, computed from its facts, the time, and how far its mailbox was read.
//!
//! Two rules stand above all: what is in the mailbox has arrived, whatever a server said of it; and what is not there is lost only when the
//! mailbox was read after its time was up, and nothing of it was left out since it was sent. A mailbox that cannot be read makes it unknown.

use std::time::Duration;

use serde::Serialize;

use super::budget::SEND_WITHIN;
use super::facts::{Facts, Folder};
use crate::domain::time::Timestamp;

/// For how long after its time a canary waits for the next look into its mailbox, before nobody seems to look: twice the longest poll.
const LOOKED_WITHIN: Duration = Duration::from_secs(2 * 3_600);

/// How far the mailbox behind a canary is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// From when on nothing that came was missed; `None`: ever since there is something to look for.
    pub read_from: Option<Timestamp>,
    /// When the last look began that saw all of it.
    pub read_at: Option<Timestamp>,
    /// When the last look began, if it failed.
    pub failed_at: Option<Timestamp>,
}

/// What has become of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written down, not yet sent.
    Planned,
    /// Being sent: the submission server has not answered yet.
    Sent,
    /// The submission server took it; it is waited for.
    Accepted,
    /// It was read in its mailbox in time.
    Arrived(Folder),
    /// It was read in its mailbox, later than any is expected.
    Late(Folder),
    /// Somebody refused it.
    Refused,
    /// The connection was lost when it may have been taken, or the daemon ended while it was being sent.
    Uncertain,
    /// It surely did not leave, and will not be sent any more.
    NotSent,
    /// It was taken and is not in its mailbox. It may still come.
    Lost,
    /// The provider said that the next hop took it, and it is not in its mailbox: accepted and dropped.
    DeliveredNeverArrived,
    /// Its time is up, and nobody could look whether it is there.
    Unknown,
}

impl State {
    /// The word for it, with the folder where it lies in one that nobody looks into.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Arrived(Folder::Spam) => "spam",
            Self::Arrived(_) => "arrived",
            Self::Late(_) => "late",
            Self::Refused => "refused",
            Self::Uncertain => "uncertain",
            Self::NotSent => "not_sent",
            Self::Lost => "lost",
            Self::DeliveredNeverArrived => "delivered_never_arrived",
            Self::Unknown => "unknown",
        }
    }

    /// Whether time alone may still change it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::Sent | Self::Accepted | Self::Unknown)
    }
}

impl Facts {
    /// When it is overdue. `None` before it was planned.
    pub fn deadline(&self) -> Option<Timestamp> {
        let from = self.sending.or(self.planned)?.at();
        Some(from.plus(Duration::from_micros(u64::try_from(self.patience?).unwrap_or(0))))
    }

    /// How long it took to arrive.
    pub fn took(&self) -> Option<Duration> {
        Some(self.arrived?.at.at().since(self.sending?.at()))
    }

    /// What has become of it at `now`, as far as its mailbox is known.
    pub fn state(&self, looks: Looks, now: Timestamp) -> State {
        let may_be_sent = self.planned.is_some_and(|at| now <= at.at().plus(SEND_WITHIN));
        let is_overdue = |now: Timestamp| self.deadline().is_some_and(|deadline| deadline < now);
        // What was never begun cannot arrive: whoever shows its token has it from elsewhere.
        let Some(sending) = self.sending else {
            return if may_be_sent && self.not_sent.is_none() { State::Planned } else { State::NotSent };
        };
        if let Some(arrival) = self.arrived {
            return if is_overdue(arrival.at.at()) {
                State::Late(arrival.folder)
            } else {
                State::Arrived(arrival.folder)
            };
        }
        let was_taken = self.accepted.is_some() || self.delivered.is_some();
        if self.refused.is_some() {
            State::Refused
        } else if was_taken && !is_overdue(now) {
            State::Accepted
        } else if was_taken && looks.read_at.is_some_and(is_overdue) {
            match self.delivered {
                _ if looks.read_from.is_some_and(|from| from > sending.at()) => State::Unknown,
                Some(_) => State::DeliveredNeverArrived,
                None => State::Lost,
            }
        } else if was_taken {
            let nobody_looks = self.deadline().is_some_and(|deadline| deadline.plus(LOOKED_WITHIN) < now);
            let failed = looks.failed_at.is_some_and(is_overdue);
            if failed || nobody_looks { State::Unknown } else { State::Accepted }
        } else if self.uncertain.is_some() {
            State::Uncertain
        } else if self.not_sent.is_some() {
            State::NotSent
        } else if now <= sending.at().plus(SEND_WITHIN) {
            State::Sent
        } else {
            State::Uncertain
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::facts::{Arrival, Instant, Refusal};
    use super::*;
    use crate::domain::event::{Kind, Scope};
    use crate::domain::record::Join;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    fn on(secs: i64) -> Option<Instant> {
        Some(at(secs).into())
    }

    /// Planned and begun at 0, waited for 900 seconds.
    fn begun() -> Facts {
        Facts { planned: on(0), sending: on(0), patience: Some(900_000_000), ..Facts::default() }
    }

    fn arrived(secs: i64, folder: Folder) -> Option<Arrival> {
        Some(Arrival { at: at(secs).into(), folder })
    }

    fn refused(secs: i64, rule: &str) -> Option<Refusal> {
        let rule = rule.to_owned();
        let (kind, scope) = (Kind::HardBounce, Scope::Sender);
        Some(Refusal { at: at(secs).into(), rule, kind, scope, code: Some(550), status: None, text: None })
    }

    #[test]
    fn each_state_has_its_cause() {
        let taken = Facts { accepted: on(1), ..begun() };
        let delivered = Facts { delivered: on(2), ..taken.clone() };
        let planned = Facts { sending: None, ..begun() };
        for (facts, read_at, now, want) in [
            (planned.clone(), None, 600, State::Planned),
            (planned.clone(), None, 601, State::NotSent),
            (Facts { arrived: arrived(5, Folder::Inbox), ..planned }, None, 10, State::Planned),
            (begun(), None, 5, State::Sent),
            (begun(), Some(5_000), 5_000, State::Uncertain),
            (Facts { not_sent: on(1), ..begun() }, None, 5, State::NotSent),
            (Facts { uncertain: on(1), ..begun() }, Some(5_000), 5_000, State::Uncertain),
            (Facts { uncertain: on(1), ..taken.clone() }, None, 5, State::Accepted),
            (taken.clone(), Some(890), 900, State::Accepted),
            (taken.clone(), Some(900), 901, State::Accepted),
            (taken.clone(), Some(900), 900 + 7_201, State::Unknown),
            (taken.clone(), None, 900 + 7_201, State::Unknown),
            (taken.clone(), Some(901), 901, State::Lost),
            (delivered.clone(), Some(901), 901, State::DeliveredNeverArrived),
            (delivered.clone(), Some(890), 9_000, State::Unknown),
            (Facts { refused: refused(3, "x"), ..delivered.clone() }, None, 5, State::Refused),
            (Facts { arrived: arrived(900, Folder::Inbox), ..taken.clone() }, None, 950, State::Arrived(Folder::Inbox)),
            (Facts { arrived: arrived(9, Folder::Spam), ..begun() }, None, 10, State::Arrived(Folder::Spam)),
            (Facts { arrived: arrived(901, Folder::Inbox), ..taken.clone() }, None, 950, State::Late(Folder::Inbox)),
            (
                Facts { arrived: arrived(9, Folder::Inbox), refused: refused(3, "x"), ..begun() },
                None,
                10,
                State::Arrived(Folder::Inbox),
            ),
        ] {
            let looks = Looks { read_at: read_at.map(at), ..Looks::default() };
            assert_eq!(facts.state(looks, at(now)), want, "{facts:?} at {now}, read at {read_at:?}");
        }
    }

    #[test]
    fn it_is_lost_only_where_nobody_can_have_missed_it() {
        let taken = Facts { accepted: on(1), ..begun() };
        let state = |read_from: Option<i64>, read_at: Option<i64>, failed_at: Option<i64>| {
            let looks = Looks { read_from: read_from.map(at), read_at: read_at.map(at), failed_at: failed_at.map(at) };
            taken.state(looks, at(1_000))
        };
        assert_eq!(state(None, Some(950), None), State::Lost);
        assert_eq!(state(Some(0), Some(950), Some(960)), State::Lost, "a look that failed later takes nothing back");
        assert_eq!(state(Some(1), Some(950), None), State::Unknown, "it may lie where no look reached");
        assert_eq!(state(None, Some(800), Some(900)), State::Accepted, "the next look will tell");
        assert_eq!(state(None, Some(800), Some(901)), State::Unknown, "the next look failed");
    }

    #[test]
    fn spam_that_somebody_moves_into_the_inbox_stays_spam() {
        let mut facts = Facts { arrived: arrived(9, Folder::Spam), ..begun() };
        assert!(!facts.join(&Facts { arrived: arrived(9, Folder::Inbox), ..Facts::default() }));
        assert_eq!(facts.state(Looks::default(), at(10)), State::Arrived(Folder::Spam));
    }

    fn any_fact() -> impl Strategy<Value = Facts> {
        let none = Facts::default;
        let folder = prop_oneof![Just(Folder::Inbox), Just(Folder::Other), Just(Folder::Spam)];
        prop_oneof![
            (0..50_i64).prop_map(move |n| Facts { planned: on(n), patience: Some(900_000_000), ..none() }),
            (0..50_i64).prop_map(move |n| Facts { sending: on(n), ..none() }),
            (0..2_000_i64).prop_map(move |n| Facts { accepted: on(n), ..none() }),
            (0..2_000_i64).prop_map(move |n| Facts { uncertain: on(n), ..none() }),
            (0..2_000_i64).prop_map(move |n| Facts { not_sent: on(n), ..none() }),
            (0..2_000_i64).prop_map(move |n| Facts { delivered: on(n), ..none() }),
            (0..2_000_i64, folder).prop_map(move |(n, folder)| Facts { arrived: arrived(n, folder), ..none() }),
            (0..2_000_i64, "[ab]").prop_map(move |(n, rule)| Facts { refused: refused(n, &rule), ..none() }),
        ]
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_facts_do_not_matter(
            facts in prop::collection::vec(any_fact(), 0..12),
            seed in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
            read in prop::option::of((0..60_i64, 0..3_000_i64)),
            now in 0..3_000_i64,
        ) {
            let joined = |facts: &[Facts]| facts.iter().fold(Facts::default(), |mut all, fact| { all.join(fact); all });
            let straight = joined(&facts);
            let mut shuffled: Vec<Facts> = facts.iter().rev().cloned().collect();
            for index in seed.iter().filter(|_| !facts.is_empty()) {
                shuffled.insert(index.index(shuffled.len()), facts[index.index(facts.len())].clone());
            }
            let other = joined(&shuffled);
            prop_assert_eq!(&straight, &other);
            let (read_from, read_at) = read.map(|(from, until)| (at(from), at(until))).unzip();
            let looks = Looks { read_from, read_at, failed_at: None };
            prop_assert_eq!(straight.state(looks, at(now)), other.state(looks, at(now)));
            let again = serde_json::from_str::<Facts>(&serde_json::to_string(&straight).unwrap()).unwrap();
            prop_assert_eq!(again, straight);
        }

        #[test]
        fn a_mailbox_that_is_not_read_loses_nothing(facts in prop::collection::vec(any_fact(), 0..12), now in 0..9_000_i64) {
            let mut all = Facts::default();
            facts.iter().for_each(|fact| { all.join(fact); });
            let state = all.state(Looks::default(), at(now));
            prop_assert!(!matches!(state, State::Lost | State::DeliveredNeverArrived), "{:?}", state);
        }
    }
}
