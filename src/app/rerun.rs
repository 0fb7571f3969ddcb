//! Reads a quarantined part again, by the configuration and version of today.

use std::fmt;

use anyhow::Context as _;
use http::HeaderMap;
use serde::Serialize;

use super::{Core, endpoints, rules};
use crate::domain::ids::TeamId;
use crate::intake::Submission;
use crate::sources::braze::BrazeSource;
use crate::sources::sparkpost::SparkpostSource;
use crate::sources::{Request, Translation, ses};
use crate::store::QuarantineSummary;

/// What a second reading brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Rerun {
    /// It could be read: so many events, of which so many were new.
    Read {
        /// Events in it.
        events: usize,
        /// Events nobody had sent before.
        new: usize,
    },
    /// It still cannot be read.
    Unreadable {
        /// Why.
        because: String,
    },
    /// There is no such part any more.
    Unknown,
}

impl fmt::Display for Rerun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { events, new } => write!(f, "read: {events} events, {new} new"),
            Self::Unreadable { because } => write!(f, "still unreadable: {because}"),
            Self::Unknown => f.write_str("there is no such part"),
        }
    }
}

/// Reads one part again, and takes its events in.
///
/// # Errors
/// When store or keys fail.
pub async fn rerun(core: &Core, id: &str) -> anyhow::Result<Rerun> {
    let Some(row) = core.store.read().await?.quarantined_one(id).await? else { return Ok(Rerun::Unknown) };
    let body = core.intake.context().keyring.open(row.summary.id.as_bytes(), &row.body)?;
    let translation = match read_again(core, &row.summary, &body).await? {
        Ok(translation) => translation,
        Err(because) => return Ok(Rerun::Unreadable { because }),
    };
    if let Some(part) = translation.quarantined.first() {
        return Ok(Rerun::Unreadable { because: part.because.clone() });
    }
    let events = translation.events.len();
    let submission = Submission {
        endpoint: row.summary.endpoint.clone(),
        received_at: row.summary.received_at,
        events: translation.events,
        ..Submission::default()
    };
    let receipt = core.intake.submit(submission).await?;
    let mut tx = core.store.write().await?;
    tx.mark_rerun(id, core.clock.now()).await?;
    tx.commit().await?;
    Ok(Rerun::Read { events, new: receipt.new })
}

/// A part was authentic when it came, so nothing is proved again but what its source proves anyway.
async fn read_again(core: &Core, part: &QuarantineSummary, body: &[u8]) -> anyhow::Result<Result<Translation, String>> {
    let (config, headers) = (&core.config, HeaderMap::new());
    let received_at = part.received_at;
    let gone = || Err("its endpoint is not configured any more".to_owned());
    let whole = part.at.is_empty();
    match part.source.as_str() {
        "apple" => {
            let endpoints = endpoints(config)?;
            let key = ("apple".to_owned(), part.endpoint.clone());
            let Some(source) = endpoints.hooks.get(&key) else { return Ok(gone()) };
            Ok(source
                .receive(Request { headers: &headers, body, received_at })
                .await
                .map_err(|r| r.because.into_owned()))
        }
        "ses" => {
            let Some(endpoint) = config.endpoints.ses.iter().find(|e| e.name == part.endpoint) else {
                return Ok(gone());
            };
            let rules = rules(config)?;
            let team: &TeamId = &endpoint.team;
            Ok(Ok(ses::translate(body, &ses::Context { team, rules: &rules, signed_at: received_at })))
        }
        "sparkpost" => {
            let Some(endpoint) = config.endpoints.sparkpost.iter().find(|e| e.name == part.endpoint) else {
                return Ok(gone());
            };
            let source = SparkpostSource::new(endpoint, rules(config)?);
            let body = if whole { body.to_vec() } else { [b"[", body, b"]"].concat() };
            Ok(Ok(source.translate(Request { headers: &headers, body: &body, received_at })))
        }
        "braze" => {
            let Some(endpoint) = config.endpoints.braze.iter().find(|e| e.name == part.endpoint) else {
                return Ok(gone());
            };
            let source = BrazeSource::new(endpoint, rules(config)?);
            let body = if whole { body.to_vec() } else { [b"{\"events\":[".as_slice(), body, b"]}"].concat() };
            Ok(Ok(source.translate(Request { headers: &headers, body: &body, received_at })))
        }
        other => Err(anyhow::anyhow!("no source is called {other}")).context("reading the part again"),
    }
}
