//! What every destination should hold of the users an event touched, as a function of the final records alone.

use std::collections::{BTreeSet, HashMap};

use super::Context;
use crate::domain::record::{AddressRecord, SubjectRecord};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Desired, DesiredState, View, desired};
use crate::store::{AddressAt, AddressRow, DesiredRow, Result, SubjectAt, SubjectRow, Tx};

/// Recomputes the desired states of everybody whose record changed in this transaction.
///
/// A user has one row per known address, or one by subject as long as no address is known.
pub(super) async fn settle(
    context: &Context,
    tx: &mut Tx,
    addresses: &HashMap<AddressAt, AddressRow>,
    subjects: &HashMap<SubjectAt, SubjectRow>,
    subjects_before: &HashMap<SubjectAt, SubjectRow>,
    now: Timestamp,
) -> Result<()> {
    if context.destinations.is_empty() {
        return Ok(());
    }
    let mut places: BTreeSet<AddressAt> =
        addresses.iter().filter(|(_, row)| may_be_suppressed(&row.record)).map(|(at, _)| at.clone()).collect();
    let mut bare: Vec<SubjectAt> = Vec::new();
    for (at, row) in subjects {
        if row.record.addresses.is_empty() {
            bare.push(at.clone());
            continue;
        }
        let before = subjects_before.get(at);
        if before.is_some_and(|b| b.record.addresses.is_empty()) {
            tx.drop_desired(&at.0, &format!("s:{}", at.1)).await?;
        }
        if may_have_left(&row.record) {
            places.extend(row.record.addresses.keys().map(|key| (at.0.clone(), *key)));
        }
    }
    let places: Vec<AddressAt> = places.into_iter().collect();
    let mut users: Vec<(crate::domain::ids::TeamId, String, View)> = Vec::new();
    for (place, view) in places.iter().zip(tx.views(&places, &context.policy).await?) {
        users.push((place.0.clone(), format!("a:{}", place.1), view));
    }
    for (place, view) in tx.subject_views(&bare).await? {
        users.push((place.0, format!("s:{}", place.1), view));
    }
    write(context, tx, &users, now).await
}

/// Recomputes the desired states at these addresses: time, not an event, may have changed them.
pub(super) async fn settle_places(
    context: &Context,
    tx: &mut Tx,
    places: &[AddressAt],
    now: Timestamp,
) -> Result<()> {
    let views = tx.views(places, &context.policy).await?;
    let users: Vec<_> =
        places.iter().zip(views).map(|(at, view)| (at.0.clone(), format!("a:{}", at.1), view)).collect();
    write(context, tx, &users, now).await
}

async fn write(
    context: &Context,
    tx: &mut Tx,
    users: &[(crate::domain::ids::TeamId, String, View)],
    now: Timestamp,
) -> Result<()> {
    let mut wanted = Vec::new();
    for (team, who, view) in users {
        for destination in context.destinations.iter().filter(|d| d.team == *team) {
            let state = desired(view, destination.app.as_ref(), &context.policy, now);
            wanted.push((team.clone(), who.clone(), destination, state));
        }
    }
    let at: Vec<_> = wanted.iter().map(|(team, who, d, _)| (team.clone(), who.clone(), d.name.clone())).collect();
    let present = tx.desired(&at).await?;
    let version = tx.head().await?;
    let mut rows = Vec::new();
    for ((team, who, destination, state), place) in wanted.into_iter().zip(&at) {
        let before = present.get(place);
        let text = serde_json::to_string(&state).unwrap_or_default();
        // A user of whom nothing bad was ever said needs no row; a row that says the same needs no new version.
        let same = before.map_or_else(|| is_blank(&state), |row| row.state == text);
        if !same {
            let due_at = destination.delivers.then_some(now);
            // The version rises even when time alone made the change and the log did not move.
            let version = before.map_or(version, |row| version.max(row.version + 1));
            let destination = destination.name.clone();
            rows.push(DesiredRow { team, who, destination, version, state: text, changed_at: now, due_at });
        }
    }
    tx.put_desired(&rows).await
}

fn is_blank(state: &Desired) -> bool {
    state.state == DesiredState::Sendable && state.unsubscribed.is_empty()
}

/// Whether anything in the record could suppress the address. These facts never go away again, so a record without them never had a
/// row to correct.
fn may_be_suppressed(record: &AddressRecord) -> bool {
    record.forwarding_off.is_some()
        || record.complaint.is_some()
        || !record.unsubscribed.is_empty()
        || !record.overrides.is_empty()
        || !record.bounces.is_empty()
        || !record.subjects.is_empty()
}

fn may_have_left(record: &SubjectRecord) -> bool {
    record.deleted.is_some() || record.addresses.len() > 1 || record.apps.values().any(|c| c.revoked.is_some())
}
