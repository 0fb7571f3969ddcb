//! Erasure: everything of a person goes but a keyed tombstone.

use std::collections::BTreeMap;

use super::{Context, Intake};
use crate::domain::address::Address;
use crate::domain::event::{Kind, Scope, Source};
use crate::domain::ids::{EventKey, Sub, TeamId};
use crate::domain::verdict::Glance;
use crate::index::Commit;
use crate::store::{AuditRow, EventRow, Result, Tombstone};

/// Whom to erase. At least one of the two.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The team.
    pub team: TeamId,
    /// By address.
    pub address: Option<Address>,
    /// By subject.
    pub sub: Option<Sub>,
    /// Who asked for it.
    pub who: String,
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ErasureDone {
    /// Addresses forgotten.
    pub addresses: usize,
    /// Subjects forgotten.
    pub subjects: usize,
    /// The head of the log after it.
    pub head: i64,
}

impl Intake {
    /// Erases a person: every address of the subject, every subject of the address. Returns when it is on disk and the freed pages
    /// are overwritten.
    ///
    /// # Errors
    /// When the store fails. Then nothing is erased, or everything is but old pages may still be readable: erasing again does no harm
    /// and completes it.
    pub async fn erase(&self, erasure: &Erasure) -> Result<ErasureDone> {
        let context = self.context();
        let now = context.clock.now();
        let team = &erasure.team;
        let mut tx = self.store().write().await?;
        let before = tx.lock_head().await?;
        // Each key with the hash key it was made under; what the records lead to was made under the one in force.
        let keyring = &context.keyring;
        let in_force = keyring.hash_key_id();
        let (mut addresses, mut subjects) = (BTreeMap::new(), BTreeMap::new());
        if let Some(address) = &erasure.address {
            addresses.extend(keyring.address_under_all(address).into_iter().map(|(id, key)| (key, id)));
        }
        if let Some(sub) = &erasure.sub {
            subjects.extend(keyring.sub_under_all(sub).into_iter().map(|(id, key)| (key, id)));
        }
        // Addresses lead to subjects and those to addresses; a person has few of either.
        loop {
            let before = (addresses.len(), subjects.len());
            let places: Vec<_> = addresses.keys().map(|k| (team.clone(), *k)).collect();
            for key in tx.addresses(&places).await?.values().flat_map(|row| row.record.subjects.keys()) {
                subjects.entry(*key).or_insert(in_force);
            }
            let places: Vec<_> = subjects.keys().map(|k| (team.clone(), *k)).collect();
            for key in tx.subjects(&places).await?.values().flat_map(|row| row.record.addresses.keys()) {
                addresses.entry(*key).or_insert(in_force);
            }
            if (addresses.len(), subjects.len()) == before {
                break;
            }
        }
        let mut marks: Vec<Tombstone> =
            addresses.iter().map(|(key, id)| mark(team, "address", key.to_string(), *id)).collect();
        marks.extend(subjects.iter().map(|(key, id)| mark(team, "sub", key.to_string(), *id)));
        for key in addresses.keys() {
            tx.erase_address(team, *key).await?;
        }
        for key in subjects.keys() {
            tx.erase_subject(team, *key).await?;
        }
        tx.put_tombstones(&marks, now).await?;
        let head = tx.advance_head(before, 1).await?;
        tx.append_events(&[note(context, team, head, now)]).await?;
        // A retired hash key's name for somebody is not somebody else.
        let addresses_known = addresses.values().filter(|id| **id == in_force).count();
        let subjects_known = subjects.values().filter(|id| **id == in_force).count();
        let detail =
            serde_json::json!({"team": team, "addresses": addresses_known, "subjects": subjects_known}).to_string();
        let id = uuid::Uuid::now_v7().to_string();
        tx.put_audit(&AuditRow { id, at: now, who: erasure.who.clone(), action: "erase".into(), detail }).await?;
        tx.commit().await?;
        // Before anybody is answered, as with any other commit: the log does not say who it was.
        let glances = addresses.keys().map(|key| (team.clone(), *key, Glance::Ask)).collect();
        context.index.apply(&Commit { before, after: head, glances }, now);
        self.store().scrub().await?;
        Ok(ErasureDone { addresses: addresses_known, subjects: subjects_known, head })
    }
}

fn mark(team: &TeamId, kind: &'static str, key: String, hash_key_id: u32) -> Tombstone {
    Tombstone { team: team.clone(), kind, key, hash_key_id }
}

/// The log says that someone was erased, not who.
fn note(context: &Context, team: &TeamId, n: i64, now: crate::domain::time::Timestamp) -> EventRow {
    let mut id = [0; 16];
    (context.random)(&mut id);
    EventRow {
        n,
        id: EventKey(id),
        received_at: now,
        occurred_at: now,
        source: Source::Operator,
        endpoint: "erase".to_owned(),
        kind: Kind::Erased,
        scope: Scope::Recipient,
        fresh: true,
        stale: false,
        rule: "operator.erase".to_owned(),
        team: team.clone(),
        app: None,
        stream: None,
        esp: None,
        relay_domain: None,
        sending_domain: None,
        mail_from_domain: None,
        address_key: None,
        subject_key: None,
        status: None,
        code: None,
        diagnostic: None,
        provider_id: None,
        detail: None,
    }
}
