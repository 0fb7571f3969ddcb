//! What ESPs' events told of the sending: kept by intake, read by the checks and by whoever asks who else sends.

use std::collections::BTreeMap;

use super::dialect::{Twin, batch, lookup};
use super::{Result, StoreError, Tx, on};
use crate::domain::ids::{Esp, StreamName, TeamId, UNREGISTERED};
use crate::domain::observed::{MOST_ADDRESSES, OF_LATE, Observation, Observed, ObservedKind, Seen};
use crate::domain::stream::Stream;
use crate::domain::time::Timestamp;

pub(super) const PUT: Twin = batch!(
    "INSERT INTO observed_senders (team, stream, from_domain, kind, value, esp, first_seen, last_seen)",
    [text 0, text 1, text 2, text 3, text 4, text 5, int 6, int 7],
    "ON CONFLICT (team, stream, from_domain, kind, value, esp) DO UPDATE SET \
     first_seen = CASE WHEN excluded.first_seen < observed_senders.first_seen THEN excluded.first_seen ELSE observed_senders.first_seen END, \
     last_seen = CASE WHEN excluded.last_seen > observed_senders.last_seen THEN excluded.last_seen ELSE observed_senders.last_seen END"
);
/// The newest of each kind, for every stream that is asked for.
pub(super) const OF_STREAMS: Twin = lookup!(
    "SELECT position, stream, from_domain, kind, value, esp, first_seen, last_seen FROM (SELECT batch.n AS position, r.stream AS stream, \
     r.from_domain AS from_domain, r.kind AS kind, r.value AS value, r.esp AS esp, r.first_seen AS first_seen, r.last_seen AS last_seen, \
     ROW_NUMBER() OVER (PARTITION BY batch.n, r.kind ORDER BY r.last_seen DESC, r.value, r.esp) AS place",
    "observed_senders AS r",
    ["r.team" = text 0, "r.stream" = text 1, "r.from_domain" = text 2],
    "AND r.last_seen >= $2) AS recent WHERE place <= $3 ORDER BY position, kind, place"
);
pub(super) const DOMAINS: &str = "SELECT team, stream, from_domain, kind, value, esp, first_seen, last_seen FROM observed_senders \
     WHERE last_seen >= $1 AND kind <> 'sending_ip' ORDER BY last_seen DESC, team, stream, from_domain, kind, value, esp LIMIT $2";
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM observed_senders";

/// How many domains are read at once: more than anybody registers, and little enough to read at every scrape.
const MOST_DOMAINS: i64 = 10_000;

/// The columns of a row after those that tell whose it is.
type Row = (String, String, String, String, String, i64, i64);
/// A row with its team.
type OfTeam = (String, String, String, String, String, String, i64, i64);
/// A row with the position, from 1, of what it was asked for.
type Placed = (i64, String, String, String, String, String, i64, i64);

fn read(team: TeamId, (stream, from_domain, kind, value, esp, first_seen, last_seen): Row) -> Result<Observed> {
    let kind = ObservedKind::parse(&kind).ok_or(StoreError::Corrupt { table: "observed_senders", column: "kind" })?;
    let what = Observation { team, stream: StreamName::new(stream), esp: Esp::new(esp), from_domain, kind, value };
    let (first_seen, last_seen) = (Timestamp::from_micros(first_seen), Timestamp::from_micros(last_seen));
    Ok(Observed { what, first_seen, last_seen })
}

impl Tx {
    /// Writes down what was seen; of what is known already the first and the last time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_observed(&mut self, seen: &[Observed]) -> Result<()> {
        let rows: Vec<_> = seen
            .iter()
            .map(|Observed { what, first_seen, last_seen }| {
                let Observation { team, stream, esp, from_domain, kind, value } = what;
                (team, stream, from_domain, kind.as_str(), value, esp, first_seen.micros(), last_seen.micros())
            })
            .collect();
        self.put(&PUT, &rows).await
    }

    /// What was seen of these streams within [`OF_LATE`], as far as a check has a use for it; `all` are the registered streams. A stream
    /// of which nothing was seen is not in it.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn seen_of_streams<'a>(
        &mut self,
        streams: impl IntoIterator<Item = &'a Stream>,
        all: &[Stream],
        now: Timestamp,
    ) -> Result<BTreeMap<StreamName, Seen>> {
        let streams: Vec<&Stream> = streams.into_iter().collect();
        // Mail with the stream's From domain and another envelope finds no stream: it is looked for under nobody's name.
        let asked: Vec<(&TeamId, &str, String)> = streams
            .iter()
            .flat_map(|stream| {
                let from = stream.from_domain.trim().to_ascii_lowercase();
                [(&stream.team, stream.name.as_str(), from.clone()), (&stream.team, UNREGISTERED, from)]
            })
            .collect();
        if asked.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (sql, asked, since) = (self.spell(&OF_STREAMS), super::json(&asked)?, now.minus(OF_LATE).micros());
        let most = i64::try_from(MOST_ADDRESSES).unwrap_or(i64::MAX);
        let rows: Vec<Placed> =
            on!(self, c => sqlx::query_as(sql).bind(asked).bind(since).bind(most).fetch_all(c).await)?;
        let mut seen: BTreeMap<StreamName, Vec<Observed>> = BTreeMap::new();
        for (position, stream, from_domain, kind, value, esp, first_seen, last_seen) in rows {
            let asked = usize::try_from(position - 1).ok().and_then(|position| streams.get(position / 2));
            let Some(asked) = asked else { continue };
            let row = read(asked.team.clone(), (stream, from_domain, kind, value, esp, first_seen, last_seen))?;
            seen.entry(asked.name.clone()).or_default().push(row);
        }
        Ok(seen.into_iter().map(|(name, seen)| (name, Seen::of(&seen, all))).collect())
    }

    /// The domains seen since an instant, those seen last first; of very many, those seen last.
    ///
    /// # Errors
    /// When the store fails or a row is corrupt.
    pub async fn observed_domains(&mut self, since: Timestamp) -> Result<Vec<Observed>> {
        let rows: Vec<OfTeam> =
            on!(self, c => sqlx::query_as(DOMAINS).bind(since.micros()).bind(MOST_DOMAINS).fetch_all(c).await)?;
        let with_team = |(team, stream, from_domain, kind, value, esp, first_seen, last_seen): OfTeam| {
            read(TeamId::new(team), (stream, from_domain, kind, value, esp, first_seen, last_seen))
        };
        rows.into_iter().map(with_team).collect()
    }

    /// How many observations are kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_observed(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(COUNT).fetch_one(c).await)?)
    }
}
