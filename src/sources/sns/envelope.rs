//! The envelope of an SNS message: its fields as received, and the rule that keeps the signature unambiguous.

use serde_json::{Map, Value};

use crate::domain::time::Timestamp;

/// The three kinds of message, by the signed `Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// A published message.
    Notification,
    /// SNS asks whether we want this subscription.
    SubscriptionConfirmation,
    /// SNS says the subscription is over.
    UnsubscribeConfirmation,
}

/// An envelope whose fields are present and single-lined where they must be. Nothing of it is verified yet.
#[derive(Clone)]
pub struct Envelope {
    /// `Type`.
    pub message_type: MessageType,
    /// `MessageId`: constant over the retries of one message.
    pub message_id: String,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Subject`; an empty one is present, a null one is not.
    pub subject: Option<String>,
    /// `Message`: for SES, JSON inside a string. Personal.
    pub message: String,
    /// `Timestamp` as received, because it is signed as received.
    pub timestamp: String,
    /// `Timestamp`, read.
    pub sent_at: Timestamp,
    /// `SubscribeURL` and `Token` of the two confirmations. The URL is signed and never visited.
    pub confirmation: Option<(String, String)>,
    /// `SignatureVersion`.
    pub signature_version: String,
    /// `Signature`, in base64.
    pub signature: String,
    /// `SigningCertURL`. Not signed.
    pub certificate_url: String,
}

/// Longer values are no ids, ARNs, URLs or signatures (that of an 8192-bit key has 1368 characters).
const LONGEST: usize = 4096;

impl Envelope {
    /// Takes the fields out of a parsed body. Both spellings are read: `SigningCertURL` and Lambda's `SigningCertUrl`.
    ///
    /// # Errors
    /// Names the field that is missing, of the wrong type, too long, or holds a control character. The canonical string
    /// has no escaping: a line break in any field but `Message` would let one signature cover two different messages.
    pub fn read(body: &Value) -> Result<Self, String> {
        let Value::Object(fields) = body else { return Err("the body is not a JSON object".to_owned()) };
        let message_type = match line(fields, &["Type"])?.as_str() {
            "Notification" => MessageType::Notification,
            "SubscriptionConfirmation" => MessageType::SubscriptionConfirmation,
            "UnsubscribeConfirmation" => MessageType::UnsubscribeConfirmation,
            _ => return Err("Type is none of the three types of SNS".to_owned()),
        };
        let timestamp = line(fields, &["Timestamp"])?;
        let sent_at = Timestamp::parse(&timestamp).ok_or("Timestamp is not an RFC 3339 time")?;
        let confirmation = match message_type {
            MessageType::Notification => None,
            _ => Some((line(fields, &["SubscribeURL", "SubscribeUrl"])?, line(fields, &["Token"])?)),
        };
        Ok(Self {
            message_type,
            message_id: line(fields, &["MessageId"])?,
            topic_arn: line(fields, &["TopicArn"])?,
            subject: optional_line(fields, &["Subject"])?,
            message: text(fields, &["Message"])?.ok_or("Message is missing")?.to_owned(),
            timestamp,
            sent_at,
            confirmation,
            signature_version: line(fields, &["SignatureVersion"])?,
            signature: line(fields, &["Signature"])?,
            certificate_url: line(fields, &["SigningCertURL", "SigningCertUrl"])?,
        })
    }
}

fn line(fields: &Map<String, Value>, names: &[&str]) -> Result<String, String> {
    optional_line(fields, names)?.ok_or_else(|| format!("{} is missing", names[0]))
}

fn optional_line(fields: &Map<String, Value>, names: &[&str]) -> Result<Option<String>, String> {
    let Some(text) = text(fields, names)? else { return Ok(None) };
    if text.len() > LONGEST {
        return Err(format!("{} is too long", names[0]));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} holds a control character", names[0]));
    }
    Ok(Some(text.to_owned()))
}

/// The field under the first of its spellings that is there and not null.
fn text<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Result<Option<&'a str>, String> {
    match names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null())) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{} is not a string", names[0])),
    }
}
