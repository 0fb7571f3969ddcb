//! What each event of a notification means, every one on its own.

use std::time::Duration;

use serde_json::Value;

use super::audience::{App, Audiences, NoApp};
use super::claims::{Claims, Element, Unread};
use super::instant;
use crate::domain::address::Address;
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::Sub;
use crate::domain::time::Timestamp;
use crate::sources::{Quarantined, Refusal, Translation, kind_name};

/// What a token is read against.
pub(super) struct Reading<'a> {
    pub(super) audiences: &'a Audiences,
    pub(super) max_age: Duration,
    pub(super) received_at: Timestamp,
    /// The request body. Quarantine keeps it whole: a part of a token proves nothing and could not be read again.
    pub(super) body: &'a [u8],
}

impl Reading<'_> {
    /// Translates the claims of one token.
    ///
    /// # Errors
    /// 403 when they are not a notification of Apple's.
    pub(super) fn translate(&self, claims: &[u8]) -> Result<Translation, Refusal> {
        let mut notes = Notes::default();
        let claims = match Claims::read(claims, self.received_at, self.max_age) {
            Ok(claims) => claims,
            Err(Unread::Refused(refusal)) => return Err(refusal),
            Err(Unread::Unreadable(because)) => {
                notes.quarantine(self.body, String::new(), because);
                return Ok(notes.into_translation());
            }
        };
        // An audience known at no time says the same of every event.
        if self.audiences.find(&claims.audiences, claims.issued_at) == Err(NoApp::Unknown) {
            notes.quarantine(self.body, String::new(), no_app(NoApp::Unknown).to_owned());
            return Ok(notes.into_translation());
        }
        for (index, element) in claims.elements.iter().enumerate() {
            match self.event(&claims, index, element, &mut notes) {
                Ok(event) => notes.translation.events.push(event),
                Err(because) => notes.quarantine(self.body, element.at.clone(), because),
            }
        }
        Ok(notes.into_translation())
    }

    fn event(&self, claims: &Claims, index: usize, element: &Element, notes: &mut Notes) -> Result<Event, String> {
        let Element { at: pointer, value } = element;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if !value.is_object() {
            return Err(format!("{pointer} is not an object"));
        }
        let Some(name) = text("type") else { return Err(format!("{pointer}/type is missing or not text")) };
        let Some((kind, rule)) = meaning(name) else {
            notes.translation.unknown.push(kind_name(name));
            return Err(format!("{pointer}/type is unknown to this version"));
        };
        let (occurred_at, wrong_time) = instant::of_event(value.get("event_time"), claims.issued_at);
        if let Some(wrong) = wrong_time {
            notes.say(format!("{pointer}/event_time {wrong}, so /iat was used"));
        }
        let App { team, app } = self
            .audiences
            .find(&claims.audiences, occurred_at)
            .map_err(|none| format!("{pointer}: {}", no_app(none)))?;
        let sub = text("sub").and_then(Sub::parse);
        let address = text("email").and_then(Address::parse);
        match kind {
            Kind::ForwardingEnabled | Kind::ForwardingDisabled => {
                if address.is_none() && sub.is_none() {
                    return Err(format!("{pointer}/email and {pointer}/sub are both missing or unreadable"));
                }
                if address.is_none() && value.get("email").is_some() {
                    // The subject still tells whom it is about; the address is kept for a person to look at.
                    notes.quarantine(self.body, format!("{pointer}/email"), format!("{pointer}/email is no address"));
                }
            }
            _ if sub.is_none() => return Err(format!("{pointer}/sub is missing or unreadable")),
            _ => {}
        }
        let who = Who { address, sub, is_private: value.get("is_private_email").and_then(flag), named: 1 };
        Ok(Event {
            identity: identity(claims, index, kind, &who, occurred_at),
            source: Source::Apple,
            kind,
            scope: Scope::Recipient,
            fresh: true,
            rule: rule.into(),
            who,
            origin: Origin { app: Some(app), ..Origin::of_team(team) },
            evidence: Evidence { provider_id: claims.jti.clone().filter(|id| is_id(id)), ..Evidence::default() },
            occurred_at,
            decision: None,
        })
    }
}

/// Apple's types. Deletion has two spellings; which one is sent today is not documented.
fn meaning(name: &str) -> Option<(Kind, &'static str)> {
    match name {
        "email-disabled" => Some((Kind::ForwardingDisabled, "apple.email_disabled")),
        "email-enabled" => Some((Kind::ForwardingEnabled, "apple.email_enabled")),
        "consent-revoked" => Some((Kind::ConsentRevoked, "apple.consent_revoked")),
        "account-deleted" | "account-delete" => Some((Kind::AccountDeleted, "apple.account_deleted")),
        _ => None,
    }
}

/// Apple's `jti` and what tells the events of one token apart. Without a `jti`, what happened to whom and when.
fn identity(claims: &Claims, index: usize, kind: Kind, who: &Who, occurred_at: Timestamp) -> Identity {
    let sub = who.sub.as_ref().map_or("", Sub::expose);
    let address = who.address.as_ref().map_or("", Address::expose);
    match &claims.jti {
        Some(jti) => Identity::new("apple", &["jti", jti, kind.as_str(), sub, address, &index.to_string()]),
        None => Identity::new("apple", &["event", kind.as_str(), sub, address, &occurred_at.micros().to_string()]),
    }
}

/// What is kept of a `jti` beside the event: an id in Apple's form or a like one. Anything else could be a person.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// "String or Boolean", Apple's page says.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn no_app(none: NoApp) -> &'static str {
    match none {
        NoApp::Unknown => "/aud is no known audience",
        NoApp::NotThen => "/aud was no known audience when it happened",
        NoApp::Several => "/aud names audiences of several apps",
    }
}

/// A translation and the remarks that its `because` will carry.
#[derive(Default)]
struct Notes {
    translation: Translation,
    remarks: Vec<String>,
}

impl Notes {
    fn quarantine(&mut self, body: &[u8], at: String, because: String) {
        self.say(because.clone());
        self.translation.quarantined.push(Quarantined { at, because, body: body.to_vec() });
    }

    fn say(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    fn into_translation(mut self) -> Translation {
        self.translation.because = self.remarks.join("; ").into();
        self.translation
    }
}
