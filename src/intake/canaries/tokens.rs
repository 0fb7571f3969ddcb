//! What was found in a mailbox: verified, matched with what was sent there, and joined.

use crate::domain::canary::{Arrival, Facts, Folder, Looks, NotAToken, State, Token};
use crate::domain::event::Kind;
use crate::domain::record::Join;
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::metrics::Configured;
use crate::store::Result;

/// A text that looks like a token, where it lay and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundToken {
    /// The text, from anybody.
    pub token: String,
    /// The kind of its folder.
    pub folder: Folder,
    /// When the mailbox received it, by its own clock.
    pub received_at: Timestamp,
    /// What the message showed of its way, as JSON. No address.
    pub showed: String,
}

/// What the tokens of a look were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Arrivals the log had not heard of.
    pub arrived: usize,
    /// Known ones.
    pub repeated: usize,
    /// Not ours, or not of a canary that was sent to this mailbox.
    pub refused: usize,
}

impl Intake {
    /// Takes in what was found in a mailbox, in one transaction. Only the token of a canary that was sent to this very mailbox is an arrival,
    /// and only the first time.
    ///
    /// # Errors
    /// When the store fails; then nothing is taken in, and the mailbox must not count as read.
    pub async fn canaries_were_found(&self, mailbox: &str, found: &[FoundToken]) -> Result<Tokens> {
        let mut told = Tokens::default();
        let metrics = &self.context().metrics.canaries;
        let mut ours = Vec::new();
        for one in found {
            match Token::read(&one.token, &self.context().keyring) {
                Ok(token) => ours.push((token, one)),
                Err(why) => {
                    told.refused += 1;
                    metrics.canary_tokens_refused_total.inc([&word(why)]);
                }
            }
        }
        if ours.is_empty() {
            return Ok(told);
        }
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        let now = self.context().clock.now();
        let (mut events, mut counted) = (Vec::new(), Vec::new());
        for (token, one) in ours {
            let row = tx.canary(token.route, token.sequence).await?.filter(|row| {
                let same = Token::new(row.route_key, row.sequence, row.planned_at) == token;
                same && row.mailbox.as_deref() == Some(mailbox) && row.facts.sending.is_some()
            });
            let Some(mut row) = row else {
                told.refused += 1;
                metrics.canary_tokens_refused_total.inc([&"not_sent_here"]);
                continue;
            };
            let is_first = row.facts.arrived.is_none();
            let arrival = Arrival { at: one.received_at.min(now).into(), folder: one.folder };
            if !row.facts.join(&Facts { arrived: Some(arrival), ..Facts::default() }) {
                told.repeated += 1;
                continue;
            }
            told.arrived += 1;
            let state = row.facts.state(Looks::default(), now);
            let kind = if matches!(state, State::Late(_)) { Kind::CanaryLate } else { Kind::CanaryArrived };
            row.told = state.as_str().to_owned();
            row.is_open = false;
            tx.update_canary(&row).await?;
            events.push(self.note(&row, kind, arrival.at.at(), now, Some(&one.showed)));
            if is_first {
                let mut learned = tx.canary_delays().await?.remove(&row.route_key).unwrap_or_default();
                learned.delays.add(row.facts.took().unwrap_or_default());
                if learned.last_arrived_at <= Some(arrival.at.at()) {
                    (learned.last_arrived_at, learned.last_way) = (Some(arrival.at.at()), Some(one.showed.clone()));
                }
                tx.learn_delays(row.route_key, &learned).await?;
                counted.push((row, state));
            }
        }
        self.write_down(tx, before, events, now).await?;
        for (row, state) in &counted {
            self.count(row, *state);
            let took = row.facts.took().unwrap_or_default();
            metrics.canary_round_trip_seconds.observe_span([&Configured(&row.route)], took);
        }
        Ok(told)
    }
}

fn word(why: NotAToken) -> &'static str {
    match why {
        NotAToken::Shape => "shape",
        NotAToken::Forged => "forged",
    }
}
