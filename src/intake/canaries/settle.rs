//! What time alone decides of canaries: lost, unknown, uncertain after a crash, never begun.

use crate::domain::canary::State;
use crate::domain::event::Kind;
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::store::{CanaryRow, Result};

impl Intake {
    /// Tells the log of every open canary whose state is another than it last heard, in one transaction. At most `limit` are looked at, the
    /// oldest first. Returns how many were looked at and how many were told of.
    ///
    /// # Errors
    /// When the store fails; then nothing is settled.
    pub async fn settle_canaries(&self, limit: i64) -> Result<(usize, usize)> {
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        let now = self.context().clock.now();
        let mailboxes = tx.mailboxes().await?;
        let rows = tx.open_canaries(limit).await?;
        let looked_at = rows.len();
        let (mut events, mut told) = (Vec::new(), Vec::new());
        for mut row in rows {
            let read_at = row.mailbox.as_ref().and_then(|name| mailboxes.get(name)).and_then(|mailbox| mailbox.read_at);
            let state = row.facts.state(read_at.or(self.nobody_looks(&row, now)), now);
            let open = state.is_open();
            if state.as_str() == row.told && open == row.is_open {
                continue;
            }
            if state.as_str() != row.told {
                row.told = state.as_str().to_owned();
                events.extend(kind(state).map(|kind| self.note(&row, kind, now, now, None)));
                told.push((row.clone(), state));
            }
            row.is_open = open;
            tx.update_canary(&row).await?;
        }
        self.write_down(tx, before, events, now).await?;
        for (row, state) in &told {
            self.count(row, *state);
        }
        Ok((looked_at, told.len()))
    }

    /// An address that does not exist has no mailbox: nothing of it can be there, so it counts as read.
    fn nobody_looks(&self, row: &CanaryRow, now: Timestamp) -> Option<Timestamp> {
        row.mailbox.is_none().then_some(now)
    }
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
