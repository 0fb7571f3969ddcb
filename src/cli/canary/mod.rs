//! `relaywatch canary`: how the canaries stand, a round or a burst of them now, and the drill for Apple's notifications.
//!
//! `send` sends nothing itself: it asks, and the daemon sends within the budget of the addresses.

mod drill;
mod text;

use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::Subcommand;
use serde_json::json;

use super::paint::Paint;
use super::{ConfigFile, Format, print_json};
use crate::app::Core;
use crate::clock::Clock;

/// How the canaries stand; a round of them now; the drill.
#[derive(Debug, Subcommand)]
pub enum CanaryCommand {
    /// How every route stands, and what the rounds name as broken.
    Status {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Asks the daemon for a round now, within the budget.
    Send {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// The round; without it, every one.
        #[arg(long, value_name = "NAME")]
        round: Option<String>,
        /// Instead: a burst, a round every few minutes as configured.
        #[arg(long)]
        burst: bool,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Waits for Apple's word on one of our own addresses while you switch its forwarding off and on.
    Drill(drill::Drill),
}

impl CanaryCommand {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { config, format } => {
                let core = open(&config, clock).await?;
                let done = status(&core, format).await;
                core.close().await;
                done
            }
            Self::Send { config, round, burst, format } => {
                let core = open(&config, clock).await?;
                let done = send(&core, round.as_deref(), burst, format).await;
                core.close().await;
                done
            }
            Self::Drill(drill) => drill.run(clock).await,
        }
    }
}

/// The store as the daemon left it: none is made, and none gets another schema while a daemon may be working on it.
async fn open(config: &ConfigFile, clock: Clock) -> anyhow::Result<Core> {
    let config = config.load()?;
    let url = &config.store.url;
    ensure!(!url.is_missing(), "{url} is not there yet; the first start of the daemon makes it");
    Core::open(config, clock, false).await
}

async fn status(core: &Core, format: Format) -> anyhow::Result<ExitCode> {
    let mut tx = core.store.read().await?;
    let matrix = core.intake.context().canary_matrix(&mut tx).await?;
    match format {
        Format::Json => print_json(&matrix)?,
        Format::Text => print!("{}", text::matrix(&matrix, Paint::stdout())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn send(core: &Core, round: Option<&str>, burst: bool, format: Format) -> anyhow::Result<ExitCode> {
    let known = core.intake.context().canaries.rounds();
    let asked: Vec<&str> = match round {
        Some(round) if !known.contains(round) => bail!("no round is called {round:?}; see [[canaries.routes]]"),
        Some(round) => vec![round],
        None if known.is_empty() => bail!("no canaries are configured; see [[canaries.routes]]"),
        None => known.into_iter().collect(),
    };
    let mut answers = Vec::new();
    for round in asked {
        let due_at = core.intake.ask_for_canaries(round, burst).await?;
        let matrix = core.intake.context().canary_matrix(&mut core.store.read().await?).await?;
        let left =
            matrix.rounds.iter().find(|standing| standing.round == round).map_or(0, |standing| standing.rounds_left);
        answers.push((round, due_at, left));
    }
    match format {
        Format::Json => {
            let row = |(round, due_at, left): &(&str, _, usize)| json!({"round": round, "due_at": due_at, "rounds_left": left});
            print_json(&json!({"burst": burst, "asked": answers.iter().map(row).collect::<Vec<_>>()}))?;
        }
        Format::Text => {
            for (round, due_at, left) in answers {
                println!("{round}: due {due_at}; the budget bears {left} more rounds now");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
