//! How many canaries an address may get, whatever a schedule or a person asks for.
//!
//! A relay address takes 100 mails in 24 hours, replies included (`facts/apple-relay.md` section 1.4). We use at most 80 of them, counted over
//! *any* 24 hours and not per calendar day.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// The most canaries that a relay address gets in any 24 hours.
pub const DAILY: usize = 80;

/// The span over which Apple counts.
pub const WINDOW: Duration = Duration::from_secs(86_400);

/// How long after it was planned a canary may still be sent. What waited longer is never sent: its round is over.
pub const SEND_WITHIN: Duration = Duration::from_secs(600);

/// What was planned for one address. Counted is the plan and not the sending, so that a crash in between costs budget and never exceeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    limit: usize,
    planned: Vec<Timestamp>,
}

impl Ledger {
    /// The ledger of an address that takes `limit` canaries in 24 hours, with what was planned for it until now.
    pub fn new(limit: usize, planned: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut planned: Vec<Timestamp> = planned.into_iter().collect();
        planned.sort_unstable();
        Self { limit, planned }
    }

    /// What was planned after this counts at `now`. A plan is sent up to [`SEND_WITHIN`] later, so it is more than 24 hours ago.
    pub fn counts_after(now: Timestamp) -> Timestamp {
        now.minus(WINDOW + SEND_WITHIN)
    }

    /// How many more may be planned now. What lies in the future (a clock was set back) counts too.
    pub fn room(&self, now: Timestamp) -> usize {
        let after = Self::counts_after(now);
        let counted = self.planned.len() - self.planned.partition_point(|at| *at <= after);
        self.limit.saturating_sub(counted)
    }

    /// Writes one down; false, and nothing is written, when there is no room.
    #[must_use]
    pub fn take(&mut self, now: Timestamp) -> bool {
        let has_room = self.room(now) > 0;
        if has_room {
            let place = self.planned.partition_point(|at| *at <= now);
            self.planned.insert(place, now);
        }
        has_room
    }

    /// When it was last used.
    pub fn last(&self) -> Option<Timestamp> {
        self.planned.last().copied()
    }
}

/// Picks an address for each leg of a round and writes all of them down: for each the one that has rested longest, of those with room. `None`,
/// and nothing is written, when one leg finds no room: half a round names no broken part.
pub fn choose<A: Ord + Clone>(
    ledgers: &mut BTreeMap<A, Ledger>,
    legs: &[impl AsRef<[A]>],
    now: Timestamp,
) -> Option<Vec<A>> {
    let mut after = ledgers.clone();
    let mut chosen = Vec::with_capacity(legs.len());
    for leg in legs {
        let rested = leg.as_ref().iter().filter_map(|address| Some((after.get(address)?, address)));
        let (_, address) = rested.filter(|(ledger, _)| ledger.room(now) > 0).min_by_key(|(ledger, _)| ledger.last())?;
        let address = address.clone();
        if !after.get_mut(&address)?.take(now) {
            return None;
        }
        chosen.push(address);
    }
    *ledgers = after;
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    #[test]
    fn a_full_ledger_opens_again_a_day_after_its_oldest_entry() {
        let mut ledger = Ledger::new(2, []);
        assert!(ledger.take(at(0)) && ledger.take(at(100)) && !ledger.take(at(200)));
        let day = 86_400 + 600;
        assert!(
            !ledger.take(at(day - 1)),
            "what was planned ten minutes before it was sent counts from when it may have been sent"
        );
        assert!(ledger.take(at(day)) && !ledger.take(at(day)));
    }

    #[test]
    fn a_clock_that_is_set_back_opens_nothing() {
        let mut ledger = Ledger::new(1, []);
        assert!(ledger.take(at(50_000)) && !ledger.take(at(0)));
    }

    #[test]
    fn the_address_that_rested_longest_is_next_and_a_round_is_whole_or_not_at_all() {
        let mut ledgers =
            BTreeMap::from([("a", Ledger::new(2, [])), ("b", Ledger::new(2, [])), ("c", Ledger::new(1, []))]);
        let legs = [vec!["a", "b"], vec!["c"]];
        assert_eq!(choose(&mut ledgers, &legs[..1], at(0)), Some(vec!["a"]));
        assert_eq!(choose(&mut ledgers, &legs, at(1)), Some(vec!["b", "c"]));
        assert_eq!(choose(&mut ledgers, &legs, at(2)), None, "c has no room");
        assert_eq!(ledgers["a"].room(at(2)), 1, "and so the budget of a was not touched");
        let both = [vec!["a"], vec!["a"]];
        assert_eq!(choose(&mut ledgers, &both, at(3)), None, "two legs that share an address need room for two");
    }
}
