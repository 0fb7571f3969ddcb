//! Sets of events over a few people, spread over weeks, with many ties.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use relaywatch::domain::record::OverrideAction;
use relaywatch::domain::time::Timestamp;

use crate::world::*;

/// The addresses, two of a relay (the first is [`ANN`]) and a real one.
pub const ADDRESSES: [&str; 3] = [ANN, BEN, "ann@mail.example"];
/// The subjects.
pub const SUBS: [&str; 2] = [ANN_SUB, BEN_SUB];
/// The apps.
pub const APPS: [&str; 2] = ["shop", "game"];
/// The ways of sending; the last is unregistered, and none means that the report names no way.
pub const WAYS: [Option<Way>; 4] = [Some(NEWS), Some(RECEIPTS), Some(NOBODYS), None];

/// One event in words that both the code and the oracle read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    pub what: What,
    /// Which address, where it names one.
    pub address: usize,
    /// Which subject, where it names one.
    pub sub: usize,
    /// Which app, where it names one.
    pub app: usize,
    /// Which way, where it names one.
    pub way: usize,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Delivered,
    UserNotFound,
    UnknownWords,
    Paused,
    SendersFault,
    Echo,
    Unlisted,
    Complaint,
    ComplaintOfTwo,
    Unsubscribed,
    OptedIn,
    ForwardingOn,
    ForwardingOff,
    Authorized,
    Linked,
    Revoked,
    Deleted,
    Lift,
    Suppress,
    SuppressAWhile,
    /// Twenty other people's mail accepted in the cell.
    Control,
}

const ALL: [What; 21] = [
    What::Delivered,
    What::UserNotFound,
    What::UnknownWords,
    What::Paused,
    What::SendersFault,
    What::Echo,
    What::Unlisted,
    What::Complaint,
    What::ComplaintOfTwo,
    What::Unsubscribed,
    What::OptedIn,
    What::ForwardingOn,
    What::ForwardingOff,
    What::Authorized,
    What::Linked,
    What::Revoked,
    What::Deleted,
    What::Lift,
    What::Suppress,
    What::SuppressAWhile,
    What::Control,
];

/// How long a set may last: an ESP's report is never too old at its end.
pub const SPAN: Duration = Duration::from_secs(33 * 86_400);

/// When a set is over.
pub fn end() -> Timestamp {
    start().plus(SPAN)
}

/// A time within the span: a multiple of six hours, most often of the first week, and a little, so that ties, pairs a day apart and
/// the five minutes' margin are all common.
pub fn time() -> impl Strategy<Value = Timestamp> {
    let minutes = proptest::sample::select(vec![0, 0, 0, 4, 5, 6]);
    (prop_oneof![0..8_u32, 0..28_u32, 0..132_u32], minutes)
        .prop_map(|(quarter_days, minutes)| start().plus(quarter_days * 6 * HOUR + minutes * MINUTE))
}

/// Of these kinds, those that decide the most more often.
fn what() -> impl Strategy<Value = What> {
    let often = vec![What::UserNotFound, What::Authorized, What::Revoked, What::ForwardingOn, What::ForwardingOff];
    prop_oneof![3 => proptest::sample::select(ALL.to_vec()), 2 => proptest::sample::select(often)]
}

pub fn said() -> impl Strategy<Value = Said> {
    (what(), 0..ADDRESSES.len(), 0..SUBS.len(), 0..APPS.len(), 0..WAYS.len(), time())
        .prop_map(|(what, address, sub, app, way, at)| Said { what, address, sub, app, way, at })
}

/// A set of events.
pub fn set(most: usize) -> impl Strategy<Value = Vec<Said>> {
    vec(said(), 1..most)
}

/// A set in which nearly everything mends itself, at very few times: hardly anything stands at its end.
pub fn quiet_set(most: usize) -> impl Strategy<Value = Vec<Said>> {
    use What::*;
    let whats = vec![Delivered, Echo, Unlisted, Authorized, Linked, Revoked, UserNotFound, SendersFault];
    let said = (proptest::sample::select(whats), said(), 0..3_u32);
    vec(said.prop_map(|(what, said, hours)| Said { what, at: start().plus(hours * HOUR), ..said }), 1..most)
}

impl Said {
    /// The events, with identities that depend on their place in the set alone.
    pub fn told(&self, place: usize) -> Vec<Told> {
        let (address, sub) = (ADDRESSES[self.address], SUBS[self.sub]);
        let by = |told: Told| match WAYS[self.way] {
            Some(way) => told.by(way),
            None => told.by_no_way(),
        };
        let told = match self.what {
            What::Delivered => by(delivered(address)),
            What::UserNotFound => by(user_not_found(address)),
            What::UnknownWords => by(unknown_words(address)),
            What::Paused => by(paused(address)),
            What::SendersFault => by(unauthorized_sender(address)),
            What::Echo => by(echo(address)),
            What::Unlisted => by(unlisted(address)),
            What::Complaint => by(complaint(address)),
            What::ComplaintOfTwo => by(complaint(address).naming(2)),
            What::Unsubscribed => by(unsubscribed(address)),
            What::OptedIn => by(opted_in(address)),
            What::ForwardingOn => forwarding_on(sub, address),
            What::ForwardingOff => forwarding_off(sub, address),
            What::Authorized => authorized(sub, address).app(APPS[self.app]),
            What::Linked => linked(sub, address),
            What::Revoked => revoked(sub).app(APPS[self.app]),
            What::Deleted => deleted(sub),
            What::Lift => decided(address, OverrideAction::Lift, None),
            What::Suppress => decided(address, OverrideAction::Suppress, None),
            What::SuppressAWhile => decided(address, OverrideAction::Suppress, Some(self.at.plus(3 * DAY))),
            What::Control => {
                let one = |n| by(delivered(&format!("control{n}@privaterelay.appleid.com")));
                let all = (0..20).map(|n| one(n).at(self.at).identity(&format!("{place}.{n}")));
                return all.collect();
            }
        };
        vec![told.at(self.at).identity(&place.to_string())]
    }

    /// Whether an ESP's report of it reaches the records: what it says of ordinary recipients is only counted.
    pub fn is_of_ordinary_recipient(&self) -> bool {
        use What::*;
        let by_esp = !matches!(
            self.what,
            ForwardingOn | ForwardingOff | Authorized | Linked | Revoked | Deleted | Lift | Suppress | SuppressAWhile
        );
        by_esp && !ADDRESSES[self.address].ends_with("privaterelay.appleid.com")
    }
}
