//! The `mail` object: which message a report is about, to whom it went, and by which way.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::domain::address::{Address, domain_of};
use crate::domain::observed::sending_ip;
use crate::domain::tags::{Dialect, TagList};
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
    /// The `d=` of the signatures that the message had when SES took it.
    pub dkim_domains: Vec<String>,
    /// The address that SES sent it from. Only published events have it, in a tag.
    pub sending_ip: Option<IpAddr>,
}

/// A message has one signature, seldom two or three; what goes on like this is no list of signatures.
const MOST_SIGNATURES: usize = 8;

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
            dkim_domains: dkim_domains(mail),
            sending_ip: tagged(mail, "ses:outgoing-ip").into_iter().find_map(sending_ip),
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
    let tagged = tagged(mail, "ses:from-domain");
    let mut candidates = common.into_iter().chain(headers(mail, "From")).chain(tagged);
    candidates.find_map(domain_of).or_else(|| source.map(|source| source.domain().to_owned()))
}

/// The envelope's domain on the wire is not in the report: with a custom MAIL FROM SES writes that domain, without one a
/// name under `amazonses.com`, whatever `source` says. A Return-Path header tells. A `source` apart from the From domain
/// was chosen by the sender and tells his streams apart. A `source` on the From domain says nothing, and is left out
/// rather than guessed.
fn mail_from_domain(mail: &Map<String, Value>, source: Option<&Address>, from_domain: Option<&str>) -> Option<String> {
    headers(mail, "Return-Path").next().and_then(domain_of).or_else(|| {
        source.map(|source| source.domain().to_owned()).filter(|domain| Some(domain.as_str()) != from_domain)
    })
}

/// A report lists the headers of the message as SES was given it: a signature among them is the sender's own. Which one SES adds (Easy
/// DKIM, its own domain) no report tells.
fn dkim_domains(mail: &Map<String, Value>) -> Vec<String> {
    let domain = |signature: &str| {
        let tags = TagList::parse(signature.as_bytes(), Dialect::Dkim);
        domain_of(std::str::from_utf8(tags.get("d")?.value).ok()?)
    };
    headers(mail, "DKIM-Signature").take(MOST_SIGNATURES).filter_map(domain).collect()
}

fn headers<'a>(mail: &'a Map<String, Value>, name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = move |header: &&Value| {
        header.get("name").and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(name))
    };
    let all = mail.get("headers").and_then(Value::as_array).into_iter().flatten();
    all.filter(named).filter_map(|header| header.get("value")?.as_str())
}

/// The values of one of SES's own tags. (`ses:source-ip` among them is who handed the message to SES, not what sent it.)
fn tagged<'a>(mail: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    mail.get("tags").and_then(|tags| tags.get(name)).map(texts).unwrap_or_default()
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
    fn finds_what_it_was_sent_from_and_who_signed_it_where_that_is_told() {
        let told = |mail: Value| {
            let root = json!({ "mail": mail });
            let mail = Mail::read(root.as_object().unwrap());
            (mail.sending_ip.map(|ip| ip.to_string()), mail.dkim_domains)
        };
        let ip = |text: &str| Some(text.to_owned());
        let tagged = json!({"sourceIp": "192.0.2.200",
            "tags": {"ses:outgoing-ip": ["198.51.100.7"], "ses:source-ip": ["192.0.2.200"]}});
        assert_eq!(told(tagged), (ip("198.51.100.7"), vec![]), "who handed it to SES did not send it");
        assert_eq!(told(json!({"tags": {"ses:outgoing-ip": "2001:db8::7"}})), (ip("2001:db8::7"), vec![]));
        let untold = json!({"sourceIp": "192.0.2.200", "tags": {"ses:source-ip": ["192.0.2.200"]}});
        assert_eq!(told(untold), (None, vec![]));
        for wrong in [json!([7]), json!({"a": 1}), json!(["10.0.0.1"]), json!(["a@b.example"]), json!(null), json!([])]
        {
            assert_eq!(told(json!({"tags": {"ses:outgoing-ip": wrong}})), (None, vec![]));
        }
        let signature = |value: Value| json!({"name": "DKIM-SIGNATURE", "value": value});
        let signed = json!({"headers": [
            signature(json!("v=1; a=rsa-sha256; d=News.Example.COM; s=k;\r\n\ti=someone@news.example.com; b=AbC=")),
            signature(json!("v=1; s=k; d=\r\n mail.example.net")),
            signature(json!("v=1; D=upper.example; b=")),
            signature(json!("d=not a domain")),
            signature(json!(["d=x.example"])),
            {"name": "X-Signature", "value": "d=y.example"},
        ]});
        assert_eq!(told(signed).1, ["news.example.com", "mail.example.net"]);
        let many: Vec<Value> = (0..100).map(|n| signature(json!(format!("d=d{n}.example")))).collect();
        assert_eq!(told(json!({"headers": many})).1.len(), MOST_SIGNATURES);
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
