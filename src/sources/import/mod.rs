//! What an operator brings: users from the own database, and what is known from before. Rows in, events out.
//!
//! A row is read by itself: a wrong one is told by line and field and costs no other.

mod history;
mod rows;
mod scalar;
mod tally;
mod users;

pub use history::History;
pub use rows::Rows;
pub use scalar::When;
pub use tally::{LineError, Tally};
pub use users::Users;

use crate::config::teams::Teams;
use crate::domain::ids::{AppId, TeamId};
use crate::domain::record::event_time;
use crate::domain::time::Timestamp;
use crate::sources::written::Wrong;

/// The longest row, in bytes: a row holds two names, an address, a `sub` and a reply text.
pub const LONGEST_ROW: usize = 8 << 10;

/// How far ahead of ours another clock may be. What it says is then taken as now.
const AHEAD: std::time::Duration = std::time::Duration::from_secs(300);

/// What a row that does not name its team or app means.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The team.
    pub team: Option<String>,
    /// The app.
    pub app: Option<String>,
}

/// The configured teams and their apps. Without any, every team may be named.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    teams: Teams,
}

impl Directory {
    /// The directory of these teams.
    pub fn new(teams: Teams) -> Self {
        Self { teams }
    }

    /// The team that is meant; the only one when none is named.
    ///
    /// # Errors
    /// Names `team`.
    pub fn team(&self, named: Option<&str>) -> Result<TeamId, Wrong> {
        let mut teams = self.teams.iter();
        match named {
            None => match (teams.next(), teams.next()) {
                (Some(only), None) => Ok(only.id.clone()),
                _ => Err(Wrong::field("team", "is missing")),
            },
            Some("") => Err(Wrong::field("team", "is empty")),
            Some(name) => {
                let team = TeamId::new(name);
                let known = self.teams.get(&team).is_some() || teams.next().is_none();
                known.then_some(team).ok_or_else(|| Wrong::field("team", "is not a configured team"))
            }
        }
    }

    /// The app that is meant: by its own id or one of its audiences, or the team's only one when none is named.
    ///
    /// # Errors
    /// Names `app`.
    pub fn app(&self, team: &TeamId, named: Option<&str>) -> Result<Option<AppId>, Wrong> {
        let apps = self.teams.get(team).map_or(&[][..], |team| &team.apps);
        match (named, apps) {
            (None, [only]) => Ok(Some(only.id.clone())),
            (None, _) => Ok(None),
            (Some(""), _) => Err(Wrong::field("app", "is empty")),
            (Some(name), []) => Ok(Some(AppId::new(name))),
            (Some(name), apps) => {
                let own = apps.iter().find(|app| app.id.as_str() == name);
                let by_audience = || apps.iter().find(|app| app.audiences.iter().any(|span| span.id == name));
                let app = own.or_else(by_audience).ok_or_else(|| Wrong::field("app", "is not an app of this team"))?;
                Ok(Some(app.id.clone()))
            }
        }
    }
}

/// The time a row gives. One that is no time of ours would count as now, and so win over everything: it is refused.
fn past(field: &'static str, at: Timestamp, received_at: Timestamp) -> Result<Timestamp, Wrong> {
    if at > received_at.plus(AHEAD) {
        return Err(Wrong::field(field, "is in the future"));
    }
    let at = at.min(received_at);
    if event_time(at, received_at) != at {
        return Err(Wrong::field(field, "is too long ago to be true"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(toml: &str) -> Directory {
        #[derive(serde::Deserialize)]
        struct File {
            teams: Teams,
        }
        Directory::new(toml::from_str::<File>(toml).unwrap().teams)
    }

    const ONE: &str = "[[teams]]\nid = 'T'\n[[teams.apps]]\nid = 'app'\naudiences = ['app', 'app.web']\n";

    #[test]
    fn the_only_team_and_the_only_app_need_no_name() {
        let one = directory(ONE);
        let team = one.team(None).unwrap();
        assert_eq!((team.as_str(), one.app(&team, None)), ("T", Ok(Some(AppId::new("app")))));
        assert_eq!(one.app(&team, Some("app.web")), Ok(Some(AppId::new("app"))));
        assert_eq!(one.app(&team, Some("other")).unwrap_err().field.as_deref(), Some("app"));
        assert_eq!(one.team(Some("U")).unwrap_err(), Wrong::field("team", "is not a configured team"));

        let two = directory(&(ONE.to_owned() + "[[teams.apps]]\nid = 'second'\n[[teams]]\nid = 'U'\n"));
        assert_eq!(two.team(None).unwrap_err(), Wrong::field("team", "is missing"));
        assert_eq!(two.app(&TeamId::new("T"), None), Ok(None));
        assert_eq!(two.app(&TeamId::new("U"), Some("any")), Ok(Some(AppId::new("any"))));
    }

    #[test]
    fn without_configured_teams_every_team_may_be_named_but_one_must_be() {
        let none = Directory::default();
        assert_eq!(none.team(Some("any")), Ok(TeamId::new("any")));
        assert_eq!(none.team(Some("")), Err(Wrong::field("team", "is empty")));
        assert_eq!(none.team(None), Err(Wrong::field("team", "is missing")));
    }

    #[test]
    fn a_time_is_taken_only_if_it_can_be_one() {
        let now = Timestamp::from_secs(1_760_000_000);
        assert_eq!(past("at", now.plus(AHEAD), now), Ok(now), "a clock a little ahead");
        assert_eq!(past("at", Timestamp::from_secs(1_600_000_000), now), Ok(Timestamp::from_secs(1_600_000_000)));
        for (at, detail) in
            [(now.plus(AHEAD * 2), "is in the future"), (Timestamp::default(), "is too long ago to be true")]
        {
            assert_eq!(past("at", at, now), Err(Wrong::field("at", detail)));
        }
    }
}
