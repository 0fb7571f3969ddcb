//! The inner event: what SES put into the message, in either of its two forms.

use serde_json::Value;

use super::reader::Reader;
use super::{bounce, complaint, delivery, message};
use crate::domain::bounce::RuleBook;
use crate::domain::ids::TeamId;
use crate::domain::time::Timestamp;
use crate::sources::json::parse_lossy;
use crate::sources::{Quarantined, Translation};

/// What the translation of an inner event needs beside its bytes.
pub struct Context<'a> {
    /// The team of the endpoint.
    pub team: &'a TeamId,
    /// The text rules.
    pub rules: &'a RuleBook,
    /// The signed time of the message (SNS's `Timestamp`), or the receipt where nothing is signed. No event is later.
    pub signed_at: Timestamp,
}

/// SES publishes this plain text when an event destination is made.
const VALIDATED: &[u8] = b"Successfully validated SNS topic for Amazon SES";

const UNSIGNED: &str = "the inner event alone carries no signature";

/// What an inner event means: an identity notification (`notificationType`) or a published event (`eventType`). Never
/// fails: what cannot be read is in `quarantined`, with JSON pointers into the inner event. Says nothing of authenticity.
pub fn translate(inner: &[u8], context: &Context<'_>) -> Translation {
    if inner.trim_ascii_start().starts_with(VALIDATED) {
        return Translation { because: "SES has validated the topic".into(), ..Translation::default() };
    }
    let root = match parse_lossy(inner) {
        Ok(Value::Object(root)) => root,
        Ok(_) => return unreadable("not a JSON object".to_owned(), inner),
        Err(error) => return unreadable(error.to_string(), inner),
    };
    let named = |key: &str| root.get(key).and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let Some(name) = named("eventType").or_else(|| named("notificationType")) else {
        return unreadable("neither eventType nor notificationType".to_owned(), inner);
    };
    let mut reader = Reader::new(&root, context);
    match name.replace([' ', '_'], "").to_ascii_lowercase().as_str() {
        "bounce" => bounce::read(&mut reader),
        "complaint" => complaint::read(&mut reader),
        "delivery" => delivery::read(&mut reader),
        "deliverydelay" => delivery::read_delay(&mut reader),
        "send" => message::read_send(&mut reader),
        "reject" => message::read_reject(&mut reader),
        "renderingfailure" => message::read_rendering_failure(&mut reader),
        "open" => message::read_engagement(&mut reader, "open"),
        "click" => message::read_engagement(&mut reader, "click"),
        "subscription" => message::read_subscription(&mut reader),
        "amazonsnssubscriptionsucceeded" => {}
        _ => reader.note_unknown(name),
    }
    Translation { because: UNSIGNED.into(), ..reader.out }
}

fn unreadable(because: String, inner: &[u8]) -> Translation {
    let whole = Quarantined { at: String::new(), because, body: inner.to_vec() };
    Translation { quarantined: vec![whole], because: UNSIGNED.into(), ..Translation::default() }
}
