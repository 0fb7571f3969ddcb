//! What the daemon would do about one event, in plain words.

use crate::domain::event::{Effect, Event, Kind, Scope};
use crate::domain::record::{event_time, is_stale};
use crate::domain::time::Timestamp;

/// What the event does, as a sentence.
pub fn sentence(event: &Event) -> &'static str {
    match (event.kind, event.scope, event.effect()) {
        (Kind::HardBounce, Scope::Esp, Effect::Suppress) => {
            "The ESP did not try. Mail by this ESP stops until its list lets go. The user is not blamed."
        }
        (Kind::HardBounce, _, Effect::Hold) => {
            "The address is put on hold: not now, and not for good. One bounce never suppresses a user."
        }
        (Kind::HardBounce, Scope::Sender, _) => {
            "Nothing happens to the user: the fault is on the sending side. It counts towards finding an incident."
        }
        (Kind::HardBounce, Scope::Relay, _) => {
            "Nothing happens to the user: the fault is the relay's. It counts towards finding an incident."
        }
        (Kind::HardBounce, Scope::Content, _) => {
            "Nothing happens to the user: the message was refused for what is in it."
        }
        (Kind::HardBounce, ..) => "Nothing happens to the user.",
        (Kind::SoftBounce, _, _) if !event.fresh => "Nothing: it is a reply to mail that arrived.",
        (Kind::SoftBounce, ..) => "Nothing happens to the user: it was refused for now only.",
        (Kind::Complaint, Scope::Esp, _) => {
            "The ESP did not try, because of an earlier complaint. Mail by this ESP stops until its list lets go."
        }
        (Kind::Complaint, _, Effect::Suppress) => {
            "The address is suppressed until a new opt-in, or until an operator decides."
        }
        (Kind::Complaint, Scope::Ambiguous, _) => {
            "Nothing happens to any of them: a complaint that names several convicts nobody."
        }
        (Kind::Complaint, ..) => "Nothing happens to the user, who did not complain.",
        (Kind::Delivered, ..) => {
            "It stops nothing and lifts nothing here. It outdates earlier bounces, and it is no proof of forwarding."
        }
        (Kind::Delayed, ..) => "Nothing: the mail is still on its way.",
        (Kind::Unsubscribed, ..) => {
            "The address is suppressed for the stream it left, or for all where that is not registered. Security mail passes."
        }
        (Kind::ForwardingEnabled, ..) => {
            "The address may be mailed again: this ends an earlier forwarding-off and outdates bounces."
        }
        (Kind::ForwardingDisabled, ..) => {
            "The address is suppressed for every app of the team until the user turns forwarding on."
        }
        (Kind::ConsentRevoked, ..) => "The user is suppressed for this app until a newer authorization with Apple.",
        (Kind::AccountDeleted, ..) => "The user is suppressed for good.",
        (Kind::Sent, ..) => "Nothing: it is counted, to be compared with what comes back.",
        _ => "Nothing.",
    }
}

/// Why the daemon would do less than that, where the effect is any: what it knows beside the event alone.
pub fn notes(event: &Event, now: Timestamp) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if event.effect() == Effect::None {
        return notes;
    }
    if is_stale(event, event_time(event.occurred_at, now), now) {
        notes.push("older than 35 days, so it could be a repetition: kept without effect");
    }
    let knows_relay = event.who.is_private == Some(true) || event.who.address.is_none();
    match &event.who.address {
        Some(address) if !knows_relay && address.on_shared_domain() => {
            notes.push("counts only where a user import or Apple's flag has told that this is a relay address");
        }
        Some(address) if !knows_relay && !address.on_relay_domain() => {
            notes.push("not a relay address: it is counted, no record is kept, and it may be mailed");
        }
        None if event.who.sub.is_none() => notes.push("names nobody, so no record changes"),
        _ => {}
    }
    notes
}
