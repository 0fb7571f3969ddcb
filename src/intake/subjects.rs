//! From a subject's change to its addresses: whether the store must be asked about them.

use std::collections::{BTreeSet, HashMap};

use super::Context;
use crate::domain::record::{AddressRecord, SubjectRecord};
use crate::domain::verdict::subject_asks;
use crate::store::{AddressAt, AddressRow, Result, SubjectAt, SubjectRow, Tx};

/// Brings `subject_asks` of every touched address up to date, loading the addresses that only their subject's change concerns.
pub(super) async fn spread(
    context: &Context,
    tx: &mut Tx,
    known: &mut HashMap<AddressAt, AddressRow>,
    addresses: &mut HashMap<AddressAt, AddressRow>,
    subjects_before: &HashMap<SubjectAt, SubjectRow>,
    subjects: &HashMap<SubjectAt, SubjectRow>,
) -> Result<()> {
    let mut concerned: BTreeSet<AddressAt> = BTreeSet::new();
    for (at, row) in subjects {
        let before = subjects_before.get(at);
        let changed = before.is_none_or(|b| b.record != row.record);
        // Of a subject who neither was nor is out of the ordinary, only the address that came with the event can be new.
        if changed && (may_ask(&row.record) || before.is_some_and(|b| may_ask(&b.record))) {
            concerned.extend(row.record.addresses.keys().map(|key| (at.0.clone(), *key)));
        }
    }
    let missing: Vec<AddressAt> = concerned.iter().filter(|at| !addresses.contains_key(*at)).cloned().collect();
    for (at, row) in tx.addresses(&missing).await? {
        known.insert(at.clone(), row.clone());
        addresses.insert(at, row);
    }
    let relinked = |at: &AddressAt, row: &AddressRow| {
        known.get(at).is_none_or(|before| before.record.subjects != row.record.subjects)
            && !row.record.subjects.is_empty()
    };
    let to_judge: Vec<AddressAt> = addresses
        .iter()
        .filter(|(at, row)| concerned.contains(*at) || relinked(at, row))
        .map(|(at, _)| at.clone())
        .collect();
    let ruling = |at: &AddressAt, row: &AddressRow| row.record.subject().map(|sub| (at.0.clone(), sub));
    let unread: BTreeSet<SubjectAt> = to_judge
        .iter()
        .filter_map(|at| addresses.get(at).and_then(|row| ruling(at, row)))
        .filter(|sub| !subjects.contains_key(sub))
        .collect();
    let others = tx.subjects(&unread.into_iter().collect::<Vec<_>>()).await?;
    for at in to_judge {
        let Some(row) = addresses.get_mut(&at) else { continue };
        let ruling = AddressRecord::subject(&row.record).map(|sub| (at.0.clone(), sub));
        let subject = ruling.and_then(|sub| subjects.get(&sub).or_else(|| others.get(&sub)));
        row.subject_asks = subject.is_some_and(|s| subject_asks(&s.record, at.1, &context.policy));
    }
    Ok(())
}

fn may_ask(subject: &SubjectRecord) -> bool {
    subject.deleted.is_some() || subject.addresses.len() > 1 || subject.apps.values().any(|c| c.revoked.is_some())
}
