//! `relaywatch erase`: everything of a person goes, and stays gone.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::input::personal;
use super::overrides::team;
use super::{ConfigFile, Format, print_json};
use crate::app::Core;
use crate::clock::Clock;
use crate::domain::address::Address;
use crate::domain::ids::Sub;
use crate::intake::Erasure;

/// Erase a person: all addresses of the subject, all subjects of the address.
///
/// A keyed tombstone stays, so that no old data brings the person back. It cannot be undone.
#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    config: ConfigFile,
    /// The team; may be missing when exactly one is configured.
    #[arg(long)]
    team: Option<String>,
    /// The address, or `-` to read it from standard input, where nobody sees it.
    #[arg(long, required_unless_present = "sub")]
    address: Option<String>,
    /// Apple's user id, or `-`.
    #[arg(long)]
    sub: Option<String>,
    /// Who asks for it. Stands in the audit trail.
    #[arg(long, default_value = "command line")]
    who: String,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Erase {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let core = Core::open(self.config.load()?, clock, true).await?;
        let done = self.erase(&core).await;
        core.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn erase(self, core: &Core) -> anyhow::Result<()> {
        let team = team(core, self.team.as_deref())?;
        let address = self.address.as_deref().map(personal).transpose()?;
        let address = address.map(|text| Address::parse(&text).ok_or_else(|| anyhow!("--address is no mail address")));
        let sub = self.sub.as_deref().map(personal).transpose()?;
        let sub = sub.map(|text| Sub::parse(&text).ok_or_else(|| anyhow!("--sub is no subject")));
        let erasure = Erasure { team, address: address.transpose()?, sub: sub.transpose()?, who: self.who };
        let done = core.intake.erase(&erasure).await?;
        match self.format {
            Format::Json => print_json(&done)?,
            Format::Text => println!("erased {} addresses and {} subjects", done.addresses, done.subjects),
        }
        Ok(())
    }
}
