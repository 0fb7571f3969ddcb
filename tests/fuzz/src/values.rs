//! The small values: addresses, times, ids, bounce texts, JSON as it really comes.

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::Corpus;
use relaywatch::config::hook_auth::HookAuth;
use relaywatch::domain::address::{Address, domain_of};
use relaywatch::domain::bounce::{Diagnostic, EspClass, LONGEST, Report, RuleBook};
use relaywatch::domain::ids::{AddressKey, Sub};
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::elements;
use relaywatch::sources::json::parse_lossy;
use relaywatch::sources::shared_secret::SharedSecret;
use relaywatch::sources::sns::{Hosts, Topic};
use relaywatch::sources::sparkpost::batch_id;
use serde_json::json;

use crate::hooks::expect_no_address;

/// Addresses, domains, subjects and keys: what is read once reads the same again.
pub fn address(input: &[u8]) -> Corpus {
    let text = String::from_utf8_lossy(input);
    if let Some(address) = Address::parse(&text) {
        let again = Address::parse(address.expose());
        assert_eq!(again.as_ref(), Some(&address), "the canonical form is not canonical");
        assert_eq!(format!("{}@{}", address.local(), address.domain()), address.expose());
        assert_eq!(domain_of(&text).as_deref(), Some(address.domain()));
        assert_eq!(format!("{address:?}"), "<address>");
    }
    if let Some(domain) = domain_of(&text) {
        assert_eq!(domain_of(&domain).as_deref(), Some(domain.as_str()));
    }
    if let Some(sub) = Sub::parse(&text) {
        assert_eq!(Sub::parse(sub.expose()), Some(sub));
    }
    if let Some(key) = AddressKey::parse(&text) {
        assert_eq!(AddressKey::parse(&key.to_string()), Some(key));
    }
    if let Some(topic) = Topic::parse(&text) {
        let hosts = Hosts::new(None, None);
        if let Ok(url) = hosts.confirmation_url(&text, "token") {
            assert!(url.starts_with("https://sns.") && hosts.allows(&url), "{url}: {}", topic.region);
        }
    }
    Corpus::Keep
}

/// A reply text, behind two lines that name the recipient and the envelope sender.
pub fn bounce(input: &[u8]) -> Corpus {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let recipient = Address::parse(lines.next().unwrap_or_default());
    let mail_from = Address::parse(lines.next().unwrap_or_default());
    let Some(words) = lines.next() else { return Corpus::Reject };
    let (recipient, mail_from) = (recipient.as_ref(), mail_from.as_ref());
    let said = Diagnostic::read(words, recipient, mail_from);
    assert!(said.text.len() <= LONGEST);
    // A stored text is read again after an upgrade: by then nobody knows the parties.
    assert_eq!(Diagnostic::read(&said.text, recipient, mail_from), said, "the redaction changes its own output");
    expect_no_address(&said.text);
    if let Some(recipient) = recipient {
        assert!(!said.text.to_lowercase().contains(recipient.expose()), "the recipient is in {:?}", said.text);
    }
    let rules = RuleBook::default();
    for class in [EspClass::Hard, EspClass::Soft, EspClass::Block, EspClass::Echo, EspClass::Undetermined] {
        let report =
            Report { recipient, mail_from, text: Some(words), status: None, code: None, class, class_rule: "class" };
        let now = rules.read(&report);
        let later = rules.judge(&Diagnostic::of(&report), recipient.map(Address::domain), class, "class");
        assert_eq!(now, later, "the stored text is judged otherwise than the original");
    }
    Corpus::Keep
}

/// Times in all their spellings.
pub fn time(input: &[u8]) -> Corpus {
    let text = String::from_utf8_lossy(input);
    let Some(at) = Timestamp::parse(&text) else { return Corpus::Keep };
    let written = at.to_string();
    let again = Timestamp::parse(&written).unwrap_or_else(|| panic!("{written} cannot be read back"));
    assert_eq!(again.to_string(), written);
    Corpus::Keep
}

/// JSON that is mended: what comes out is JSON, and mending it again changes nothing.
pub fn json(input: &[u8]) -> Corpus {
    if let Ok(value) = parse_lossy(input) {
        let written = value.to_string();
        assert_eq!(parse_lossy(written.as_bytes()).as_ref(), Ok(&value));
    } else {
        assert!(serde_json::from_slice::<serde_json::Value>(input).is_err(), "sound JSON was refused");
    }
    Corpus::Keep
}

/// The cutting of arrays and objects: every part is a piece of the input, in order.
pub fn elements(input: &[u8]) -> Corpus {
    if let Some(cut) = elements::array(input) {
        let length: usize = cut.parts.iter().map(|part| part.len()).sum();
        assert!(length + cut.rest.len() <= input.len(), "parts out of nothing");
        if let Ok(sound) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(input) {
            let parts: Vec<_> = sound.iter().map(|part| part.get().trim().as_bytes()).collect();
            assert_eq!(cut.parts, parts, "a sound array is cut elsewhere than its parser does");
        }
    }
    let _ = elements::member(input, "events");
    Corpus::Keep
}

/// Header values: secrets and batch ids.
pub fn headers(input: &[u8]) -> Corpus {
    let Ok(value) = HeaderValue::from_bytes(input) else { return Corpus::Reject };
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-messagesystems-batch-id", "x-secret"] {
        headers.insert(HeaderName::from_static(name), value.clone());
    }
    assert!(batch_id(&headers).is_none_or(|id| id.len() <= 128 && !id.contains('@')));
    for auth in [
        json!({"basic": {"user": "u", "passwords": ["a long invented password"]}}),
        json!({"bearer": {"tokens": ["a-long-invented-token"]}}),
        json!({"header": {"name": "x-secret", "values": ["a-long-invented-value"]}}),
    ] {
        let auth: HookAuth = serde_json::from_value(auth).expect("an auth");
        if SharedSecret::new(&auth).check(&headers).is_ok() {
            let text = String::from_utf8_lossy(input);
            assert!(
                text.contains("invented") || text.contains("aW52ZW50ZWQ") || text.contains("Basic "),
                "{text} let in"
            );
        }
    }
    Corpus::Keep
}
