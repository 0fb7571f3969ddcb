//! From a subject's change to its addresses: whether the store must be asked about them.

use std::collections::{BTreeSet, HashMap};

use super::Context;
use super::touched::Touched;
use crate::domain::record::SubjectRecord;
use crate::domain::verdict::subject_asks;
use crate::store::{AddressAt, Result, SubjectAt, SubjectRow, Tx};

/// Brings `subject_asks` of every touched address up to date, loading the addresses that only their subject's change concerns.
pub(super) async fn spread(
    context: &Context,
    tx: &mut Tx,
    addresses: &mut Touched,
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
    let missing: Vec<AddressAt> = concerned.iter().filter(|at| addresses.get(at).is_none()).cloned().collect();
    for (at, row) in tx.addresses(&missing).await? {
        addresses.add(at, row);
    }
    concerned.extend(addresses.relinked().cloned());
    let ruling = |at: &AddressAt| addresses.get(at)?.record.subject().map(|sub| (at.0.clone(), sub));
    let ruled: Vec<(AddressAt, Option<SubjectAt>)> = concerned.iter().map(|at| (at.clone(), ruling(at))).collect();
    let unread: BTreeSet<SubjectAt> =
        ruled.iter().filter_map(|(_, sub)| sub.clone()).filter(|sub| !subjects.contains_key(sub)).collect();
    let others = tx.subjects(&unread.into_iter().collect::<Vec<_>>()).await?;
    for (at, sub) in ruled {
        let subject = sub.and_then(|sub| subjects.get(&sub).or_else(|| others.get(&sub)));
        let asks = subject.is_some_and(|s| subject_asks(&s.record, at.1, &context.policy));
        addresses.set_subject_asks(&at, asks);
    }
    Ok(())
}

fn may_ask(subject: &SubjectRecord) -> bool {
    subject.deleted.is_some() || subject.addresses.len() > 1 || subject.apps.values().any(|c| c.revoked.is_some())
}
