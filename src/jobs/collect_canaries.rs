//! Reads a mailbox where canaries should arrive: by its poll, and as soon as it tells of news. What cannot be read is written down as unread,
//! and loses nobody.
//!
//! Each mailbox is a job of its own, so a slow one delays no other. It counts as read from when a look began that saw all of it, and only after
//! what it found is on disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Done, Job, Listening, Turn, Turning};
use crate::clock::{Clock, Stopwatch};
use crate::config::mailboxes::MailboxSection;
use crate::domain::canary::Token;
use crate::intake::{FoundToken, Intake, Tokens};
use crate::mail::{Cursor, Found, Mailbox, News, Place, Unreadable, Unusable};

/// How often a mailbox is read from its beginning, to delete what is old.
const TIDY_EVERY: Duration = Duration::from_secs(86_400);

/// Messages that are deleted in one conversation.
const TIDY_AT_ONCE: usize = 50;

/// Between a look and waiting for news: what comes meanwhile is noticed when the waiting begins, and a restless mailbox is not looked at without
/// end.
const PAUSE: Duration = Duration::from_secs(1);

/// Conversations with the mailbox that a turn may begin in: how many times its timeout, and what the store takes beside them.
const BEGINS_WITHIN: u32 = 2;
const BESIDE: Duration = Duration::from_secs(30);

/// The job, for one mailbox.
pub struct CollectCanaries {
    intake: Intake,
    clock: Clock,
    name: String,
    mailbox: Mailbox,
    /// How often it is looked at when it tells of nothing.
    poll: Duration,
    /// How long one conversation with it takes at most.
    timeout: Duration,
    /// How long canaries stay.
    keep: Duration,
    /// Up to where a tidying has come that no turn had the time to end.
    tidying: Mutex<Cursor>,
    /// Up to where the last look of this process read it, if it read it whole: from there on it is listened to.
    seen: Mutex<Option<Cursor>>,
}

/// What the mailbox gave.
#[derive(Default)]
struct Gave {
    tokens: Tokens,
    unreadable: u64,
    more: bool,
}

impl CollectCanaries {
    /// Reads this mailbox, and deletes canaries in it that are older than `keep`.
    ///
    /// # Errors
    /// Names the field of the section that cannot be used.
    pub fn open(intake: Intake, clock: Clock, section: &MailboxSection, keep: Duration) -> Result<Self, Unusable> {
        let mailbox = Mailbox::new(section, clock.clone())?;
        let (name, poll, timeout) = (section.name.clone(), section.poll.get(), section.timeout.get());
        Ok(Self {
            intake,
            clock,
            name,
            mailbox,
            poll,
            timeout,
            keep,
            tidying: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    async fn collect(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        let since = Stopwatch::start();
        self.see(None);
        let known = self.intake.store().read().await?.mailboxes().await?;
        let known = known.get(&self.name);
        let cursor = known.map_or_else(Cursor::default, |row| Cursor::parse(&row.cursor));
        let gave = self.read(cursor, turn, since).await?;
        let tidied_at = known.and_then(|row| row.tidied_at);
        let is_due = tidied_at.is_none_or(|at| turn.now.since(at) >= TIDY_EVERY);
        // A mailbox that could not be read to its end has more pressing needs.
        let deleted = if is_due && gave.unreadable == 0 && !gave.more { self.tidy(turn, since).await? } else { 0 };
        let counts = vec![
            ("arrived", gave.tokens.arrived as u64),
            ("refused", gave.tokens.refused as u64),
            ("unreadable", gave.unreadable),
            ("deleted", deleted),
        ];
        Ok(Done { counts, more: gave.more })
    }

    /// Reads on from the cursor to the end, or for as long as a turn may.
    async fn read(&self, mut cursor: Cursor, turn: Turn<'_>, since: Stopwatch) -> anyhow::Result<Gave> {
        let (name, mut gave) = (&self.name, Gave { more: true, ..Gave::default() });
        while gave.more && self.may_go_on(turn, since) {
            let began_at = self.clock.now();
            let collected = match self.mailbox.collect(&cursor).await {
                Ok(collected) => collected,
                Err(Unreadable { because }) => {
                    let mut tx = self.intake.store().write().await?;
                    tx.mailbox_is_unreadable(name, began_at, &because).await?;
                    tx.commit().await?;
                    tracing::warn!(mailbox = name, because, "a mailbox cannot be read");
                    return Ok(Gave { unreadable: 1, more: false, ..gave });
                }
            };
            if collected.passed_over > 0 {
                tracing::warn!(
                    mailbox = name,
                    messages = collected.passed_over,
                    "the server does not give some messages"
                );
            }
            let found: Vec<FoundToken> = collected.found.iter().map(|found| self.told(found)).collect();
            let tokens = self.intake.canaries_were_found(name, &found).await?;
            gave.tokens.arrived += tokens.arrived;
            gave.tokens.repeated += tokens.repeated;
            gave.tokens.refused += tokens.refused;
            let mut tx = self.intake.store().write().await?;
            let to = collected.cursor.to_text();
            tx.mailbox_was_read(name, &to, began_at, collected.complete, collected.afresh).await?;
            tx.commit().await?;
            cursor = collected.cursor;
            gave.more = !collected.complete;
        }
        if !gave.more {
            self.see(Some(cursor));
        }
        Ok(gave)
    }

    /// As the door takes it. A way is written down only for what is ours: anybody can send what looks like it.
    fn told(&self, found: &Found) -> FoundToken {
        let showed =
            if self.is_ours(found) { serde_json::to_string(&*found.way).unwrap_or_default() } else { String::new() };
        FoundToken { token: found.token.clone(), folder: found.folder, received_at: found.received_at, showed }
    }

    fn is_ours(&self, found: &Found) -> bool {
        Token::read(&found.token, &self.intake.context().keyring).is_ok()
    }

    /// Deletes our own old canaries. What a turn has no time for is left to the next; what cannot be tidied today is tidied tomorrow.
    async fn tidy(&self, turn: Turn<'_>, since: Stopwatch) -> anyhow::Result<u64> {
        let mut cursor = std::mem::take(&mut *self.tidying.lock().unwrap_or_else(PoisonError::into_inner));
        let mut deleted = 0;
        while self.may_go_on(turn, since) {
            match self.tidy_on(&mut cursor, &mut deleted, turn, since).await {
                Ok(false) => continue,
                Ok(true) => (),
                Err(Unreadable { because }) => {
                    tracing::warn!(mailbox = self.name, because, "a mailbox cannot be tidied");
                }
            }
            let mut tx = self.intake.store().write().await?;
            tx.mailbox_was_tidied(&self.name, turn.now).await?;
            tx.commit().await?;
            return Ok(deleted);
        }
        *self.tidying.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        Ok(deleted)
    }

    /// One look of a tidying, and the deletions that it calls for. The cursor moves when all of them are done. Whether it was the last.
    async fn tidy_on(
        &self,
        cursor: &mut Cursor,
        deleted: &mut u64,
        turn: Turn<'_>,
        since: Stopwatch,
    ) -> Result<bool, Unreadable> {
        let before = turn.now.minus(self.keep);
        let collected = self.mailbox.collect(cursor).await?;
        let old = collected.found.iter().filter(|found| found.received_at < before && self.is_ours(found));
        let places: Vec<Place> = old.map(|found| found.place.clone()).collect();
        for some in places.chunks(TIDY_AT_ONCE) {
            if !self.may_go_on(turn, since) {
                return Ok(false);
            }
            *deleted += self.mailbox.tidy(some, before).await? as u64;
        }
        *cursor = collected.cursor;
        Ok(collected.complete)
    }

    /// Whether the turn may begin another conversation.
    fn may_go_on(&self, turn: Turn<'_>, since: Stopwatch) -> bool {
        !turn.stop.is_cancelled() && since.elapsed() < self.timeout * BEGINS_WITHIN
    }

    fn see(&self, cursor: Option<Cursor>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }

    /// Returns when something may have come since this process's own last look; never without one, or when the mailbox cannot be listened to: then
    /// its poll is soon enough.
    async fn wait_for_news(&self) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cursor) = seen {
            tokio::time::sleep(PAUSE).await;
            if self.mailbox.wait_for_news(&cursor, self.poll * 2).await == Ok(News::Maybe) {
                return;
            }
        }
        std::future::pending().await
    }
}

impl Job for CollectCanaries {
    fn name(&self) -> &'static str {
        "collect_canaries"
    }

    fn about(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn period(&self) -> Duration {
        self.poll
    }

    /// The last reading and the last tidying (a look and a deletion) may begin just in time.
    fn lease(&self) -> Option<Duration> {
        Some(self.timeout * (BEGINS_WITHIN + 3) + BESIDE)
    }

    fn listen(&self) -> Option<Listening<'_>> {
        Some(Box::pin(self.wait_for_news()))
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.collect(turn))
    }
}
