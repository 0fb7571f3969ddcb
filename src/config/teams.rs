//! The `[[teams]]` section: Apple developer teams, their apps, and which audience meant which app from when to when.

use std::collections::HashMap;

use serde::Deserialize;

use crate::domain::ids::{AppId, TeamId};
use crate::domain::time::Timestamp;

/// All configured teams, checked: no id twice, no audience claimed by two apps at the same time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Vec<Team>")]
pub struct Teams(Vec<Team>);

/// Checked while it is read: see [`Teams::new`].
impl super::Section for Teams {
    fn check(&self, _: &mut super::Findings) {}
}

/// One Apple developer team.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its name here; Apple's own ten-character Team ID is a good choice.
    pub id: TeamId,
    /// What kind of account it is; decides how many email sources Apple allows. Unknown when left out.
    #[serde(default)]
    pub account: Option<AccountKind>,
    /// Its apps.
    #[serde(default)]
    pub apps: Vec<App>,
}

/// The kind of an Apple developer account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A person: at most 32 email sources.
    Individual,
    /// An organization: at most 100 email sources.
    Organization,
}

/// One app group of a team.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The primary App ID of the group.
    pub id: AppId,
    /// The `aud` values that mean this app, each for a span of time. Left out: the app's own id, for all time. When
    /// given, the list is complete: the own id counts only if it is in it.
    #[serde(default)]
    pub audiences: Vec<AudienceSpan>,
}

/// One `aud` value and the time in which it means the app: text for all time, or
/// `{ id = "…", from = "RFC 3339", until = "RFC 3339" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct AudienceSpan {
    /// The `aud` value: an App ID or a Services ID.
    pub id: String,
    /// First instant at which it means the app; from the beginning when left out.
    pub from: Option<Timestamp>,
    /// First instant at which it no longer does (an app was transferred); for good when left out.
    pub until: Option<Timestamp>,
}

impl AudienceSpan {
    /// An audience that means its app for all time.
    pub fn always(id: impl Into<String>) -> Self {
        Self { id: id.into(), from: None, until: None }
    }

    /// Whether `at` lies in the span.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let starts_before_end = |a: &Self, b: &Self| a.from.is_none_or(|from| b.until.is_none_or(|until| from < until));
        self.id == other.id && starts_before_end(self, other) && starts_before_end(other, self)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an audience: text or { id = \"…\", from = \"RFC 3339\", until = \"RFC 3339\" }")]
enum Written {
    Always(String),
    Span(WrittenSpan),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSpan {
    id: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl From<Written> for AudienceSpan {
    fn from(written: Written) -> Self {
        match written {
            Written::Always(id) => Self::always(id),
            Written::Span(WrittenSpan { id, from, until }) => Self { id, from, until },
        }
    }
}

/// What is wrong with the section, with the path of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct TeamsError {
    /// The field, e.g. `teams[0].apps[1].id`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Teams {
    /// Checks the teams and gives every app without audiences its own id as one.
    ///
    /// # Errors
    /// An empty or repeated id, a span that ends before it starts, or an audience claimed twice at the same time.
    pub fn new(mut teams: Vec<Team>) -> Result<Self, TeamsError> {
        let mut team_ids = HashMap::new();
        let mut claims: HashMap<String, Vec<Claim>> = HashMap::new();
        for (t, team) in teams.iter_mut().enumerate() {
            let field = format!("teams[{t}].id");
            once(&mut team_ids, team.id.as_str(), field)?;
            let mut app_ids = HashMap::new();
            for (a, app) in team.apps.iter_mut().enumerate() {
                let path = format!("teams[{t}].apps[{a}]");
                once(&mut app_ids, app.id.as_str(), format!("{path}.id"))?;
                if app.audiences.is_empty() {
                    app.audiences.push(AudienceSpan::always(app.id.as_str()));
                }
                for (i, span) in app.audiences.iter().enumerate() {
                    let claim = Claim {
                        field: format!("{path}.audiences[{i}]"),
                        owner: format!("team {:?}, app {:?}", team.id.as_str(), app.id.as_str()),
                        span: span.clone(),
                    };
                    let others = claims.entry(span.id.clone()).or_default();
                    claim.check(others)?;
                    others.push(claim);
                }
            }
        }
        Ok(Self(teams))
    }

    /// The teams in the order written.
    pub fn iter(&self) -> std::slice::Iter<'_, Team> {
        self.0.iter()
    }

    /// The team of that id.
    pub fn get(&self, id: &TeamId) -> Option<&Team> {
        self.0.iter().find(|team| team.id == *id)
    }
}

impl TryFrom<Vec<Team>> for Teams {
    type Error = TeamsError;

    fn try_from(teams: Vec<Team>) -> Result<Self, TeamsError> {
        Self::new(teams)
    }
}

struct Claim {
    field: String,
    owner: String,
    span: AudienceSpan,
}

impl Claim {
    fn check(&self, others: &[Self]) -> Result<(), TeamsError> {
        let wrong = |problem: String| Err(TeamsError { field: self.field.clone(), problem });
        if self.span.id.trim().is_empty() {
            return wrong("the id is empty".to_owned());
        }
        if let (Some(from), Some(until)) = (self.span.from, self.span.until)
            && until <= from
        {
            return wrong(format!("`until` ({until}) is not after `from` ({from})"));
        }
        match others.iter().find(|other| other.span.overlaps(&self.span)) {
            Some(other) => wrong(format!(
                "audience {:?} is claimed at the same time by {} ({}) and by {}",
                self.span.id, other.owner, other.field, self.owner
            )),
            None => Ok(()),
        }
    }
}

fn once(seen: &mut HashMap<String, String>, id: &str, field: String) -> Result<(), TeamsError> {
    if id.trim().is_empty() {
        return Err(TeamsError { field, problem: "the id is empty".to_owned() });
    }
    if let Some(first) = seen.insert(id.to_owned(), field.clone()) {
        return Err(TeamsError { field, problem: format!("{id:?} stands already at {first}") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        teams: Teams,
    }

    fn read(text: &str) -> Result<Teams, String> {
        toml::from_str::<File>(text).map(|file| file.teams).map_err(|e| e.to_string())
    }

    #[test]
    fn an_app_without_audiences_is_its_own() {
        let teams =
            read("[[teams]]\nid = 'T1'\naccount = 'individual'\n[[teams.apps]]\nid = 'com.example.app'").unwrap();
        let team = teams.get(&TeamId::new("T1")).unwrap();
        assert_eq!(team.account, Some(AccountKind::Individual));
        assert_eq!(team.apps[0].audiences, [AudienceSpan::always("com.example.app")]);
    }

    #[test]
    fn a_transfer_passes_an_audience_on() {
        let teams = read(
            "[[teams]]\nid = 'old'\n[[teams.apps]]\nid = 'app'\n\
             audiences = ['app.web', { id = 'app', until = '2024-01-01T00:00:00Z' }]\n\
             [[teams]]\nid = 'new'\n[[teams.apps]]\nid = 'app'\n\
             audiences = [{ id = 'app', from = '2024-01-01T00:00:00Z' }]",
        )
        .unwrap();
        assert_eq!(teams.iter().count(), 2);
    }

    #[test]
    fn errors_name_the_field() {
        let team = |id: &str, rest: &str| format!("[[teams]]\nid = '{id}'\n[[teams.apps]]\nid = 'app'\n{rest}\n");
        let both = read(&(team("A", "") + &team("B", "audiences = ['x', 'app']"))).unwrap_err();
        for part in ["teams[1].apps[0].audiences[1]", "teams[0].apps[0].audiences[0]", "team \"A\"", "team \"B\""] {
            assert!(both.contains(part), "{part} in {both}");
        }
        for (text, part) in [
            (team("A", "") + &team("A", "audiences = ['other']"), "teams[1].id: \"A\" stands already at teams[0].id"),
            (team("", ""), "teams[0].id: the id is empty"),
            (team("A", "audiences = ['']"), "teams[0].apps[0].audiences[0]: the id is empty"),
            (
                team("A", "audiences = [{ id = 'a', from = '2024-01-02T00:00:00Z', until = '2024-01-02T00:00:00Z' }]"),
                "teams[0].apps[0].audiences[0]: `until`",
            ),
            (team("A", "audiences = [{ id = 'a', till = '2024-01-02T00:00:00Z' }]"), "an audience: text or"),
            (team("A", "name = 'x'"), "unknown field `name`"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}
