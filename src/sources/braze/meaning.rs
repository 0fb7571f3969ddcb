//! What one Currents event means, in our own form.

use std::borrow::Cow;

use super::element::{Fields, text};
use crate::config::braze::ExternalUserId;
use crate::domain::address::{Address, domain_of};
use crate::domain::bounce::{Diagnostic, EspClass, Reading, RuleBook};
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{Esp, Sub, TeamId};
use crate::domain::observed::sending_ip;
use crate::domain::time::Timestamp;
use crate::sources::batch::Batch;
use crate::sources::loose::{Loose, event_time, provider_id};

/// What all mail events' types begin with.
const MAIL: &str = "users.messages.email.";

/// What is the same for every event of a request.
pub(super) struct Context<'s> {
    /// The team of the endpoint.
    pub(super) team: &'s TeamId,
    /// The text rules.
    pub(super) rules: &'s RuleBook,
    /// Whether `external_user_id` is Apple's `sub`.
    pub(super) external_user_id: ExternalUserId,
    /// When the request came.
    pub(super) received_at: Timestamp,
}

/// Reads one event.
///
/// # Errors
/// The field that is missing or unreadable, without its value.
pub(super) fn read(fields: &Fields<'_>, context: &Context<'_>, batch: &mut Batch) -> Result<(), String> {
    let kind = text(fields.event_type).ok_or("`event_type` is missing")?;
    let Some(mail) = kind.strip_prefix(MAIL) else {
        // Currents carries other channels and user behaviour as well.
        if kind.starts_with("users.") {
            batch.no_effect()
        } else {
            batch.unknown(&kind)
        }
        return Ok(());
    };
    let recipient = match text(fields.email_address) {
        Some(written) => Some(Address::parse(&written).ok_or("`properties.email_address` is not one mail address")?),
        None => None,
    };
    let words = match mail {
        "Deferral" => text(fields.deferral_reason).or_else(|| text(fields.bounce_reason)),
        _ => text(fields.bounce_reason),
    };
    let said = match words.as_deref() {
        Some(words) => Diagnostic::read(words, recipient.as_ref(), None),
        None => Diagnostic::default(),
    };
    let bounce = |class, rule| context.rules.judge(&said, recipient.as_ref().map(Address::domain), class, rule);
    let reading = match mail {
        "Bounce" | "SoftBounce" if fields.is_drop.is_some_and(Loose::is_true) => bounce(EspClass::Echo, "braze.drop"),
        "Bounce" => bounce(EspClass::Hard, "braze.bounce"),
        "SoftBounce" => bounce(EspClass::Soft, "braze.soft_bounce"),
        "Deferral" => Reading { kind: Kind::Delayed, ..bounce(EspClass::Soft, "braze.deferral") },
        "MarkAsSpam" => fact(Kind::Complaint, true, "braze.mark_as_spam"),
        "Unsubscribe" => fact(Kind::Unsubscribed, true, "braze.unsubscribe"),
        "Delivery" => fact(Kind::Delivered, true, "braze.delivery"),
        "Send" => fact(Kind::Sent, false, "braze.send"),
        "Open" | "Click" | "Retry" | "Abort" => {
            batch.no_effect();
            return Ok(());
        }
        _ => {
            batch.unknown(&kind);
            return Ok(());
        }
    };
    let identity = identity(fields, &kind, recipient.as_ref())?;
    batch.event(event(fields, identity, recipient, said, reading, context));
    Ok(())
}

fn fact(kind: Kind, fresh: bool, rule: &'static str) -> Reading {
    Reading { kind, scope: Scope::Recipient, fresh, rule: Cow::Borrowed(rule) }
}

/// Braze's `id`; without it, dispatch, type, time and recipient.
fn identity(fields: &Fields<'_>, kind: &str, recipient: Option<&Address>) -> Result<Identity, String> {
    if let Some(id) = text(fields.id) {
        return Ok(Identity::new("braze", &[&id]));
    }
    let (Some(time), Some(recipient)) = (fields.time.and_then(Loose::instant), recipient) else {
        return Err("no `id`, and too little else to tell this event from another".to_owned());
    };
    let dispatch = text(fields.dispatch_id).or_else(|| text(fields.send_id)).unwrap_or_default();
    Ok(Identity::new("braze", &[&dispatch, kind, &time.micros().to_string(), recipient.expose()]))
}

fn event(
    fields: &Fields<'_>,
    identity: Identity,
    recipient: Option<Address>,
    said: Diagnostic,
    reading: Reading,
    context: &Context<'_>,
) -> Event {
    let sub = match context.external_user_id {
        ExternalUserId::AppleSub => text(fields.external_user_id).and_then(|id| Sub::parse(&id)),
        ExternalUserId::Own => None,
    };
    let named = usize::from(recipient.is_some() || sub.is_some());
    let nobody = named == 0 && reading.scope == Scope::Recipient;
    Event {
        identity,
        source: Source::Braze,
        kind: reading.kind,
        scope: if nobody { Scope::Ambiguous } else { reading.scope },
        fresh: reading.fresh,
        rule: reading.rule,
        who: Who { address: recipient, sub, is_private: None, named },
        origin: Origin {
            esp: Some(esp(fields)),
            from_domain: text(fields.from_domain).and_then(|domain| domain_of(&domain)),
            sending_ip: text(fields.sending_ip).and_then(|ip| sending_ip(&ip)),
            ..Origin::of_team(context.team.clone())
        },
        evidence: Evidence {
            status: said.status,
            code: said.code,
            diagnostic: (!said.text.is_empty()).then_some(said.text),
            provider_id: provider_id([fields.id, fields.dispatch_id]),
            message_id: None,
            detail: None,
        },
        occurred_at: event_time(fields.time, context.received_at),
        decision: None,
    }
}

/// The provider that Braze sent through, in lower case as streams name it; `braze` when it does not say.
fn esp(fields: &Fields<'_>) -> Esp {
    let name = text(fields.esp).map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(sound) { Esp::new("braze") } else { Esp::new(name) }
}
