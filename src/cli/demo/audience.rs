//! The users: imported, and asked about one by one as a mailer would.

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use serde::Serialize;

use super::canaries::Standing;
use super::cast::{APPS, Person, TEAM};
use super::progress::Progress;
use super::truth::Question;
use crate::app::Core;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::address::Address;
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{AppId, Sub, TeamId};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::intake::Submission;

/// Questions under way at once.
const AT_ONCE: usize = 16;

/// One sign-in with Apple, as the team's own records have it.
#[derive(Clone, Serialize)]
pub struct SignIn {
    team: &'static str,
    app: &'static str,
    sub: String,
    address: String,
    is_private_email: bool,
    authorized_at: Timestamp,
}

/// Every sign-in of every user; those who came back did so at `returned`.
pub fn sign_ins(people: &[Person], returned: Timestamp) -> Vec<SignIn> {
    let mut rows = Vec::new();
    for person in people.iter().filter(|p| p.is_user()) {
        let mut signed_in = |app: usize, address: &str, is_private_email, authorized_at| {
            let (address, sub) = (address.to_owned(), person.sub.clone());
            rows.push(SignIn { team: TEAM, app: APPS[app], sub, address, is_private_email, authorized_at });
        };
        match &person.former {
            Some((former, was_private)) => {
                signed_in(person.app, former, *was_private, person.joined);
                signed_in(person.app, &person.address, person.is_private, returned);
            }
            None => signed_in(person.app, &person.address, person.is_private, person.joined),
        }
        if person.uses_both_apps() {
            signed_in(1 - person.app, &person.address, person.is_private, person.joined);
        }
    }
    rows
}

/// Imports them through the one door, before the daemon starts; gives how many were new.
///
/// # Errors
/// When the store cannot be made or a row is not what it should be.
pub async fn import(config: Config, clock: Clock, rows: &[SignIn], progress: &Progress) -> anyhow::Result<usize> {
    let core = Core::open(config, clock.clone(), true).await?;
    let mut new = 0;
    for rows in rows.chunks(1_000) {
        let events = rows.iter().map(|row| row.event().context("a user of the demo")).collect::<Result<_, _>>()?;
        let submission =
            Submission { endpoint: "import".to_owned(), received_at: clock.now(), events, ..Submission::default() };
        new += core.intake.submit(submission).await?.new;
        progress.advance(rows.len());
    }
    core.close().await;
    Ok(new)
}

impl SignIn {
    fn event(&self) -> Option<Event> {
        let at = self.authorized_at.micros().to_string();
        Some(Event {
            identity: Identity::new("import", &[self.team, self.app, &self.sub, &self.address, &at]),
            source: Source::Import,
            kind: Kind::Authorized,
            scope: Scope::Recipient,
            fresh: true,
            rule: "import.authorized".into(),
            who: Who {
                address: Some(Address::parse(&self.address)?),
                sub: Some(Sub::parse(&self.sub)?),
                is_private: Some(self.is_private_email),
                named: 1,
            },
            origin: Origin { app: Some(AppId::new(self.app)), ..Origin::of_team(TeamId::new(self.team)) },
            evidence: Evidence::default(),
            occurred_at: self.authorized_at,
            decision: None,
        })
    }
}

/// Asks the API.
pub struct Api {
    /// The HTTP client.
    pub client: reqwest::Client,
    /// Scheme, host and port.
    pub url: String,
    /// The bearer token.
    pub token: String,
}

impl Api {
    /// The verdict on every question, in the same order.
    ///
    /// # Errors
    /// At the first question that gets no verdict.
    pub async fn ask(&self, questions: &[Question], progress: &Progress) -> anyhow::Result<Vec<Verdict>> {
        let asked = questions.iter().map(|question| async {
            let verdict = self.ask_one(question).await?;
            progress.advance(1);
            Ok::<_, anyhow::Error>(verdict)
        });
        stream::iter(asked).buffered(AT_ONCE).try_collect().await
    }

    /// How the canaries stand.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn canaries(&self) -> anyhow::Result<Standing> {
        let request = self.client.get(format!("{}/v1/canaries", self.url)).bearer_auth(&self.token);
        let response = request.send().await.context("asking for the canaries")?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "/v1/canaries answered {status}");
        response.json().await.context("reading the canaries")
    }

    async fn ask_one(&self, question: &Question) -> anyhow::Result<Verdict> {
        let request = self.client.post(format!("{}/v1/sendability", self.url)).bearer_auth(&self.token);
        let response = request.json(&body(question)).send().await.context("asking for a verdict")?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "/v1/sendability answered {status}");
        response.json().await.context("reading a verdict")
    }
}

/// The question as the API takes it. The team may be left out where there is one only.
pub fn body(question: &Question) -> serde_json::Value {
    serde_json::json!({"app": APPS[question.app], "address": question.address})
}
