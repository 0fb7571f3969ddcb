//! Which team and app an `aud` meant at a given time.

use std::collections::HashMap;

use crate::config::teams::{AudienceSpan, Teams};
use crate::domain::ids::{AppId, TeamId};
use crate::domain::time::Timestamp;

/// The effective-dated map from `aud` to team and app.
#[derive(Debug, Default)]
pub struct Audiences {
    claims: HashMap<String, Vec<Claim>>,
    any: Option<TeamId>,
}

#[derive(Debug)]
struct Claim {
    span: AudienceSpan,
    app: App,
}

/// An app of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct App {
    pub(super) team: TeamId,
    pub(super) app: AppId,
}

/// Why no app is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoApp {
    /// No audience of the token is known at all.
    Unknown,
    /// One is known, but not at that time.
    NotThen,
    /// The audiences mean different apps.
    Several,
}

impl Audiences {
    /// The map that the configured teams make.
    pub fn of(teams: &Teams) -> Self {
        let mut claims: HashMap<String, Vec<Claim>> = HashMap::new();
        for team in teams.iter() {
            for app in &team.apps {
                for span in &app.audiences {
                    let app = App { team: team.id.clone(), app: app.id.clone() };
                    claims.entry(span.id.clone()).or_default().push(Claim { span: span.clone(), app });
                }
            }
        }
        Self { claims, any: None }
    }

    /// A list of audiences, each an app of its own of one team, for all time; for a command that has no configuration.
    pub fn listed<I: IntoIterator<Item = String>>(team: &TeamId, ids: I) -> Self {
        let claim = |id: String| {
            let app = App { team: team.clone(), app: AppId::new(id.clone()) };
            (id.clone(), vec![Claim { span: AudienceSpan::always(id), app }])
        };
        Self { claims: ids.into_iter().map(claim).collect(), any: None }
    }

    /// Every audience, each an app of its own of one team. Only for showing what a body would mean.
    pub fn any(team: TeamId) -> Self {
        Self { claims: HashMap::new(), any: Some(team) }
    }

    /// The app that the audiences of one token mean at `at`.
    pub(super) fn find(&self, ids: &[String], at: Timestamp) -> Result<App, NoApp> {
        let mut found: Option<App> = None;
        let mut known = false;
        for id in ids {
            let claims = self.claims.get(id);
            known |= claims.is_some();
            let claim = claims.and_then(|claims| claims.iter().find(|claim| claim.span.contains(at)));
            let app = match (claim, &self.any) {
                (Some(claim), _) => claim.app.clone(),
                (None, Some(team)) => App { team: team.clone(), app: AppId::new(id.as_str()) },
                (None, None) => continue,
            };
            match &found {
                Some(other) if *other != app => return Err(NoApp::Several),
                _ => found = Some(app),
            }
        }
        found.ok_or(if known { NoApp::NotThen } else { NoApp::Unknown })
    }
}
