//! What time alone decides of canaries: lost, unknown, uncertain after a crash, never begun.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::canary::{Looks, State};
use crate::domain::event::Kind;
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::store::{CanaryRow, MailboxRow, Result};

/// How long a canary that is unknown waits for its mailbox. Nobody asks any more what became of it.
const FORGET_AFTER: Duration = Duration::from_secs(14 * 86_400);

/// Open canaries that are looked at: more than are open at once, but for those that wait for their mailbox.
const OPEN: i64 = 5_000;

impl Intake {
    /// Tells the log of open canaries whose state is another than it last heard, in one transaction of at most `limit` canaries, the oldest
    /// first. Returns how many were told of, and whether there may be more.
    ///
    /// # Errors
    /// When the store fails; then nothing is settled.
    pub async fn settle_canaries(&self, limit: usize) -> Result<(usize, bool)> {
        let due = self.due_canaries(limit).await?;
        let more = due.len() > limit;
        if due.is_empty() {
            return Ok((0, false));
        }
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        let now = self.context().clock.now();
        let mailboxes = tx.mailboxes().await?;
        let (mut events, mut news) = (Vec::new(), Vec::new());
        for row in due.iter().take(limit) {
            // Read anew behind the lock.
            let row = tx.canary(row.route_key, row.sequence).await?;
            let Some((row, state, is_news)) = row.and_then(|row| settled(row, &mailboxes, now)) else { continue };
            tx.update_canary(&row).await?;
            if is_news {
                events.extend(kind(state).map(|kind| self.note(&row, kind, now, now, None)));
                news.push((row, state));
            }
        }
        self.write_down(tx, before, events, now).await?;
        for (row, state) in &news {
            self.count(row, *state);
        }
        Ok((news.len(), more))
    }

    /// Those that seem to have come to something. Read without the lock: mostly there are none, and nobody need wait for that.
    async fn due_canaries(&self, limit: usize) -> Result<Vec<CanaryRow>> {
        let mut tx = self.store().read().await?;
        let now = self.context().clock.now();
        let (mailboxes, forget) = (tx.mailboxes().await?, now.minus(FORGET_AFTER));
        let mut rows = tx.open_canaries(forget, OPEN).await?;
        // What was told to be unknown is looked at again once its mailbox was read.
        for mailbox in mailboxes.values() {
            if let Looks { read_from, read_at: Some(until), failed_at: None } = mailbox.looks() {
                let from = read_from.unwrap_or(forget).max(forget);
                let at_most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
                rows.extend(tx.unknown_canaries(&mailbox.name, from, until, at_most).await?);
            }
        }
        rows.retain(|row| settled(row.clone(), &mailboxes, now).is_some());
        Ok(rows)
    }
}

/// The canary as it is to be written anew, with its state and whether the log has not heard of that. `None` when nothing of it changes.
fn settled(
    mut row: CanaryRow,
    mailboxes: &BTreeMap<String, MailboxRow>,
    now: Timestamp,
) -> Option<(CanaryRow, State, bool)> {
    let state = row.facts.state(row.looks(mailboxes, now), now);
    let is_forgotten = state == State::Unknown && row.planned_at < now.minus(FORGET_AFTER);
    let is_open = state.is_open() && !is_forgotten;
    let changes = row.told != state.as_str() || row.is_open != is_open;
    // A lost one of which the provider says later that it was delivered is not lost again.
    let is_news = row.told != state.as_str() && row.told != State::Lost.as_str();
    (row.told, row.is_open) = (state.as_str().to_owned(), is_open);
    changes.then_some((row, state, is_news))
}

/// What the log is told of a state. What somebody else told it already is not told again.
fn kind(state: State) -> Option<Kind> {
    match state {
        State::Lost | State::DeliveredNeverArrived => Some(Kind::CanaryLost),
        State::Unknown => Some(Kind::CanaryUnknown),
        State::Uncertain => Some(Kind::CanaryUncertain),
        State::NotSent => Some(Kind::CanaryNotSent),
        State::Refused => Some(Kind::CanaryRefused),
        State::Planned | State::Sent | State::Accepted | State::Arrived(_) | State::Late(_) => None,
    }
}
