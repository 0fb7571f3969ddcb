//! Before a claim: is there anything to deliver, does the breaker let it go, and does nobody say stop.

use std::sync::PoisonError;
use std::time::Duration;

use super::{BATCH, DeliverOutbox};
use crate::domain::breaker::WINDOW;
use crate::domain::time::Timestamp;
use crate::metrics::Configured;
use crate::store::{AuditRow, Claiming, Due, Halt, Result, Tx};

/// How long a count of the known users serves. It takes a while over millions, and changes slowly.
const COUNT_SERVES: Duration = Duration::from_secs(600);

impl DeliverOutbox {
    /// Whether anything is due that may go out. Stops the destination when too many users would change at once.
    pub(super) async fn may_deliver(&self, now: Timestamp) -> Result<bool> {
        let to = &self.to;
        let mut tx = self.means.store.read().await?;
        let halt = tx.halt_of(&to.name).await?;
        if !tx.is_due(&to.name, claiming(&halt), now).await? {
            return Ok(false);
        }
        if halt.halted.is_some() {
            return Ok(true);
        }
        let since = now.minus(WINDOW).max(halt.resumed_at.unwrap_or_default());
        let changed = unsigned(tx.changed_since(&to.name, since).await?);
        if to.breaker.is_quiet(changed) {
            return Ok(true);
        }
        let known = self.known(&mut tx, now).await?;
        drop(tx);
        if !to.breaker.trips(changed, known) {
            return Ok(true);
        }
        self.trip(&halt, changed, known, now).await?;
        Ok(false)
    }

    /// How many users of the team are known: those with an address, or with a `sub`, whichever are more.
    async fn known(&self, tx: &mut Tx, now: Timestamp) -> Result<u64> {
        let last = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = last.filter(|(at, _)| now.since(*at) < COUNT_SERVES) {
            return Ok(known);
        }
        let (addresses, subjects) = tx.count_records_of(&self.to.team).await?;
        let known = unsigned(addresses.max(subjects));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, known));
        Ok(known)
    }

    async fn trip(&self, seen: &Halt, changed: u64, known: u64, now: Timestamp) -> Result<()> {
        let to = &self.to;
        let allowed = to.breaker.share * 100.0;
        let why = format!("{changed} of {known} known users would change within an hour; allowed are {allowed} %");
        let mut tx = self.means.store.write().await?;
        // Somebody may have said go, or stop, since we counted.
        if tx.halt_of(&to.name).await? != *seen {
            return Ok(());
        }
        tx.halt(&to.name, now, &why).await?;
        let detail = serde_json::json!({"destination": to.name, "changed": changed, "known": known}).to_string();
        let id = uuid::Uuid::now_v7().to_string();
        tx.put_audit(&AuditRow { id, at: now, who: "relaywatch".into(), action: "halt".into(), detail }).await?;
        tx.commit().await?;
        self.metrics.outbox_breaker_trips_total.inc([&Configured(&to.name)]);
        tracing::error!(
            destination = to.name,
            changed,
            known,
            "{} stands still until a person says go: {why}",
            to.name
        );
        Ok(())
    }

    /// Claims what may go out, and says when the lease ends.
    pub(super) async fn claim(&self) -> Result<(Vec<Due>, Timestamp)> {
        let now = self.means.clock.now();
        let lease = self.lease();
        let mut tx = self.means.store.write().await?;
        // Asked again here: a halt that was committed before this claim holds for it.
        let halt = tx.halt_of(&self.to.name).await?;
        let token = self.means.token();
        let due = tx.claim_due(&self.to.name, claiming(&halt), &token, now, lease, BATCH).await?;
        tx.commit().await?;
        Ok((due, now.plus(lease)))
    }
}

fn claiming(halt: &Halt) -> Claiming {
    if halt.halted.is_some() { Claiming::Reversals } else { Claiming::All }
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
