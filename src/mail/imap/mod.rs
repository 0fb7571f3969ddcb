//! A mailbox on a server, read by IMAP: new messages of each folder by UID, in slices that fit into little memory.

mod session;
mod shape;
mod tidy;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rustls::ClientConfig;
use tokio::time::timeout;

use self::session::{Mail, Opened, Session};
pub(super) use self::shape::Shape;
use super::mailbox::{Collected, Cursor, Mark, News, Spot, Unreadable, kind_of};
use super::trust::{self, Unusable};
use super::way;
use crate::clock::{Clock, Stopwatch};
use crate::config::mail_server::{Login, MailServer};
use crate::config::mailboxes::MailboxSection;
use crate::domain::time::Timestamp;

/// Messages fetched by one command.
const SLICE: u32 = 50;
/// Messages of one folder that one look goes through. What is left comes with the next.
const MOST: u32 = 2000;
/// How much of its time a look spends on messages; the rest is for taking leave with what was found.
const SHARE: u32 = 2;

/// The mailbox.
pub(super) struct Imap {
    server: MailServer,
    login: Login,
    tls: Arc<ClientConfig>,
    folders: Vec<String>,
    spam: Option<String>,
    authserv_id: Option<String>,
    deadline: Duration,
    poll: Duration,
    look_back: Duration,
    read_limit: usize,
    clock: Clock,
}

impl Imap {
    pub(super) fn new(section: &MailboxSection, clock: Clock) -> Result<Self, Unusable> {
        let place = format!("mailboxes {:?}", section.name);
        let tls = trust::client(&place, section.ca_file.as_deref())?;
        let server = section.server().ok_or_else(|| Unusable(format!("{place}.host: is missing")))?;
        let login = section.login().ok_or_else(|| Unusable(format!("{place}.username: is missing")))?;
        Ok(Self {
            server,
            login,
            tls,
            folders: section.folders.clone(),
            spam: section.spam_folder.clone(),
            authserv_id: section.authserv_id.clone(),
            deadline: section.timeout.get(),
            poll: section.poll.get(),
            look_back: section.look_back.get(),
            read_limit: section.read_limit.get(),
            clock,
        })
    }

    pub(super) async fn collect(&self, cursor: &Cursor) -> Result<Collected, Unreadable> {
        self.within(self.deadline, async {
            let since = Stopwatch::start();
            let mut session = session::open(&self.server, &self.login, &self.tls).await?;
            let spam = match &self.spam {
                Some(named) => Some(named.clone()),
                None => Some(session.junk().await?.ok_or_else(no_spam_folder)?),
            };
            let mut collected = Collected { complete: true, ..Collected::default() };
            for folder in self.folders(spam.as_deref()) {
                let mark = cursor.0.get(folder).cloned();
                let mark = self.read(&mut session, folder, spam.as_deref(), mark, since, &mut collected).await?;
                collected.cursor.0.insert(folder.to_owned(), mark);
            }
            session.leave().await;
            Ok(collected)
        })
        .await
    }

    pub(super) async fn wait_for_news(&self, cursor: &Cursor, limit: Duration) -> Result<News, Unreadable> {
        let Some(folder) = self.folders.first() else { return Ok(News::Nothing) };
        let opened = async {
            let mut session = session::open(&self.server, &self.login, &self.tls).await?;
            let opened = session.select(folder, false).await?;
            Ok((session, opened))
        };
        let (mut session, opened) = self.within(self.deadline.min(limit), opened).await?;
        // What came between the look and now is not told of again.
        if !is_as_it_was(&opened, cursor.0.get(folder)) {
            return Ok(News::Maybe);
        }
        if !session.idle {
            session.leave().await;
            tokio::time::sleep(limit.min(self.poll)).await;
            return Ok(News::Maybe);
        }
        match timeout(limit, session.told()).await {
            Ok(told) => told.map(|()| News::Maybe),
            Err(_) => Ok(News::Nothing),
        }
    }

    /// The folders to read, each once.
    fn folders<'a>(&'a self, spam: Option<&'a str>) -> Vec<&'a str> {
        let mut folders: Vec<&str> = self.folders.iter().map(String::as_str).collect();
        folders.extend(spam.filter(|spam| !self.folders.iter().any(|folder| folder == spam)));
        folders
    }

    /// Reads what is new in one folder. While nothing but FETCH and SEARCH is asked, the numbers of the messages stand
    /// (RFC 3501 section 7.4.1), and unlike UIDs they have no gaps.
    async fn read(
        &self,
        session: &mut Session,
        folder: &str,
        spam: Option<&str>,
        mark: Option<Mark>,
        since: Stopwatch,
        collected: &mut Collected,
    ) -> Result<Mark, Unreadable> {
        let opened = session.select(folder, false).await?;
        let known = match mark {
            Some(Mark::Imap { validity, uid, .. }) if validity == opened.validity => Some(uid),
            _ => None,
        };
        if known.is_none() {
            collected.afresh = collected.afresh.max(Some(self.clock.now().minus(self.look_back)));
        }
        let mut last = known.unwrap_or(0);
        let first = match known {
            _ if opened.exists == 0 => None,
            Some(uid) => after(session, uid, opened.exists).await?,
            None => session.first_since(&self.first_day()).await?,
        };
        // What is too old is passed over also when time runs out before anything is read.
        let passed = first.map_or(opened.exists, |first| first.saturating_sub(1));
        if known.is_none() && passed > 0 {
            last = session.uid_at(passed).await?.unwrap_or(0);
        }
        let mut next = first.unwrap_or(opened.exists.saturating_add(1));
        let until = opened.exists.min(next.saturating_add(MOST - 1));
        while next <= until {
            if since.elapsed() > self.deadline / SHARE || collected.is_full() {
                break;
            }
            let end = until.min(next.saturating_add(SLICE - 1));
            let mut missing: BTreeSet<u32> = (next..=end).collect();
            let mut each = |mail: Mail| {
                last = last.max(mail.uid);
                if missing.remove(&mail.number) {
                    self.look_into(&mail, folder, spam, opened.validity, collected);
                }
            };
            session.fetch(&format!("FETCH {next}:{end}"), self.read_limit, SLICE as usize, &mut each).await?;
            for number in missing.clone() {
                let each = |mail: Mail| {
                    last = last.max(mail.uid);
                    if missing.remove(&mail.number) {
                        self.look_into(&mail, folder, spam, opened.validity, collected);
                    }
                };
                session.fetch(&format!("FETCH {number}"), self.read_limit, 1, each).await?;
            }
            // A server that gives none has a fault of its own. Of some the fault is the message's, where it is there at all: one that was deleted
            // meanwhile is missing once, and the next look opens the folder anew.
            let left_out = || Unreadable::new("the server left out messages");
            if missing.len() > (end - next) as usize {
                return Err(left_out());
            }
            for number in &missing {
                last = last.max(session.uid_at(*number).await?.ok_or_else(left_out)?);
            }
            if !missing.is_empty() {
                // One of them may have been a canary.
                collected.afresh = Some(self.clock.now());
            }
            collected.passed_over += missing.len();
            next = end + 1;
        }
        collected.complete &= next > opened.exists;
        Ok(Mark::Imap { validity: opened.validity, uid: last, next: opened.uid_next })
    }

    fn look_into(&self, mail: &Mail, folder: &str, spam: Option<&str>, validity: u32, collected: &mut Collected) {
        let Some(read) = way::read(&mail.bytes, self.authserv_id.as_deref()) else { return };
        let received_at = mail.received.as_deref().and_then(instant).unwrap_or_else(|| self.clock.now());
        let spot = Spot::Imap { folder: folder.to_owned(), validity, uid: mail.uid };
        collected.add(read, (kind_of(folder, spam), folder), received_at, &spot);
    }

    /// The day of the first look, one earlier for the server's own time zone.
    fn first_day(&self) -> String {
        let since = self.clock.now().minus(self.look_back).minus(Duration::from_secs(86_400));
        let day = DateTime::from_timestamp_micros(since.micros()).unwrap_or_default();
        day.format("%d-%b-%Y").to_string()
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Unreadable>>,
    ) -> Result<T, Unreadable> {
        timeout(limit, work).await.unwrap_or_else(|_| Err(Unreadable::late(limit)))
    }
}

/// What is filtered out would be taken for lost.
fn no_spam_folder() -> Unreadable {
    Unreadable::new("the server tells of no folder for spam: spam_folder must name it (INBOX: there is none)")
}

/// Whether the folder is as the last look left it, as far as the server tells. One that never tells which UID comes next must not be taken for
/// one with news each time.
fn is_as_it_was(opened: &Opened, mark: Option<&Mark>) -> bool {
    match mark {
        Some(Mark::Imap { validity, next, .. }) => *validity == opened.validity && *next == opened.uid_next,
        _ => false,
    }
}

/// The number of the first message whose UID is above `uid`: numbers and UIDs rise together.
async fn after(session: &mut Session, uid: u32, exists: u32) -> Result<Option<u32>, Unreadable> {
    if session.uid_at(exists).await?.is_some_and(|newest| newest <= uid) {
        return Ok(None);
    }
    let (mut low, mut high) = (1, exists.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        // One that has gone meanwhile tells nothing; then everything from the lowest is read.
        let Some(found) = session.uid_at(middle).await? else { break };
        if found > uid {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok((low <= exists).then_some(low))
}

/// An INTERNALDATE (RFC 3501 section 9, `date-time`).
fn instant(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z").ok()?;
    Some(Timestamp::from_micros(at.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_servers_date() {
        for text in ["20-Nov-2026 10:00:07 +0000", " 7-Nov-2026 11:00:07 +0100"] {
            let day = if text.starts_with(' ') { "07" } else { "20" };
            assert_eq!(instant(text), Timestamp::parse(&format!("2026-11-{day}T10:00:07Z")), "{text}");
        }
        assert_eq!(instant("yesterday"), None);
    }
}
