//! A mailbox in a folder of this machine (Maildir and its subfolders, Maildir++): what a delivery agent left in `new` and `cur`.

mod tidy;

use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::mailbox::{Collected, Cursor, Mark, News, Place, Spot, Unreadable};
use super::trust::Unusable;
use super::way;
use crate::clock::{Clock, Stopwatch};
use crate::config::mailboxes::MailboxSection;
use crate::domain::canary::Folder;
use crate::domain::time::Timestamp;

/// The subfolders that are for spam unless another is named.
const SPAM: [&str; 2] = [".Junk", ".Spam"];
/// How far before the cursor is looked again: a file may become visible after a younger one.
const OVERLAP: Duration = Duration::from_secs(60);
/// The most files whose names are remembered, so that what is looked at again is not told again. The youngest are.
const REMEMBERED: usize = 4096;
/// How much of its time a look spends on messages; the rest is for what was found.
const SHARE: u32 = 2;
/// How often the folders are looked at while waiting for news.
const TICK: Duration = Duration::from_millis(500);

/// What could not be read.
const FOLDER: &str = "the folder cannot be read";
const MESSAGE: &str = "a message cannot be read";

/// The mailbox. Cheap to clone.
#[derive(Clone)]
pub(super) struct Maildir {
    inner: Arc<Inner>,
    /// One thread at a time is in the folder: a disk that hangs keeps one, and no more.
    turn: Arc<Semaphore>,
}

struct Inner {
    path: PathBuf,
    folders: Vec<String>,
    spam: Option<String>,
    authserv_id: Option<String>,
    deadline: Duration,
    look_back: Duration,
    read_limit: u64,
    clock: Clock,
}

impl Maildir {
    pub(super) fn new(section: &MailboxSection, clock: Clock) -> Result<Self, Unusable> {
        let missing = || Unusable(format!("mailboxes {:?}.path: is missing", section.name));
        let inner = Arc::new(Inner {
            path: section.path.clone().ok_or_else(missing)?,
            folders: section.folders.clone(),
            spam: section.spam_folder.clone(),
            authserv_id: section.authserv_id.clone(),
            deadline: section.timeout.get(),
            look_back: section.look_back.get(),
            read_limit: u64::try_from(section.read_limit.get()).unwrap_or(u64::MAX),
            clock,
        });
        Ok(Self { inner, turn: Arc::new(Semaphore::new(1)) })
    }

    pub(super) async fn collect(&self, cursor: &Cursor) -> Result<Collected, Unreadable> {
        let cursor = cursor.clone();
        self.apart(move |inner| inner.collect(&cursor)).await
    }

    pub(super) async fn wait_for_news(&self, cursor: &Cursor, limit: Duration) -> Result<News, Unreadable> {
        let since = Stopwatch::start();
        loop {
            let marks = cursor.clone();
            if self.apart(move |inner| inner.has_news(&marks)).await? {
                return Ok(News::Maybe);
            }
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(News::Nothing);
            }
            tokio::time::sleep(left.min(TICK)).await;
        }
    }

    pub(super) async fn tidy(&self, places: &[Place], before: Timestamp) -> Result<usize, Unreadable> {
        let places = places.to_vec();
        self.apart(move |inner| inner.tidy(&places, before)).await
    }

    /// Does what may block on a thread for that. A disk that hangs keeps the thread, and not the caller.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        let (inner, turn) = (Arc::clone(&self.inner), Arc::clone(&self.turn));
        let deadline = inner.deadline;
        let working = async move {
            let turn = turn.acquire_owned().await;
            let running = spawn_blocking(move || {
                let done = work(&inner);
                drop(turn);
                done
            });
            running.await.unwrap_or_else(|_| Err(Unreadable::new("reading it failed")))
        };
        tokio::time::timeout(deadline, working).await.unwrap_or_else(|_| Err(Unreadable::late(deadline)))
    }
}

/// A file as it was listed.
struct Listed {
    changed: Timestamp,
    modified: Timestamp,
    path: PathBuf,
    unique: String,
}

impl Inner {
    /// The folders that are read, by where they lie below the path, with their names and kinds.
    fn folders(&self) -> Result<Vec<(PathBuf, String, Folder)>, Unreadable> {
        let mut found: Vec<(PathBuf, String, Folder)> = Vec::new();
        let mut add = |name: &str, kind: Folder| {
            let below = match kind {
                Folder::Inbox => PathBuf::new(),
                _ => PathBuf::from(format!(".{}", name.trim_start_matches('.'))),
            };
            if !found.iter().any(|(known, ..)| *known == below) {
                found.push((below, name.to_owned(), kind));
            }
        };
        let is_spam = |name: &str| match &self.spam {
            Some(spam) => name.trim_start_matches('.') == spam.trim_start_matches('.'),
            None => SPAM.contains(&format!(".{}", name.trim_start_matches('.')).as_str()),
        };
        for name in &self.folders {
            let kind = if name.eq_ignore_ascii_case("INBOX") { Folder::Inbox } else { Folder::Other };
            add(name, if is_spam(name) { Folder::Spam } else { kind });
        }
        match &self.spam {
            Some(name) => add(name, Folder::Spam),
            None => {
                for name in SPAM {
                    if self.has(name)? {
                        add(name, Folder::Spam);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether there is such a subfolder.
    fn has(&self, name: &str) -> Result<bool, Unreadable> {
        Ok(there(fs::metadata(self.path.join(name)), FOLDER)?.is_some_and(|data| data.is_dir()))
    }

    fn collect(&self, cursor: &Cursor) -> Result<Collected, Unreadable> {
        let (since, now) = (Stopwatch::start(), self.clock.now());
        let mut collected = Collected { complete: true, ..Collected::default() };
        for (below, name, kind) in self.folders()? {
            let mark = self.read(&below, (kind, &name), cursor.0.get(&name), (since, now), &mut collected);
            // Whose permission is missing is for a person to mend.
            let mark = mark.map_err(|e| Unreadable::new(format!("folder {name}: {}", e.because)))?;
            collected.cursor.0.insert(name, mark);
        }
        Ok(collected)
    }

    /// Reads what is new in one folder, the oldest first, so that a look can end anywhere.
    fn read(
        &self,
        below: &Path,
        folder: (Folder, &str),
        mark: Option<&Mark>,
        (since, now): (Stopwatch, Timestamp),
        collected: &mut Collected,
    ) -> Result<Mark, Unreadable> {
        let (known, told): (Option<Timestamp>, &[u64]) = match mark {
            Some(Mark::Maildir { changed, told }) => (Some(Timestamp::from_micros(*changed).minus(OVERLAP)), told),
            _ => (None, &[]),
        };
        // A mark from the future is of a clock that went wrong, and what came meanwhile stands before it.
        let from = known.filter(|from| *from <= now).unwrap_or_else(|| {
            collected.afresh = Some(now.minus(self.look_back));
            now.minus(self.look_back)
        });
        let mut newest = from.plus(OVERLAP);
        let mut read: Vec<(Timestamp, u64)> = Vec::new();
        for file in self.listed(below, from)? {
            if since.elapsed() > self.deadline / SHARE || collected.is_full() {
                collected.complete = false;
                break;
            }
            newest = newest.max(file.changed);
            let hash = hash(&file.unique);
            read.push((file.changed, hash));
            if told.contains(&hash) {
                continue;
            }
            let Some(bytes) = self.beginning(&file.path)? else { continue };
            let Some(found) = way::read(&bytes, self.authserv_id.as_deref()) else { continue };
            let spot = Spot::Maildir { folder: below.to_owned(), name: file.unique };
            collected.add(found, folder, file.modified, &spot);
        }
        // One file from the future must not blind the reader for what comes until then.
        let changed = newest.min(now);
        if read.is_empty() && !told.is_empty() && newest <= now {
            return Ok(Mark::Maildir { changed: newest.micros(), told: told.to_vec() });
        }
        let again = read.into_iter().rev().take_while(|(at, _)| *at >= changed.minus(OVERLAP)).take(REMEMBERED);
        Ok(Mark::Maildir { changed: changed.micros(), told: again.map(|(_, hash)| hash).collect() })
    }

    /// The files that changed at that time or later, the oldest change first.
    fn listed(&self, below: &Path, from: Timestamp) -> Result<Vec<Listed>, Unreadable> {
        let mut listed = Vec::new();
        each_file(&self.path.join(below), |entry| {
            let Some(data) = there(entry.metadata(), MESSAGE)? else { return Ok(()) };
            let (changed, modified) = (changed(&data), modified(&data));
            if data.is_file() && changed >= from {
                listed.push(Listed { changed, modified, path: entry.path(), unique: unique(entry) });
            }
            Ok(())
        })?;
        listed.sort_by_key(|file| file.changed);
        Ok(listed)
    }

    /// Whether a file is younger than the cursor. One from the future is no news until then.
    fn has_news(&self, cursor: &Cursor) -> Result<bool, Unreadable> {
        let (mut news, now) = (false, self.clock.now().micros());
        for (below, name, _) in self.folders()? {
            let Some(Mark::Maildir { changed: known, .. }) = cursor.0.get(&name) else { return Ok(true) };
            each_file(&self.path.join(&below), |entry| {
                news |= there(entry.metadata(), MESSAGE)?
                    .is_some_and(|data| (*known + 1..=now).contains(&changed(&data).micros()));
                Ok(())
            })?;
        }
        Ok(news)
    }

    /// The beginning of a file, or `None` when it has gone.
    fn beginning(&self, path: &Path) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(self.read_limit).read_to_end(&mut bytes));
        Ok(there(read, MESSAGE)?.map(|_| bytes))
    }
}

/// Every file in `new` and `cur`. One that moves from the first to the second meanwhile is met once at least.
fn each_file(folder: &Path, mut each: impl FnMut(&DirEntry) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
    for part in ["new", "cur"] {
        let entries = fs::read_dir(folder.join(part)).map_err(|e| unreadable(FOLDER, &e))?;
        for entry in entries {
            each(&entry.map_err(|e| unreadable(FOLDER, &e))?)?;
        }
    }
    Ok(())
}

/// What was asked about one that was listed, or `None` when it has gone: then it is another reader's, or met under its new name. What exists and
/// cannot be read is not absent.
fn there<T>(asked: io::Result<T>, what: &str) -> Result<Option<T>, Unreadable> {
    match asked {
        Ok(told) => Ok(Some(told)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(what, &error)),
    }
}

/// The part of a file's name that stays when it moves and its flags change.
fn unique(entry: &DirEntry) -> String {
    let name = entry.file_name().to_string_lossy().into_owned();
    name.split(':').next().unwrap_or_default().to_owned()
}

/// By what a file that was read is known again.
fn hash(unique: &str) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, unique.as_bytes());
    digest.as_ref().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// When the file came into its folder, or changed: delivery writes it elsewhere first and moves it here when it is whole.
fn changed(data: &fs::Metadata) -> Timestamp {
    instant(data.ctime(), data.ctime_nsec())
}

/// When the message was written.
fn modified(data: &fs::Metadata) -> Timestamp {
    instant(data.mtime(), data.mtime_nsec())
}

fn instant(secs: i64, nanos: i64) -> Timestamp {
    Timestamp::from_micros(secs.saturating_mul(1_000_000).saturating_add(nanos / 1000))
}

/// The kind of an error, and no path: it may name a user.
fn unreadable(what: &str, error: &io::Error) -> Unreadable {
    Unreadable::new(format!("{what}: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_keeps_one_thread() {
        let section = toml::from_str("name = 'm'\nkind = 'maildir'\npath = '/nowhere'\ntimeout = '1s'\n").unwrap();
        let maildir = Maildir::new(&section, Clock::system()).unwrap();
        let (end, hangs) = std::sync::mpsc::channel::<()>();
        let hung = maildir.apart(move |_| Ok(hangs.recv().is_err()));
        assert_eq!(hung.await, Err(Unreadable::late(Duration::from_secs(1))));
        let next = maildir.apart(|_| -> Result<(), _> { panic!("a second thread") });
        assert_eq!(next.await, Err(Unreadable::late(Duration::from_secs(1))));
        drop(end);
        assert_eq!(maildir.apart(|_| Ok(7)).await, Ok(7), "it hangs no more");
    }

    #[test]
    fn only_what_has_gone_is_passed_over() {
        let asked = |kind: io::ErrorKind| there(Err::<(), _>(kind.into()), MESSAGE);
        assert_eq!(asked(io::ErrorKind::NotFound), Ok(None));
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::StaleNetworkFileHandle, io::ErrorKind::Other] {
            assert!(asked(kind).is_err(), "{kind}");
        }
    }
}
