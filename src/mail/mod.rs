//! Sends canaries and reads the mailboxes where they should arrive. What came of it is told as it is; what it means is the
//! domain's business.
//!
//! A [`Submission`] hands a [`Letter`] to a server by SMTP and says what it knows of its fate: [`Handed`]. A [`Mailbox`]
//! (IMAP or Maildir) is read from a [`Cursor`] on and yields what looks like a canary's token, with what the message tells
//! of its way. Tokens are not verified here. Every wait has a deadline, every read a bound, and no error holds an address,
//! a secret or a server's own words. A panic of a library that reads what strangers write is a failed conversation, no more.

mod authentication;
mod caught;
mod conversation;
mod imap;
mod letter;
mod link;
mod mailbox;
mod maildir;
mod parts;
mod submission;
mod token;
mod trust;
mod way;

pub use authentication::{Authentication, Signature, Verdict};
pub use letter::Letter;
pub use link::Fault;
pub use mailbox::{Collected, Cursor, Found, Mailbox, News, Place, Unreadable};
pub use submission::{Handed, Submission};
pub use token::tokens;
pub use trust::Unusable;
pub use way::{Hop, Survived, Way, read};
