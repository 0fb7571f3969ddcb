//! Shadow mode's yardstick: where we differ from a suppressor that acts on the first hard bounce, and why.
//!
//! Read page by page from the log and the outbox, so memory does not grow with the number of users. It looks as far back as the
//! log reaches.

use std::io::Write;

use serde::Serialize;

use super::super::Format;
use crate::config::destinations::Destination;
use crate::domain::event::Scope;
use crate::domain::ids::AddressKey;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Answer, Desired, DesiredState, Moment, Question, Reason, decide};
use crate::store::{DesiredRow, FirstBounce, Result, Store};

/// Rows read at a time.
const PAGE: i64 = 500;

/// Who would suppress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Both.
    Both,
    /// The one-strike suppressor alone; our reason says why we do not.
    OnlyOneStrike,
    /// We alone: no bounce was needed.
    OnlyUs,
}

/// One user that one of the two would suppress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who would.
    pub by: By,
    /// The key of the address; of the `sub` when no address is known (`sub` is then true).
    pub key: String,
    /// Whether `key` is that of a `sub`.
    pub sub: bool,
    /// Our reason, for what we do.
    pub reason: Reason,
    /// Our answer; for those we do not suppress it says whether they are on hold.
    pub verdict: Answer,
    /// The bounce on which the other would have acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bounce: Option<Strike>,
}

/// A first bounce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strike {
    /// When.
    pub at: Timestamp,
    /// Whose fault it was.
    pub scope: Scope,
    /// By which rule.
    pub rule: String,
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Both.
    pub both: u64,
    /// The one-strike suppressor alone.
    pub only_one_strike: u64,
    /// We alone.
    pub only_us: u64,
}

/// Compares, and hands every line to `each` as it is found.
///
/// # Errors
/// When the store fails, or `each` does.
pub async fn compare<E: From<crate::store::StoreError>>(
    store: &Store,
    to: &Destination,
    policy: &Policy,
    now: Timestamp,
    mut each: impl FnMut(Line) -> std::result::Result<(), E>,
) -> std::result::Result<Totals, E> {
    let mut totals = Totals::default();
    let mut after = None;
    loop {
        let page = store.read().await?.first_bounces(&to.team, after, PAGE).await?;
        for line in bounced(store, to, policy, now, &page).await? {
            match line.by {
                By::Both => totals.both += 1,
                By::OnlyOneStrike => totals.only_one_strike += 1,
                By::OnlyUs => totals.only_us += 1,
            }
            each(line)?;
        }
        match page.last() {
            Some(last) if i64::try_from(page.len()).is_ok_and(|n| n == PAGE) => after = Some(last.key),
            _ => break,
        }
    }
    let mut after = (String::new(), String::new());
    loop {
        let page = store.read().await?.desired_of(&to.name, (&after.0, &after.1), PAGE).await?;
        for line in unbounced(store, to, &page).await? {
            totals.only_us += 1;
            each(line)?;
        }
        match page.last() {
            Some(last) if i64::try_from(page.len()).is_ok_and(|n| n == PAGE) => {
                after = (last.team.to_string(), last.who.clone());
            }
            _ => break,
        }
    }
    Ok(totals)
}

/// Those the one-strike suppressor would have suppressed, with what we do.
async fn bounced(
    store: &Store,
    to: &Destination,
    policy: &Policy,
    now: Timestamp,
    page: &[FirstBounce],
) -> Result<Vec<Line>> {
    let mut tx = store.read().await?;
    let at: Vec<_> = page.iter().map(|b| (to.team.clone(), format!("a:{}", b.key), to.name.clone())).collect();
    let desired = tx.desired(&at).await?;
    let places: Vec<_> = page.iter().map(|b| (to.team.clone(), b.key)).collect();
    let views = tx.views(&places, policy).await?;
    let question = Question { app: to.app.clone(), ..Question::default() };
    // Neither cursor nor version of the policy is told on.
    let moment = Moment { now, as_of: now, cursor: "", policy_version: "" };
    let lines = page.iter().zip(&at).zip(views).map(|((bounce, at), view)| {
        let ours = desired.get(at).and_then(read).filter(|d| d.state == DesiredState::Suppressed);
        let verdict = decide(&question, &view, policy, moment);
        Line {
            by: if ours.is_some() { By::Both } else { By::OnlyOneStrike },
            key: bounce.key.to_string(),
            sub: false,
            reason: ours.map_or(verdict.reason, |d| d.reason),
            verdict: verdict.verdict,
            first_bounce: Some(Strike { at: bounce.at, scope: bounce.scope, rule: bounce.rule.clone() }),
        }
    });
    Ok(lines.collect())
}

/// Those we would suppress without any bounce.
async fn unbounced(store: &Store, to: &Destination, page: &[DesiredRow]) -> Result<Vec<Line>> {
    let suppressed: Vec<(&DesiredRow, Desired)> = page
        .iter()
        .filter(|row| row.team == to.team)
        .filter_map(|row| Some((row, read(row)?)))
        .filter(|(_, desired)| desired.state == DesiredState::Suppressed)
        .collect();
    let key = |row: &DesiredRow| AddressKey::parse(row.who.strip_prefix("a:")?);
    let keys: Vec<AddressKey> = suppressed.iter().filter_map(|(row, _)| key(row)).collect();
    let bounced = store.read().await?.bounced(&to.team, &keys).await?;
    let alone = suppressed.into_iter().filter(|(row, _)| key(row).is_none_or(|key| !bounced.contains(&key)));
    let lines = alone.filter_map(|(row, desired)| {
        let (kind, key) = row.who.split_once(':')?;
        Some(Line {
            by: By::OnlyUs,
            key: key.to_owned(),
            sub: kind == "s",
            reason: desired.reason,
            verdict: Answer::Suppressed,
            first_bounce: None,
        })
    });
    Ok(lines.collect())
}

fn read(row: &DesiredRow) -> Option<Desired> {
    serde_json::from_str(&row.state).ok()
}

/// Prints the comparison as it is made: lines, then the totals.
///
/// # Errors
/// When the store fails or nothing can be printed.
pub(super) async fn print(
    store: &Store,
    to: &Destination,
    policy: &Policy,
    now: Timestamp,
    format: Format,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let totals = compare(store, to, policy, now, |line| -> anyhow::Result<()> {
        match format {
            Format::Json => serde_json::to_writer(&mut *out, &line)?,
            Format::Text => {
                let by = match line.by {
                    By::Both => "both suppress",
                    By::OnlyOneStrike => "only one-strike suppresses",
                    By::OnlyUs => "only relaywatch suppresses",
                };
                let at =
                    line.first_bounce.map_or_else(String::new, |b| format!(", first bounce {} by {}", b.at, b.rule));
                write!(out, "{} {by}: {}{at}", line.key, line.reason.as_str())?;
            }
        }
        writeln!(out)?;
        Ok(())
    })
    .await?;
    match format {
        Format::Json => writeln!(out, "{}", serde_json::json!({"destination": to.name, "totals": totals}))?,
        Format::Text => {
            let Totals { both, only_one_strike, only_us } = totals;
            writeln!(out, "both: {both}, only one-strike: {only_one_strike}, only relaywatch: {only_us}")?;
        }
    }
    Ok(())
}
