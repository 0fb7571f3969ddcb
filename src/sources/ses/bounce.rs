//! Bounces: what SES's own classes say, and where a recipient's own fields say otherwise.

use serde_json::{Map, Value};

use super::mail::text;
use super::reader::{Reader, Report};
use crate::domain::bounce::{self, Diagnostic, EspClass};

/// Reads a `bounce`: one event per bounced recipient. `mail.destination` is not asked: it names everybody the message went
/// to. An `emailAddress` is the final recipient of the delivery report and may differ from every destination (a forward).
pub fn read(reader: &mut Reader<'_>) {
    let Some(bounce) = reader.object("bounce") else { return };
    let (recipients, named) = reader.recipients("bounce", "bouncedRecipients");
    let (main, sub) = (text(bounce, "bounceType").unwrap_or(""), text(bounce, "bounceSubType").unwrap_or(""));
    let (class, class_rule, known) = class_of(main, sub);
    if !known {
        reader.note_unknown(&format!("Bounce {main}/{sub}"));
    }
    let report =
        Report { word: "bounce", feedback_id: text(bounce, "feedbackId"), at: text(bounce, "timestamp"), named };
    for recipient in recipients {
        let said = Said::read(recipient.fields);
        let (class, class_rule) = said.weigh(class, class_rule);
        // Nobody was asked or nobody refused: whatever text SES wrote there, it is no server's reply.
        let silent = matches!(class, EspClass::Echo | EspClass::AutoReply);
        let reading = reader.context.rules.read(&bounce::Report {
            recipient: Some(&recipient.address),
            mail_from: reader.mail.source.as_ref(),
            text: said.text.filter(|_| !silent),
            status: said.status.filter(|_| !silent),
            code: None,
            class,
            class_rule,
        });
        let evidence = reader.evidence(said.text, said.status, &recipient.address);
        reader.add(&report, recipient.address, reading, evidence);
    }
}

/// SES's class in our terms, the rule that names it, and whether we know it. Spelled without regard to case and underscores:
/// the API writes `PERMANENT` where the notification writes `Permanent`.
fn class_of(main: &str, sub: &str) -> (EspClass, &'static str, bool) {
    let plain = |word: &str| word.replace('_', "").to_ascii_lowercase();
    let (class, rule) = match (plain(main).as_str(), plain(sub).as_str()) {
        (_, "suppressed") => (EspClass::Echo, "ses.suppressed"),
        (_, "onaccountsuppressionlist") => (EspClass::Echo, "ses.on_account_suppression_list"),
        (_, "ontenantsuppressionlist") => (EspClass::Echo, "ses.on_tenant_suppression_list"),
        (_, "emailvalidationsuppressed") => (EspClass::Echo, "ses.email_validation_suppressed"),
        (_, newer) if newer.contains("suppress") => return (EspClass::Echo, "ses.suppressed_otherwise", false),
        ("permanent", "general") => (EspClass::Hard, "ses.permanent_general"),
        ("permanent", "noemail") => (EspClass::Hard, "ses.permanent_no_email"),
        ("permanent", _) => return (EspClass::Hard, "ses.permanent", false),
        ("transient", "general") => (EspClass::Soft, GENERAL),
        ("transient", "mailboxfull") => (EspClass::Soft, "ses.transient_mailbox_full"),
        ("transient", "messagetoolarge") => (EspClass::Content, "ses.transient_message_too_large"),
        ("transient", "contentrejected") => (EspClass::Content, "ses.transient_content_rejected"),
        ("transient", "attachmentrejected") => (EspClass::Content, "ses.transient_attachment_rejected"),
        ("transient", "customtimeoutexceeded") => (EspClass::Soft, "ses.transient_custom_timeout_exceeded"),
        ("transient", _) => return (EspClass::Soft, "ses.transient", false),
        ("undetermined", _) => (EspClass::Undetermined, "ses.undetermined"),
        _ => return (EspClass::Undetermined, "ses.unknown_type", false),
    };
    (class, rule, true)
}

const GENERAL: &str = "ses.transient_general";

/// What is said of one recipient. All of it is missing when SES got no delivery report.
struct Said<'a> {
    action: String,
    status: Option<&'a str>,
    text: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn read(fields: Option<&'a Map<String, Value>>) -> Self {
        let field = |name: &str| fields.and_then(|fields| text(fields, name)).map(str::trim).filter(|t| !t.is_empty());
        Self {
            action: field("action").unwrap_or("").to_ascii_lowercase(),
            status: field("status").filter(|status| is_status(status)),
            text: field("diagnosticCode").map(without_type),
        }
    }

    /// A type counts for the whole report, and a report may hold recipients for whom it is not true: the guide's own
    /// example has one that is `delayed` with `4.0.0` in a Permanent bounce.
    fn weigh(&self, class: EspClass, rule: &'static str) -> (EspClass, &'static str) {
        let reply = self.text.and_then(|text| Diagnostic::read(text, None, None).code);
        let digit = self.status.and_then(|status| status.bytes().next());
        match class {
            EspClass::Hard if reply.is_some_and(|code| code >= 500) => (class, rule),
            EspClass::Hard if self.action == "delayed" || (digit == Some(b'4') && self.action != "failed") => {
                (EspClass::Soft, "ses.permanent_but_delayed")
            }
            EspClass::Hard if digit == Some(b'2') || ["delivered", "relayed", "expanded"].contains(&&*self.action) => {
                (EspClass::Undetermined, "ses.permanent_but_delivered")
            }
            EspClass::Soft if rule == GENERAL && self.is_automatic_reply(reply, digit) => {
                (EspClass::AutoReply, "ses.automatic_reply")
            }
            _ => (class, rule),
        }
    }

    /// SES files out-of-office replies as Transient/General. A refusal has a status or a text that says so.
    fn is_automatic_reply(&self, reply: Option<u16>, digit: Option<u8>) -> bool {
        const WORDS: [&str; 7] =
            ["auto-repl", "autorepl", "auto repl", "automatic repl", "out of office", "out-of-office", "vacation"];
        let refused = reply.is_some_and(|code| code >= 400);
        let words = self.text.map(str::to_ascii_lowercase).unwrap_or_default();
        let says_so = WORDS.iter().any(|word| words.contains(word));
        !refused && (says_so || digit == Some(b'2') || (self.text.is_none() && digit.is_none()))
    }
}

/// `Diagnostic-Code` begins with its type (RFC 3464 section 2.3.6), which is no part of the reply.
fn without_type(text: &str) -> &str {
    match text.split_at_checked(5) {
        Some((kind, reply)) if kind.eq_ignore_ascii_case("smtp;") => reply.trim_start(),
        _ => text,
    }
}

/// An enhanced status code (RFC 3463), e.g. `5.1.1`.
pub(super) fn is_status(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && matches!(parts[0], "2" | "4" | "5")
        && parts[1..].iter().all(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
}
