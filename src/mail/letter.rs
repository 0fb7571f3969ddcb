//! A canary as it is sent: says what it is, wants no answer, and carries its token where the relay leaves it alone.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};

use super::token::is_token;
use crate::domain::address::Address;
use crate::domain::time::Timestamp;

/// The header that shows, where it arrives, whether the relay keeps headers of ours.
pub(super) const MARKER: &str = "X-Relaywatch-Canary";

/// One canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its token, as text: `rwc1-` and 52 characters.
    pub token: String,
    /// The header From: an address of the stream that is probed.
    pub from: Address,
    /// One of our own relay addresses, or a plain mailbox of ours.
    pub to: Address,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A letter that cannot be written down: its token is none, an address or a header does not fit into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritable;

impl Letter {
    /// The whole message, without the dot that ends it in SMTP.
    pub(super) fn compose(&self, headers: &BTreeMap<String, String>) -> Result<Vec<u8>, Unwritable> {
        if !is_token(&self.token) {
            return Err(Unwritable);
        }
        let micros = u64::try_from(self.written_at.micros()).map_err(|_| Unwritable)?;
        let mut builder = Message::builder()
            .date(UNIX_EPOCH + Duration::from_micros(micros))
            .from(Mailbox::new(None, written(&self.from)?))
            .to(Mailbox::new(None, written(&self.to)?))
            .subject(format!("Canary {}", self.token))
            .message_id(Some(format!("<{}@{}>", self.token, self.from.domain())));
        // RFC 3834 section 5, and what Exchange heeds.
        let ours = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), (MARKER, &self.token)];
        let further = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.into_iter().chain(further) {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| Unwritable)?;
            builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        let message = builder.body(self.text()).map_err(|_| Unwritable)?;
        let mut bytes = message.formatted();
        // The end of data brings a line break of its own.
        while bytes.ends_with(b"\r\n") {
            bytes.truncate(bytes.len() - 2);
        }
        Ok(bytes)
    }

    /// What a person who opens it should know. No line ends in a blank: signers and verifiers do not agree on those.
    fn text(&self) -> String {
        format!(
            "This is an automatic test message of relaywatch.\n\
             \n\
             {} sends it to a mailbox of its own, to see whether mail still arrives there.\n\
             Nobody has to do anything about it, and nobody reads an answer.\n\
             It is deleted by itself after some time.\n\
             \n\
             {}\n",
            self.from.domain(),
            self.token
        )
    }
}

/// An address as the message and the envelope take it.
pub(super) fn written(address: &Address) -> Result<lettre::Address, Unwritable> {
    if !address.expose().is_ascii() {
        return Err(Unwritable);
    }
    lettre::Address::new(address.local(), address.domain()).map_err(|_| Unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            token: format!("rwc1-{}", "a2".repeat(26)),
            from: Address::parse("probe@news.example.com").unwrap(),
            to: Address::parse("abc123@privaterelay.appleid.com").unwrap(),
            written_at: Timestamp::from_secs(1_700_000_000),
        }
    }

    #[test]
    fn says_what_it_is_and_carries_its_token_in_subject_and_body() {
        let letter = letter();
        let further = BTreeMap::from([("X-SES-CONFIGURATION-SET".to_owned(), "main".to_owned())]);
        let text = String::from_utf8(letter.compose(&further).unwrap()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            format!("Subject: Canary {}", letter.token),
            format!("Message-ID: <{}@news.example.com>", letter.token),
            format!("X-Relaywatch-Canary: {}", letter.token),
            "From: probe@news.example.com".to_owned(),
            "To: abc123@privaterelay.appleid.com".to_owned(),
            "Date: Tue, 14 Nov 2023 22:13:20 +0000".to_owned(),
            "Auto-Submitted: auto-generated".to_owned(),
            "X-Auto-Response-Suppress: All".to_owned(),
            "X-SES-CONFIGURATION-SET: main".to_owned(),
        ] {
            assert_eq!(head.lines().filter(|found| **found == line).count(), 1, "{line}\n{head}");
        }
        assert!(body.contains(&letter.token) && body.contains("automatic test message"), "{body}");
        assert!(text.is_ascii() && text.split("\r\n").all(|line| line.len() <= 998 && !line.ends_with([' ', '\t'])));
        assert!(!text.ends_with('\n') && !text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let with = |change: fn(&mut Letter)| {
            let mut letter = letter();
            change(&mut letter);
            letter.compose(&BTreeMap::new())
        };
        assert_eq!(with(|l| l.token = "rwc1-x\r\nBcc: a@b.example".to_owned()), Err(Unwritable));
        assert_eq!(with(|l| l.to = Address::parse("ü@b.example").unwrap()), Err(Unwritable));
        assert!(with(|_| ()).is_ok());
    }

    #[test]
    fn no_formatting_of_it_shows_an_address() {
        let shown = format!("{:?}", letter());
        assert!(!shown.contains("probe@") && !shown.contains("abc123"), "{shown}");
    }
}
