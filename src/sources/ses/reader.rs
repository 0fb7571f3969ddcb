//! One inner event being read: its recipients each on their own, and the events and leftovers that come out.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Context;
use super::mail::{Mail, clamped, text};
use crate::domain::address::Address;
use crate::domain::bounce::{Diagnostic, Reading};
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::Esp;
use crate::domain::time::Timestamp;
use crate::sources::{Quarantined, Translation, kind_name};

/// SES takes at most 50 recipients per message; more unreadable ones than that are put aside together.
const MOST_APART: usize = 50;

/// An inner event, and what has been made of it so far.
pub struct Reader<'a> {
    root: &'a Map<String, Value>,
    /// The message it is about.
    pub mail: Mail<'a>,
    /// Team, rules and the signed time.
    pub context: &'a Context<'a>,
    /// Takes the events, the leftovers and the unknown names.
    pub out: Translation,
}

/// A readable recipient.
pub struct Recipient<'a> {
    /// Its address.
    pub address: Address,
    /// What is said of it alone; nothing where the list holds bare addresses.
    pub fields: Option<&'a Map<String, Value>>,
}

/// What all events out of one report share.
pub struct Report<'a> {
    /// The type, the same word for a notification and for a published event.
    pub word: &'static str,
    /// The report's own id, the same in both feeds. Only bounces and complaints have one.
    pub feedback_id: Option<&'a str>,
    /// When it happened, as given.
    pub at: Option<&'a str>,
    /// How many people it names.
    pub named: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a parsed event.
    pub fn new(root: &'a Map<String, Value>, context: &'a Context<'a>) -> Self {
        Self { root, mail: Mail::read(root), context, out: Translation::default() }
    }

    /// The object that carries the details of a type. Puts the whole aside when it is not there.
    pub fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let found = self.root.get(name).and_then(Value::as_object);
        if found.is_none() {
            self.put_aside(format!("/{name}"), "the object is missing", self.root);
        }
        found
    }

    /// The readable recipients of a list, and how many distinct people it names. Each unreadable one is put aside on its
    /// own, as the whole event with only that recipient left in it, so that it can be read again later.
    pub fn recipients(&mut self, object: &str, list: &str) -> (Vec<Recipient<'a>>, usize) {
        let pointer = format!("/{object}/{list}");
        let elements = match self.root.get(object).and_then(|o| o.get(list)).and_then(Value::as_array) {
            Some(elements) if !elements.is_empty() => elements,
            _ => {
                self.put_aside(pointer, "the list of recipients is missing or empty", self.root);
                return (Vec::new(), 0);
            }
        };
        let mut readable: Vec<Recipient<'a>> = Vec::new();
        let mut unreadable: Vec<(usize, &'static str)> = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            match recipient(element) {
                Ok(recipient) => readable.push(recipient),
                Err(because) => unreadable.push((index, because)),
            }
        }
        for (index, because) in unreadable.iter().take(MOST_APART) {
            let alone = self.with_only(object, list, vec![elements[*index].clone()]);
            self.put_aside(format!("{pointer}/{index}"), because, &alone);
        }
        if unreadable.len() > MOST_APART {
            let rest = unreadable[MOST_APART..].iter().map(|(index, _)| elements[*index].clone()).collect();
            let rest = self.with_only(object, list, rest);
            self.put_aside(pointer, "more unreadable recipients than SES takes", &rest);
        }
        let mut distinct: Vec<&Address> = readable.iter().map(|r| &r.address).collect();
        distinct.sort();
        distinct.dedup();
        let named = distinct.len() + unreadable.len();
        (readable, named)
    }

    /// Adds the event of one recipient.
    pub fn add(&mut self, report: &Report<'_>, recipient: Address, reading: Reading, mut evidence: Evidence) {
        let identity = match (report.feedback_id, self.mail.message_id) {
            (Some(id), _) => Identity::new("ses", &[report.word, "feedback", id, recipient.expose()]),
            (None, Some(id)) => {
                let at = report.at.unwrap_or("");
                // The two feeds may spell one instant in two ways.
                let at = Timestamp::parse(at).map_or(at.to_owned(), |at| at.micros().to_string());
                Identity::new("ses", &[report.word, "message", id, &at, recipient.expose()])
            }
            (None, None) => {
                if !self.out.quarantined.iter().any(|q| q.at == "/mail/messageId") {
                    self.put_aside("/mail/messageId".to_owned(), "the event has no id of its own", self.root);
                }
                return;
            }
        };
        evidence.message_id = self.mail.message_id.filter(|id| is_id(id)).map(str::to_owned);
        evidence.provider_id = report.feedback_id.or(self.mail.message_id).filter(|id| is_id(id)).map(str::to_owned);
        self.out.events.push(Event {
            identity,
            source: Source::Ses,
            kind: reading.kind,
            scope: reading.scope,
            fresh: reading.fresh,
            rule: reading.rule,
            who: Who { address: Some(recipient), sub: None, is_private: None, named: report.named },
            origin: Origin {
                esp: Some(Esp::new("ses")),
                from_domain: self.mail.from_domain.clone(),
                mail_from_domain: self.mail.mail_from_domain.clone(),
                dkim_domains: self.mail.dkim_domains.clone(),
                sending_ip: self.mail.sending_ip,
                ..Origin::of_team(self.context.team.clone())
            },
            evidence,
            occurred_at: clamped(report.at, self.context.signed_at),
            decision: None,
        });
    }

    /// What the remote side said, redacted, with the status that SES gives beside it where the text has none.
    pub fn evidence(&self, said: Option<&str>, status: Option<&str>, recipient: &Address) -> Evidence {
        let read = said.map(|said| Diagnostic::read(said, Some(recipient), self.mail.source.as_ref()));
        let (code, own_status, diagnostic) = read.map_or((None, None, None), |d| (d.code, d.status, Some(d.text)));
        let status = own_status.or_else(|| status.map(str::to_owned));
        Evidence { status, code, diagnostic, provider_id: None, message_id: None, detail: None }
    }

    /// Notes a name this version has no meaning for.
    pub fn note_unknown(&mut self, name: &str) {
        self.out.unknown.push(kind_name(name));
    }

    /// Puts a part aside.
    pub fn put_aside(&mut self, at: String, because: &str, body: &Map<String, Value>) {
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.out.quarantined.push(Quarantined { at, because: because.to_owned(), body });
    }

    fn with_only(&self, object: &str, list: &str, elements: Vec<Value>) -> Map<String, Value> {
        let mut root = self.root.clone();
        if let Some(held) = root.get_mut(object).and_then(Value::as_object_mut) {
            held.insert(list.to_owned(), Value::Array(elements));
        }
        root
    }
}

/// A reading that no text took part in.
pub fn plain(kind: Kind, scope: Scope, fresh: bool, rule: &'static str) -> Reading {
    Reading { kind, scope, fresh, rule: Cow::Borrowed(rule) }
}

fn recipient(element: &Value) -> Result<Recipient<'_>, &'static str> {
    let (written, fields) = match element {
        Value::String(written) => (Some(written.as_str()), None),
        Value::Object(fields) => (text(fields, "emailAddress"), Some(fields)),
        _ => (None, None),
    };
    let address = Address::parse(written.ok_or("emailAddress is missing or not a string")?);
    Ok(Recipient { address: address.ok_or("emailAddress is not a mail address")?, fields })
}

/// Ids of SES are short and hold no address; anything else is not repeated.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
