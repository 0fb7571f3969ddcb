//! `relaywatch override`: an operator's decision about one address.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};

use super::input::personal;
use super::{ConfigFile, Format, print_json};
use crate::app::Core;
use crate::clock::Clock;
use crate::domain::address::Address;
use crate::domain::event::Decision;
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::record::OverrideAction;
use crate::domain::verdict::Question;
use crate::intake::{Ruling, wrong_words};
use crate::sources::import::{Directory, When};

/// Decide about one address.
///
/// Nothing lifts a suppression by Apple's word: the verdict in the answer says what came of it.
#[derive(Debug, Args)]
pub struct Override {
    #[command(flatten)]
    config: ConfigFile,
    /// What to decide.
    #[arg(value_enum)]
    action: Action,
    /// The team; may be missing when exactly one is configured.
    #[arg(long)]
    team: Option<String>,
    /// The address, or `-` to read it from standard input, where nobody sees it.
    #[arg(long, conflicts_with = "key", required_unless_present = "key")]
    address: Option<String>,
    /// Or its key.
    #[arg(long)]
    key: Option<String>,
    /// Who decided. Kept in the clear: no mail address.
    #[arg(long)]
    who: String,
    /// Why. Kept in the clear: no mail address and no subject.
    #[arg(long)]
    why: String,
    /// When it ends, RFC 3339. Without it: when something else is decided.
    #[arg(long, value_parser = when)]
    until: Option<When>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What an operator can decide.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Complaint, unsubscription, conviction and hold no longer count.
    Lift,
    /// No mail but security mail.
    Suppress,
}

/// Reads a time of an argument.
///
/// # Errors
/// When it is none.
pub fn when(text: &str) -> Result<When, String> {
    When::parse(text).ok_or_else(|| "takes RFC 3339, a date, or seconds since 1970".to_owned())
}

impl Override {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let core = Core::open(self.config.load()?, clock, true).await?;
        let done = self.decide(&core).await;
        core.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn decide(self, core: &Core) -> anyhow::Result<()> {
        let team = team(core, self.team.as_deref())?;
        let until = self.until.map(|When(at)| at);
        if let Some((field, detail)) = wrong_words(&self.who, &self.why, until, core.clock.now()) {
            bail!("--{field} {detail}");
        }
        let address = match (&self.address, &self.key) {
            (Some(text), _) => {
                Address::parse(&personal(text)?).ok_or_else(|| anyhow!("--address is no mail address"))?
            }
            (None, key) => by_key(core, &team, key.as_deref().unwrap_or_default()).await?,
        };
        let action = match self.action {
            Action::Lift => OverrideAction::Lift,
            Action::Suppress => OverrideAction::Suppress,
        };
        let decision = Decision { action, who: self.who, why: self.why, until };
        let by = "command line".to_owned();
        let ruled = core.intake.rule(Ruling { team: team.clone(), address, decision, endpoint: "cli", by }).await?;
        let mut tx = core.store.read().await?;
        let verdicts = core.intake.context().verdicts(&mut tx, &[(team, ruled.key)], &Question::default()).await?;
        for verdict in verdicts {
            match self.format {
                Format::Json => print_json(&serde_json::json!({
                    "event": ruled.event, "key": ruled.key, "cursor": ruled.head.to_string(), "verdict": verdict,
                }))?,
                Format::Text => println!("{}  {}: now {}", ruled.event, ruled.key, verdict.reason.as_str()),
            }
        }
        Ok(())
    }
}

/// The team that is meant.
///
/// # Errors
/// When it is not configured, or not named and not the only one.
pub fn team(core: &Core, named: Option<&str>) -> anyhow::Result<TeamId> {
    Directory::new(core.config.teams.clone()).team(named).map_err(|wrong| anyhow!("--team {}", wrong.detail))
}

async fn by_key(core: &Core, team: &TeamId, key: &str) -> anyhow::Result<Address> {
    let key = AddressKey::parse(key).ok_or_else(|| anyhow!("--key is not 32 hexadecimal digits"))?;
    let mut tx = core.store.read().await?;
    let mut known = core.intake.context().addresses(&mut tx, team, &[key]).await?;
    known.remove(&key).ok_or_else(|| anyhow!("no address of this team is known by this key"))
}
