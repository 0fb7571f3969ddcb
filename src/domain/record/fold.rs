//! From one event to the small records it adds: the only place where an event's meaning becomes a fact.

use std::time::Duration;

use super::Fact;
use super::address::{AddressRecord, EVERY_STREAM, Override};
use super::bounces::{Bounce, Bounces};
use super::subject::{Claim, Consent, SubjectRecord};
use crate::domain::address::Address;
use crate::domain::bounce::says_gone;
use crate::domain::cell::Cell;
use crate::domain::event::{Event, Kind, Scope, Source};
use crate::domain::ids::{AddressKey, Esp, EventKey, StreamName, SubKey, UNREGISTERED};
use crate::domain::time::Timestamp;

/// What one event adds to the records of its address and its subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// To the address, when the event names one and says something of it.
    pub address: Option<(AddressKey, AddressRecord)>,
    /// To the subject, likewise.
    pub subject: Option<(SubKey, SubjectRecord)>,
}

/// Earlier than this no event of ours can have happened: Sign in with Apple began in 2019.
const EARLIEST: i64 = 1_262_304_000;

/// How long identities are remembered. An ESP event older than this might be a repetition, so it is kept as stale, without effect.
pub const IDENTITY_KEPT: Duration = Duration::from_secs(35 * 86_400);

/// When an event counts as having happened: what the source says, held between 2010 and its receipt, so that neither 1970 nor the
/// far future can win for ever.
pub fn event_time(said: Timestamp, received_at: Timestamp) -> Timestamp {
    if said.secs() < EARLIEST { received_at } else { said.min(received_at) }
}

/// Whether an event is too old to be told from a repetition. What Apple, an import or a person says is never stale: a join takes it
/// any number of times.
pub fn is_stale(event: &Event, at: Timestamp, received_at: Timestamp) -> bool {
    matches!(event.source, Source::Ses | Source::Sparkpost | Source::Braze) && at.plus(IDENTITY_KEPT) < received_at
}

/// The stored names of an event and of those it is about.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// The event.
    pub event: EventKey,
    /// Its address.
    pub address: Option<AddressKey>,
    /// Its subject.
    pub sub: Option<SubKey>,
}

/// What `event`, counted as having happened `at` on `stream`, adds.
pub fn fold(event: &Event, keys: Keys, at: Timestamp, stream: &StreamName) -> Delta {
    let fact = Fact { at, event: keys.event };
    let mut delta = Delta::default();
    if let Some(key) = keys.address {
        let mut record = address_part(event, keys, fact, stream);
        // That mail was tried, or failed by the sender's fault, says nothing of the user: it must not make an address known.
        if record != AddressRecord::default() || knows_people(event) {
            record.relay_domain = relay_domain(event);
        }
        if record != AddressRecord::default() {
            delta.address = Some((key, record));
        }
    }
    if let Some(key) = keys.sub {
        let record = subject_part(event, keys, fact);
        if record != SubjectRecord::default() {
            delta.subject = Some((key, record));
        }
    }
    delta
}

fn address_part(event: &Event, keys: Keys, fact: Fact, stream: &StreamName) -> AddressRecord {
    let mut record = AddressRecord::default();
    let esp = event.origin.esp.clone();
    let listed = |record: &mut AddressRecord, esp: Option<Esp>| {
        if let Some(esp) = esp {
            record.listed.insert(esp, fact);
        }
    };
    match (event.kind, event.scope) {
        (Kind::ForwardingEnabled, _) => record.forwarding_on = Some(fact),
        (Kind::ForwardingDisabled, _) => record.forwarding_off = Some(fact),
        (Kind::HardBounce | Kind::Complaint, Scope::Esp) if !event.fresh => listed(&mut record, esp),
        (Kind::Complaint, Scope::Recipient) if event.who.named <= 1 => record.complaint = Some(fact),
        (Kind::Unsubscribed, _) => drop(record.unsubscribed.insert(stream_or_every(stream), fact)),
        (Kind::OptedIn, _) => drop(record.opted_in.insert(opted_into(event, stream), fact)),
        (Kind::EspUnlisted, _) => {
            if let Some(esp) = esp {
                record.unlisted.insert(esp, fact);
            }
        }
        (Kind::Delivered, _) => {
            record.accepted = Some(fact);
            if let Some(esp) = esp {
                record.unlisted.insert(esp, fact);
            }
        }
        (Kind::HardBounce, Scope::Recipient | Scope::Ambiguous) if event.fresh => {
            // A paused mailbox is the recipient's affair too, but it does not say that he is gone.
            let of_recipient = event.scope == Scope::Recipient;
            let not_found = of_recipient && says_gone(&event.rule);
            record.bounces = Bounces::of(Bounce { fact, not_found, of_recipient, cell: cell(event, stream) });
        }
        (Kind::OperatorOverride, _) => {
            if let Some(decision) = &event.decision {
                let until_micros = decision.until.map(Timestamp::micros);
                record.overrides.insert(decision.action, Override { fact, until_micros });
            }
        }
        _ => {}
    }
    if let (Some(claim), Some(sub)) = (claim(event, fact), keys.sub) {
        record.subjects.insert(sub, claim);
    }
    record
}

fn subject_part(event: &Event, keys: Keys, fact: Fact) -> SubjectRecord {
    let mut record = SubjectRecord::default();
    let consent = match event.kind {
        Kind::Authorized => Some(Consent { authorized: Some(fact), revoked: None }),
        Kind::ConsentRevoked => Some(Consent { authorized: None, revoked: Some(fact) }),
        _ => None,
    };
    if let (Some(consent), Some(app)) = (consent, &event.origin.app) {
        record.apps.insert(app.clone(), consent);
    }
    if event.kind == Kind::AccountDeleted {
        record.deleted = Some(fact);
    }
    if let (Some(claim), Some(address)) = (claim(event, fact), keys.address) {
        record.addresses.insert(address, claim);
    }
    record
}

/// Only Apple and the import know whose address it is; an ESP repeats what a marketing profile believes.
fn knows_people(event: &Event) -> bool {
    matches!(event.source, Source::Apple | Source::Import)
}

/// What the event says of whose address it is. A forwarding notice may still come for an address the user has replaced.
fn claim(event: &Event, fact: Fact) -> Option<Claim> {
    let present = matches!(event.kind, Kind::Authorized | Kind::Linked);
    knows_people(event).then_some(Claim { present, fact })
}

fn relay_domain(event: &Event) -> Option<String> {
    let address = event.who.address.as_ref()?;
    let flagged = event.who.is_private == Some(true);
    (address.on_relay_domain() || flagged).then(|| address.domain().to_owned())
}

/// An opt-out from a stream we cannot name counts for all of them: better one mail too few.
fn stream_or_every(stream: &StreamName) -> StreamName {
    if stream.as_str() == UNREGISTERED { StreamName::new(EVERY_STREAM) } else { stream.clone() }
}

/// An opt-in that names no way of sending counts for all streams; one to a way nobody registered, for that one alone.
fn opted_into(event: &Event, stream: &StreamName) -> StreamName {
    let unnamed = event.origin.stream.is_none() && event.origin.from_domain.is_none();
    if unnamed { StreamName::new(EVERY_STREAM) } else { stream.clone() }
}

/// The cell of an event about a recipient.
pub fn cell(event: &Event, stream: &StreamName) -> Option<Cell> {
    Some(Cell {
        relay_domain: event.who.address.as_ref().map(Address::domain)?.to_owned(),
        sending_domain: event.origin.from_domain.clone().unwrap_or_default(),
        esp: event.origin.esp.clone()?,
        stream: stream.clone(),
    })
}
