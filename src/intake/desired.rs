//! What every destination should hold of the users an event touched, as a function of the final records alone.

use std::collections::{BTreeSet, HashMap};

use super::Context;
use crate::domain::ids::TeamId;
use crate::domain::record::{AddressRecord, SubjectRecord};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Desired, DesiredState, View, desired};
use crate::store::{AddressAt, AddressRow, DesiredRow, Result, SubjectAt, SubjectRow, Tx};

/// Recomputes the desired states of everybody whose record changed in this transaction.
///
/// A user has one row per known address, or one by subject as long as no address is known. Whether a row says anything depends on the
/// records alone; a row that was never needed is missing and means the same as one that says the user may be mailed.
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
    let mut told: BTreeSet<AddressAt> = BTreeSet::new();
    for (at, row) in subjects {
        if row.record.addresses.is_empty() {
            bare.push(at.clone());
            continue;
        }
        let own = row.record.addresses.keys().map(|key| (at.0.clone(), *key));
        let was_bare = subjects_before.get(at).is_some_and(|b| b.record.addresses.is_empty());
        if was_bare && tx.drop_desired(&at.0, &format!("s:{}", at.1)).await? {
            // Destinations were told of him by subject: they must hear how he stands now, even that nothing is wrong.
            told.extend(own.clone());
        }
        if may_have_left(&row.record) {
            places.extend(own);
        }
    }
    places.extend(told.iter().cloned());
    let places: Vec<AddressAt> = places.into_iter().collect();
    let mut users: Vec<User> = Vec::new();
    for (place, view) in places.iter().zip(tx.views(&places, &context.policy).await?) {
        users.push(User { team: place.0.clone(), who: format!("a:{}", place.1), view, told: told.contains(place) });
    }
    for (place, view) in tx.subject_views(&bare).await? {
        users.push(User { team: place.0, who: format!("s:{}", place.1), view, told: false });
    }
    write(context, tx, &users, now).await
}

/// Recomputes the desired states at these addresses: time, not an event, may have changed them.
pub(super) async fn settle_places(context: &Context, tx: &mut Tx, places: &[AddressAt], now: Timestamp) -> Result<()> {
    let views = tx.views(places, &context.policy).await?;
    let user =
        |(at, view): (&AddressAt, View)| User { team: at.0.clone(), who: format!("a:{}", at.1), view, told: false };
    let users: Vec<_> = places.iter().zip(views).map(user).collect();
    write(context, tx, &users, now).await
}

/// Somebody whose desired states are to be set.
struct User {
    team: TeamId,
    who: String,
    view: View,
    /// Whether destinations hold something of him under another name.
    told: bool,
}

async fn write(context: &Context, tx: &mut Tx, users: &[User], now: Timestamp) -> Result<()> {
    let mut wanted = Vec::new();
    for user in users {
        for destination in context.destinations.iter().filter(|d| d.team == user.team) {
            wanted.push((user, destination, desired(&user.view, destination.app.as_ref(), &context.policy, now)));
        }
    }
    let at: Vec<_> = wanted.iter().map(|(user, d, _)| (user.team.clone(), user.who.clone(), d.name.clone())).collect();
    let present = tx.desired(&at).await?;
    let version = tx.head().await?;
    let mut rows = Vec::new();
    for ((user, destination, state), place) in wanted.into_iter().zip(&at) {
        let before = present.get(place);
        let text = serde_json::to_string(&state).unwrap_or_default();
        // A user of whom nothing bad was ever said needs no row; a row that says the same needs no new version.
        let same = before.map_or_else(|| is_blank(&state) && !user.told, |row| row.state == text);
        if !same {
            let due_at = destination.delivers.then_some(now);
            // The version rises even when time alone made the change and the log did not move.
            let version = before.map_or(version, |row| version.max(row.version + 1));
            let (team, who, destination) = place.clone();
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
