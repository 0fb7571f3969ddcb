//! No single bounce convicts, and holds double, by counting on the raw list.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use relaywatch::domain::policy::Policy;
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Answer, Reason, decide};

use super::cases;
use super::orders::Folded;
use super::sets::{Said, What, end, set, time};
use crate::world::*;

fn says(folded: &Folded, now: Timestamp, controlled: bool) -> (Answer, Reason) {
    let view = folded.view(ANN, |_| controlled);
    let verdict = decide(may(ANN).question(), &view, &Policy::default(), moment(now));
    (verdict.verdict, verdict.reason)
}

fn bounce(what: What, at: Timestamp) -> Said {
    Said { what, address: 0, sub: 0, app: 0, way: 0, at }
}

/// Sets in which bounces of all kinds are common.
fn bounces() -> impl Strategy<Value = Vec<Said>> {
    let whats = vec![What::UserNotFound, What::UserNotFound, What::UnknownWords, What::Paused, What::SendersFault];
    let bounce = (proptest::sample::select(whats), time()).prop_map(|(what, at)| bounce(what, at));
    (vec(bounce, 0..12), set(6)).prop_map(|(mut bounces, others)| {
        bounces.extend(others);
        bounces
    })
}

/// How far apart the first and the last user-not-found of the first address are.
fn spread(set: &[Said]) -> Duration {
    let times = || set.iter().filter(|s| s.address == 0 && s.what == What::UserNotFound).map(|s| s.at);
    times().max().zip(times().min()).map_or(Duration::ZERO, |(last, first)| last.since(first))
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn fewer_than_two_a_day_apart_convict_nobody(set in bounces()) {
        let folded = Folded::of(&set.iter().copied().enumerate().collect::<Vec<_>>());
        for days in [0, 1, 30, 365] {
            let now = end().plus(days * DAY);
            if spread(&set) < DAY {
                prop_assert_ne!(says(&folded, now, true).1, Reason::RecipientGone);
            }
            prop_assert_ne!(says(&folded, now, false).1, Reason::RecipientGone, "without a control");
        }
    }

    /// The other half: two a day apart, both with a control and nothing since, do convict.
    #[test]
    fn two_a_day_apart_since_the_last_proof_convict(times in vec(time(), 2..9)) {
        let set: Vec<_> = times.iter().map(|at| bounce(What::UserNotFound, *at)).enumerate().collect();
        let far = spread(&set.iter().map(|(_, s)| *s).collect::<Vec<_>>()) >= DAY;
        let folded = Folded::of(&set);
        prop_assert_eq!(says(&folded, end(), true).1 == Reason::RecipientGone, far);
    }

    /// At most one bounce a day of each kind and no more days than are kept, so that every bounce counts.
    #[test]
    fn holds_double_by_the_bounces_outside_of_them(
        days in btree_map(0..32_u32, (0..1_440_u32, any::<bool>()), 1..8),
        minutes in vec(0..60_000_u32, 1..8),
    ) {
        // Midnight, UTC.
        let midnight = Timestamp::from_secs(start().secs() / 86_400 * 86_400);
        let at = |(day, (minute, _)): (&u32, &(u32, bool))| midnight.plus(*day * DAY + *minute * MINUTE);
        let what = |not_found| if not_found { What::UserNotFound } else { What::UnknownWords };
        let set: Vec<_> = days.iter().map(|(day, said)| bounce(what(said.1), at((day, said)))).collect();
        let folded = Folded::of(&set.iter().copied().enumerate().collect::<Vec<_>>());
        let (mut until, mut span) = (Timestamp::default(), 25 * HOUR);
        for bounce in &set {
            if bounce.at >= until {
                until = bounce.at.plus(span);
                span = (span * 2).min(30 * DAY);
            }
        }
        let last = set.last().unwrap();
        let held = if last.what == What::UserNotFound { Reason::RecentBounce } else { Reason::AmbiguousBounce };
        for now in minutes.into_iter().map(|m| last.at.plus(m * MINUTE)).chain([until, until.minus(MINUTE)]) {
            let want = if now < until { (Answer::Hold, held) } else { (Answer::Sendable, Reason::Released) };
            if now >= last.at {
                prop_assert_eq!(says(&folded, now, false), want, "until {}, at {}", until, now);
            }
        }
    }
}
