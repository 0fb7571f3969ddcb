//! The results of a round, read together: they name the part that is broken.
//!
//! | production | control | plain | broken |
//! |---|---|---|---|
//! | arrived | | | nothing that users meet |
//! | not | arrived | arrived | the stream, in the relay's eyes: its registration, or its team |
//! | not | arrived | not | the stream's own sending: its authentication, or its account |
//! | not | not | arrived | the relay; or the team, when the control is of the same team |
//! | not | not | not | the provider, or the mailboxes |
//!
//! A refusal counts as "not" when it is for good. What the provider itself would not pass on tells nothing of the relay: nobody asked it.

use serde::Serialize;

use super::facts::Refusal;
use super::route::Role;
use super::state::State;
use crate::domain::bounce::says_gone;

/// What one leg of a round shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What the leg is for.
    pub role: Role,
    /// What has become of its canary.
    pub state: State,
    /// How it was refused.
    pub refusal: Option<Refusal>,
}

/// The part that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// None: everything arrived.
    Nothing,
    /// The relay refuses or drops this stream and no other: not registered, or its team is not taken any more.
    StreamAtRelay,
    /// The relay says that the canary's own address does not exist, and takes the control.
    Address,
    /// The provider would not pass the canary on: the relay was not asked.
    RefusedByProvider,
    /// The stream's mail does not arrive without a relay either: its authentication, or its account with the provider.
    Stream,
    /// The relay takes nobody's mail.
    Relay,
    /// The relay takes no mail of our team; whether it takes others' was not tried.
    RelayOrTeam,
    /// The provider, or what lies behind every route.
    Provider,
    /// The control itself.
    Control,
    /// The plain mailbox, or the way to it.
    Plain,
    /// The results do not tell.
    Unknown,
}

/// Whether the relay still says who does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// It answered "user not found", as it must.
    Refused,
    /// It refused for another reason.
    RefusedOtherwise,
    /// It took mail to an address that does not exist.
    Accepted,
    /// There is no answer yet, or none is looked for.
    Unknown,
}

/// What a round says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The part that is broken.
    pub broken: Part,
    /// The negative control.
    pub negative: Negative,
}

impl Part {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::StreamAtRelay => "stream_at_relay",
            Self::Address => "address",
            Self::RefusedByProvider => "refused_by_provider",
            Self::Stream => "stream",
            Self::Relay => "relay",
            Self::RelayOrTeam => "relay_or_team",
            Self::Provider => "provider",
            Self::Control => "control",
            Self::Plain => "plain",
            Self::Unknown => "unknown",
        }
    }

    /// In words, for whoever is on call.
    pub fn because(self) -> &'static str {
        match self {
            Self::Nothing => "mail of this stream arrives through the relay",
            Self::StreamAtRelay => {
                "the relay forwards the control and the provider delivers, but mail of this stream does not come through: look at its \
                 registration with Apple, and at its team"
            }
            Self::Address => {
                "the relay forwards the control and says that the address of the canary does not exist: look at that address in its Apple \
                 Account, and at its team"
            }
            Self::RefusedByProvider => {
                "the provider itself refused the canary, so nobody asked the relay: take its address off the provider's suppression list, and \
                 look at the account"
            }
            Self::Stream => {
                "the relay forwards the control, but mail of this stream arrives nowhere: look at its DKIM and SPF, and at its account \
                 with the provider"
            }
            Self::Relay => "nobody's mail comes through the relay, and without the relay it arrives: the relay itself",
            Self::RelayOrTeam => {
                "no mail of this team comes through the relay, and without the relay it arrives: the relay itself, or the team with Apple \
                 (a control of another team would tell)"
            }
            Self::Provider => "nothing arrives anywhere: the provider, or the mailboxes",
            Self::Control => {
                "mail of this stream arrives, the control does not: look at the control's own registration"
            }
            Self::Plain => "mail arrives through the relay, but not in the plain mailbox: look at that mailbox",
            Self::Unknown => "the results so far do not tell",
        }
    }
}

/// Names the broken part. `other_team`: whether the control is of another developer team.
///
/// Where mail of the stream does not arrive, a leg of which nothing is known yet may have gone either way: only what would be said in every
/// case is said. Where it arrives, only a leg that surely failed is told of.
pub fn diagnose(legs: &[Sight], other_team: bool) -> Diagnosis {
    let ways = |role| good(legs, role).map_or(vec![true, false], |good| vec![good]);
    let broken = match good(legs, Role::Production) {
        None if of(legs, Role::Production).any(by_provider) => Part::RefusedByProvider,
        None => Part::Unknown,
        Some(true) if good(legs, Role::Control) == Some(false) => Part::Control,
        Some(true) if good(legs, Role::Plain) == Some(false) => Part::Plain,
        Some(true) => Part::Nothing,
        Some(false) => {
            let (controls, plains) = (ways(Role::Control), ways(Role::Plain));
            let pairs = controls.iter().flat_map(|control| plains.iter().map(move |plain| (*control, *plain)));
            let mut parts: Vec<Part> = pairs.map(|(control, plain)| part(control, plain, other_team)).collect();
            parts.dedup();
            match parts[..] {
                [Part::StreamAtRelay] if of(legs, Role::Production).filter(|leg| failed(leg)).all(is_gone) => {
                    Part::Address
                }
                [only] => only,
                _ => Part::Unknown,
            }
        }
    };
    Diagnosis { broken, negative: negative(legs) }
}

/// With a production canary that did not arrive.
fn part(control: bool, plain: bool, other_team: bool) -> Part {
    match (control, plain) {
        (true, true) => Part::StreamAtRelay,
        (true, false) => Part::Stream,
        (false, true) if other_team => Part::Relay,
        (false, true) => Part::RelayOrTeam,
        (false, false) => Part::Provider,
    }
}

fn of(legs: &[Sight], role: Role) -> impl Iterator<Item = &Sight> {
    legs.iter().filter(move |leg| leg.role == role)
}

/// Whether the legs of a role arrived: not, when one surely did not; yes, when all did; `None` when that is not known.
fn good(legs: &[Sight], role: Role) -> Option<bool> {
    if of(legs, role).any(failed) {
        return Some(false);
    }
    let arrived = |leg: &Sight| matches!(leg.state, State::Arrived(_) | State::Late(_));
    (of(legs, role).next().is_some() && of(legs, role).all(arrived)).then_some(true)
}

/// Whether it surely did not come through, and for a reason behind the provider.
fn failed(leg: &Sight) -> bool {
    match leg.state {
        State::Refused => {
            leg.refusal.as_ref().is_some_and(|refusal| refusal.is_for_good() && !refusal.is_of_provider())
        }
        State::Lost | State::DeliveredNeverArrived => true,
        _ => false,
    }
}

fn by_provider(leg: &Sight) -> bool {
    leg.state == State::Refused && leg.refusal.as_ref().is_some_and(|r| r.is_for_good() && r.is_of_provider())
}

/// Whether it was told that its address does not exist.
fn is_gone(leg: &Sight) -> bool {
    leg.state == State::Refused && leg.refusal.as_ref().is_some_and(|refusal| says_gone(&refusal.rule))
}

fn negative(legs: &[Sight]) -> Negative {
    match of(legs, Role::Negative).next() {
        Some(leg) if is_gone(leg) => Negative::Refused,
        Some(leg) if leg.state == State::Refused && failed(leg) => Negative::RefusedOtherwise,
        Some(leg) if leg.state == State::DeliveredNeverArrived => Negative::Accepted,
        _ => Negative::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::canary::Folder;
    use crate::domain::event::{Kind, Scope};
    use crate::domain::time::Timestamp;

    const GOOD: State = State::Arrived(Folder::Inbox);

    fn refused(rule: &str, kind: Kind, scope: Scope) -> Option<Refusal> {
        let at = Timestamp::from_secs(1_800_000_000).into();
        Some(Refusal { at, rule: rule.to_owned(), kind, scope, code: None, status: None, text: None })
    }

    /// A refusal is one of an unregistered sender.
    fn sight(role: Role, state: State) -> Sight {
        let refusal = refused("apple.unauthorized_sender", Kind::HardBounce, Scope::Sender);
        Sight { role, state, refusal: refusal.filter(|_| state == State::Refused) }
    }

    fn legs(states: [State; 3]) -> Vec<Sight> {
        let roles = [Role::Production, Role::Control, Role::Plain];
        roles.into_iter().zip(states).map(|(role, state)| sight(role, state)).collect()
    }

    fn round(states: [State; 3], other_team: bool) -> Part {
        diagnose(&legs(states), other_team).broken
    }

    fn gone() -> Option<Refusal> {
        let rule = crate::domain::bounce::RuleBook::built_in_names().find(|rule| says_gone(rule)).unwrap();
        refused(rule, Kind::HardBounce, Scope::Recipient)
    }

    #[test]
    fn the_three_results_name_the_part() {
        let (bad, gone) = (State::Refused, State::DeliveredNeverArrived);
        for (states, want) in [
            ([GOOD, GOOD, GOOD], Part::Nothing),
            ([State::Late(Folder::Inbox), GOOD, GOOD], Part::Nothing),
            ([bad, GOOD, GOOD], Part::StreamAtRelay),
            ([gone, GOOD, GOOD], Part::StreamAtRelay),
            ([bad, GOOD, State::Lost], Part::Stream),
            ([gone, gone, GOOD], Part::Relay),
            ([bad, bad, bad], Part::Provider),
            ([GOOD, bad, GOOD], Part::Control),
            ([GOOD, GOOD, bad], Part::Plain),
        ] {
            assert_eq!(round(states, true), want, "{states:?}");
        }
        assert_eq!(round([gone, gone, GOOD], false), Part::RelayOrTeam);
    }

    #[test]
    fn what_is_not_known_names_no_part() {
        for unknown in [State::Unknown, State::Uncertain, State::NotSent, State::Accepted, State::Planned, State::Sent]
        {
            assert_eq!(round([unknown, GOOD, GOOD], true), Part::Unknown, "{unknown:?}");
            assert_eq!(round([State::Lost, unknown, GOOD], true), Part::Unknown, "{unknown:?}");
            assert_eq!(round([State::Lost, State::Lost, unknown], true), Part::Unknown, "{unknown:?}");
            assert_eq!(round([GOOD, unknown, GOOD], true), Part::Nothing, "{unknown:?}");
        }
        assert_eq!(
            diagnose(&[sight(Role::Production, State::Lost)], true).broken,
            Part::Unknown,
            "no control, no plain"
        );
    }

    #[test]
    fn who_refused_and_why_decides_what_a_refusal_tells() {
        let part = |role: Role, refusal: Option<Refusal>| {
            let mut legs = legs([GOOD, GOOD, GOOD]);
            let leg = legs.iter_mut().find(|leg| leg.role == role).unwrap();
            (leg.state, leg.refusal) = (State::Refused, refusal);
            diagnose(&legs, true).broken
        };
        let greylisted = refused("smtp.transient", Kind::SoftBounce, Scope::Ambiguous);
        let throttled = refused("ses.throttled", Kind::SoftBounce, Scope::Esp);
        let listed = refused("ses.on_account_suppression_list", Kind::HardBounce, Scope::Esp);
        let full = refused("over_quota", Kind::SoftBounce, Scope::Recipient);
        for (refusal, production) in [
            (greylisted, Part::Unknown),
            (full, Part::Unknown),
            (throttled, Part::Unknown),
            (listed, Part::RefusedByProvider),
        ] {
            assert_eq!(part(Role::Production, refusal.clone()), production, "{refusal:?}");
            assert_eq!(part(Role::Control, refusal.clone()), Part::Nothing, "{refusal:?}");
        }
        assert_eq!(part(Role::Production, gone()), Part::Address);
        assert_eq!(part(Role::Control, gone()), Part::Control);
        let mut all_gone = legs([State::Refused, State::Refused, GOOD]);
        all_gone.iter_mut().take(2).for_each(|leg| leg.refusal = gone());
        assert_eq!(diagnose(&all_gone, true).broken, Part::Relay, "the relay denies whom it knows");
    }

    #[test]
    fn one_of_several_legs_that_surely_failed_is_enough_wherever_it_stands() {
        let (lost, open) = (sight(Role::Control, State::Lost), sight(Role::Control, State::Accepted));
        for controls in [[lost.clone(), open.clone()], [open, lost]] {
            let legs = [&legs([GOOD, GOOD, GOOD])[..1], &controls].concat();
            assert_eq!(diagnose(&legs, true).broken, Part::Control);
        }
    }

    #[test]
    fn who_does_not_exist_must_be_refused_for_that() {
        let negative = |state, refusal| diagnose(&[Sight { role: Role::Negative, state, refusal }], true).negative;
        assert_eq!(negative(State::Refused, gone()), Negative::Refused);
        let unauthorized = refused("apple.unauthorized_sender", Kind::HardBounce, Scope::Sender);
        assert_eq!(negative(State::Refused, unauthorized), Negative::RefusedOtherwise);
        let listed = refused("ses.on_account_suppression_list", Kind::HardBounce, Scope::Esp);
        assert_eq!(negative(State::Refused, listed), Negative::Unknown, "the relay was not asked");
        assert_eq!(negative(State::DeliveredNeverArrived, None), Negative::Accepted);
        assert_eq!(negative(State::Accepted, None), Negative::Unknown);
    }
}
