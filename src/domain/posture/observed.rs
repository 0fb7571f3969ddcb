//! What ESPs reported of a stream's sending and no registration names: mail whose records nobody looks at.

use crate::domain::dns::Name;
use crate::domain::finding::{Code, Finding};
use crate::domain::observed::{Observed, ObservedKind};
use crate::domain::stream::Stream;

/// The finding about one domain that was seen and that no stream of the team registers.
///
/// A warning and no more: the report proves that such mail went out, not that Apple refuses it.
pub fn stranger(stream: &Stream, seen: &Observed) -> Option<Finding> {
    let name = Name::parse(&seen.what.value).ok()?;
    let host = name.relative();
    let (code, what, field) = match seen.what.kind {
        ObservedKind::Envelope => {
            (Code::MailfromObservedUnregistered, format!("the envelope domain {host}"), "mail_from_domain")
        }
        ObservedKind::Dkim => (Code::DkimObservedUnregistered, format!("signatures with d={host}"), "dkim"),
        ObservedKind::From | ObservedKind::SendingIp => return None,
    };
    let (esp, from, last) = (&seen.what.esp, &stream.from_domain, seen.last_seen);
    let evidence =
        format!("{esp} reports {what} on mail from {from}, last at {last}; no stream of the team registers it");
    let remedy = format!(
        "If this mail is meant, register it as {field} of this stream or of one of its own; otherwise find what sends it"
    );
    Some(Finding::new(code, &name, evidence, remedy))
}
