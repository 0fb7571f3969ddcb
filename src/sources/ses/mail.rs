//! The `mail` object: which message a report is about, to whom it went, and by which way.

use serde_json::{Map, Value};

use crate::domain::address::{Address, domain_of};
use crate::domain::time::Timestamp;

/// What is known of the message.
#[derive(Debug, Default)]
pub struct Mail<'a> {
    /// SES's own id, the join key. (SES overwrites the `Message-ID` header, so that one joins nothing.)
    pub message_id: Option<&'a str>,
    /// When SES took it.
    pub sent_at: Option<&'a str>,
    /// The envelope sender that was given to SES.
    pub source: Option<Address>,
    /// Domain of the header From.
    pub from_domain: Option<String>,
    /// Domain of the envelope sender, where the report tells it.
    pub mail_from_domain: Option<String>,
}

impl<'a> Mail<'a> {
    /// Reads the `mail` object of an event; whatever is missing or of another shape is left out.
    pub fn read(root: &'a Map<String, Value>) -> Self {
        let Some(mail) = root.get("mail").and_then(Value::as_object) else { return Self::default() };
        let source = text(mail, "source").and_then(Address::parse);
        let from_domain = from_domain(mail, source.as_ref());
        Self {
            message_id: text(mail, "messageId").filter(|id| !id.is_empty()),
            sent_at: text(mail, "timestamp"),
            mail_from_domain: mail_from_domain(mail, source.as_ref(), from_domain.as_deref()),
            source,
            from_domain,
        }
    }
}

/// A text field.
pub fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// A time of the report, or the signed time where it has none that can be: an event is not later than the message that
/// reports it, and SES has no events from before it was opened.
pub fn clamped(reported: Option<&str>, signed_at: Timestamp) -> Timestamp {
    /// 2010-01-01; SES was opened in January 2011.
    const EARLIEST: i64 = 1_262_304_000;
    reported
        .and_then(Timestamp::parse)
        .filter(|at| *at >= Timestamp::from_secs(EARLIEST))
        .map_or(signed_at, |at| at.min(signed_at))
}

/// The header From as SES parsed it, else as it stood, else by SES's own tag, else the domain given as envelope sender:
/// SES wants one of the two verified, and with most senders they are the same.
fn from_domain(mail: &Map<String, Value>, source: Option<&Address>) -> Option<String> {
    let common = mail.get("commonHeaders").and_then(|common| common.get("from")).map(texts).unwrap_or_default();
    let tagged = mail.get("tags").and_then(|tags| tags.get("ses:from-domain")).map(texts).unwrap_or_default();
    let mut candidates = common.into_iter().chain(header(mail, "From")).chain(tagged);
    candidates.find_map(domain_of).or_else(|| source.map(|source| source.domain().to_owned()))
}

/// The envelope's domain on the wire is not in the report: with a custom MAIL FROM SES writes that domain, without one a
/// name under `amazonses.com`, whatever `source` says. A Return-Path header tells. A `source` apart from the From domain
/// was chosen by the sender and tells his streams apart. A `source` on the From domain says nothing, and is left out
/// rather than guessed.
fn mail_from_domain(mail: &Map<String, Value>, source: Option<&Address>, from_domain: Option<&str>) -> Option<String> {
    header(mail, "Return-Path").and_then(domain_of).or_else(|| {
        source.map(|source| source.domain().to_owned()).filter(|domain| Some(domain.as_str()) != from_domain)
    })
}

fn header<'a>(mail: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let headers = mail.get("headers")?.as_array()?;
    let named =
        |header: &&Value| header.get("name").and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(name));
    headers.iter().find(named)?.get("value")?.as_str()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn domains(mail: Value) -> (Option<String>, Option<String>) {
        let root = json!({ "mail": mail });
        let mail = Mail::read(root.as_object().unwrap());
        (mail.from_domain, mail.mail_from_domain)
    }

    fn pair(from: Option<&str>, envelope: Option<&str>) -> (Option<String>, Option<String>) {
        (from.map(str::to_owned), envelope.map(str::to_owned))
    }

    #[test]
    fn finds_the_domains_where_they_are_told() {
        let news = Some("news.example.com");
        assert_eq!(
            domains(json!({"source": "=?utf-8?Q?B=C3=A9a?= <b@news.example.com>",
                "commonHeaders": {"from": ["\"B, A\" <hello@News.Example.COM>"]}})),
            pair(news, None),
            "a source on the From domain says nothing of the envelope"
        );
        assert_eq!(
            domains(
                json!({"source": "bounce+7@b.example.com", "headers": [{"name": "FROM", "value": "hello@news.example.com"}]})
            ),
            pair(news, Some("b.example.com"))
        );
        assert_eq!(
            domains(
                json!({"source": "b@x.example", "headers": [{"name": "return-path", "value": "<r@mail.example.net>"}],
                "tags": {"ses:from-domain": ["news.example.com"]}})
            ),
            pair(news, Some("mail.example.net"))
        );
        assert_eq!(domains(json!({"source": "a@news.example.com"})), pair(news, None));
        assert_eq!(domains(json!({"commonHeaders": 3, "headers": {"x": 1}, "tags": []})), pair(None, None));
    }

    #[test]
    fn times_stay_between_the_opening_of_ses_and_the_signature() {
        let signed = Timestamp::parse("2026-05-01T10:00:00Z").unwrap();
        let sound = Timestamp::parse("2026-05-01T09:59:58.123Z").unwrap();
        assert_eq!(clamped(Some("2026-05-01T09:59:58.123Z"), signed), sound);
        for absurd in [Some("1970-01-01T00:00:00Z"), Some("2099-01-01T00:00:00Z"), Some("soon"), None] {
            assert_eq!(clamped(absurd, signed), signed, "{absurd:?}");
        }
    }
}
