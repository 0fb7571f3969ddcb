//! Who has gone is never mailed, by a reading of the raw list that knows nothing of records.

use proptest::prelude::*;
use relaywatch::domain::policy::{Class, Policy};
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Answer, Verdict, decide};

use super::cases;
use super::orders::Folded;
use super::sets::{ADDRESSES, APPS, Said, WAYS, What, end, set};
use crate::world::*;

/// The times at which something was said.
fn times<'a>(set: &'a [Said], fits: impl Fn(&Said) -> bool + 'a) -> impl Iterator<Item = Timestamp> + 'a {
    set.iter().filter(move |said| fits(said)).map(|said| said.at)
}

/// Whether forwarding is off: somebody said so, and nobody said later that it is on.
fn is_off(set: &[Said], address: usize) -> bool {
    let last_on = times(set, |s| s.address == address && s.what == What::ForwardingOn).max();
    times(set, |s| s.address == address && s.what == What::ForwardingOff).any(|off| last_on.is_none_or(|on| on <= off))
}

/// Whose address it is, where the list leaves no doubt.
fn owner(set: &[Said], address: usize) -> Option<usize> {
    let claims = |whats: &'static [What]| {
        let mut claims: Vec<_> =
            set.iter().filter(|s| s.address == address && whats.contains(&s.what)).map(|s| (s.at, s.sub)).collect();
        claims.sort();
        claims
    };
    let mut named = claims(&[What::Authorized, What::Linked]);
    if named.is_empty() {
        named = claims(&[What::ForwardingOn, What::ForwardingOff]);
    }
    let (at, sub) = *named.last()?;
    named.iter().all(|(other_at, other)| *other_at < at || *other == sub).then_some(sub)
}

/// Whether the subject has left the app: revoked, and not authorized again more than five minutes later.
fn has_revoked(set: &[Said], sub: usize, app: usize) -> bool {
    let of = |what| times(set, move |s| s.sub == sub && s.app == app && s.what == what);
    of(What::Revoked).any(|left| !of(What::Authorized).any(|back| back > left.plus(5 * MINUTE)))
}

fn has_complained(set: &[Said], address: usize) -> bool {
    let of = |what| times(set, move |s| s.address == address && s.what == what);
    // An opt-in to one stream leaves a complaint standing.
    let back = |s: &Said| s.address == address && s.what == What::OptedIn && WAYS[s.way].is_none();
    let answers: Vec<_> = times(set, back).chain(of(What::Lift)).collect();
    of(What::Complaint).any(|at| !answers.iter().any(|answer| *answer > at))
}

fn verdict(folded: &Folded, asked: Asked, address: &str, controlled: bool) -> Verdict {
    let view = folded.view(address, |_| controlled);
    decide(asked.question(), &view, &Policy::default(), moment(end()))
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn who_has_gone_is_never_mailed(set in set(40)) {
        let numbered: Vec<_> = set.iter().copied().enumerate().collect();
        let folded = Folded::of(&numbered);
        for (n, address) in ADDRESSES.into_iter().enumerate() {
            let owner = owner(&set, n);
            let deleted = owner.is_some_and(|sub| set.iter().any(|s| s.sub == sub && s.what == What::Deleted));
            for class in [Class::Security, Class::Transactional, Class::Marketing] {
                let asked = || may(address).class(class);
                for (app, question) in [(0, asked().app(APPS[0])), (1, asked().app(APPS[1]))] {
                    let revoked = owner.is_some_and(|sub| has_revoked(&set, sub, app));
                    let complained = has_complained(&set, n);
                    let gone = is_off(&set, n) || deleted || revoked || complained;
                    let verdict = verdict(&folded, question, address, false);
                    prop_assert!(
                        !gone || (verdict.verdict == Answer::Suppressed && !verdict.send),
                        "{class:?} to {address} for {}: off {}, deleted {deleted}, revoked {revoked}, complained \
                         {complained}, but {:?}", APPS[app], is_off(&set, n), verdict
                    );
                }
            }
        }
    }

    /// The other half, so that the code cannot pass by suppressing everybody.
    #[test]
    fn who_has_not_gone_may_be_mailed(set in set(12)) {
        use What::*;
        let numbered: Vec<_> = set.iter().copied().enumerate().collect();
        let folded = Folded::of(&numbered);
        for (n, address) in ADDRESSES.into_iter().enumerate() {
            let said = |whats: &[What]| set.iter().any(|s| s.address == n && whats.contains(&s.what));
            let known = said(&[Delivered, Authorized, Linked, ForwardingOn]);
            let nothing_bad = !said(&[
                UserNotFound, UnknownWords, Paused, Complaint, Unsubscribed, ForwardingOff, Suppress, SuppressAWhile,
            ]);
            let moved = set.iter().any(|s| s.address != n && matches!(s.what, Authorized | Linked));
            let left = set.iter().any(|s| matches!(s.what, Revoked | Deleted));
            if known && nothing_bad && !moved && !left {
                let verdict = verdict(&folded, may(address), address, true);
                prop_assert!(verdict.verdict == Answer::Sendable && verdict.send, "{address}: {verdict:?}");
            }
        }
    }
}
