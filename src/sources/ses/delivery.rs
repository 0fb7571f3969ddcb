//! Deliveries and delays: what the next hop said to a message it took, or has not taken yet.

use super::bounce::is_status;
use super::mail::text;
use super::reader::{Reader, Report, plain};
use crate::domain::address::Address;
use crate::domain::bounce::{self, EspClass, Reading};
use crate::domain::event::{Kind, Scope};

/// Reads a `delivery`. The next hop said 250; for the relay that is not proof of forwarding.
pub fn read(reader: &mut Reader<'_>) {
    let Some(delivery) = reader.object("delivery") else { return };
    let (recipients, named) = reader.recipients("delivery", "recipients");
    let report = Report { word: "delivery", feedback_id: None, at: text(delivery, "timestamp"), named };
    for recipient in recipients {
        let evidence = reader.evidence(text(delivery, "smtpResponse"), None, &recipient.address);
        let reading = plain(Kind::Delivered, Scope::Recipient, true, "ses.delivery");
        reader.add(&report, recipient.address, reading, evidence);
    }
}

/// Reads a `deliveryDelay`: SES is still trying. The text rules tell whose fault it is where there is a text they know;
/// else SES's type does.
pub fn read_delay(reader: &mut Reader<'_>) {
    let Some(delay) = reader.object("deliveryDelay") else { return };
    let (recipients, named) = reader.recipients("deliveryDelay", "delayedRecipients");
    let report = Report { word: "delivery_delay", feedback_id: None, at: text(delay, "timestamp"), named };
    let kind = text(delay, "delayType").unwrap_or("");
    for recipient in recipients {
        let field = |name| recipient.fields.and_then(|fields| text(fields, name));
        let (said, status) = (field("diagnosticCode"), field("status").filter(|status| is_status(status)));
        let Some((rule, scope)) = scope_of(kind, &recipient.address) else {
            reader.note_unknown(&format!("DeliveryDelay {kind}"));
            let reading = plain(Kind::Delayed, Scope::Ambiguous, true, "ses.delay");
            let evidence = reader.evidence(said, status, &recipient.address);
            reader.add(&report, recipient.address, reading, evidence);
            continue;
        };
        let read = reader.context.rules.read(&bounce::Report {
            recipient: Some(&recipient.address),
            mail_from: reader.mail.source.as_ref(),
            text: said,
            status,
            code: None,
            class: EspClass::Soft,
            class_rule: rule,
        });
        let scope = if read.rule == rule { scope } else { read.scope };
        let evidence = reader.evidence(said, status, &recipient.address);
        reader.add(&report, recipient.address, Reading { kind: Kind::Delayed, scope, fresh: true, ..read }, evidence);
    }
}

/// The rule and the scope of a `delayType`; `None` for one this version does not know.
fn scope_of(kind: &str, recipient: &Address) -> Option<(&'static str, Scope)> {
    let receiving = if recipient.on_relay_domain() { Scope::Relay } else { Scope::Recipient };
    Some(match kind.to_ascii_lowercase().as_str() {
        "internalfailure" => ("ses.delay_internal_failure", Scope::Esp),
        "sendingdeferral" => ("ses.delay_sending_deferral", Scope::Esp),
        "ipfailure" => ("ses.delay_ip_failure", Scope::Esp),
        "byoiphostnamelookupunavailable" => ("ses.delay_byoip_host_name", Scope::Sender),
        "spamdetected" => ("ses.delay_spam_detected", Scope::Content),
        "mailboxfull" => ("ses.delay_mailbox_full", Scope::Recipient),
        "recipientservererror" => ("ses.delay_recipient_server_error", receiving),
        "transientcommunicationfailure" => ("ses.delay_transient_communication_failure", receiving),
        "general" => ("ses.delay_general", Scope::Ambiguous),
        "undetermined" => ("ses.delay_undetermined", Scope::Ambiguous),
        _ => return None,
    })
}
