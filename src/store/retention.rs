//! What is dropped by age. Every statement is bounded, so that pruning never holds the writer long.

use std::time::Duration;

use super::people::ERASE_SEALED;
use super::{Result, Tx, on};
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::time::Timestamp;

/// What is older than these goes.
#[derive(Debug, Clone, Copy)]
pub struct Cutoffs {
    /// Events of the log.
    pub events: Timestamp,
    /// Identities.
    pub seen: Timestamp,
    /// Quarantined parts.
    pub quarantine: Timestamp,
    /// The audit trail.
    pub audit: Timestamp,
    /// Counts per cell.
    pub cells: Timestamp,
    /// What destinations were told.
    pub deliveries: Timestamp,
    /// Bodies that could not be passed on.
    pub tee: Timestamp,
    /// DNS records that have been replaced, and the changes that replaced them.
    pub dns: Timestamp,
    /// What was last observed of the sending.
    pub observed: Timestamp,
}

/// Canaries go with the events that tell of them, but none that still counts against its address's budget (a little over 24 hours).
const CANARIES_COUNT: Duration = Duration::from_secs(2 * 86_400);

/// What names an address is dropped by several statements of its own, so a step has room for that many times fewer of them: groups wait
/// until it is done.
const ADDRESS_COSTS: i64 = 20;

/// From the beginning of the log up to the first event to keep, so that what is left has no gap and no scan goes further. The largest
/// number stands for "all", when every event is older.
pub(super) const PRUNE_EVENTS: &str = "DELETE FROM events WHERE n IN (SELECT n FROM events WHERE n < COALESCE((SELECT n FROM events \
     WHERE received_at >= $1 ORDER BY n LIMIT 1), 9223372036854775807) ORDER BY n LIMIT $2)";
pub(super) const PRUNE_SEEN: &str =
    "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE at < $1 ORDER BY at LIMIT $2)";
pub(super) const PRUNE_QUARANTINE: &str = "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_at < $1 \
     ORDER BY received_at LIMIT $2)";
pub(super) const PRUNE_AUDIT: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)";
pub(super) const PRUNE_DELIVERIES: &str = "DELETE FROM deliveries WHERE (team, who, destination, version) IN (SELECT team, who, \
     destination, version FROM deliveries WHERE delivered_at < $1 ORDER BY delivered_at LIMIT $2)";
pub(super) const PRUNE_TEE: &str =
    "DELETE FROM tee WHERE id IN (SELECT id FROM tee WHERE received_at < $1 ORDER BY received_at LIMIT $2)";
/// What stands now is kept, however long ago it was looked for.
pub(super) const PRUNE_DNS_RECORDS: &str = "DELETE FROM dns_records WHERE (stream, name, kind, digest) IN (SELECT stream, name, kind, \
     digest FROM dns_records WHERE last_seen < $1 AND is_current = 0 ORDER BY last_seen LIMIT $2)";
pub(super) const PRUNE_DNS_CHANGES: &str =
    "DELETE FROM dns_changes WHERE id IN (SELECT id FROM dns_changes WHERE at < $1 ORDER BY at LIMIT $2)";
pub(super) const PRUNE_CANARIES: &str = "DELETE FROM canaries WHERE (route_key, sequence) IN (SELECT route_key, sequence FROM canaries \
     WHERE planned_at < $1 ORDER BY planned_at LIMIT $2)";
pub(super) const PRUNE_OBSERVED: &str = "DELETE FROM observed_senders WHERE (team, stream, from_domain, kind, value, esp) IN \
     (SELECT team, stream, from_domain, kind, value, esp FROM observed_senders WHERE last_seen < $1 ORDER BY last_seen LIMIT $2)";
pub(super) const PRUNE_CELLS: &str = "DELETE FROM cell_counts WHERE (bucket, team, relay_domain, sending_domain, esp, stream, kind) IN \
     (SELECT bucket, team, relay_domain, sending_domain, esp, stream, kind FROM cell_counts WHERE bucket < $1 ORDER BY bucket LIMIT $2)";
pub(super) const PRUNE_UNFLAGGED: &str = "DELETE FROM address_records WHERE (team, key) IN (SELECT team, key FROM address_records \
     WHERE keep_until IS NOT NULL AND keep_until < $1 ORDER BY keep_until LIMIT $2) RETURNING team, key";
pub(super) const UNNAME_EVENTS: &str =
    "UPDATE events SET address_key = NULL, subject_key = NULL WHERE team = $1 AND address_key = $2";

impl Tx {
    /// Drops at most `limit` rows of each kind; returns how many went, so that the caller goes on until none does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prune(&mut self, cutoffs: &Cutoffs, now: Timestamp, limit: i64) -> Result<u64> {
        // A group that renews a row while it is being dropped would lose the renewed one; with the head locked, no group is under way, and
        // neither waits for the other's rows.
        self.lock_head().await?;
        let mut gone = 0;
        for (sql, cutoff) in [
            (PRUNE_EVENTS, cutoffs.events),
            (PRUNE_SEEN, cutoffs.seen),
            (PRUNE_QUARANTINE, cutoffs.quarantine),
            (PRUNE_AUDIT, cutoffs.audit),
            (PRUNE_CELLS, cutoffs.cells),
            (PRUNE_DELIVERIES, cutoffs.deliveries),
            (PRUNE_TEE, cutoffs.tee),
            (PRUNE_DNS_RECORDS, cutoffs.dns),
            (PRUNE_DNS_CHANGES, cutoffs.dns),
            (PRUNE_CANARIES, cutoffs.events.min(now.minus(CANARIES_COUNT))),
            (PRUNE_OBSERVED, cutoffs.observed),
        ] {
            let cutoff = cutoff.micros();
            gone += on!(self, c => sqlx::query(sql).bind(cutoff).bind(limit).execute(c).await?.rows_affected());
        }
        Ok(gone + self.prune_unflagged(now, (limit / ADDRESS_COSTS).max(1)).await?)
    }

    /// Drops addresses whose time is over and that nobody flagged as relay addresses, with whatever names them.
    async fn prune_unflagged(&mut self, now: Timestamp, limit: i64) -> Result<u64> {
        let now = now.micros();
        let dropped: Vec<(String, Vec<u8>)> =
            on!(self, c => sqlx::query_as(PRUNE_UNFLAGGED).bind(now).bind(limit).fetch_all(c).await)?;
        for (team, key) in &dropped {
            for sql in [ERASE_SEALED, UNNAME_EVENTS] {
                on!(self, c => sqlx::query(sql).bind(team).bind(key).execute(c).await.map(drop))?;
            }
            let key = super::records::key(AddressKey::from_slice, key, "address_records")?;
            self.drop_desired(&TeamId::new(team), &format!("a:{key}")).await?;
        }
        Ok(dropped.len() as u64)
    }
}
