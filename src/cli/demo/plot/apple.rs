//! What Apple tells of people: consent revoked, forwarding off and on, accounts deleted.

use serde_json::Value;

use super::{RETURNED, Story, hours};
use crate::cli::demo::cast::{APPS, Person, Role};
use crate::cli::demo::parcel::Parcel;
use crate::cli::demo::world::apple::{EventsForm, NotificationSpec, departure, forwarding};
use crate::domain::time::Timestamp;

/// Hours before the present at which each thing happened.
const REVOKED: u64 = 6 * 24;
const REVOKED_BEFORE_THE_BOUNCE: u64 = 8 * 24;
const REVOKED_AFTER_THE_BOUNCE: u64 = 5 * 24;
/// From here on a forwarding that was switched off stays off, or until [`FORWARDING_ON`].
pub(super) const FORWARDING_OFF: u64 = 9 * 24;
/// Those who switched it on again did it here.
pub(super) const FORWARDING_ON: u64 = 5 * 24;
const DELETED: u64 = 11 * 24;

/// What happened to one person, oldest first: hours ago, the app whose audience was told, and Apple's event.
fn of(person: &Person, n: usize, story: &Story) -> Vec<(Timestamp, usize, Value)> {
    let (own, other) = (person.app, 1 - person.app);
    // Not all in the same minute.
    let at = |ago: u64| story.now.minus(hours(ago)).plus(std::time::Duration::from_secs(40 * (n as u64 % 80)));
    let left = |kind: &str, ago: u64, app: usize| (at(ago), app, departure(kind, &person.sub, at(ago)));
    let switch = |on: bool, ago: u64| (at(ago), own, forwarding(on, &person.sub, &person.address, at(ago)));
    match person.role {
        Role::Revoked => vec![left("consent-revoked", REVOKED, own)],
        Role::RevokedThenBounced => vec![left("consent-revoked", REVOKED_BEFORE_THE_BOUNCE, own)],
        Role::BouncedThenRevoked => vec![left("consent-revoked", REVOKED_AFTER_THE_BOUNCE, own)],
        Role::RevokedOtherApp => vec![left("consent-revoked", REVOKED, other)],
        Role::Returned => vec![left("consent-revoked", RETURNED + 12, own)],
        // Some were on again in between: only the newest word counts.
        Role::ForwardingOff if n.is_multiple_of(4) => {
            vec![switch(false, FORWARDING_OFF + 72), switch(true, FORWARDING_OFF + 24), switch(false, FORWARDING_OFF)]
        }
        Role::ForwardingOff => vec![switch(false, FORWARDING_OFF)],
        Role::ForwardingBackOn => vec![switch(false, FORWARDING_OFF), switch(true, FORWARDING_ON)],
        // Apple's documentation spells it in two ways.
        Role::Deleted if n.is_multiple_of(2) => vec![left("account-delete", DELETED, own)],
        Role::Deleted => vec![left("account-deleted", DELETED, own)],
        Role::DeletedOtherApp => vec![left("account-deleted", DELETED, other)],
        _ => Vec::new(),
    }
}

/// All notifications, in disorder and about one in ten twice.
pub(super) fn notifications(story: &mut Story) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    for (n, person) in story.people.iter().enumerate() {
        for (at, app, event) in of(person, n, story) {
            // As it comes over the wire, and as Apple's samples have it.
            let form = if n.is_multiple_of(5) { EventsForm::Object } else { EventsForm::Text };
            let jti = format!("demo-{}", parcels.len());
            let audience = APPS[app].to_owned();
            parcels.push(Parcel::Apple(NotificationSpec { audience, issued_at: at, jti, events: vec![event], form }));
        }
    }
    story.chance.disorder(&mut parcels);
    parcels
}

/// The hours, before the present, between which Apple would not have taken mail for this part because of its own word.
pub(super) fn silence(role: Role) -> Option<(u64, u64)> {
    match role {
        Role::Revoked => Some((REVOKED, 0)),
        Role::RevokedThenBounced => Some((REVOKED_BEFORE_THE_BOUNCE, 0)),
        Role::ForwardingOff => Some((FORWARDING_OFF, 0)),
        Role::ForwardingBackOn => Some((FORWARDING_OFF, FORWARDING_ON)),
        Role::Deleted | Role::DeletedOtherApp => Some((DELETED, 0)),
        Role::Returned => Some((RETURNED + 12, RETURNED)),
        _ => None,
    }
}
