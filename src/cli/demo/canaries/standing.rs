//! How the demo's canaries stand, as `GET /v1/canaries` says it, and what comes of it for the summary.

use serde::{Deserialize, Serialize};

/// What became of all canaries, and what the last round names as broken.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Canaries {
    /// Canaries sent.
    pub sent: usize,
    /// Canaries read in their mailboxes.
    pub arrived: usize,
    /// Canaries that were taken with 250 and are not there.
    pub lost: usize,
    /// The part that is broken.
    pub broken: String,
    /// The same in words.
    pub because: String,
    /// The last round.
    pub routes: Vec<Leg>,
}

/// One way of the last round.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// What it is for.
    pub role: String,
    /// Its name.
    pub route: String,
    /// What has become of its canary.
    pub state: String,
}

/// `GET /v1/canaries`, as far as the demo reads it.
#[derive(Deserialize)]
pub struct Standing {
    rounds: Vec<RoundStanding>,
}

#[derive(Deserialize)]
struct RoundStanding {
    broken: String,
    because: String,
    routes: Vec<RouteStanding>,
}

#[derive(Deserialize)]
struct RouteStanding {
    route: String,
    role: String,
    /// The newest first.
    states: Vec<String>,
}

/// Whether a state says that the mail was read where it should arrive.
fn has_arrived(state: &str) -> bool {
    ["arrived", "spam", "late"].contains(&state)
}

/// Whether a state says that it was taken and is not there.
fn is_lost(state: &str) -> bool {
    ["lost", "delivered_never_arrived"].contains(&state)
}

impl Standing {
    fn legs(&self) -> impl Iterator<Item = &RouteStanding> {
        self.rounds.iter().flat_map(|round| &round.routes)
    }

    /// How many canaries of the nth round have come to an end.
    pub(super) fn settled(&self, n: usize) -> usize {
        let ended = |state: &String| !["planned", "sent", "accepted", "unknown"].contains(&state.as_str());
        self.legs().filter(|leg| leg.states.len() == n && leg.states.first().is_some_and(ended)).count()
    }

    pub(super) fn is_settled(&self, n: usize) -> bool {
        self.settled(n) == self.legs().count()
    }
}

impl From<Standing> for Canaries {
    fn from(standing: Standing) -> Self {
        let count =
            |is: fn(&str) -> bool| standing.legs().flat_map(|leg| &leg.states).filter(|state| is(state)).count();
        let (sent, arrived, lost) = (count(|state| state != "planned"), count(has_arrived), count(is_lost));
        let (mut broken, mut because, mut routes) = (String::new(), String::new(), Vec::new());
        for round in standing.rounds {
            (broken, because) = (round.broken, round.because);
            routes.extend(round.routes.into_iter().map(|leg| {
                let state = leg.states.into_iter().next().unwrap_or_else(|| "never sent".to_owned());
                Leg { role: leg.role, route: leg.route, state }
            }));
        }
        Self { sent, arrived, lost, broken, because, routes }
    }
}

impl Canaries {
    /// What is not as the world has it: six were sent, and the relay dropped one of the newsletter's.
    pub fn surprise(&self) -> Option<String> {
        let Self { sent, arrived, lost, broken, .. } = self;
        let is_true = (*sent, *arrived, *lost, broken.as_str()) == (6, 5, 1, "stream_at_relay");
        (!is_true).then(|| format!("{sent} canaries sent, {arrived} arrived, {lost} lost, broken: {broken}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(states: [&[&str]; 3]) -> Standing {
        let leg = |states: &[&str]| {
            let states = states.iter().map(|state| (*state).to_owned()).collect();
            RouteStanding { route: "r".to_owned(), role: "plain".to_owned(), states }
        };
        let round = RoundStanding {
            broken: "stream_at_relay".to_owned(),
            because: String::new(),
            routes: states.into_iter().map(leg).collect(),
        };
        Standing { rounds: vec![round] }
    }

    #[test]
    fn a_round_is_settled_when_none_of_it_is_under_way() {
        let arrived: &[&str] = &["arrived"];
        assert!(standing([arrived, arrived, arrived]).is_settled(1));
        for open in ["planned", "sent", "accepted", "unknown"] {
            assert!(!standing([arrived, &[open], arrived]).is_settled(1), "{open}");
        }
        assert!(!standing([&[], arrived, arrived]).is_settled(1), "not begun");
        assert!(!standing([arrived, arrived, arrived]).is_settled(2), "the round before");
        assert_eq!(standing([&["lost", "arrived"], &["sent", "arrived"], arrived]).settled(2), 1);
    }

    #[test]
    fn all_rounds_are_counted_and_what_differs_is_told() {
        let two: &[&str] = &["arrived", "late"];
        let told: Canaries = standing([&["delivered_never_arrived", "arrived"], two, two]).into();
        assert_eq!((told.sent, told.arrived, told.lost), (6, 5, 1));
        assert_eq!((told.routes[0].state.as_str(), told.surprise()), ("delivered_never_arrived", None));
        let told: Canaries = standing([&["uncertain", "arrived"], two, two]).into();
        assert_eq!((told.arrived, told.lost), (5, 0));
        assert!(told.surprise().is_some_and(|words| words.starts_with("6 canaries sent, 5 arrived, 0 lost")));
    }
}
