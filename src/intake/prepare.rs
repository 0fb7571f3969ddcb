//! From an event to what the group writes of it: keys in place of people, a time that can be trusted, a stream.

use super::Context;
use super::observe::Sending;
use crate::domain::address::Address;
use crate::domain::cell::Cell;
use crate::domain::event::{Event, Kind, Scope, Source};
use crate::domain::ids::{AddressKey, Sub, SubKey};
use crate::domain::keyring::Keyring;
use crate::domain::record::{Delta, Keys, cell, event_time, fold, is_stale};
use crate::domain::time::Timestamp;
use crate::store::{AddressAt, EventRow, Mark, SubjectAt};

/// An event ready to be written, and the people it is about (in memory only, to be sealed when they are new).
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) row: EventRow,
    pub(super) delta: Delta,
    pub(super) address: Option<(AddressKey, Address)>,
    pub(super) sub: Option<(SubKey, Sub)>,
    pub(super) cell: Option<Cell>,
    pub(super) keep: Keep,
    /// For a report about one of our own canaries: to whom it went, and the provider's id of the message.
    pub(super) canary: Option<(AddressKey, Option<String>)>,
    /// What it tells of the sending; nothing where it is no ESP's, too old to say how mail is sent now, or about a canary: that is sent the way a
    /// probe is sent, which must not pass for the stream's own.
    pub(super) sending: Option<Sending>,
}

/// How much of an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// In the log and in the records.
    All,
    /// Likewise, but an address that nobody flags as a relay address goes after seven days.
    Unflagged,
    /// Only as a count of its cell: an ordinary recipient, who is none of our business.
    Count,
}

/// Turns an event received at `received_at` by `endpoint` into what will be written.
pub(super) fn prepare(context: &Context, event: Event, endpoint: &str, received_at: Timestamp) -> Prepared {
    let keyring = &context.keyring;
    let at = event_time(event.occurred_at, received_at);
    let stale = is_stale(&event, at, received_at);
    let streams = context.streams.load();
    let stream = streams.name(&event.origin);
    let address = event.who.address.clone().map(|a| (keyring.address(&a), a));
    let sub = event.who.sub.clone().map(|s| (keyring.sub(&s), s));
    let id = keyring.event(&event.identity);
    let keys = Keys { event: id, address: address.as_ref().map(|(k, _)| *k), sub: sub.as_ref().map(|(k, _)| *k) };
    let canary = canary(context, &event, address.as_ref().map(|(key, _)| *key));
    let is_canary = canary.is_some();
    let delta = if stale || is_canary { Delta::default() } else { fold(&event, keys, at, &stream) };
    let keep = if is_canary { Keep::All } else { keep(&event) };
    let team = &event.origin.team;
    let sending = (is_of_esp(event.source) && !stale && !is_canary).then(|| Sending {
        stream: stream.clone(),
        dkim_domains: event.origin.dkim_domains.clone(),
        sending_ip: event.origin.sending_ip,
    });
    let cell = cell(&event, &stream).filter(|_| !is_canary);
    let cell = cell.map(|c| if keep == Keep::Count { Cell { relay_domain: "other".into(), ..c } } else { c });
    let relay_domain = (keep != Keep::Count).then(|| address.as_ref().map(|(_, a)| a.domain().to_owned())).flatten();
    let decided = event
        .decision
        .as_ref()
        .map(|d| serde_json::json!({"action": d.action, "who": d.who, "why": d.why, "until": d.until}).to_string());
    let row = EventRow {
        n: 0,
        id,
        received_at,
        occurred_at: at,
        source: event.source,
        endpoint: clean(endpoint.to_owned()),
        kind: event.kind,
        scope: event.scope,
        fresh: event.fresh,
        stale,
        rule: clean(event.rule.into_owned()),
        team: team.clone(),
        app: event.origin.app.clone(),
        stream: (cell.is_some() || is_canary || event.kind == Kind::PostureChanged).then_some(stream),
        esp: event.origin.esp.clone(),
        relay_domain,
        sending_domain: event.origin.from_domain.clone(),
        mail_from_domain: event.origin.mail_from_domain.clone(),
        // A canary's address is nobody's: it has no record, and no follower of the log is to look for one.
        address_key: keys.address.filter(|_| !is_canary),
        subject_key: keys.sub,
        status: event.evidence.status.map(clean),
        code: event.evidence.code,
        diagnostic: event.evidence.diagnostic.map(clean),
        provider_id: event.evidence.provider_id.map(clean),
        detail: decided.or(event.evidence.detail).map(clean),
    };
    Prepared { row, delta, address, sub, cell, keep, sending, canary }
}

/// Whether the source reports what became of mail that is being sent. (An import may tell of years ago.)
fn is_of_esp(source: Source) -> bool {
    matches!(source, Source::Ses | Source::Sparkpost | Source::Braze)
}

fn keep(event: &Event) -> Keep {
    if !is_of_esp(event.source) {
        return Keep::All;
    }
    match &event.who.address {
        Some(a) if a.on_relay_domain() => Keep::All,
        Some(a) if a.on_shared_domain() => Keep::Unflagged,
        // A report that lost its recipient may still be about the relay: the detector can use it, nobody's record can.
        None if event.kind == Kind::HardBounce => Keep::All,
        _ => Keep::Count,
    }
}

/// A provider's report about mail to one of our own addresses. It says nothing of a user, and must feed neither records nor cells.
fn canary(context: &Context, event: &Event, address: Option<AddressKey>) -> Option<(AddressKey, Option<String>)> {
    let of_esp = is_of_esp(event.source);
    let address = address.filter(|key| of_esp && context.canaries.is_own(*key))?;
    Some((address, event.evidence.message_id.clone()))
}

/// PostgreSQL takes no NUL in text, and no provider has a reason to send one.
pub(super) fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

impl Prepared {
    /// The word under which the cell counts it.
    pub(super) fn counted_as(&self) -> &'static str {
        if self.row.kind == Kind::HardBounce && self.row.scope == Scope::Esp && !self.row.fresh {
            "echo"
        } else {
            self.row.kind.as_str()
        }
    }

    /// Those it is about under every hash key, to look for tombstones.
    pub(super) fn marks(&self, keyring: &Keyring) -> Vec<Mark> {
        let team = &self.row.team;
        let address = self.address.iter().flat_map(|(_, address)| keyring.address_under_all(address));
        let mut marks: Vec<Mark> = address.map(|(_, key)| (team.clone(), "address", key.to_string())).collect();
        let sub = self.sub.iter().flat_map(|(_, sub)| keyring.sub_under_all(sub));
        marks.extend(sub.map(|(_, key)| (team.clone(), "sub", key.to_string())));
        marks
    }

    /// Where the record of its address is.
    pub(super) fn place(&self) -> Option<AddressAt> {
        self.row.address_key.map(|key| (self.row.team.clone(), key))
    }

    /// Where the record of its subject is.
    pub(super) fn subject_place(&self) -> Option<SubjectAt> {
        self.row.subject_key.map(|key| (self.row.team.clone(), key))
    }

    /// Takes everything personal out: what is left is a number in the log.
    pub(super) fn forget(&mut self) {
        self.delta = Delta::default();
        self.address = None;
        self.sub = None;
        self.row.address_key = None;
        self.row.subject_key = None;
        self.row.diagnostic = None;
        self.row.provider_id = None;
        self.row.detail = None;
    }
}
