//! What time alone changes: a hold ends, an operator's decision runs out, a control comes or fails to come.

use std::time::Duration;

use super::{Context, Intake, desired};
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, IDENTITY_KEPT};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Standing, Surroundings, candidates, standing};
use crate::store::{AddressAt, Result};

/// How often two bounces that only lack a control are looked at again: what was accepted around them may be reported late.
const LATE_REPORTS: Duration = Duration::from_secs(86_400);

impl Intake {
    /// Recomputes what destinations should hold of the addresses whose time has come, the longest due first, and notes when each is
    /// due again. Returns how many there were: when it is `limit`, there may be more.
    ///
    /// # Errors
    /// When the store fails; then nothing has changed.
    pub async fn settle_due(&self, limit: i64) -> Result<usize> {
        let context: &Context = self.context();
        let now = context.clock.now();
        let mut tx = self.store().write().await?;
        // A group that folds at the same time waits, or is waited for: both read what they write.
        tx.lock_head().await?;
        let due: Vec<AddressAt> = tx.addresses_to_settle(now, limit).await?.into_iter().map(|(at, _)| at).collect();
        desired::settle_places(context, &mut tx, &due, now).await?;
        let mut rows = tx.addresses(&due).await?;
        for row in rows.values_mut() {
            row.settle_at = settle_at(&row.record, &context.policy, now);
        }
        tx.put_addresses(rows.iter()).await?;
        tx.commit().await?;
        Ok(due.len())
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
