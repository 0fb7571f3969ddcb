//! Erasure: everything of a person goes but a keyed tombstone.

use std::collections::BTreeSet;

use super::{Context, Intake};
use crate::domain::address::Address;
use crate::domain::event::{Kind, Scope, Source};
use crate::domain::ids::{EventKey, Sub, TeamId};
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
    /// When the store fails; then nothing is erased.
    pub async fn erase(&self, erasure: &Erasure) -> Result<ErasureDone> {
        let context = self.context();
        let now = context.clock.now();
        let team = &erasure.team;
        let mut tx = self.store().write().await?;
        let mut head = tx.lock_head().await?;
        let mut marks: Vec<Tombstone> = Vec::new();
        let (mut addresses, mut subjects) = (BTreeSet::new(), BTreeSet::new());
        if let Some(address) = &erasure.address {
            for (id, key) in context.keyring.address_under_all(address) {
                addresses.insert(key);
                marks.push(mark(team, "address", key.to_string(), id));
            }
        }
        if let Some(sub) = &erasure.sub {
            for (id, key) in context.keyring.sub_under_all(sub) {
                subjects.insert(key);
                marks.push(mark(team, "sub", key.to_string(), id));
            }
        }
        // Addresses lead to subjects and those to addresses; a person has few of either.
        loop {
            let before = (addresses.len(), subjects.len());
            let places: Vec<_> = addresses.iter().map(|k| (team.clone(), *k)).collect();
            for row in tx.addresses(&places).await?.values() {
                subjects.extend(row.record.subjects.keys().copied());
            }
            let places: Vec<_> = subjects.iter().map(|k| (team.clone(), *k)).collect();
            for row in tx.subjects(&places).await?.values() {
                addresses.extend(row.record.addresses.keys().copied());
            }
            if (addresses.len(), subjects.len()) == before {
                break;
            }
        }
        let id = context.keyring.hash_key_id();
        marks.extend(addresses.iter().map(|k| mark(team, "address", k.to_string(), id)));
        marks.extend(subjects.iter().map(|k| mark(team, "sub", k.to_string(), id)));
        marks.sort_by(|a, b| (a.kind, &a.key, a.hash_key_id).cmp(&(b.kind, &b.key, b.hash_key_id)));
        marks.dedup_by(|a, b| a.kind == b.kind && a.key == b.key);
        for key in &addresses {
            tx.erase_address(team, *key).await?;
        }
        for key in &subjects {
            tx.erase_subject(team, *key).await?;
        }
        tx.put_tombstones(&marks, now).await?;
        head = tx.advance_head(1).await?.max(head);
        tx.append_events(&[note(context, team, head, now)]).await?;
        let detail =
            serde_json::json!({"team": team, "addresses": addresses.len(), "subjects": subjects.len()}).to_string();
        let id = uuid::Uuid::now_v7().to_string();
        tx.put_audit(&AuditRow { id, at: now, who: erasure.who.clone(), action: "erase".into(), detail }).await?;
        tx.commit().await?;
        self.store().scrub().await?;
        Ok(ErasureDone { addresses: addresses.len(), subjects: subjects.len(), head })
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
