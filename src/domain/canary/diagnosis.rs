//! The results of a round, read together: they name the part that is broken.
//!
//! | production | control | plain | broken |
//! |---|---|---|---|
//! | arrived | | | nothing that users meet |
//! | not | arrived | arrived | the stream, in the relay's eyes: its registration, or its team |
//! | not | arrived | not | the stream's own sending: its authentication, or its account |
//! | not | not | arrived | the relay; or the team, when the control is of the same team |
//! | not | not | not | the provider, or the mailboxes |

use serde::Serialize;

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
    /// The rule that read its refusal.
    pub rule: Option<String>,
}

/// The part that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// None: everything arrived.
    Nothing,
    /// The relay refuses or drops this stream and no other: not registered, or its team is not taken any more.
    StreamAtRelay,
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
/// A leg of which nothing is known yet may have gone either way: only what would be said in every case is said.
pub fn diagnose(legs: &[Sight], other_team: bool) -> Diagnosis {
    let ways = |role| good(legs, role).map_or(vec![true, false], |good| vec![good]);
    let broken = match good(legs, Role::Production) {
        None => Part::Unknown,
        Some(true) if good(legs, Role::Control) == Some(false) => Part::Control,
        Some(true) if good(legs, Role::Plain) == Some(false) => Part::Plain,
        Some(true) => Part::Nothing,
        Some(false) => {
            let (controls, plains) = (ways(Role::Control), ways(Role::Plain));
            let pairs = controls.iter().flat_map(|control| plains.iter().map(move |plain| (*control, *plain)));
            let mut parts: Vec<Part> = pairs.map(|(control, plain)| part(control, plain, other_team)).collect();
            parts.dedup();
            if let [only] = parts[..] { only } else { Part::Unknown }
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

/// Whether the legs of a role arrived: all of them; not, when one surely did not; `None` when that is not known.
fn good(legs: &[Sight], role: Role) -> Option<bool> {
    let mut arrived = None;
    for leg in legs.iter().filter(|leg| leg.role == role) {
        match leg.state {
            State::Arrived(_) | State::Late(_) => arrived = arrived.or(Some(true)),
            State::Refused | State::Lost | State::DeliveredNeverArrived => return Some(false),
            _ => return None,
        }
    }
    arrived
}

fn negative(legs: &[Sight]) -> Negative {
    let Some(leg) = legs.iter().find(|leg| leg.role == Role::Negative) else { return Negative::Unknown };
    match (leg.state, leg.rule.as_deref()) {
        (State::Refused, Some(rule)) if says_gone(rule) => Negative::Refused,
        (State::Refused, _) => Negative::RefusedOtherwise,
        (State::DeliveredNeverArrived, _) => Negative::Accepted,
        _ => Negative::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::canary::Folder;

    const GOOD: State = State::Arrived(Folder::Inbox);

    fn sight(role: Role, state: State) -> Sight {
        Sight { role, state, rule: None }
    }

    fn round(states: [State; 3], other_team: bool) -> Part {
        let roles = [Role::Production, Role::Control, Role::Plain];
        let legs: Vec<Sight> = roles.into_iter().zip(states).map(|(role, state)| sight(role, state)).collect();
        diagnose(&legs, other_team).broken
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
    fn who_does_not_exist_must_be_refused_for_that() {
        let negative = |state, rule: Option<&str>| {
            let rule = rule.map(str::to_owned);
            diagnose(&[Sight { role: Role::Negative, state, rule }], true).negative
        };
        let gone = crate::domain::bounce::RuleBook::built_in_names().find(|rule| says_gone(rule)).unwrap();
        assert_eq!(negative(State::Refused, Some(gone)), Negative::Refused);
        assert_eq!(negative(State::Refused, Some("apple.unauthorized_sender")), Negative::RefusedOtherwise);
        assert_eq!(negative(State::DeliveredNeverArrived, None), Negative::Accepted);
        assert_eq!(negative(State::Accepted, None), Negative::Unknown);
    }
}
