//! What is asked: one address or key of one team, optionally for an app, a stream and a class.

use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::domain::address::Address;
use crate::domain::ids::{AddressKey, AppId, Esp, StreamName, TeamId};
use crate::domain::policy::Class;
use crate::domain::verdict::Question;

/// A question as it is written. Unknown fields are refused: a misspelt `class` must not silently mean marketing.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Question)]
pub struct Written {
    /// The team; may be missing when exactly one is configured.
    pub team: Option<String>,
    /// The address.
    pub address: Option<String>,
    /// Or its key.
    pub key: Option<String>,
    /// The app.
    pub app: Option<String>,
    /// The stream.
    pub stream: Option<String>,
    /// `security`, `transactional` or `marketing`; missing means marketing.
    pub class: Option<String>,
}

/// A question that makes sense.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The team.
    pub team: TeamId,
    /// The key of the address.
    pub key: AddressKey,
    /// Whether the address's domain proves a relay address; `None` when only a key was given.
    pub on_relay_domain: Option<bool>,
    /// The rest.
    pub question: Question,
}

impl Api {
    /// The team a request means.
    ///
    /// # Errors
    /// 400 naming `team`.
    pub fn team(&self, written: Option<&str>) -> Result<TeamId, Problem> {
        match (written, self.teams.as_ref()) {
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Problem::field("team", "is missing")),
            (Some(""), _) => Err(Problem::field("team", "is empty")),
            (Some(name), []) => Ok(TeamId::new(name)),
            (Some(name), known) => known
                .iter()
                .find(|team| team.as_str() == name)
                .cloned()
                .ok_or_else(|| Problem::field("team", "is not a configured team")),
        }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// 400 naming the field.
    pub fn read(&self, written: &Written) -> Result<Asked, Problem> {
        let team = self.team(written.team.as_deref())?;
        let context = self.intake.context();
        let (key, on_relay_domain) = match (&written.address, &written.key) {
            (Some(address), None) => {
                let address =
                    Address::parse(address).ok_or_else(|| Problem::field("address", "is not a mail address"))?;
                (context.keyring.address(&address), Some(address.on_relay_domain()))
            }
            (None, Some(key)) => {
                let key =
                    AddressKey::parse(key).ok_or_else(|| Problem::field("key", "is not 32 hexadecimal digits"))?;
                (key, None)
            }
            (Some(_), Some(_)) => return Err(Problem::field("key", "give address or key, not both")),
            (None, None) => return Err(Problem::field("address", "is missing")),
        };
        let class = match written.class.as_deref() {
            None => Class::default(),
            Some(word) => Class::parse(word)
                .ok_or_else(|| Problem::field("class", "is none of security, transactional, marketing"))?,
        };
        let stream = match written.stream.as_deref() {
            None => None,
            Some(name) => {
                let streams = context.streams.load();
                let stream = streams.get(name).filter(|s| s.team == team);
                let stream = stream.ok_or_else(|| Problem::field("stream", "is not a stream of this team"))?;
                Some((StreamName::new(name), Esp::new(stream.provider.as_str())))
            }
        };
        let app = written.app.as_deref().map(AppId::new);
        Ok(Asked { team, key, on_relay_domain, question: Question { app, stream, class } })
    }
}
