//! What one SparkPost event means, in our own form.

use std::borrow::Cow;

use super::classes::{self, Meaning, Seen};
use super::element::Fields;
use crate::domain::address::{Address, domain_of};
use crate::domain::bounce::{Diagnostic, EspClass, Reading, Report, RuleBook};
use crate::domain::canary::token;
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{Esp, TeamId};
use crate::domain::observed::sending_ip;
use crate::domain::time::Timestamp;
use crate::sources::batch::Batch;
use crate::sources::loose::{Loose, event_time, first_text, provider_id};

/// The `event_id` that all of SparkPost's example events share.
const SAMPLE_EVENT: &str = "92356927693813856";

/// The recipient of all of SparkPost's example events.
const SAMPLE_RECIPIENT: &str = "recipient@example.com";

/// What is the same for every event of a request.
pub(super) struct Context<'s> {
    /// The team of the endpoint.
    pub(super) team: &'s TeamId,
    /// The text rules.
    pub(super) rules: &'s RuleBook,
    /// When the request came.
    pub(super) received_at: Timestamp,
}

/// Reads one event of a class that is about mail.
///
/// # Errors
/// The field that is missing or unreadable, without its value.
pub(super) fn read(class: &str, fields: &Fields<'_>, context: &Context<'_>, batch: &mut Batch) -> Result<(), String> {
    let kind = fields.kind.and_then(Loose::text).ok_or_else(|| format!("`{class}.type` is missing"))?;
    if kind == "sms_status" {
        // Text messages: the recipient is a telephone.
        batch.no_effect();
        return Ok(());
    }
    let mail = Mail::read(fields).map_err(|field| format!("`{class}.{field}` is not one mail address"))?;
    if mail.is_sample(fields) {
        batch.sample();
        return Ok(());
    }
    let reading = match &*kind {
        "bounce" | "out_of_band" => mail.bounce(fields, context.rules),
        "policy_rejection" => mail.rejection(context.rules, Scope::Sender, "sparkpost.policy_rejection"),
        "generation_rejection" => mail.rejection(context.rules, Scope::Sender, "sparkpost.generation_rejection"),
        "generation_failure" => mail.rejection(context.rules, Scope::Content, "sparkpost.generation_failure"),
        "delay" => mail.delay(context.rules),
        "delivery" => fact(Kind::Delivered, Scope::Recipient, true, "sparkpost.delivery"),
        "injection" => fact(Kind::Sent, Scope::Recipient, false, "sparkpost.injection"),
        "spam_complaint" if is_not_spam(fields) => fact(Kind::Other, Scope::Recipient, false, "sparkpost.not_spam"),
        "spam_complaint" => fact(Kind::Complaint, Scope::Recipient, true, "sparkpost.spam_complaint"),
        "list_unsubscribe" => fact(Kind::Unsubscribed, Scope::Recipient, true, "sparkpost.list_unsubscribe"),
        "link_unsubscribe" => fact(Kind::Unsubscribed, Scope::Recipient, true, "sparkpost.link_unsubscribe"),
        other => {
            batch.unknown(&format!("{class}.{other}"));
            return Ok(());
        }
    };
    if reading.rule == "sparkpost.unknown_class" {
        let number = fields.bounce_class.and_then(Loose::text).unwrap_or_default();
        batch.unknown(&format!("bounce_class.{number}"));
    }
    batch.event(mail.event(&kind, fields, reading, context)?);
    Ok(())
}

fn fact(kind: Kind, scope: Scope, fresh: bool, rule: &'static str) -> Reading {
    Reading { kind, scope, fresh, rule: Cow::Borrowed(rule) }
}

/// RFC 5965 section 7.3 names the feedback types; `not-spam` takes a complaint back.
fn is_not_spam(fields: &Fields<'_>) -> bool {
    fields.fbtype.and_then(Loose::text).is_some_and(|feedback| feedback.eq_ignore_ascii_case("not-spam"))
}

/// The parts of an event that several readings need.
struct Mail {
    recipient: Option<Address>,
    mail_from: Option<Address>,
    /// What was said, redacted once: the rules judge it and the evidence keeps it.
    said: Diagnostic,
    /// Whether it says that a list of SparkPost's stopped the mail.
    suppressed: bool,
}

impl Mail {
    /// `Err` names the field when a recipient is given that cannot be read. None given is a state of the evidence.
    fn read(fields: &Fields<'_>) -> Result<Self, &'static str> {
        let written = [fields.rcpt_to, fields.raw_rcpt_to].map(|field| field.and_then(Loose::text));
        let recipient = written.iter().flatten().find_map(|text| Address::parse(text));
        if recipient.is_none() && written.iter().any(Option::is_some) {
            return Err("rcpt_to");
        }
        let mail_from = fields.msg_from.and_then(Loose::text).and_then(|text| Address::parse(&text));
        let code = fields.error_code.and_then(Loose::integer).and_then(|code| u16::try_from(code).ok());
        let code = code.filter(|code| (200..600).contains(code));
        // `reason` has its addresses masked as `...@...`.
        let text = first_text([fields.raw_reason, fields.reason]);
        let suppressed = text.as_deref().is_some_and(classes::says_suppressed);
        let said = match (&text, code) {
            (None, None) => Diagnostic::default(),
            _ => Diagnostic::of(&Report {
                recipient: recipient.as_ref(),
                mail_from: mail_from.as_ref(),
                text: text.as_deref(),
                status: None,
                code,
                class: EspClass::Undetermined,
                class_rule: "",
            }),
        };
        Ok(Self { recipient, mail_from, said, suppressed })
    }

    fn is_sample(&self, fields: &Fields<'_>) -> bool {
        self.recipient.as_ref().is_some_and(|recipient| recipient.expose() == SAMPLE_RECIPIENT)
            || fields.event_id.and_then(Loose::text).is_some_and(|id| id == SAMPLE_EVENT)
    }

    fn judged(&self, rules: &RuleBook, class: EspClass, class_rule: &str) -> Reading {
        rules.judge(&self.said, self.recipient.as_ref().map(Address::domain), class, class_rule)
    }

    fn bounce(&self, fields: &Fields<'_>, rules: &RuleBook) -> Reading {
        let seen = Seen { suppressed: self.suppressed, recipient: self.recipient.is_some() };
        let (meaning, rule) = classes::meaning(fields.bounce_class.and_then(Loose::integer), seen);
        let otherwise = match meaning {
            Meaning::Bounce(class) => return self.judged(rules, class, rule),
            Meaning::Unsubscribed => fact(Kind::Unsubscribed, Scope::Recipient, true, rule),
            Meaning::Nothing => fact(Kind::Other, Scope::Recipient, false, rule),
        };
        // The remote server's words go before SparkPost's opinion of them here too.
        let reading = self.judged(rules, EspClass::Undetermined, rule);
        if reading.rule == rule { otherwise } else { reading }
    }

    /// SparkPost itself refused: an echo of its list, or a fault of the sender's. Nobody asked the remote side.
    fn rejection(&self, rules: &RuleBook, scope: Scope, rule: &'static str) -> Reading {
        if self.suppressed {
            return self.judged(rules, EspClass::Echo, "sparkpost.suppressed");
        }
        fact(Kind::HardBounce, scope, false, rule)
    }

    /// Whose fault a delay is, is read like a bounce; it is a delay whatever the words say.
    fn delay(&self, rules: &RuleBook) -> Reading {
        Reading { kind: Kind::Delayed, ..self.judged(rules, EspClass::Soft, "sparkpost.delay") }
    }

    fn event(self, kind: &str, fields: &Fields<'_>, reading: Reading, context: &Context<'_>) -> Result<Event, String> {
        let identity = self.identity(kind, fields)?;
        let said = self.said;
        let evidence = Evidence {
            status: said.status,
            code: said.code,
            diagnostic: (!said.text.is_empty()).then_some(said.text),
            provider_id: provider_id([fields.event_id, fields.message_id]),
            message_id: canary(fields).or_else(|| provider_id([fields.message_id])),
            detail: None,
        };
        let origin = Origin {
            esp: Some(Esp::new("sparkpost")),
            from_domain: fields.friendly_from.and_then(Loose::text).and_then(|text| domain_of(&text)),
            mail_from_domain: match &self.mail_from {
                Some(address) => Some(address.domain().to_owned()),
                None => fields.msg_from.and_then(Loose::text).and_then(|text| domain_of(&text)),
            },
            // What signed it is in no event of SparkPost's.
            sending_ip: fields.sending_ip.and_then(Loose::text).and_then(|text| sending_ip(&text)),
            ..Origin::of_team(context.team.clone())
        };
        let nobody = self.recipient.is_none() && reading.scope == Scope::Recipient;
        Ok(Event {
            identity,
            source: Source::Sparkpost,
            kind: reading.kind,
            scope: if nobody { Scope::Ambiguous } else { reading.scope },
            fresh: reading.fresh,
            rule: reading.rule,
            who: Who { named: usize::from(self.recipient.is_some()), address: self.recipient, ..Who::default() },
            origin,
            evidence,
            occurred_at: event_time(fields.timestamp, context.received_at),
            decision: None,
        })
    }

    /// `event_id`, type and recipient: example events share the first, and two events of one message may. Without an
    /// `event_id`: message, type, time and recipient.
    fn identity(&self, kind: &str, fields: &Fields<'_>) -> Result<Identity, String> {
        let recipient = self.recipient.as_ref().map_or("", Address::expose);
        if let Some(id) = fields.event_id.and_then(Loose::text) {
            return Ok(Identity::new("sparkpost", &[&id, kind, recipient]));
        }
        let message = fields.message_id.and_then(Loose::text);
        let time = fields.timestamp.and_then(Loose::instant).map(|at| at.micros().to_string());
        if message.is_none() && (time.is_none() || recipient.is_empty()) {
            return Err("no `event_id`, and too little else to tell this event from another".to_owned());
        }
        let (message, time) = (message.unwrap_or_default(), time.unwrap_or_default());
        Ok(Identity::new("sparkpost", &[&message, kind, &time, recipient]))
    }
}

/// The token of a canary, where the subject shows one. Whether it is ours is for the door to say.
fn canary(fields: &Fields<'_>) -> Option<String> {
    let subject = fields.subject.and_then(Loose::text)?;
    subject.split_whitespace().find(|word| token::has_shape(word)).map(str::to_owned)
}
