//! Sends a round when it is due. Planned on disk first, each canary marked before its conversation, and never sent again.
//!
//! Each round is a job of its own, so a server that hangs delays no round of others. What an earlier turn planned and did not begin is sent by
//! the next, as long as its round is young: nothing of it has left.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Done, Job, Turn, Turning};
use crate::domain::address::Address;
use crate::domain::bounce::{Diagnostic, EspClass, Report, RuleBook};
use crate::domain::canary::{Refusal, SEND_WITHIN};
use crate::domain::ids::AddressKey;
use crate::domain::time::Timestamp;
use crate::intake::{Begun, Handover, Intake, Planned};
use crate::mail::{Handed, Letter, Submission};
use crate::store::CanaryRow;

/// What a turn takes beside the conversations: some transactions. A replica that dies holds its lease for a turn's length, and what it planned
/// must be sent by the next well before its round is over.
const BESIDE: Duration = Duration::from_secs(30);

/// What canaries are sent with.
pub struct Post {
    /// The submission servers, by name.
    pub submissions: BTreeMap<String, Submission>,
    /// The header From, by route.
    pub senders: BTreeMap<String, Address>,
    /// Our own addresses.
    pub addresses: HashMap<AddressKey, Address>,
    /// How a refusal is read: like any bounce.
    pub rules: Arc<RuleBook>,
}

/// The job, for one round.
pub struct SendCanaries {
    intake: Intake,
    round: String,
    post: Arc<Post>,
}

impl SendCanaries {
    /// Sends this round with this post.
    pub fn new(intake: Intake, round: &str, post: Arc<Post>) -> Self {
        Self { intake, round: round.to_owned(), post }
    }

    async fn send_due(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        let young = turn.now.minus(SEND_WITHIN);
        let mut rows = self.intake.store().read().await?.canaries_not_begun(&self.round, young).await?;
        let mut without_room = 0;
        match self.intake.plan_round(&self.round).await? {
            Planned::NotBefore(_) => {}
            Planned::NoRoom => without_room += 1,
            Planned::Round(planned) => rows.extend(planned),
        }
        // What is not begun when the daemon stops is sent by whoever comes next.
        let sending = rows.iter().filter(|_| !turn.stop.is_cancelled()).map(|row| self.send(row));
        let mut sent = 0;
        for done in join_all(sending).await {
            sent += u64::from(done?);
        }
        Ok(Done { counts: vec![("sent", sent), ("without_room", without_room)], more: false })
    }

    /// Sends one canary; false when somebody else has begun it, or its route is configured no more.
    async fn send(&self, row: &CanaryRow) -> anyhow::Result<bool> {
        let submission = self.post.submissions.get(&row.submission);
        let parts = (submission, self.post.senders.get(&row.route), self.post.addresses.get(&row.address_key));
        let (Some(submission), Some(from), Some(to)) = parts else { return Ok(false) };
        let Begun::Now(token) = self.intake.begin_canary(row.route_key, row.sequence).await? else { return Ok(false) };
        let context = self.intake.context();
        let letter = Letter {
            token: token.write(&context.keyring),
            from: from.clone(),
            to: to.clone(),
            written_at: context.clock.now(),
        };
        let handed = submission.send(&letter).await;
        let handover = self.read(handed, submission.envelope_from(), to, context.clock.now());
        self.intake.canary_was_handed_over(row.route_key, row.sequence, handover).await?;
        Ok(true)
    }

    fn read(&self, handed: Handed, mail_from: &Address, to: &Address, now: Timestamp) -> Handover {
        match handed {
            Handed::Accepted { provider_id, .. } => Handover::Accepted(provider_id),
            Handed::Uncertain { because } => Handover::Uncertain(because),
            Handed::NotSent { because } => Handover::NotSent(because),
            Handed::Refused { code, status, text, transient } => {
                let report = Report {
                    recipient: Some(to),
                    mail_from: Some(mail_from),
                    text: Some(&text),
                    status: status.as_deref(),
                    code: Some(code),
                    class: if transient { EspClass::Soft } else { EspClass::Hard },
                    class_rule: if transient { "smtp.transient" } else { "smtp.permanent" },
                };
                let (reading, said) = (self.post.rules.read(&report), Diagnostic::of(&report));
                Handover::Refused(Refusal {
                    at: now.into(),
                    rule: reading.rule.into_owned(),
                    kind: reading.kind,
                    scope: reading.scope,
                    code: Some(code),
                    status: said.status,
                    text: Some(said.text),
                })
            }
        }
    }
}

impl Job for SendCanaries {
    fn name(&self) -> &'static str {
        "send_canaries"
    }

    fn about(&self) -> Option<&str> {
        Some(&self.round)
    }

    /// How late a round may begin.
    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn lease(&self) -> Option<Duration> {
        let legs = self.intake.context().canaries.legs(&self.round);
        let submissions = legs.iter().filter_map(|leg| self.post.submissions.get(&leg.submission));
        Some(submissions.map(Submission::longest).max().unwrap_or_default() + BESIDE)
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.send_due(turn))
    }
}
