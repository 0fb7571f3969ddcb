//! The reading of a bounce: which kind it is, whose fault, and whether it is news. The text decides, not the code.

mod diagnostic;
mod rules;

pub use diagnostic::{Diagnostic, Role};
pub use rules::{Party, Rule, RuleBook};

use std::borrow::Cow;

use super::address::Address;
use super::event::{Kind, Scope};

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
