//! The claims of a notification: who issued it, for which audience, when, and its events in each of their three forms.

use std::time::Duration;

use serde_json::{Map, Value};

use super::instant;
use crate::domain::time::Timestamp;
use crate::sources::Refusal;

/// The issuer of every notification and ID token.
const ISSUER: &str = "https://appleid.apple.com";

/// How far `iat` may lie ahead of our clock.
const CLOCK_SKEW: Duration = Duration::from_secs(600);

/// Events in one token at most. One was ever seen.
const MOST_EVENTS: usize = 100;

/// What stands in a notification, its events not yet read.
pub(super) struct Claims {
    /// `aud`: one or several.
    pub(super) audiences: Vec<String>,
    /// `iat`: when Apple signed.
    pub(super) issued_at: Timestamp,
    /// `jti`: the id of this notification.
    pub(super) jti: Option<String>,
    /// The events.
    pub(super) elements: Vec<Element>,
}

/// One event as it stands.
pub(super) struct Element {
    /// Where, as a JSON pointer into the claims.
    pub(super) at: String,
    pub(super) value: Value,
}

/// Why there are no claims to translate.
pub(super) enum Unread {
    /// This is no notification of Apple's.
    Refused(Refusal),
    /// It is, but it cannot be read: the reason, naming the field.
    Unreadable(String),
}

impl Claims {
    /// Reads the claims of a token that was received at `received_at`. `exp` is not looked at: Apple's samples lack it,
    /// and a retry after an outage may come later.
    pub(super) fn read(bytes: &[u8], received_at: Timestamp, max_age: Duration) -> Result<Self, Unread> {
        let refused = |reason, because: &'static str| Err(Unread::Refused(Refusal::new(403, reason, because)));
        let unreadable = |because: &str| Err(Unread::Unreadable(because.to_owned()));
        let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(bytes) else {
            return unreadable("the claims are not a JSON object");
        };
        if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
            return refused("foreign_issuer", "/iss is not Apple's");
        }
        // Apple signs ID tokens with the same issuer and keys.
        let Some(events) = claims.get("events").filter(|events| !events.is_null()) else {
            return refused("not_a_notification", "the token has no /events: an ID token is not a notification");
        };
        let Some(audiences) = audiences(claims.get("aud")) else {
            return unreadable("/aud is neither text nor a list of texts");
        };
        let Some(issued_at) = claims.get("iat").and_then(instant::read) else {
            return unreadable("/iat is missing or not a time");
        };
        if issued_at.since(received_at) > CLOCK_SKEW {
            return unreadable("/iat lies more than 10 minutes in the future: one of the clocks is wrong");
        }
        if received_at.since(issued_at) > max_age {
            return Err(Unread::Unreadable(format!("/iat is more than {} days old", max_age.as_secs() / 86_400)));
        }
        let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| is_id(jti)).map(str::to_owned);
        let elements = elements(events).map_err(|because| Unread::Unreadable(because.to_owned()))?;
        Ok(Self { audiences, issued_at, jti, elements })
    }
}

fn audiences(aud: Option<&Value>) -> Option<Vec<String>> {
    match aud? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Text of JSON on the wire, an object in Apple's samples, a list in its first talks.
fn elements(events: &Value) -> Result<Vec<Element>, &'static str> {
    match unwrapped(events.clone()) {
        None => Err("/events is text that is not JSON"),
        Some(event @ Value::Object(_)) => Ok(vec![Element { at: "/events".to_owned(), value: event }]),
        Some(Value::Array(list)) if list.len() > MOST_EVENTS => Err("/events is a list of more than 100"),
        Some(Value::Array(list)) => {
            let element = |(i, value): (usize, Value)| {
                // A text that is not JSON stays: it is unreadable on its own.
                let value = unwrapped(value.clone()).unwrap_or(value);
                Element { at: format!("/events/{i}"), value }
            };
            Ok(list.into_iter().enumerate().map(element).collect())
        }
        Some(_) => Err("/events is neither text, object nor list"),
    }
}

/// The value inside one layer of text.
fn unwrapped(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(&text).ok(),
        other => Some(other),
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control)
}
