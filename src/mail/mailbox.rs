//! A mailbox where canaries should arrive: what is found there, and where the next look begins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caught::{Panicked, caught};
use super::imap::Imap;
use super::maildir::Maildir;
use super::trust::Unusable;
use super::way::Way;
use crate::clock::Clock;
use crate::config::mailboxes::{MailboxKind, MailboxSection};
use crate::domain::canary::Folder;
use crate::domain::time::Timestamp;

/// How many bytes of what it found a look holds. What is over is for the next look: a mailbox that somebody filled with what only looks like
/// canaries takes time, and no memory.
const FULL: usize = 2 << 20;

/// Something with the shape of a canary's token, in a message of the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The token, unverified.
    pub token: String,
    /// What kind of folder it is in.
    pub folder: Folder,
    /// The folder as the mailbox calls it.
    pub folder_name: String,
    /// When the mailbox took it, by its own clock.
    pub received_at: Timestamp,
    /// What the message tells of its way.
    pub way: Arc<Way>,
    /// Where it lies, for [`Mailbox::tidy`].
    pub place: Place,
}

/// Where a message lies.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The token that it holds; a message without it is never deleted.
    pub(super) token: String,
    pub(super) spot: Spot,
}

/// Where, in the words of the mailbox's kind.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// Folder, UIDVALIDITY and UID (RFC 3501 section 2.3.1.1).
    Imap { folder: String, validity: u32, uid: u32 },
    /// The folder's subfolder (`.Junk`, or empty), and the unique part of the file's name.
    Maildir { folder: PathBuf, name: String },
}

/// A token is no secret, but a file's name may hold anything.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<place>")
    }
}

/// Up to where a mailbox has been read. The default is: nowhere yet. To be stored as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(super) BTreeMap<String, Mark>);

/// Up to where one folder has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Mark {
    /// UIDVALIDITY, the last UID that was read, and the UID that the server wanted to give next, if it told.
    Imap { validity: u32, uid: u32, next: Option<u32> },
    /// The newest change of a file, in microseconds: what Timestamp writes is cut to milliseconds. And the files that were read shortly before it,
    /// by a hash of their names: what lies there is looked at again, and not told of again.
    Maildir {
        changed: i64,
        #[serde(default)]
        told: Vec<u64>,
    },
}

impl Cursor {
    /// Reads what [`Cursor::to_text`] wrote. Another text is: nowhere yet.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// One line of text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// What looks like canaries, in the order of the folders. What was found before may be found again.
    pub found: Vec<Found>,
    /// Where the next look begins.
    pub cursor: Cursor,
    /// Whether everything was looked at. When not, the next look goes on at the cursor, and what is missing is not lost.
    pub complete: bool,
    /// Where a folder could not be read on from the cursor (its first look, or another UIDVALIDITY), or messages were passed over: from when on
    /// it was read instead. What came earlier may lie there unseen.
    pub afresh: Option<Timestamp>,
    /// Messages that are there and that the server does not give: the next look does not ask for them again.
    pub passed_over: usize,
    /// How much memory what was found takes, about.
    pub(super) weight: usize,
}

impl Collected {
    /// Adds what one message gave: every token with the same way.
    pub(super) fn add(
        &mut self,
        (tokens, way): (Vec<String>, Way),
        (kind, name): (Folder, &str),
        received_at: Timestamp,
        spot: &Spot,
    ) {
        let way = Arc::new(way);
        self.weight += way.weight();
        for token in tokens {
            self.weight += size_of::<Found>() + 2 * token.len() + 2 * name.len();
            self.found.push(Found {
                place: Place { token: token.clone(), spot: spot.clone() },
                token,
                folder: kind,
                folder_name: name.to_owned(),
                received_at,
                way: Arc::clone(&way),
            });
        }
    }

    /// Whether the look has found so much that it should end here.
    pub(super) fn is_full(&self) -> bool {
        self.weight >= FULL
    }
}

/// Whether anything came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Something may have come: look.
    Maybe,
    /// Nothing that was told of.
    Nothing,
}

/// A mailbox that could not be read, or not to its end: what is in it is unknown. Holds no address, no secret and no word of
/// the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox cannot be read: {because}")]
pub struct Unreadable {
    /// What happened.
    pub because: String,
}

impl Unreadable {
    pub(super) fn new(because: impl Into<String>) -> Self {
        Self { because: because.into() }
    }

    /// Nothing came for so long.
    pub(super) fn late(deadline: Duration) -> Self {
        Self::new(format!("it was not read within {deadline:?}"))
    }
}

impl From<Panicked> for Unreadable {
    fn from(Panicked: Panicked) -> Self {
        Self::new("what it said could not be read")
    }
}

/// A mailbox.
pub struct Mailbox(Kind);

enum Kind {
    Imap(Box<Imap>),
    Maildir(Maildir),
}

impl Mailbox {
    /// Ready to be read. Touches nothing.
    ///
    /// # Errors
    /// Names the field of `[[mailboxes]]` that cannot be used.
    pub fn new(section: &MailboxSection, clock: Clock) -> Result<Self, Unusable> {
        Ok(Self(match section.kind {
            MailboxKind::Imap => Kind::Imap(Box::new(Imap::new(section, clock)?)),
            MailboxKind::Maildir => Kind::Maildir(Maildir::new(section, clock)?),
        }))
    }

    /// Looks for tokens in everything that came since the cursor, in every folder that matters. Changes nothing.
    ///
    /// # Errors
    /// [`Unreadable`] when any folder could not be read within the configured time: nothing is concluded then, and the
    /// cursor stays.
    pub async fn collect(&self, cursor: &Cursor) -> Result<Collected, Unreadable> {
        let collected = caught(async {
            match &self.0 {
                Kind::Imap(imap) => imap.collect(cursor).await,
                Kind::Maildir(maildir) => maildir.collect(cursor).await,
            }
        });
        collected.await?
    }

    /// Returns when something may have come since the cursor, or after `limit`. A server that can tell of news (IDLE, RFC 2177)
    /// tells of the first folder's; else this waits for the configured time at most.
    ///
    /// # Errors
    /// [`Unreadable`] when the mailbox does not answer.
    pub async fn wait_for_news(&self, cursor: &Cursor, limit: Duration) -> Result<News, Unreadable> {
        let news = caught(async {
            match &self.0 {
                Kind::Imap(imap) => imap.wait_for_news(cursor, limit).await,
                Kind::Maildir(maildir) => maildir.wait_for_news(cursor, limit).await,
            }
        });
        news.await?
    }

    /// Deletes these messages where they came before `before`, still lie there and still hold their token: nothing else, ever.
    /// The caller has verified the tokens. Says how many are gone.
    ///
    /// # Errors
    /// [`Unreadable`] when the mailbox does not answer or lets nothing be deleted.
    pub async fn tidy(&self, places: &[Place], before: Timestamp) -> Result<usize, Unreadable> {
        if places.is_empty() {
            return Ok(0);
        }
        let gone = caught(async {
            match &self.0 {
                Kind::Imap(imap) => imap.tidy(places, before).await,
                Kind::Maildir(maildir) => maildir.tidy(places, before).await,
            }
        });
        gone.await?
    }
}

/// What kind of folder that is: the inbox by its name, spam by what was found to be that.
pub(super) fn kind_of(name: &str, spam: Option<&str>) -> Folder {
    if name.eq_ignore_ascii_case("INBOX") {
        Folder::Inbox
    } else if spam == Some(name) {
        Folder::Spam
    } else {
        Folder::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor(BTreeMap::from([
            ("INBOX".to_owned(), Mark::Imap { validity: 7, uid: 42, next: Some(44) }),
            (".Junk".to_owned(), Mark::Maildir { changed: 1_700_000_000_123_456, told: vec![7, u64::MAX] }),
        ]));
        assert_eq!(Cursor::parse(&cursor.to_text()), cursor);
        for text in ["", "nothing", "{\"INBOX\":3}"] {
            assert_eq!(Cursor::parse(text), Cursor::default(), "{text}");
        }
    }
}
