//! How the canaries stand: every route with its last canary, and every round with what it names as broken. For the API and the command.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::canary::{Diagnosis, ENOUGH, Ledger, Negative, Part, Refusal, Role, Route, Sight, choose, diagnose};
use crate::domain::event::Kind;
use crate::domain::ids::{AddressKey, StreamName, TeamId};
use crate::domain::time::Timestamp;
use crate::intake::Context;
use crate::store::{CanaryRow, Learned, MailboxRow, Result, Tx};

/// Among how many of the last rounds one is looked for that names a part, however old they are.
const ROUNDS_BACK: i64 = 5;

/// States shown of each route, the newest first.
const SHOWN: i64 = 10;

/// How the canaries stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matrix {
    /// When it was looked at.
    pub as_of: Timestamp,
    /// Every round.
    pub rounds: Vec<RoundStanding>,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundStanding {
    /// Its name.
    pub round: String,
    /// The number of the last one that was begun; 0 before the first.
    pub n: i64,
    /// When the next is due.
    pub next_at: Timestamp,
    /// Until when a burst lasts.
    pub burst_until: Option<Timestamp>,
    /// How many more rounds the budgets of its relay addresses bear now.
    pub rounds_left: usize,
    /// The part that is broken, by the newest round that tells.
    pub broken: Part,
    /// The same in words.
    pub because: &'static str,
    /// Whether the relay still says who does not exist.
    pub negative: Negative,
    /// The number of the round that tells it; null when none does.
    pub told_by: Option<i64>,
    /// Its routes.
    pub routes: Vec<RouteStanding>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteStanding {
    /// Its name.
    pub route: String,
    /// What it is for.
    pub role: Role,
    /// As which stream it is sent.
    pub stream: StreamName,
    /// That stream's team.
    pub team: TeamId,
    /// The mailbox behind it.
    pub mailbox: Option<String>,
    /// When all of that mailbox was last read.
    pub mailbox_read_at: Option<Timestamp>,
    /// Why the last look into it failed.
    pub mailbox_error: Option<String>,
    /// What has become of its last canary; null before the first.
    pub state: Option<&'static str>,
    /// When that was sent.
    pub sent_at: Option<Timestamp>,
    /// When it arrived.
    pub arrived_at: Option<Timestamp>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// How it was refused.
    pub refused: Option<Refused>,
    /// What became of its last canaries, the newest first.
    pub states: Vec<&'static str>,
    /// How long the next one is waited for, in seconds.
    pub timeout_seconds: f64,
    /// Whether that is learned, or the ceiling still.
    pub learned: bool,
    /// When its last canary arrived.
    pub last_arrived_at: Option<Timestamp>,
    /// What that one showed of its way: what the receiving host found out, what the relay rewrote, and every hop.
    pub last_way: Option<serde_json::Value>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// The rule that read it.
    pub rule: String,
    /// For good or for now.
    pub kind: Kind,
    /// Whose fault.
    pub scope: crate::domain::event::Scope,
    /// SMTP reply code.
    pub code: Option<u16>,
    /// Enhanced status code.
    pub status: Option<String>,
    /// The words, without any address.
    pub text: Option<String>,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { rule, kind, scope, code, status, text, .. } = refusal.clone();
        Self { rule, kind, scope, code, status, text }
    }
}

/// What all routes look into.
struct Known {
    mailboxes: BTreeMap<String, MailboxRow>,
    learned: BTreeMap<crate::domain::canary::RouteKey, Learned>,
    now: Timestamp,
}

impl Known {
    fn sight(&self, row: &CanaryRow) -> Sight {
        let state = row.facts.state(row.looks(&self.mailboxes, self.now), self.now);
        Sight { role: row.role, state, refusal: row.facts.refused.clone() }
    }
}

impl Context {
    /// How the canaries stand now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn canary_matrix(&self, tx: &mut Tx) -> Result<Matrix> {
        let now = self.clock.now();
        let known = Known { mailboxes: tx.mailboxes().await?, learned: tx.canary_delays().await?, now };
        let mut rounds = Vec::new();
        for round in self.canaries.rounds() {
            let row = tx.canary_round(round).await?;
            let (diagnosis, told_by) = self.diagnosis(tx, round, row.n, &known).await?;
            let mut routes = Vec::new();
            for route in self.canaries.legs(round) {
                let rows = tx.canaries_of_route(route.key(), SHOWN).await?;
                routes.push(self.route_standing(route, &rows, &known));
            }
            rounds.push(RoundStanding {
                round: round.to_owned(),
                n: row.n,
                next_at: self.canaries.pace.due(row.tried_at, row.asked_at, row.burst_until, now).max(now),
                burst_until: row.burst_until.filter(|until| *until > now),
                rounds_left: self.rounds_left(tx, round, now).await?,
                broken: diagnosis.broken,
                because: diagnosis.broken.because(),
                negative: diagnosis.negative,
                told_by,
                routes,
            });
        }
        Ok(Matrix { as_of: now, rounds })
    }

    /// What the newest round names that names anything. In a burst many rounds are still open when the first of them tells: as far back is
    /// looked as a canary may be waited for, and a burst may last.
    async fn diagnosis(&self, tx: &mut Tx, round: &str, n: i64, known: &Known) -> Result<(Diagnosis, Option<i64>)> {
        let pace = self.canaries.pace;
        let span = self.canaries.ceiling + pace.idle + pace.burst_for;
        let rounds = i64::try_from(span.as_micros() / pace.burst.as_micros().max(1)).unwrap_or(i64::MAX);
        let rows = tx.canaries_of_rounds_after(round, n.saturating_sub(rounds.max(ROUNDS_BACK))).await?;
        for legs in rows.chunk_by(|one, other| one.round_n == other.round_n) {
            let Some(first) = legs.first() else { continue };
            if first.round_n <= n - ROUNDS_BACK && first.planned_at < known.now.minus(span) {
                break;
            }
            let sights: Vec<Sight> = legs.iter().map(|row| known.sight(row)).collect();
            let diagnosis = diagnose(&sights, self.canaries.has_other_team(round));
            if diagnosis.broken != Part::Unknown {
                return Ok((diagnosis, Some(first.round_n)));
            }
        }
        Ok((Diagnosis { broken: Part::Unknown, negative: Negative::Unknown }, None))
    }

    /// Rounds that could be planned one after the other, now, if no other round took of the same addresses.
    async fn rounds_left(&self, tx: &mut Tx, round: &str, now: Timestamp) -> Result<usize> {
        let mut legs = self.canaries.legs(round);
        legs.retain(|leg| leg.role.is_relayed());
        let mut ledgers = BTreeMap::new();
        for address in legs.iter().flat_map(|leg| &leg.addresses) {
            let planned = tx.planned_for(*address, Ledger::counts_after(now)).await?;
            ledgers.insert(*address, Ledger::new(self.canaries.daily, planned));
        }
        let candidates: Vec<&Vec<AddressKey>> = legs.iter().map(|leg| &leg.addresses).collect();
        let one_more = std::iter::repeat_with(|| choose(&mut ledgers, &candidates, now));
        Ok(if candidates.is_empty() { 0 } else { one_more.take_while(Option::is_some).count() })
    }

    fn route_standing(&self, route: &Route, rows: &[CanaryRow], known: &Known) -> RouteStanding {
        let last = rows.first();
        let mailbox = route.mailbox.as_ref().and_then(|name| known.mailboxes.get(name));
        let learned = known.learned.get(&route.key()).cloned().unwrap_or_default();
        let took = last.and_then(|row| row.facts.took()).as_ref().map(Duration::as_secs_f64);
        let states: Vec<&'static str> = rows.iter().map(|row| known.sight(row).state.as_str()).collect();
        RouteStanding {
            route: route.name.clone(),
            role: route.role,
            stream: route.stream.clone(),
            team: route.team.clone(),
            mailbox: route.mailbox.clone(),
            mailbox_read_at: mailbox.and_then(|mailbox| mailbox.read_at),
            mailbox_error: mailbox.and_then(|mailbox| mailbox.error.clone()),
            state: states.first().copied(),
            sent_at: last.and_then(|row| row.facts.sending).map(|at| at.at()),
            arrived_at: last.and_then(|row| row.facts.arrived).map(|arrival| arrival.at.at()),
            seconds: took,
            refused: last.and_then(|row| row.facts.refused.as_ref()).map(Refused::from),
            states,
            timeout_seconds: learned.delays.timeout(self.canaries.ceiling).as_secs_f64(),
            learned: learned.delays.count() >= ENOUGH,
            last_arrived_at: learned.last_arrived_at,
            last_way: learned.last_way.and_then(|way| serde_json::from_str(&way).ok()),
        }
    }
}
