//! The routes of the configuration, and which addresses are our own.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use crate::config::canaries::Canaries;
use crate::domain::canary::{Pace, Route};
use crate::domain::ids::AddressKey;

/// What intake must know of canaries.
#[derive(Debug, Clone)]
pub struct CanaryBook {
    routes: Vec<Route>,
    own: HashSet<AddressKey>,
    /// How often rounds are sent.
    pub pace: Pace,
    /// Canaries to one relay address in any 24 hours.
    pub daily: usize,
    /// How long one is waited for until that is learned.
    pub ceiling: Duration,
}

impl Default for CanaryBook {
    fn default() -> Self {
        Self::new(Vec::new(), &Canaries::default())
    }
}

impl CanaryBook {
    /// The book of these routes, with the numbers of the section.
    pub fn new(routes: Vec<Route>, section: &Canaries) -> Self {
        let own = routes.iter().flat_map(|route| route.addresses.iter().copied()).collect();
        Self { routes, own, pace: section.pace(), daily: section.daily, ceiling: section.ceiling.get() }
    }

    /// All routes, in the order of the configuration.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The names of the rounds.
    pub fn rounds(&self) -> BTreeSet<&str> {
        self.routes.iter().map(|route| route.round.as_str()).collect()
    }

    /// The routes that are sent together.
    pub fn legs(&self, round: &str) -> Vec<&Route> {
        self.routes.iter().filter(|route| route.round == round).collect()
    }

    /// Whether an address is one of ours.
    pub fn is_own(&self, address: AddressKey) -> bool {
        self.own.contains(&address)
    }

    /// Whether every control of a round is of another developer team than its production streams.
    pub fn has_other_team(&self, round: &str) -> bool {
        use crate::domain::canary::Role::{Control, Production};
        let legs = self.legs(round);
        let teams = |role| legs.iter().filter(move |leg| leg.role == role).map(|leg| &leg.team);
        teams(Control).next().is_some() && teams(Control).all(|team| teams(Production).all(|ours| ours != team))
    }
}
