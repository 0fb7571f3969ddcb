//! What a check found enters here: remembered in one transaction, and every change of posture goes into the log.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::{Intake, IntakeError, Submission};
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{Esp, StreamName, TeamId};
use crate::domain::posture::{CheckReport, Memory, Posture, PostureChange, Published};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Gate, InForce, Limit, Reach, Reason, View};
use crate::store::{CheckDone, Result, Store, Tx};

/// Changes told in one go.
const TOLD_AT_ONCE: i64 = 100;

/// What a look at the DNS said of one stream, to be remembered.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The stream as it was registered when it was checked.
    pub stream: Stream,
    /// What was found.
    pub report: CheckReport,
    /// What was published.
    pub published: Vec<Published>,
}

/// A change of posture on its way into the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Untold {
    at: Timestamp,
    micros: i64,
    team: TeamId,
    from_domain: String,
    change: PostureChange,
}

/// The streams whose last known posture is `failing`, and since when: a copy of the store, read anew now and then. Nothing is in it when
/// checks are switched off, for then nobody would see that a record was mended.
#[derive(Debug)]
pub struct FailingStreams {
    counts: bool,
    streams: ArcSwap<BTreeMap<StreamName, Timestamp>>,
}

impl FailingStreams {
    /// None yet. Without `counts`, none ever.
    pub fn new(counts: bool) -> Self {
        Self { counts, streams: ArcSwap::default() }
    }

    /// Reads them from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&self, store: &Store) -> Result<()> {
        if self.counts {
            let failing = store.read().await?.failing_streams().await?;
            self.streams.store(failing.into());
        }
        Ok(())
    }

    /// Takes in what a check of this process found.
    fn set(&self, stream: &StreamName, since: Option<Timestamp>) {
        if self.counts && self.streams.load().get(stream).copied() != since {
            self.streams.rcu(|known| {
                let mut known = BTreeMap::clone(known);
                match since {
                    Some(since) => known.insert(stream.clone(), since),
                    None => known.remove(stream),
                };
                known
            });
        }
    }
}

impl super::Context {
    /// Puts around a view what stands around the addresses of a team: its ways of sending, and those that Apple refuses at present.
    pub fn surround(&self, team: &TeamId, view: &mut View) {
        let streams = self.streams.load();
        let failing = self.failing.streams.load();
        let of_team = streams.all().iter().filter(|stream| stream.team == *team);
        for stream in of_team {
            if stream.sends_mail {
                view.around.ways.insert(stream.name.clone(), Esp::new(stream.provider.as_str()));
            }
            if failing.contains_key(&stream.name) {
                view.around.limits.push(refused(&stream.name));
            }
        }
    }

    /// Whether any stream is refused at present: when none is, nothing surrounds an address of whom there is nothing to say.
    pub fn is_any_failing(&self) -> bool {
        !self.failing.streams.load().is_empty()
    }

    /// What stands in the way of a whole stream.
    pub fn in_force(&self, stream: &StreamName) -> Vec<InForce> {
        let since = self.failing.streams.load().get(stream).copied();
        let refused = |since| InForce { limit: refused(stream), gate: Gate::Closed, since };
        since.map(refused).into_iter().collect()
    }
}

fn refused(stream: &StreamName) -> Limit {
    let stream = Some(stream.clone());
    Limit { scope: Reach::Stream, esp: None, stream, app: None, reason: Reason::SenderFault, wave: None }
}

/// What stands for a registration: another one must be checked anew. Names in another case are the same names.
pub fn registration_hash(stream: &Stream) -> String {
    let spec = serde_json::to_string(stream).unwrap_or_default().to_ascii_lowercase();
    let digest = digest::digest(&digest::SHA256, spec.as_bytes());
    digest.as_ref().iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Intake {
    /// Remembers what a check found, by whoever holds the stream's check under `token`; then it is next due at `due_at`, or as it was.
    /// False when the lease is another's by now: nothing is written down then.
    ///
    /// # Errors
    /// When the store fails; a change of posture that was remembered and not told is told later.
    pub async fn remember(&self, checked: &Checked, token: &str, due_at: Option<Timestamp>) -> Result<bool> {
        let report = &checked.report;
        let stream = &checked.stream.name;
        let mut tx = self.store().write().await?;
        if !tx.hold_check(stream, token).await? {
            return Ok(false);
        }
        let Some(row) = tx.check(stream).await? else { return Ok(false) };
        let registration = registration_hash(&checked.stream);
        // What was known of another registration says nothing of this one.
        let known = if row.registration == registration { row.memory } else { Memory::default() };
        let (memory, change) = known.learn(report);
        let changes = tx.remember_records(stream, &checked.published, report.checked_at).await?;
        let mut untold = untold(row.untold.as_deref());
        untold.extend(change.map(|change| Untold {
            at: report.checked_at,
            micros: report.checked_at.micros(),
            team: checked.stream.team.clone(),
            from_domain: checked.stream.from_domain.clone(),
            change,
        }));
        let to_tell = (!untold.is_empty()).then(|| text(&untold));
        let done = CheckDone {
            stream,
            token,
            registration: &registration,
            checked_at: report.checked_at,
            due_at,
            memory: &memory,
            report: &text(report),
            untold: to_tell.as_deref(),
        };
        tx.finish_check(&done).await?;
        tx.commit().await?;
        let context = self.context();
        context.failing.set(stream, memory.since.filter(|_| memory.posture == Posture::Failing));
        context.metrics.checks.dns_record_changes_total.add([stream], changes);
        Ok(true)
    }

    /// Tells the log of the changes of posture that it has not heard of yet. Telling one twice does no harm.
    ///
    /// # Errors
    /// [`IntakeError`]; they are then told later.
    pub async fn tell_postures(&self) -> std::result::Result<usize, IntakeError> {
        let unavailable = |e: crate::store::StoreError| IntakeError::Unavailable(e.to_string());
        let waiting = read_untold(self.store()).await.map_err(unavailable)?;
        let mut told = 0;
        for (stream, text) in waiting {
            let events: Vec<Event> = untold(Some(&text)).into_iter().map(|one| event(&stream, one)).collect();
            told += events.len();
            let received_at = self.context().clock.now();
            let endpoint = "checks".to_owned();
            self.submit(Submission { endpoint, received_at, events, ..Submission::default() }).await?;
            let cleared = async {
                let mut tx = self.store().write().await?;
                tx.changes_are_told(&stream, &text).await?;
                tx.commit().await
            };
            cleared.await.map_err(unavailable)?;
        }
        Ok(told)
    }
}

async fn read_untold(store: &Store) -> Result<Vec<(StreamName, String)>> {
    let mut tx: Tx = store.read().await?;
    tx.untold_changes(TOLD_AT_ONCE).await
}

/// What cannot be read any more is not worth stopping for: the memory itself is in its own columns.
fn untold(text: Option<&str>) -> Vec<Untold> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The same change is the same event, however often it is told.
fn event(stream: &StreamName, untold: Untold) -> Event {
    let Untold { at, micros, team, from_domain, change } = untold;
    let (from, to) = (change.from.as_str(), change.to.as_str());
    Event {
        identity: Identity::new("posture", &[stream.as_str(), &micros.to_string(), from, to]),
        source: Source::Relaywatch,
        kind: Kind::PostureChanged,
        scope: Scope::Sender,
        fresh: false,
        rule: format!("posture.{to}").into(),
        who: Who::default(),
        origin: Origin { stream: Some(stream.clone()), from_domain: Some(from_domain), ..Origin::of_team(team) },
        evidence: Evidence { detail: Some(text(&change)), ..Evidence::default() },
        occurred_at: at,
        decision: None,
    }
}
