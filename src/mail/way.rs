//! What a message that arrived tells of its way. Its bytes are a stranger's: nothing here fails, and nothing grows without end.

use mail_parser::{DateTime, Host, Message, MimeHeaders, Received};
use serde::{Deserialize, Serialize};

use super::authentication::{Authentication, Signature};
use super::caught::caught_now;
use super::letter::MARKER;
use super::parts::{fields, texts};
use super::token::{MOST as MOST_TOKENS, tokens};
use crate::domain::address::{Address, domain_of};
use crate::domain::time::Timestamp;

/// The most hops that are told of. Honest ways have fewer than ten.
const HOPS: usize = 20;
/// The longest host name that is kept.
const LONGEST_HOST: usize = 255;

/// What a message tells of its way. Holds no address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What the receiving host found out.
    pub authentication: Authentication,
    /// The domain of the header From as it arrived: the relay rewrites it.
    pub from_domain: Option<String>,
    /// The domain of the envelope sender as it arrived (Return-Path).
    pub return_domain: Option<String>,
    /// Which of our headers came through.
    pub survived: Survived,
    /// Every host that took it, from first to last.
    pub hops: Vec<Hop>,
}

impl Way {
    /// About how many bytes it takes in memory.
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let hops: usize = self.hops.iter().map(|hop| size_of::<Hop>() + text(&hop.by)).sum();
        let dkim = self.authentication.dkim.iter().map(|of| size_of::<Signature>() + text(&of.domain));
        size_of::<Self>() + text(&self.from_domain) + text(&self.return_domain) + hops + dkim.sum::<usize>()
    }
}

/// Which of our headers came through unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survived {
    /// Message-ID.
    pub message_id: bool,
    /// A header of our own.
    pub marker: bool,
    /// Auto-Submitted.
    pub auto_submitted: bool,
}

/// One host on the way (a Received field, RFC 5321 section 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// What it calls itself.
    pub by: Option<String>,
    /// When it took the message, by its own clock.
    pub at: Option<Timestamp>,
}

/// Reads the beginning of a message: what looks like a canary's token in subject or body, and what it tells of its way.
/// `authserv_id` is the one host whose Authentication-Results are believed. `None` without a token.
///
/// A report of a failed delivery, or an answer that a machine gave, quotes the canary but is not its arrival: neither counts.
/// What is attached is not looked at, for the same reason.
pub fn read(bytes: &[u8], authserv_id: Option<&str>) -> Option<(Vec<String>, Way)> {
    // One message that the library panics on is none of ours, and the next is read.
    caught_now(|| read_message(bytes, authserv_id)).ok().flatten()
}

fn read_message(bytes: &[u8], authserv_id: Option<&str>) -> Option<(Vec<String>, Way)> {
    let message = fields(bytes)?;
    if is_about_another(&message) {
        return None;
    }
    let mut found: Vec<String> = Vec::new();
    // Who reports on mail has the empty return path (RFC 5321 section 4.5.5), and so may a relay: a report quotes the canary in
    // its body, what was relayed still has the subject.
    let reports = raw(&message, "Return-Path").next().is_some_and(|value| value.trim() == "<>");
    let texts = if reports { Vec::new() } else { texts(bytes) };
    for token in message.subject().into_iter().chain(texts.iter().map(String::as_str)).flat_map(tokens) {
        if found.len() < MOST_TOKENS && !found.iter().any(|known| known == token) {
            found.push(token.to_owned());
        }
    }
    if found.is_empty() {
        return None;
    }
    let way = told(&message, &found, authserv_id);
    Some((found, way))
}

/// Whether the message reports on, or answers, another one.
fn is_about_another(message: &Message<'_>) -> bool {
    let report = message.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind.subtype().is_some_and(|s| s.eq_ignore_ascii_case("report"))
    });
    let automatic = raw(message, "Auto-Submitted").next().is_some_and(|value| {
        let word = value.split(';').next().unwrap_or_default().trim();
        word.eq_ignore_ascii_case("auto-replied")
    });
    report || automatic
}

fn told(message: &Message<'_>, tokens: &[String], authserv_id: Option<&str>) -> Way {
    let fields: Vec<&str> = raw(message, "Authentication-Results").collect();
    let has = |text: &str| tokens.iter().any(|token| text == token);
    let message_id = message.message_id().and_then(|id| id.rsplit_once('@')).is_some_and(|(local, _)| has(local));
    let survived = Survived {
        message_id,
        marker: raw(message, MARKER).any(|value| has(value.trim())),
        auto_submitted: raw(message, "Auto-Submitted").any(|value| value.trim().eq_ignore_ascii_case("auto-generated")),
    };
    let from = message.from().and_then(|from| from.first()).and_then(|from| from.address());
    let mut hops: Vec<Hop> = message.received_all().take(HOPS).map(hop).collect();
    // Each host writes its field above those of the hosts before it.
    hops.reverse();
    Way {
        authentication: Authentication::read(fields, authserv_id),
        from_domain: from.and_then(domain),
        return_domain: raw(message, "Return-Path").next().and_then(domain),
        survived,
        hops,
    }
}

/// The values of a header field, topmost first, as they stand there.
fn raw<'m>(message: &'m Message<'_>, name: &'m str) -> impl Iterator<Item = &'m str> {
    message.headers_raw().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The domain of an address. A bare word is none.
fn domain(text: &str) -> Option<String> {
    Address::parse(text).map(|address| address.domain().to_owned())
}

fn hop(received: &Received<'_>) -> Hop {
    let by = received.by.as_ref().and_then(|host| match host {
        Host::Name(name) => domain_of(name).filter(|_| name.len() <= LONGEST_HOST && !name.contains('@')),
        Host::IpAddr(ip) => Some(ip.to_string()),
    });
    Hop { by, at: received.date.as_ref().and_then(instant) }
}

/// A date of a header. One that cannot be is none.
fn instant(date: &DateTime) -> Option<Timestamp> {
    (date.is_valid() && date.year >= 1970).then(|| Timestamp::from_secs(date.to_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::super::authentication::Verdict;
    use super::*;

    fn token(letter: char) -> String {
        format!("rwc1-{}", letter.to_string().repeat(52))
    }

    fn tokens_of(text: &str) -> Vec<String> {
        read(text.replace('\n', "\r\n").as_bytes(), None).map(|(tokens, _)| tokens).unwrap_or_default()
    }

    #[test]
    fn the_token_is_found_however_it_is_written() {
        let a = token('a');
        let (front, back) = a.split_at(30);
        let base64 = |text: &str| {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(text)
        };
        for text in [
            format!("Subject: {a}\n\nx"),
            format!("Subject: [EXT] Fwd:\n Mail check\n {a}\n\nx"),
            format!("Subject: =?utf-8?Q?{front}?=\n =?utf-8?B?{}?=\n\nx", base64(back)),
            format!("Subject: x\n\nHello\n{a}\n"),
            format!("Subject: x\nContent-Transfer-Encoding: quoted-printable\n\n{front}=\n{back}\n"),
            format!(
                "Subject: x\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n{}\n",
                base64(&format!("<p>{a}</p>"))
            ),
            format!(
                "Subject: x\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{a}\n--b--\n"
            ),
        ] {
            assert_eq!(tokens_of(&text), [a.as_str()], "{text}");
        }
        assert_eq!(tokens_of(&format!("Return-Path: <>\nSubject: {a}\n\nx")), [a.as_str()]);
        let two = format!("Subject: {a}\n\n{} {a}\n", token('b'));
        assert_eq!(tokens_of(&two), [a, token('b')]);
    }

    #[test]
    fn what_only_quotes_a_canary_is_not_its_arrival() {
        let a = token('a');
        for text in [
            format!("Subject: Undelivered {a}\nContent-Type: multipart/report; boundary=b\n\n--b\n\n{a}\n--b--\n"),
            format!("Return-Path: <>\nSubject: Undelivered\n\n{a}\n"),
            format!("Auto-Submitted: auto-replied; x=y\nSubject: Away: {a}\n\n{a}\n"),
            format!(
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsee there\n--b\nContent-Type: message/rfc822\n\nSubject: {a}\n\n{a}\n--b--\n"
            ),
            format!("Subject: nothing\n{}: {a}\nMessage-ID: <{a}@x.test>\n\nx\n", MARKER),
        ] {
            assert_eq!(tokens_of(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn tells_of_the_way() {
        let a = token('a');
        let text = format!(
            "Return-Path: <bounces+x=news.test@relay.test>\n\
             Authentication-Results: mx.mailbox.test;\n dkim=pass header.d=news.test; spf=pass\n\
             Received: from mx.relay.test (mx.relay.test [192.0.2.3])\n by mx.mailbox.test (Postfix) with ESMTPS id 4AB\n for <c@mailbox.test>; Fri, 20 Nov 2026 10:00:07 +0000 (UTC)\n\
             Authentication-Results: mx.relay.test; spf=fail\n\
             Received: from probe.test by mx.relay.test with ESMTP; Fri, 20 Nov 2026 11:00:05 +0100\n\
             From: probe_at_news_test_x@relay.test\nMessage-ID: <{a}@news.test>\nAuto-Submitted: auto-generated\n\
             Subject: {a}\n\nx\n"
        );
        let (_, way) = read(text.replace('\n', "\r\n").as_bytes(), Some("mx.mailbox.test")).unwrap();
        assert_eq!(way.from_domain.as_deref(), Some("relay.test"));
        assert_eq!(way.return_domain.as_deref(), Some("relay.test"));
        assert_eq!(way.survived, Survived { message_id: true, marker: false, auto_submitted: true });
        let at = |second| Timestamp::parse(&format!("2026-11-20T10:00:{second:02}Z"));
        let want = [("mx.relay.test", at(5)), ("mx.mailbox.test", at(7))];
        assert_eq!(way.hops, want.map(|(by, at)| Hop { by: Some(by.to_owned()), at }));
        assert_eq!(way.authentication.spf, Some(Verdict::Pass));
        assert!(!format!("{way:?}").contains('@'));
    }

    #[test]
    fn bytes_that_are_no_message_are_none() {
        for bytes in [&b""[..], b"\xff\xfe\x00", b"\r\n\r\n", b"Subject", b"Received: by ;;; (\r\nSubject: =?x?q?"] {
            assert_eq!(read(bytes, Some("x")), None);
        }
    }
}
