//! One page of the feed, read from one consistent view of the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::super::ndjson;
use super::super::problem::Problem;
use crate::domain::event::Source;
use crate::domain::ids::{AddressKey, Sub, SubKey, TeamId};
use crate::domain::verdict::{Question, Verdict};
use crate::intake::Context;
use crate::store::{AddressAt, EventRow, Store, SubjectAt, Tx};

/// Events read at a time.
const EVENTS: i64 = 1_000;

/// Events looked at for one page: most of a log can be mail that was delivered and changed nothing.
const LOOKED_AT: i64 = 20_000;

/// A page.
pub(super) struct Page {
    /// Its lines.
    pub lines: Vec<u8>,
    /// The last number of the log it has looked at.
    pub end: i64,
    /// Whether there was nothing behind that.
    pub at_head: bool,
}

/// Whom a verdict may have changed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Address(AddressAt),
    /// Of whom no address is known.
    Subject(SubjectAt),
}

/// One line. The address's key is null when none is known of the subject.
#[derive(Serialize)]
struct Line<'a> {
    cursor: String,
    team: &'a TeamId,
    key: Option<AddressKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    verdict: &'a Verdict,
}

impl Page {
    /// Reads on behind `after` until `most` addresses are touched.
    ///
    /// # Errors
    /// 410 when the log does not reach back to `after`, 503 when the store cannot be asked.
    pub(super) async fn read(context: &Context, store: &Store, after: i64, most: usize) -> Result<Self, Problem> {
        let mut tx = store.read().await?;
        let head = tx.head().await?;
        if after > head {
            return Err(Problem::gone("the log has not come to this cursor: it is not the one the cursor came from")
                .about("after"));
        }
        let oldest = tx.oldest_event().await?;
        if after < head && oldest.is_none_or(|oldest| after + 1 < oldest) {
            return Err(Problem::gone("the log does not reach back to this cursor any more").about("after"));
        }
        let mut touched: BTreeMap<Touched, i64> = BTreeMap::new();
        let mut end = after;
        while end < head && end - after < LOOKED_AT && touched.len() < most {
            let events = tx.events_after(end, EVENTS).await?;
            let found = touched_by(&mut tx, &events).await?;
            for (event, found) in events.iter().zip(found) {
                end = event.n;
                touched.extend(found.into_iter().map(|whom| (whom, event.n)));
                if touched.len() >= most {
                    break;
                }
            }
            if events.is_empty() {
                end = head;
            }
        }
        let lines = written(context, &mut tx, touched).await?;
        Ok(Self { lines, end, at_head: end == head })
    }
}

/// For each event, whom it may have changed the verdict of.
async fn touched_by(tx: &mut Tx, events: &[EventRow]) -> Result<Vec<BTreeSet<Touched>>, Problem> {
    let places: BTreeSet<AddressAt> =
        events.iter().filter_map(|e| e.address_key.map(|key| (e.team.clone(), key))).collect();
    let subjects: BTreeSet<SubjectAt> =
        events.iter().filter_map(|e| e.subject_key.map(|key| (e.team.clone(), key))).collect();
    let addresses = tx.addresses(&places.into_iter().collect::<Vec<_>>()).await?;
    let subjects = tx.subjects(&subjects.into_iter().collect::<Vec<_>>()).await?;
    let touched = |event: &EventRow| {
        let mut touched = BTreeSet::new();
        let of_esp = matches!(event.source, Source::Ses | Source::Sparkpost | Source::Braze);
        let place = event.address_key.map(|key| (event.team.clone(), key));
        if of_esp {
            // What an ESP reports is mostly no news. The last event that was has its number on the record.
            touched.extend(
                place.filter(|at| addresses.get(at).is_some_and(|row| row.version == event.n)).map(Touched::Address),
            );
            return touched;
        }
        touched.extend(place.map(Touched::Address));
        if let Some(key) = event.subject_key {
            let at = (event.team.clone(), key);
            let known = subjects.get(&at).into_iter().flat_map(|row| row.record.addresses.keys());
            touched.extend(known.map(|key| Touched::Address((event.team.clone(), *key))));
            if touched.is_empty() {
                touched.insert(Touched::Subject(at));
            }
        }
        touched
    };
    Ok(events.iter().map(touched).collect())
}

async fn written(context: &Context, tx: &mut Tx, touched: BTreeMap<Touched, i64>) -> Result<Vec<u8>, Problem> {
    let question = Question::default();
    let mut places: Vec<AddressAt> = Vec::new();
    let mut bare: Vec<SubjectAt> = Vec::new();
    for whom in touched.keys() {
        match whom {
            Touched::Address(at) => places.push(at.clone()),
            Touched::Subject(at) => bare.push(at.clone()),
        }
    }
    let verdicts = context.verdicts(tx, &places, &question).await?;
    let mut verdicts: BTreeMap<Touched, Verdict> = places.iter().cloned().map(Touched::Address).zip(verdicts).collect();
    let of_subjects = context.verdicts_on_subjects(tx, &bare, &question).await?;
    verdicts.extend(of_subjects.into_iter().map(|(at, verdict)| (Touched::Subject(at), verdict)));
    let rows = tx.addresses(&places).await?;
    let subject_of = |whom: &Touched| match whom {
        Touched::Address(at) => rows.get(at).and_then(|row| row.record.subject()),
        Touched::Subject((_, key)) => Some(*key),
    };
    let mut wanted: BTreeMap<TeamId, BTreeSet<SubKey>> = BTreeMap::new();
    for whom in touched.keys() {
        wanted.entry(whom.team().clone()).or_default().extend(subject_of(whom));
    }
    let mut subs: HashMap<SubjectAt, Sub> = HashMap::new();
    for (team, keys) in wanted {
        let found = context.subs(tx, &team, &keys.into_iter().collect::<Vec<_>>()).await?;
        subs.extend(found.into_iter().map(|(key, sub)| ((team.clone(), key), sub)));
    }
    let mut ordered: Vec<(i64, Touched)> = touched.into_iter().map(|(whom, n)| (n, whom)).collect();
    ordered.sort();
    let mut out = Vec::new();
    for (i, (n, whom)) in ordered.iter().enumerate() {
        // A subject that was erased meanwhile has no record left to judge by.
        let Some(verdict) = verdicts.get(whom) else { continue };
        // Only behind the last line of an event it is dealt with.
        let last = ordered.get(i + 1).is_none_or(|(next, _)| next != n);
        let sub = subject_of(whom).and_then(|key| subs.get(&(whom.team().clone(), key))).map(Sub::expose);
        let cursor = if last { *n } else { n - 1 }.to_string();
        ndjson::write(&mut out, &Line { cursor, team: whom.team(), key: whom.key(), sub, verdict })?;
    }
    Ok(out)
}

impl Touched {
    fn team(&self) -> &TeamId {
        match self {
            Self::Address((team, _)) | Self::Subject((team, _)) => team,
        }
    }

    fn key(&self) -> Option<AddressKey> {
        match self {
            Self::Address((_, key)) => Some(*key),
            Self::Subject(_) => None,
        }
    }
}
