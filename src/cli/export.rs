//! `relaywatch export`: the verdict on every known address, one JSON object to a line.

use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::ConfigFile;
use crate::app::Core;
use crate::clock::Clock;
use crate::domain::address::Address;
use crate::domain::ids::{AddressKey, Sub, SubKey, TeamId};
use crate::domain::policy::Class;
use crate::domain::verdict::{Question, Verdict};
use crate::store::{AddressAt, AuditRow};

/// Addresses read at a time.
const AT_A_TIME: i64 = 1_000;

/// Write the verdict on every known address, one JSON object to a line.
///
/// Addresses go by their keys. Changes since the beginning of the export follow from the cursor of its first line.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    config: ConfigFile,
    /// Only this team.
    #[arg(long)]
    team: Option<String>,
    /// For what: security, transactional or marketing.
    #[arg(long, default_value = "marketing", value_parser = class)]
    class: Class,
    /// Write addresses and subjects in the clear. Stands in the audit trail.
    #[arg(long)]
    reveal: bool,
}

fn class(word: &str) -> Result<Class, String> {
    Class::parse(word).ok_or_else(|| "takes security, transactional or marketing".to_owned())
}

#[derive(Serialize)]
struct Line<'a> {
    team: &'a TeamId,
    key: AddressKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    verdict: &'a Verdict,
}

impl Export {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let core = Core::open(self.config.load()?, clock, true).await?;
        let done = self.write(&core, BufWriter::new(std::io::stdout().lock())).await;
        core.close().await;
        match done {
            // Whoever reads has enough.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            done => done.map(|()| ExitCode::SUCCESS),
        }
    }

    async fn write(&self, core: &Core, mut out: impl Write) -> anyhow::Result<()> {
        if self.reveal {
            audit(core, self.team.as_deref()).await?;
        }
        let mut teams = core.store.read().await?.teams().await?;
        teams.sort();
        if let Some(only) = &self.team {
            teams.retain(|team| team.as_str() == only);
        }
        for team in teams {
            let mut after = None;
            loop {
                let last = self.page(core, &team, after, &mut out).await?;
                if last.is_none() {
                    break;
                }
                after = last;
            }
        }
        Ok(out.flush()?)
    }

    /// Writes the addresses behind `after`, from one view of the store; returns the last, `None` when there was none.
    async fn page(
        &self,
        core: &Core,
        team: &TeamId,
        after: Option<AddressKey>,
        out: &mut impl Write,
    ) -> anyhow::Result<Option<AddressKey>> {
        let context = core.intake.context();
        let question = Question { class: self.class, ..Question::default() };
        let mut tx = core.store.read().await?;
        let keys = tx.keys_of(team, after, AT_A_TIME).await?;
        let places: Vec<AddressAt> = keys.iter().map(|key| (team.clone(), *key)).collect();
        let verdicts = context.verdicts(&mut tx, &places, &question).await?;
        let (mut addresses, mut subs, mut subjects) = Default::default();
        if self.reveal {
            let rows = tx.addresses(&places).await?;
            let subject = |at: &AddressAt| Some((at.1, rows.get(at)?.record.subject()?));
            subjects = places.iter().filter_map(subject).collect::<std::collections::HashMap<AddressKey, SubKey>>();
            addresses = context.addresses(&mut tx, team, &keys).await?;
            subs = context.subs(&mut tx, team, &subjects.values().copied().collect::<Vec<_>>()).await?;
        }
        drop(tx);
        for (key, verdict) in keys.iter().zip(&verdicts) {
            let address = addresses.get(key).map(Address::expose);
            let sub = subjects.get(key).and_then(|sub| subs.get(sub)).map(Sub::expose);
            serde_json::to_writer(&mut *out, &Line { team, key: *key, address, sub, verdict })?;
            out.write_all(b"\n")?;
        }
        Ok(keys.last().copied())
    }
}

async fn audit(core: &Core, team: Option<&str>) -> anyhow::Result<()> {
    let mut tx = core.store.write().await?;
    tx.put_audit(&AuditRow {
        id: uuid::Uuid::now_v7().to_string(),
        at: core.clock.now(),
        who: "command line".to_owned(),
        action: "export_reveal".to_owned(),
        detail: serde_json::json!({ "team": team }).to_string(),
    })
    .await?;
    Ok(tx.commit().await?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(ErrorKind::BrokenPipe)
    })
}
