//! When the next round is due: slowly when nothing happens, in a burst when something asks for it; and whether the numbers can work at all.

use std::time::Duration;

use super::budget::WINDOW;
use crate::domain::time::Timestamp;

/// How often rounds are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two rounds when nothing happens.
    pub idle: Duration,
    /// Between two rounds of a burst, and after any round at least.
    pub burst: Duration,
    /// How long one request for a burst is served.
    pub burst_for: Duration,
}

/// What a schedule asks of one address in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Canaries when nothing happens.
    pub idle: u64,
    /// Those of one burst on top.
    pub burst: u64,
}

impl Load {
    /// Both together.
    pub fn sum(self) -> u64 {
        self.idle + self.burst
    }
}

impl Pace {
    /// When the next round is due. `last`: when the last one was planned; `asked_at`: when a person asked for one; `burst_until`: until when a
    /// burst lasts. A `last` that lies ahead (a clock was set back) counts as now: whoever keeps it writes that down, so that it delays nothing
    /// for longer than the pace itself.
    pub fn due(
        &self,
        last: Option<Timestamp>,
        asked_at: Option<Timestamp>,
        burst_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let Some(last) = last.map(|last| last.min(now)) else { return now };
        let soonest = last.plus(self.burst);
        let asked = asked_at.filter(|asked| *asked > last).map(|asked| asked.max(soonest));
        let burst = burst_until.filter(|until| soonest < *until).map(|_| soonest);
        let idle = last.plus(self.idle);
        asked.into_iter().chain(burst).chain([idle]).min().unwrap_or(idle)
    }

    /// What it asks of an address. `of_routes`: for each route that uses it, among how many addresses that route takes turns.
    pub fn load(&self, of_routes: &[usize]) -> Load {
        let rounds = |span: Duration, every: Duration| {
            u64::try_from(span.as_millis().div_ceil(every.as_millis().max(1))).unwrap_or(u64::MAX)
        };
        let share = |rounds: u64| {
            let turns = of_routes.iter().map(|n| rounds.div_ceil(u64::try_from(*n).unwrap_or(u64::MAX).max(1)));
            turns.fold(0, u64::saturating_add)
        };
        Load { idle: share(rounds(WINDOW, self.idle)), burst: share(rounds(self.burst_for, self.burst)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::budget::{DAILY, Ledger, SEND_WITHIN, choose};
    use super::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(n * 60)
    }

    fn pace() -> Pace {
        Pace { idle: minutes(30), burst: minutes(2), burst_for: minutes(30) }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    #[test]
    fn a_burst_and_a_person_hurry_it_but_never_below_the_pace_of_a_burst() {
        let due = |last: i64, asked: Option<i64>, until: Option<i64>| {
            let due = pace().due(Some(at(last)), asked.map(at), until.map(at), at(last));
            due.since(at(0)).as_secs() / 60
        };
        assert_eq!(pace().due(None, None, None, at(5)), at(5));
        assert_eq!(due(0, None, None), 30);
        assert_eq!(due(0, None, Some(10)), 2);
        assert_eq!(due(9, None, Some(10)), 39, "a burst that ends before its next round");
        assert_eq!(due(3, Some(3), None), 33, "who asked was served by that round");
        assert_eq!(due(3, Some(4), None), 5);
        assert_eq!(due(3, Some(20), None), 20);
        assert_eq!(pace().due(Some(at(500)), None, None, at(0)), at(30), "a clock set back");
    }

    #[test]
    fn what_an_address_must_bear_is_counted_per_route_that_uses_it() {
        assert_eq!(pace().load(&[2]), Load { idle: 24, burst: 8 });
        assert_eq!(pace().load(&[2, 1]), Load { idle: 72, burst: 23 });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// A year of rounds, with requests and bursts as they come, each canary sent somewhere between its plan and the last moment for it.
        #[test]
        fn no_year_exceeds_the_budget_in_any_24_hours(
            idle in 2..90_u64,
            burst in 1..5_u64,
            addresses in 1..4_usize,
            shares in 0..3_usize,
            hurries in prop::collection::vec((0..365_i64 * 24 * 60, 0..2_000_i64), 0..60),
            delays in prop::collection::vec(0..SEND_WITHIN.as_secs(), 17),
        ) {
            let pace = Pace { idle: minutes(idle), burst: minutes(burst), burst_for: minutes(30) };
            let own: Vec<usize> = (0..addresses).collect();
            // A second route may share some of them.
            let legs = if shares == 0 { vec![own] } else { vec![own.clone(), own[..shares.min(addresses)].to_vec()] };
            let mut planned: Vec<Vec<Timestamp>> = vec![Vec::new(); addresses];
            let mut sent: Vec<Vec<Timestamp>> = vec![Vec::new(); addresses];
            let mut hurries = hurries;
            hurries.sort_unstable();
            let (mut now, mut last, mut asked, mut until, mut n) = (at(0), None, None, None, 0);
            let end = at(365 * 24 * 60);
            while now < end {
                while let Some((start, length)) = hurries.first().copied().filter(|(start, _)| at(*start) <= now) {
                    hurries.remove(0);
                    (asked, until) = (Some(at(start)), Some(at(start + length)));
                }
                if pace.due(last, asked, until, now) > now {
                    now = now.plus(minutes(1));
                    continue;
                }
                // As the store does it: what counts is read anew for each round.
                for times in &mut planned {
                    times.retain(|at| *at > Ledger::counts_after(now));
                }
                let ledger = |a: usize| (a, Ledger::new(DAILY, planned[a].iter().copied()));
                let mut ledgers: BTreeMap<usize, Ledger> = (0..addresses).map(ledger).collect();
                if let Some(chosen) = choose(&mut ledgers, &legs, now) {
                    for address in chosen {
                        n += 1;
                        planned[address].push(now);
                        sent[address].push(now.plus(Duration::from_secs(delays[n % delays.len()])));
                    }
                }
                last = Some(now);
            }
            for mut times in sent {
                times.sort_unstable();
                for (first, one_too_many) in times.iter().zip(times.iter().skip(DAILY)) {
                    prop_assert!(one_too_many.since(*first) >= WINDOW, "{DAILY} and one from {first} to {one_too_many}");
                }
            }
        }
    }
}
