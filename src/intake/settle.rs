//! What time alone changes: a hold ends, an operator's decision runs out, a control comes or fails to come.

use std::time::Duration;

use super::{Context, Intake, desired};
use crate::domain::event::{Identity, Kind, Scope, Source};
use crate::domain::ids::{AddressKey, EventKey, TeamId};
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, IDENTITY_KEPT};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Standing, Surroundings, candidates, standing};
use crate::index::Commit;
use crate::store::{AddressAt, AddressRow, EventRow, Result};

/// How often two bounces that only lack a control are looked at again: what was accepted around them may be reported late.
const LATE_REPORTS: Duration = Duration::from_secs(86_400);

const HOLD_LAPSED: &str = "settle.hold_lapsed";
const RECIPIENT_GONE: &str = "settle.recipient_gone";
const DECISION_ENDED: &str = "settle.decision_ended";

/// What one settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Settled {
    /// Addresses whose time had come.
    pub looked_at: usize,
    /// Holds that lapsed, each an event of the log.
    pub released: usize,
    /// Bounces that now convict, each an event of the log.
    pub convicted: usize,
    /// The head of the log after it.
    pub head: i64,
}

impl Intake {
    /// Settles at most `limit` addresses whose time has come, the longest due first, in one transaction. The verdict needs no
    /// settling, it is asked with its time; the log, what follows it, and the destinations learn of the change here.
    ///
    /// An event's identity is made of team, key and what ended or was completed when, so that neither two replicas nor a repetition after a crash
    /// write it twice.
    ///
    /// # Errors
    /// When the store fails; then nothing is settled.
    pub async fn settle_due(&self, limit: i64) -> Result<Settled> {
        let context = self.context();
        let now = context.clock.now();
        let mut tx = self.store().write().await?;
        // The head's lock comes first, as in every writing group; whoever waits here then sees what the other settled.
        let before = tx.lock_head().await?;
        let mut head = before;
        let due = tx.addresses_to_settle(now, limit).await?;
        let places: Vec<AddressAt> = due.iter().map(|(place, _)| place.clone()).collect();
        let mut rows = tx.addresses(&places).await?;
        let mut events = Vec::new();
        for ((place, came_at), view) in due.iter().zip(tx.views(&places, &context.policy).await?) {
            let (Some(row), Some(record)) = (rows.get_mut(place), &view.address) else { continue };
            let judged = standing(record, &view.around, &context.policy, now);
            let ended = record.overrides.values().any(|o| o.until_micros == Some(came_at.micros()));
            let told = [news(judged), ended.then_some((Kind::Other, DECISION_ENDED, *came_at))];
            events.extend(told.into_iter().flatten().map(|news| note(context, place, news, row, now)));
            row.settle_at = settle_at(&row.record, &context.policy, now);
        }
        keep_new(&mut tx, &mut events, now).await?;
        if !events.is_empty() {
            for (event, n) in events.iter_mut().zip(head + 1..) {
                event.n = n;
            }
            head = tx.advance_head(head, events.len()).await?;
            tx.append_events(&events).await?;
        }
        tx.put_addresses(rows.iter()).await?;
        desired::settle_places(context, &mut tx, &places, now).await?;
        tx.commit().await?;
        let glances = rows.iter().map(|((team, key), row)| (team.clone(), *key, row.glance())).collect();
        context.index.apply(&Commit { before, after: head, glances }, now);
        let count = |rule| events.iter().filter(|e| e.rule == rule).count();
        for event in &events {
            context.metrics.intake.events_total.inc([&event.source, &event.kind, &event.scope]);
        }
        Ok(Settled { looked_at: due.len(), released: count(HOLD_LAPSED), convicted: count(RECIPIENT_GONE), head })
    }
}

/// When, after `now`, time alone may next change what stands against an address.
pub(super) fn settle_at(record: &AddressRecord, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let held = match standing(record, &Surroundings::default(), policy, now) {
        Standing::Held { until, .. } => Some(until),
        _ => None,
    };
    let decisions = record.overrides.values().filter_map(|o| o.until_micros.map(Timestamp::from_micros));
    held.into_iter().chain(decisions).chain(control(record, policy, now)).filter(|at| *at > now).min()
}

/// When to look for a control of bounces that convict if they have one: when the window around the last closes, and daily as long as
/// a report of what was accepted in it still counts.
fn control(record: &AddressRecord, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let closes = candidates(record, policy).last()?.fact.at.plus(policy.control_window);
    if now < closes {
        return Some(closes);
    }
    let last = closes.plus(IDENTITY_KEPT);
    (now < last).then(|| now.plus(LATE_REPORTS).min(last))
}

/// What is news about an address. No kind of the log speaks of a conviction: it is no report, it follows from reports.
fn news(judged: Standing) -> Option<(Kind, &'static str, Timestamp)> {
    match judged {
        Standing::Lapsed { at, .. } => Some((Kind::Released, HOLD_LAPSED, at)),
        // Named by the bounce that completed it: it is looked at again daily, and is news once.
        Standing::Gone { second, .. } => Some((Kind::Other, RECIPIENT_GONE, second.at)),
        Standing::Held { .. } | Standing::Clean => None,
    }
}

/// Drops the events that were written before.
pub(super) async fn keep_new(tx: &mut crate::store::Tx, events: &mut Vec<EventRow>, now: Timestamp) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<EventKey> = events.iter().map(|e| e.id).collect();
    ids.sort_unstable();
    let new = tx.enter(&ids).await?.new;
    events.retain(|e| new.contains(&e.id));
    ids.retain(|id| new.contains(id));
    tx.mark_seen(&ids, now).await
}

fn note(
    context: &Context,
    (team, key): &(TeamId, AddressKey),
    (kind, rule, at): (Kind, &'static str, Timestamp),
    row: &AddressRow,
    now: Timestamp,
) -> EventRow {
    let parts = [team.as_str(), &key.to_string(), rule, &at.micros().to_string()];
    EventRow {
        n: 0,
        id: context.keyring.event(&Identity::new("settle", &parts)),
        received_at: now,
        occurred_at: at,
        source: Source::Relaywatch,
        endpoint: "settle".to_owned(),
        kind,
        scope: Scope::Recipient,
        fresh: false,
        stale: false,
        rule: rule.to_owned(),
        team: team.clone(),
        app: None,
        stream: None,
        esp: None,
        relay_domain: row.record.relay_domain.clone(),
        sending_domain: None,
        mail_from_domain: None,
        address_key: Some(*key),
        subject_key: None,
        status: None,
        code: None,
        diagnostic: None,
        provider_id: None,
        detail: None,
    }
}
