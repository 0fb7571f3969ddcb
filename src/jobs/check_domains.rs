//! Checks the DNS records of the streams that are due, each once a slot whichever replica comes first.
//!
//! Every stream has a row with its time and its lease. A turn claims what is due, takes one look at the DNS for all of it, and hands over to
//! intake what each look says, stream by stream; whoever has lost a lease writes nothing down. No transaction is open while the DNS is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;

use super::{Done, Job, Means, Turn, Turning};
use crate::config::checks::Checks;
use crate::dns::{Memo, Resolvers, Sweep, check, for_each};
use crate::domain::dns::Question;
use crate::domain::ids::StreamName;
use crate::domain::observed::Seen;
use crate::domain::posture::Posture;
use crate::domain::schedule::share;
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;
use crate::intake::{Checked, Intake, registration_hash};
use crate::store::CheckSlot;

/// Streams claimed at a time, and checked at once. The load on resolvers is bounded by the questions in flight, not by this.
const BATCH: i64 = 256;

/// What a lease has beyond the time that a look may take.
const MARGIN: Duration = Duration::from_secs(60);

/// How long nobody may have looked after the schedule before what was missed is made up in a spread and not at once.
const STANDSTILL: Duration = Duration::from_secs(120);

/// The job.
pub struct CheckDomains {
    means: Means,
    intake: Intake,
    resolvers: Resolvers,
    checks: Checks,
    deadline: Duration,
    /// Answers that may live still, and when the first of them was asked for.
    memo: Mutex<(Timestamp, Memo)>,
    /// When this process last looked after the schedule.
    looked: Mutex<Option<Timestamp>>,
}

impl CheckDomains {
    /// Checks by this schedule. `deadline`: how long the check of one stream may take.
    pub fn new(means: Means, intake: Intake, resolvers: Resolvers, checks: Checks, deadline: Duration) -> Self {
        Self { means, intake, resolvers, checks, deadline, memo: Mutex::default(), looked: Mutex::default() }
    }

    async fn check_due(&self, turn: Turn<'_>) -> anyhow::Result<Done> {
        let mut counts = vec![("checked", 0), ("unknown", 0), ("lease_lost", 0)];
        let streams = self.intake.context().streams.load_full();
        let streams: BTreeMap<StreamName, Stream> =
            streams.all().iter().map(|stream| (stream.name.clone(), stream.clone())).collect();
        // What an earlier turn could not tell goes first, so that the log hears of changes in their order.
        let mut told = self.intake.tell_postures().await?;
        self.arrange(&streams, turn.now).await?;
        let token = self.means.token();
        let (claimed, before) = self.claim(&streams, &token, turn.now).await?;
        let more = i64::try_from(claimed.len()).is_ok_and(|n| n == BATCH);
        if !claimed.is_empty() {
            let sweep = self.sweep(turn.now, before).await?;
            let seen = self.seen(&claimed, &streams, turn.now).await?;
            let nothing = Seen::default();
            let looks = for_each(claimed, usize::try_from(BATCH).unwrap_or(1), async |name: StreamName| {
                let stream = streams.get(&name).filter(|_| !turn.stop.is_cancelled())?;
                let seen = seen.get(&name).unwrap_or(&nothing);
                Some((stream, check(&sweep, stream.clone(), seen, self.deadline).await))
            });
            let mut looks = pin!(looks);
            while let Some(look) = looks.next().await {
                let Some((stream, looked)) = look else { continue };
                let unknown = looked.judged.posture == Posture::Unknown;
                let due = self.checks.due(&stream.name, self.means.clock.now());
                let checked =
                    Checked { stream: stream.clone(), report: looked.report(), published: looked.judged.published };
                let outcome = match self.intake.remember(&checked, &token, Some(due)).await? {
                    false => "lease_lost",
                    true if unknown => "unknown",
                    true => "checked",
                };
                counts.iter_mut().filter(|(word, _)| *word == outcome).for_each(|(_, n)| *n += 1);
            }
            self.memo.lock().unwrap_or_else(PoisonError::into_inner).1 = sweep.memo();
            // What was claimed and not looked at, because the daemon stops, is anybody's again.
            let mut tx = self.means.store.write().await?;
            tx.release_checks(&token).await?;
            tx.commit().await?;
            told += self.intake.tell_postures().await?;
        }
        counts.push(("told", u64::try_from(told).unwrap_or(u64::MAX)));
        Ok(Done { counts, more })
    }

    /// Sees to it that every stream has its time: a new one and one that was registered anew at once; after a standstill all that was
    /// missed, each once and one after the other.
    async fn arrange(&self, streams: &BTreeMap<StreamName, Stream>, now: Timestamp) -> anyhow::Result<()> {
        let slots: BTreeMap<StreamName, CheckSlot> = {
            let mut tx = self.means.store.read().await?;
            tx.check_slots().await?.into_iter().map(|slot| (slot.stream.clone(), slot)).collect()
        };
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        let stood_still = looked.is_none_or(|looked| now.since(looked) > STANDSTILL);
        let mut moves = Vec::new();
        let mut new = Vec::new();
        for (name, stream) in streams {
            let Some(slot) = slots.get(name) else {
                new.push(name);
                continue;
            };
            let is_due = slot.due_at <= now;
            if slot.registration.is_empty() {
                continue;
            }
            if slot.registration != registration_hash(stream) {
                if !is_due {
                    moves.push((slot, now));
                }
            } else if stood_still && now.since(slot.due_at) > STANDSTILL {
                moves.push((slot, now.plus(share(self.checks.jitter.get(), name.as_str(), slot.due_at))));
            }
        }
        if new.is_empty() && moves.is_empty() {
            return Ok(());
        }
        let mut tx = self.means.store.write().await?;
        for name in new {
            tx.declare_check(name, now).await?;
        }
        for (slot, due_at) in moves {
            tx.move_check(slot, due_at).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Leases what is due; gives it, and when the latest of it was looked at before.
    async fn claim(
        &self,
        streams: &BTreeMap<StreamName, Stream>,
        token: &str,
        now: Timestamp,
    ) -> anyhow::Result<(Vec<StreamName>, Option<Timestamp>)> {
        let mut slots = self.means.store.read().await?.check_slots().await?;
        slots.retain(|slot| slot.due_at <= now && streams.contains_key(&slot.stream));
        if slots.is_empty() {
            return Ok((Vec::new(), None));
        }
        let names: Vec<StreamName> = slots.iter().map(|slot| slot.stream.clone()).collect();
        let mut tx = self.means.store.write().await?;
        let claimed = tx.claim_checks(&names, token, now, self.deadline + MARGIN, BATCH).await?;
        tx.commit().await?;
        let before =
            slots.iter().filter(|slot| claimed.contains(&slot.stream)).filter_map(|slot| slot.checked_at).max();
        Ok((claimed, before))
    }

    /// What ESPs reported of the sending of these streams.
    async fn seen(
        &self,
        claimed: &[StreamName],
        streams: &BTreeMap<StreamName, Stream>,
        now: Timestamp,
    ) -> anyhow::Result<BTreeMap<StreamName, Seen>> {
        let all: Vec<Stream> = streams.values().cloned().collect();
        let asked = claimed.iter().filter_map(|name| streams.get(name));
        Ok(self.means.store.read().await?.seen_of_streams(asked, &all, now).await?)
    }

    /// A look that knows what stood before: that it has gone is believed only when confirmed. Answers of earlier turns are used while
    /// they live, but none that is older than what was `before` seen of a stream: whoever had it checked by hand saw a later one.
    async fn sweep(&self, now: Timestamp, before: Option<Timestamp>) -> anyhow::Result<Sweep> {
        let expected: BTreeSet<(String, String)> = self.means.store.read().await?.expected_records().await?;
        let memo = {
            let mut memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
            if memo.1.is_empty() || before.is_some_and(|before| before >= memo.0) {
                *memo = (now, Memo::default());
            }
            std::mem::take(&mut memo.1)
        };
        let stood =
            move |question: &Question| expected.contains(&(question.name.to_string(), question.kind.to_string()));
        Ok(Sweep::after(self.resolvers.clone(), now, stood, memo))
    }
}

impl Job for CheckDomains {
    fn name(&self) -> &'static str {
        "check_domains"
    }

    /// How late a check may begin.
    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn lease(&self) -> Option<Duration> {
        None
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        Box::pin(self.check_due(turn))
    }
}
