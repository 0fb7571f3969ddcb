//! The reading of a bounce: which kind it is, whose fault, and whether it is news. The text decides, not the code.
//!
//! A reply is first made a [`Diagnostic`]: code and status found, every address replaced by its role. The rules see only
//! that, so a stored diagnostic can be judged again ([`RuleBook::judge`]) with the same result.

mod apple;
mod diagnostic;
mod esp;
mod matching;
mod parties;
mod redact;
mod reply_code;
mod rule;
mod rules;
mod spelling;

pub use diagnostic::{Diagnostic, LONGEST, Role};
pub use rule::{Party, Rule, RuleError};
pub use rules::{RELAY_NO_TEXT, RELAY_UNKNOWN_TEXT, RuleBook, says_gone};

use std::borrow::Cow;

use super::address::{Address, RELAY_DOMAINS, SHARED_DOMAINS};
use super::event::{Kind, Scope};

/// The domains behind Apple's own consumer mail servers. One mailbox answers on all three.
pub const CONSUMER_DOMAINS: [&str; 3] = ["icloud.com", "me.com", "mac.com"];

/// Whether Apple's servers answer for this (lower-case) domain, so that Apple's texts mean what the rules say.
pub fn is_apple_domain(domain: &str) -> bool {
    RELAY_DOMAINS.contains(&domain) || CONSUMER_DOMAINS.contains(&domain)
}

/// Whether an address on this (lower-case) domain is or may be a relay address.
pub fn is_relay_capable(domain: &str) -> bool {
    RELAY_DOMAINS.contains(&domain) || SHARED_DOMAINS.contains(&domain)
}

/// What the ESP made of the reply: its own class, translated. Used only when no text rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspClass {
    /// Refused for good, in the ESP's opinion.
    Hard,
    /// Refused for now.
    Soft,
    /// Refused because of who sends or how (blocks, policy).
    Block,
    /// Refused because of what was sent (content, size, attachment).
    Content,
    /// The ESP did not try: the address stands on one of its own lists.
    Echo,
    /// An automatic reply: the mail arrived.
    AutoReply,
    /// The ESP could not tell.
    Undetermined,
}

/// One bounce as a source found it.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The recipient the ESP names.
    pub recipient: Option<&'a Address>,
    /// The envelope sender, when known (often a VERP address that *contains* the recipient).
    pub mail_from: Option<&'a Address>,
    /// The remote server's words, as given.
    pub text: Option<&'a str>,
    /// Enhanced status code, where the ESP gives it beside the text.
    pub status: Option<&'a str>,
    /// SMTP reply code, where the ESP gives it beside the text.
    pub code: Option<u16>,
    /// The ESP's class.
    pub class: EspClass,
    /// The rule name to give when the class decides, e.g. `ses.permanent_general`.
    pub class_rule: &'a str,
}

/// What a bounce means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Hard or soft bounce.
    pub kind: Kind,
    /// Whose fault.
    pub scope: Scope,
    /// Whether the remote side was asked at all.
    pub fresh: bool,
    /// The rule that decided.
    pub rule: Cow<'static, str>,
}
