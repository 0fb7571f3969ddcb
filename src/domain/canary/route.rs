//! A route: one way of sending to one mailbox, and what it is for in its round.

use serde::{Deserialize, Serialize};

use super::token::RouteKey;
use crate::domain::ids::{AddressKey, Esp, StreamName, TeamId};

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The stream that is watched, through the relay.
    Production,
    /// A source that is known to be registered, through the relay; best of another developer team.
    Control,
    /// The same provider to a mailbox with no relay before it.
    Plain,
    /// An address that does not exist: the relay must answer "user not found".
    Negative,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Control => "control",
            Self::Plain => "plain",
            Self::Negative => "negative",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Production, Self::Control, Self::Plain, Self::Negative].into_iter().find(|role| role.as_str() == word)
    }

    /// Whether it goes through the relay, so that Apple counts it.
    pub fn is_relayed(self) -> bool {
        self != Self::Plain
    }
}

/// One way, as it is configured. Holds no address, only their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// The round it is sent in.
    pub round: String,
    /// What it is for.
    pub role: Role,
    /// The stream it is sent as, and that stream's team and provider.
    pub stream: StreamName,
    /// The team of the stream.
    pub team: TeamId,
    /// The provider of the stream, as events name it.
    pub esp: Esp,
    /// Domain of the header From.
    pub from_domain: String,
    /// The submission that takes it.
    pub submission: String,
    /// The mailbox behind it; a negative one has none.
    pub mailbox: Option<String>,
    /// The addresses it takes turns among.
    pub addresses: Vec<AddressKey>,
}

impl Route {
    /// As tokens name it.
    pub fn key(&self) -> RouteKey {
        RouteKey::of(&self.name)
    }
}
