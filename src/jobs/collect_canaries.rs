//! Reads the canaries' mailboxes. What cannot be read is written down as unread, and loses nobody.
//!
//! A mailbox counts as read from when a look began that saw all of it, and only after what it found is on disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::{Done, Job, Turn, Turning};
use crate::clock::Clock;
use crate::domain::canary::{self, Token};
use crate::domain::time::Timestamp;
use crate::intake::{FoundToken, Intake, Tokens};
use crate::mail::{Cursor, Folder, Found, Mailbox, Place};

/// Parts of a large mailbox that are read in one turn.
const PARTS: usize = 20;

/// How long an arrival may lie unseen, unless a mailbox is to be looked at more often.
const EVERY: Duration = Duration::from_secs(15);

/// How often a mailbox is read from its beginning, to delete what is old. Also how long a process waits with it after its start.
const TIDY_EVERY: Duration = Duration::from_secs(86_400);

/// The job.
pub struct CollectCanaries {
    intake: Intake,
    clock: Clock,
    mailboxes: BTreeMap<String, Mailbox>,
    /// How long canaries stay.
    keep: Duration,
    period: Duration,
    /// When the mailboxes were last tidied, or the process began.
    tidied: Mutex<Timestamp>,
}

/// What one mailbox gave.
#[derive(Default)]
struct Gave {
    tokens: Tokens,
    unreadable: u64,
    more: bool,
}

impl CollectCanaries {
    /// Reads these mailboxes, by name, and deletes canaries that are older than `keep`.
    pub fn new(intake: Intake, clock: Clock, mailboxes: BTreeMap<String, Mailbox>, keep: Duration) -> Self {
        let tidied = Mutex::new(clock.now());
        Self { intake, clock, mailboxes, keep, period: EVERY, tidied }
    }

    /// Looks at least this often.
    #[must_use]
    pub fn at_least_every(self, poll: Duration) -> Self {
        Self { period: self.period.min(poll), ..self }
    }

    async fn collect(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        let known = self.intake.store().read().await?.mailboxes().await?;
        let reading = self.mailboxes.iter().map(|(name, mailbox)| {
            let cursor = known.get(name).map_or_else(Cursor::default, |row| Cursor::parse(&row.cursor));
            self.read(name, mailbox, cursor, turn)
        });
        let (mut arrived, mut refused, mut unreadable, mut more) = (0, 0, 0, false);
        for gave in join_all(reading).await {
            let gave = gave?;
            arrived += gave.tokens.arrived as u64;
            refused += gave.tokens.refused as u64;
            unreadable += gave.unreadable;
            more |= gave.more;
        }
        let deleted = self.tidy_when_due(turn).await;
        let counts = vec![("arrived", arrived), ("refused", refused), ("unreadable", unreadable), ("deleted", deleted)];
        Ok(Done { counts, more })
    }

    /// Deletes our own old canaries, now and then. What cannot be tidied today is tidied tomorrow.
    async fn tidy_when_due(&self, turn: Turn<'_>) -> u64 {
        {
            let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
            if turn.now.since(*tidied) < TIDY_EVERY {
                return 0;
            }
            *tidied = turn.now;
        }
        let tidying = self.mailboxes.iter().map(|(name, mailbox)| self.tidy(name, mailbox, turn));
        join_all(tidying).await.into_iter().sum()
    }

    async fn tidy(&self, name: &str, mailbox: &Mailbox, turn: Turn<'_>) -> u64 {
        let before = turn.now.minus(self.keep);
        let (mut cursor, mut deleted, mut complete) = (Cursor::default(), 0, false);
        while !complete && !turn.stop.is_cancelled() {
            let tidied = async {
                let collected = mailbox.collect(&cursor).await?;
                let is_ours = |found: &&Found| Token::read(&found.token, &self.intake.context().keyring).is_ok();
                let old = collected.found.iter().filter(is_ours).filter(|found| found.received_at < before);
                let places: Vec<Place> = old.map(|found| found.place.clone()).collect();
                deleted += mailbox.tidy(&places, before).await? as u64;
                (cursor, complete) = (collected.cursor, collected.complete);
                Ok::<_, crate::mail::Unreadable>(())
            };
            if let Err(unreadable) = tidied.await {
                tracing::warn!(mailbox = name, because = unreadable.because, "a mailbox cannot be tidied");
                break;
            }
        }
        deleted
    }

    async fn read(&self, name: &str, mailbox: &Mailbox, mut cursor: Cursor, turn: Turn<'_>) -> anyhow::Result<Gave> {
        let mut gave = Gave { more: true, ..Gave::default() };
        for _ in 0..PARTS {
            if turn.stop.is_cancelled() || !gave.more {
                break;
            }
            let began_at = self.clock.now();
            let looked = mailbox.collect(&cursor).await;
            let collected = match looked {
                Ok(collected) => collected,
                Err(unreadable) => {
                    let mut tx = self.intake.store().write().await?;
                    tx.mailbox_is_unreadable(name, began_at, &unreadable.because).await?;
                    tx.commit().await?;
                    tracing::warn!(mailbox = name, because = unreadable.because, "a mailbox cannot be read");
                    return Ok(Gave { unreadable: 1, more: false, ..gave });
                }
            };
            let found: Vec<FoundToken> = collected.found.iter().map(token).collect();
            let tokens = self.intake.canaries_were_found(name, &found).await?;
            gave.tokens.arrived += tokens.arrived;
            gave.tokens.repeated += tokens.repeated;
            gave.tokens.refused += tokens.refused;
            let mut tx = self.intake.store().write().await?;
            tx.mailbox_was_read(name, &collected.cursor.to_text(), began_at, collected.complete).await?;
            tx.commit().await?;
            cursor = collected.cursor;
            gave.more = !collected.complete;
        }
        Ok(gave)
    }
}

fn token(found: &Found) -> FoundToken {
    FoundToken {
        token: found.token.clone(),
        folder: match found.folder {
            Folder::Inbox => canary::Folder::Inbox,
            Folder::Spam => canary::Folder::Spam,
            Folder::Other => canary::Folder::Other,
        },
        received_at: found.received_at,
        showed: serde_json::to_string(&found.arrival).unwrap_or_default(),
    }
}

impl Job for CollectCanaries {
    fn name(&self) -> &'static str {
        "collect_canaries"
    }

    fn period(&self) -> Duration {
        self.period
    }

    fn lease(&self) -> Option<Duration> {
        Some(Duration::from_secs(600))
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.collect(turn))
    }
}
