//! Sending canaries and reading mailboxes: by real servers, and by servers in this process that fail in every way.

mod authority;
mod imap;
mod imap_faults;
mod maildir;
mod real;
pub mod real_world;
mod scripted_imap;
pub mod scripted_smtp;
mod smtp_faults;

use relaywatch::clock::Clock;
use relaywatch::config::mailboxes::MailboxSection;
use relaywatch::config::submissions::SubmissionSection;
use relaywatch::domain::address::Address;
use relaywatch::mail::{Letter, Mailbox, Submission};
use uuid::Uuid;

/// A token that no other test has.
fn token() -> String {
    let hex = Uuid::now_v7().simple().to_string() + &Uuid::now_v7().simple().to_string();
    let base32: String =
        hex.chars().map(|c| if c.is_ascii_digit() { (c as u8 - b'0' + b'g') as char } else { c }).collect();
    format!("rwc1-{}", &base32[..52])
}

fn letter(from: &str, to: &str) -> Letter {
    let parse = |text: &str| Address::parse(text).expect("an address");
    Letter { token: token(), from: parse(from), to: parse(to), written_at: Clock::system().now() }
}

/// What the text says on top of a name, a greeting and an envelope sender.
fn submission(text: &str) -> Submission {
    let text = format!("name = 't'\nhello = 'probe.sender.test'\nenvelope_from = 'probe@sender.test'\n{text}");
    let section: SubmissionSection = toml::from_str(&text).expect("a submission");
    Submission::new(&section).expect("it can be used")
}

fn mailbox(text: &str) -> Mailbox {
    mailbox_at(text, Clock::system())
}

/// One whose clock is the test's.
fn mailbox_at(text: &str, clock: Clock) -> Mailbox {
    let section: MailboxSection = toml::from_str(&format!("name = 't'\n{text}")).expect("a mailbox");
    Mailbox::new(&section, clock).expect("it can be used")
}
