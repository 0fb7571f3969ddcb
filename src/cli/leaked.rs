//! `relaywatch leaked`: relay addresses that were mailed from where nobody of ours should have them.
//!
//! A relay address belongs to one user and one team, so only that team's streams have a reason to mail it. When an ESP of ours reports on it
//! from a domain that is no stream's, or under another team, somebody passed it on or exported too much. What others send with ESPs of their
//! own cannot be seen here.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::overrides::when;
use super::{ConfigFile, Format, print_json};
use crate::app::Core;
use crate::clock::Clock;
use crate::domain::address::Address;
use crate::domain::ids::{AddressKey, Esp, StreamName, TeamId, UNREGISTERED};
use crate::domain::stream::StreamBook;
use crate::domain::time::Timestamp;
use crate::sources::import::When;
use crate::store::{AddressAt, Sighting, Tx};

/// Addresses looked at at a time.
const AT_A_TIME: i64 = 1_000;

/// List relay addresses that were mailed from a domain that is no stream's, or under a team that is not theirs.
#[derive(Debug, Args)]
pub struct Leaked {
    #[command(flatten)]
    config: ConfigFile,
    /// Only what happened since, RFC 3339. Without it: everything that the log still holds.
    #[arg(long, value_parser = when)]
    since: Option<When>,
    /// Write addresses in the clear.
    #[arg(long)]
    reveal: bool,
    /// How to answer; json: one object to a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One address, and where it was mailed from.
#[derive(Debug, Serialize)]
struct Leak {
    key: AddressKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The teams whose import or whose notifications from Apple know it.
    known_to: Vec<TeamId>,
    seen: Vec<Seen>,
}

#[derive(Debug, Serialize)]
struct Seen {
    because: Because,
    team: TeamId,
    stream: Option<StreamName>,
    sending_domain: Option<String>,
    esp: Option<Esp>,
    events: i64,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// Why a sighting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Because {
    /// The domain is no registered stream's of the team.
    UnregisteredDomain,
    /// Other teams know the address, and this one does not.
    OtherTeam,
}

impl Leaked {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let core = Core::open(self.config.load()?, clock, true).await?;
        let done = self.list(&core).await;
        core.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn list(&self, core: &Core) -> anyhow::Result<()> {
        let since = self.since.map_or_else(Timestamp::default, |When(at)| at);
        let streams = core.intake.context().streams.load();
        let teams = core.store.read().await?.teams().await?;
        let (mut after, mut found, mut untold) = (None, 0, 0);
        loop {
            let mut tx = core.store.read().await?;
            let keys = tx.mentioned(after, AT_A_TIME).await?;
            let (Some(first), Some(last)) = (keys.first(), keys.last()) else { break };
            let mut by_address: BTreeMap<AddressKey, Vec<Sighting>> = BTreeMap::new();
            for sighting in tx.sightings(*first, *last, since).await? {
                by_address.entry(sighting.key).or_default().push(sighting);
            }
            let known_to = known_to(&mut tx, &teams, by_address.keys().copied()).await?;
            for (key, sightings) in by_address {
                let known_to = known_to.get(&key).cloned().unwrap_or_default();
                let is_untold = |s: &&Sighting| s.sending_domain.is_none() && !is_foreign(s, &known_to);
                untold += sightings.iter().filter(is_untold).count();
                let seen: Vec<Seen> = sightings.into_iter().filter_map(|s| seen(s, &known_to, &streams)).collect();
                if seen.is_empty() {
                    continue;
                }
                found += 1;
                let address = if self.reveal { reveal(core, &mut tx, &known_to, &seen, key).await? } else { None };
                self.tell(&Leak { key, address, known_to, seen })?;
            }
            after = Some(*last);
        }
        if self.format == Format::Text {
            println!("{found} addresses");
        }
        if untold > 0 {
            eprintln!("{untold} times an ESP did not say from which domain: these were left out");
        }
        Ok(())
    }

    fn tell(&self, leak: &Leak) -> anyhow::Result<()> {
        if self.format == Format::Json {
            return print_json(leak);
        }
        let known_to: Vec<&str> = leak.known_to.iter().map(TeamId::as_str).collect();
        let known_to = if known_to.is_empty() { "nobody".to_owned() } else { known_to.join(", ") };
        println!("{}  known to {known_to}", leak.address.clone().unwrap_or_else(|| leak.key.to_string()));
        for s in &leak.seen {
            let domain = s.sending_domain.as_deref().unwrap_or("an unknown domain");
            let why = match s.because {
                Because::UnregisteredDomain => "no stream's domain",
                Because::OtherTeam => "not this team's",
            };
            println!("    {domain}, team {}, {} times, last {}: {why}", s.team, s.events, s.last_at);
        }
        Ok(())
    }
}

/// Whether others know the address and the reporting team does not.
fn is_foreign(sighting: &Sighting, known_to: &[TeamId]) -> bool {
    !known_to.is_empty() && !known_to.contains(&sighting.team)
}

fn seen(sighting: Sighting, known_to: &[TeamId], streams: &StreamBook) -> Option<Seen> {
    let because = if is_foreign(&sighting, known_to) {
        Because::OtherTeam
    } else {
        // A domain that has been registered since is nobody else's.
        let domain = sighting.sending_domain.as_deref()?;
        let ours = streams.all().iter().any(|s| s.team == sighting.team && s.from_domain == domain);
        let unregistered = sighting.stream.as_ref().is_some_and(|stream| stream.as_str() == UNREGISTERED);
        (unregistered && !ours).then_some(Because::UnregisteredDomain)?
    };
    let Sighting { team, stream, sending_domain, esp, events, first_at, last_at, .. } = sighting;
    Some(Seen { because, team, stream, sending_domain, esp, events, first_at, last_at })
}

/// Which teams know whose address it is.
async fn known_to(
    tx: &mut Tx,
    teams: &[TeamId],
    keys: impl Iterator<Item = AddressKey>,
) -> anyhow::Result<BTreeMap<AddressKey, Vec<TeamId>>> {
    let places: Vec<AddressAt> = keys.flat_map(|key| teams.iter().map(move |team| (team.clone(), key))).collect();
    let mut known: BTreeMap<AddressKey, Vec<TeamId>> = BTreeMap::new();
    for ((team, key), row) in tx.addresses(&places).await? {
        if !row.record.subjects.is_empty() {
            known.entry(key).or_default().push(team);
        }
    }
    known.values_mut().for_each(|teams| teams.sort());
    Ok(known)
}

/// The address, wherever it is known.
async fn reveal(
    core: &Core,
    tx: &mut Tx,
    known_to: &[TeamId],
    seen: &[Seen],
    key: AddressKey,
) -> anyhow::Result<Option<String>> {
    for team in known_to.iter().chain(seen.iter().map(|s| &s.team)) {
        if let Some(address) = core.intake.context().addresses(tx, team, &[key]).await?.get(&key) {
            return Ok(Some(Address::expose(address).to_owned()));
        }
    }
    Ok(None)
}
