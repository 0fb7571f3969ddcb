//! What an address's bounces amount to at a time: nothing, a hold, a lapsed hold, or a conviction.

use super::Surroundings;
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, Bounce, Fact};
use crate::domain::time::Timestamp;

/// What the bounces since the last proof amount to. None of these depends on the order in which they arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// None since the last proof.
    Clean,
    /// On hold.
    Held {
        /// Until when.
        until: Timestamp,
        /// The newest bounce.
        by: Fact,
        /// Whether its words speak of the recipient.
        of_recipient: bool,
    },
    /// The hold has lapsed without proof either way.
    Lapsed {
        /// The newest bounce.
        by: Fact,
        /// When the hold lapsed.
        at: Timestamp,
    },
    /// Two `user not found`, far enough apart, each with a control and neither in a wave.
    Gone {
        /// The earlier.
        first: Fact,
        /// The later.
        second: Fact,
    },
}

/// Judges the bounces of an address.
pub fn standing(record: &AddressRecord, around: &Surroundings, policy: &Policy, now: Timestamp) -> Standing {
    let bounces = record.bounces.after(record.proof());
    let Some(newest) = bounces.last() else { return Standing::Clean };
    if let Some((first, second)) = conviction(&bounces, around, policy) {
        return Standing::Gone { first, second };
    }
    let until = hold_end(&bounces, policy);
    if now < until {
        Standing::Held { until, by: newest.fact, of_recipient: newest.of_recipient }
    } else {
        Standing::Lapsed { by: newest.fact, at: until }
    }
}

/// The bounces that would convict if each had a control: their events are what the surroundings must speak to.
pub fn candidates<'a>(record: &'a AddressRecord, policy: &Policy) -> Vec<&'a Bounce> {
    let mut bounces = record.bounces.after(record.proof());
    bounces.retain(|b| b.not_found);
    let apart = match (bounces.first(), bounces.last()) {
        (Some(a), Some(b)) => b.fact.at.since(a.fact.at) >= policy.conviction_gap,
        _ => false,
    };
    if apart { bounces } else { Vec::new() }
}

fn conviction(bounces: &[&Bounce], around: &Surroundings, policy: &Policy) -> Option<(Fact, Fact)> {
    let mut sound = bounces.iter().filter(|b| b.not_found && around.controlled.contains(&b.fact.event));
    let first = sound.next()?.fact;
    let second = sound.next_back()?.fact;
    (second.at.since(first.at) >= policy.conviction_gap).then_some((first, second))
}

/// Each bounce outside the hold before it starts the next, longer one. A bounce inside a hold is mail that was already under way:
/// it neither lengthens nor doubles it.
fn hold_end(bounces: &[&Bounce], policy: &Policy) -> Timestamp {
    let mut level = 0;
    let mut end = Timestamp::default();
    for bounce in bounces {
        if level == 0 || bounce.fact.at >= end {
            level += 1;
            end = bounce.fact.at.plus(policy.hold(level));
        }
    }
    end
}
