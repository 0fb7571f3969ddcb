//! Canaries enter here: planned before they are sent, marked before the conversation, and every fact an event of the log.
//!
//! Each step is one transaction under the head's lock, so replicas follow one another: no budget is spent twice, and no canary is begun twice.
//! Facts are joined; an event is written when a fact was new.

mod book;
mod matrix;
mod notes;
mod reports;
mod settle;
mod tokens;

pub use book::CanaryBook;
pub use matrix::{Matrix, Refused, RoundStanding, RouteStanding};
pub use tokens::{FoundToken, Tokens};

pub(super) use reports::join as join_reports;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Intake;
use crate::domain::canary::{Facts, Ledger, Looks, Refusal, RouteKey, State, Token, choose};
use crate::domain::event::Kind;
use crate::domain::ids::AddressKey;
use crate::domain::record::Join;
use crate::domain::time::Timestamp;
use crate::index::Commit;
use crate::metrics::Configured;
use crate::store::{CanaryRow, EventRow, Result, Tx};

/// What became of a round that might have been due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// It is due later.
    NotBefore(Timestamp),
    /// It was due, and an address had no room left in its budget.
    NoRoom,
    /// Its canaries are on disk, none is begun.
    Round(Vec<CanaryRow>),
}

/// Whether a canary may be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is marked on disk. Whoever gets this sends it, and nobody else ever will.
    Now(Token),
    /// Somebody has begun it, or its round is over.
    No,
}

/// How the submission ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// It was taken; with the provider's id of the message, where it told one.
    Accepted(Option<String>),
    /// It was refused.
    Refused(Refusal),
    /// The connection was lost when it may have been taken.
    Uncertain(String),
    /// It surely did not leave.
    NotSent(String),
}

impl Intake {
    /// Plans a round if it is due and every leg finds an address with room.
    ///
    /// # Errors
    /// When the store fails; then nothing is planned.
    pub async fn plan_round(&self, round: &str) -> Result<Planned> {
        let book = &self.context().canaries;
        let legs = book.legs(round);
        // Mostly none is due, and nobody need wait for that.
        if let Some(later) = self.not_before(&mut self.store().read().await?, round).await? {
            return Ok(Planned::NotBefore(later));
        }
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        // Read anew behind the lock: whoever waited for it plans after whoever had it.
        if let Some(later) = self.not_before(&mut tx, round).await? {
            return Ok(Planned::NotBefore(later));
        }
        let now = self.context().clock.now();
        let known = tx.canary_round(round).await?;
        if known.tried_at.is_some_and(|at| at > now) {
            // The clock was set back: the pace goes on from here.
            tx.try_round(round, known.n, now).await?;
            tx.commit().await?;
            return Ok(Planned::NotBefore(book.pace.due(Some(now), known.asked_at, known.burst_until, now)));
        }
        let mut ledgers = BTreeMap::new();
        for leg in &legs {
            for address in &leg.addresses {
                let planned = tx.planned_for(*address, Ledger::counts_after(now)).await?;
                let limit = if leg.role.is_relayed() { book.daily } else { usize::MAX };
                ledgers.insert(*address, Ledger::new(limit, planned));
            }
        }
        let candidates: Vec<&Vec<AddressKey>> = legs.iter().map(|leg| &leg.addresses).collect();
        let Some(chosen) = choose(&mut ledgers, &candidates, now) else {
            tx.try_round(round, known.n, now).await?;
            if known.asked_at > known.tried_at {
                // Who asked still waits for it.
                tx.ask_round(round, now.plus(Duration::from_micros(1)), None).await?;
            }
            tx.commit().await?;
            self.context().metrics.canaries.canary_rounds_without_budget_total.inc([&Configured(round)]);
            return Ok(Planned::NoRoom);
        };
        let learned = tx.canary_delays().await?;
        let mut rows = Vec::with_capacity(legs.len());
        for (leg, address_key) in legs.into_iter().zip(chosen) {
            let patience = learned.get(&leg.key()).cloned().unwrap_or_default().delays.timeout(book.ceiling);
            let patience = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
            let sequence = tx.next_sequence(leg.key()).await?;
            let row = CanaryRow {
                route_key: leg.key(),
                sequence,
                route: leg.name.clone(),
                round: round.to_owned(),
                round_n: known.n + 1,
                role: leg.role,
                team: leg.team.clone(),
                stream: leg.stream.clone(),
                esp: leg.esp.clone(),
                submission: leg.submission.clone(),
                mailbox: leg.mailbox.clone(),
                address_key,
                planned_at: now,
                provider_id: None,
                facts: Facts { planned: Some(now.into()), patience: Some(patience), ..Facts::default() },
                told: State::Planned.as_str().to_owned(),
                is_open: true,
            };
            tx.put_canary(&row).await?;
            rows.push(row);
        }
        tx.try_round(round, known.n + 1, now).await?;
        let events = rows.iter().map(|row| self.note(row, Kind::CanaryPlanned, now, now, None)).collect();
        self.write_down(tx, before, events, now).await?;
        Ok(Planned::Round(rows))
    }

    /// When the next round is due, if that is later. What was tried in the future is to be looked at now.
    async fn not_before(&self, tx: &mut Tx, round: &str) -> Result<Option<Timestamp>> {
        let (book, now) = (&self.context().canaries, self.context().clock.now());
        let known = tx.canary_round(round).await?;
        let due = book.pace.due(known.tried_at, known.asked_at, known.burst_until, now);
        let waits = due > now && known.tried_at.is_none_or(|at| at <= now);
        Ok((waits || book.legs(round).is_empty()).then_some(due))
    }

    /// Marks a canary as being sent, before anything of it leaves.
    ///
    /// # Errors
    /// When the store fails; then it must not be sent.
    pub async fn begin_canary(&self, route: RouteKey, sequence: u32) -> Result<Begun> {
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        let now = self.context().clock.now();
        let row = tx.canary(route, sequence).await?;
        let may =
            |row: &CanaryRow| row.facts.sending.is_none() && row.facts.state(Looks::default(), now) == State::Planned;
        let Some(mut row) = row.filter(may) else { return Ok(Begun::No) };
        row.facts.join(&Facts { sending: Some(now.into()), ..Facts::default() });
        row.told = State::Sent.as_str().to_owned();
        tx.update_canary(&row).await?;
        let events = vec![self.note(&row, Kind::CanarySent, now, now, None)];
        self.write_down(tx, before, events, now).await?;
        self.context().metrics.canaries.canary_sent_total.inc([&Configured(&row.route)]);
        Ok(Begun::Now(Token::new(route, sequence, row.planned_at)))
    }

    /// Takes in how the submission of a canary ended. Telling it again does no harm.
    ///
    /// # Errors
    /// When the store fails; the canary is `uncertain` then.
    pub async fn canary_was_handed_over(&self, route: RouteKey, sequence: u32, how: Handover) -> Result<()> {
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        let now = self.context().clock.now();
        let Some(mut row) = tx.canary(route, sequence).await? else { return Ok(()) };
        let mut facts = Facts::default();
        let mut why = None;
        let (kind, state) = match how {
            Handover::Accepted(id) => {
                facts.accepted = Some(now.into());
                row.provider_id = id.or(row.provider_id);
                (Kind::CanaryAccepted, State::Accepted)
            }
            Handover::Refused(refusal) => {
                facts.refused = Some(refusal);
                (Kind::CanaryRefused, State::Refused)
            }
            Handover::Uncertain(because) => {
                facts.uncertain = Some(now.into());
                why = Some(because);
                (Kind::CanaryUncertain, State::Uncertain)
            }
            Handover::NotSent(because) => {
                facts.not_sent = Some(now.into());
                why = Some(because);
                (Kind::CanaryNotSent, State::NotSent)
            }
        };
        let is_new = row.facts.join(&facts);
        // A mailbox or a provider may have been quicker, and then it has come to more than this says: what it has come to is told by whoever
        // found that, or by the next settling.
        let is_so = row.facts.state(Looks::default(), now) == state;
        if is_so {
            row.told = state.as_str().to_owned();
            row.is_open = state.is_open();
        }
        tx.update_canary(&row).await?;
        let events = if is_new { vec![self.note(&row, kind, now, now, why.as_deref())] } else { Vec::new() };
        self.write_down(tx, before, events, now).await?;
        if is_new && is_so {
            self.count(&row, state);
        }
        Ok(())
    }

    /// Asks for a round as soon as the pace and the budget allow, or for a burst of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask_for_canaries(&self, round: &str, burst: bool) -> Result<Timestamp> {
        let book = &self.context().canaries;
        let mut tx = self.store().write().await?;
        tx.lock_head().await?;
        let now = self.context().clock.now();
        tx.ask_round(round, now, burst.then(|| now.plus(book.pace.burst_for))).await?;
        let known = tx.canary_round(round).await?;
        tx.commit().await?;
        Ok(book.pace.due(known.tried_at, known.asked_at, known.burst_until, now))
    }

    /// Numbers and appends the events that are new, commits, and lets the index follow.
    async fn write_down(&self, mut tx: Tx, before: i64, mut events: Vec<EventRow>, now: Timestamp) -> Result<()> {
        super::settle::keep_new(&mut tx, &mut events, now).await?;
        let mut head = before;
        if !events.is_empty() {
            for (event, n) in events.iter_mut().zip(before + 1..) {
                event.n = n;
            }
            head = tx.advance_head(before, events.len()).await?;
            tx.append_events(&events).await?;
        }
        tx.commit().await?;
        self.context().index.apply(&Commit { before, after: head, glances: Vec::new() }, now);
        for event in &events {
            self.context().metrics.intake.events_total.inc([&event.source, &event.kind, &event.scope]);
        }
        Ok(())
    }

    /// Counts a state that the log has just heard of.
    fn count(&self, row: &CanaryRow, state: State) {
        let (metrics, route) = (&self.context().metrics.canaries, Configured(&row.route));
        match state {
            State::Arrived(crate::domain::canary::Folder::Spam) => metrics.canary_spam_total.inc([&route]),
            State::Arrived(_) => metrics.canary_arrived_total.inc([&route]),
            State::Late(_) => metrics.canary_late_total.inc([&route]),
            State::Lost => metrics.canary_lost_total.inc([&route, &"unknown"]),
            State::DeliveredNeverArrived => metrics.canary_lost_total.inc([&route, &"yes"]),
            State::Refused => {
                let rule = row.facts.refused.as_ref().map_or("", |refusal| refusal.rule.as_str());
                metrics.canary_refused_total.inc([&route, &Configured(rule)]);
            }
            State::Uncertain => metrics.canary_undecided_total.inc([&route, &"uncertain"]),
            State::NotSent => metrics.canary_undecided_total.inc([&route, &"not_sent"]),
            State::Unknown => metrics.canary_undecided_total.inc([&route, &"unknown"]),
            State::Planned | State::Sent | State::Accepted => {}
        }
    }
}
