//! What one look can tell of an address: the answer for the many of whom nothing is to be said, and "ask the store" for the rest.

use crate::domain::ids::AddressKey;
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, SubjectRecord};

/// One look. Whatever depends on the question, on time or on evidence is [`Glance::Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Glance {
    /// `ok` for every question.
    Ok,
    /// `not_relay` for every question.
    NotRelay,
    /// The store must be asked.
    Ask,
}

/// What the address's own facts and its subject's allow to be said.
pub fn glance(record: &AddressRecord, subject_asks: bool) -> Glance {
    let quiet = !subject_asks
        && record.forwarding_off.is_none()
        && record.forwarding_on.is_none()
        && record.complaint.is_none()
        && record.unsubscribed.is_empty()
        && record.overrides.is_empty()
        && record.bounces.after(record.proof()).is_empty()
        && !record.listed.iter().any(|(esp, listed)| listed.stands(record.unlisted.get(esp).copied()));
    match (quiet, record.relay_domain.is_some()) {
        (false, _) => Glance::Ask,
        (true, true) => Glance::Ok,
        (true, false) => Glance::NotRelay,
    }
}

/// Whether a subject's facts make the store to be asked about one of its addresses.
pub fn subject_asks(subject: &SubjectRecord, address: AddressKey, policy: &Policy) -> bool {
    subject.deleted.is_some()
        || subject.present().is_some_and(|present| present != address)
        || subject.apps.values().any(|c| c.standing_revocation(policy.revocation_margin).is_some())
}
