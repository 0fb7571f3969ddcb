//! `relaywatch quarantine`: what was authentic but could not be read, and a second try at it.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::{ConfigFile, Format, print_json};
use crate::app::{Core, Rerun, rerun};
use crate::clock::Clock;

/// List what could not be read, and read it again.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List what waits, oldest first.
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// How many at most.
        #[arg(long, default_value_t = 1_000)]
        limit: i64,
    },
    /// Read parts again, after an upgrade or a change of the configuration. What can be read now is taken in.
    Rerun {
        #[command(flatten)]
        config: ConfigFile,
        /// Which ones, `qua_…`.
        ids: Vec<String>,
        /// All that wait.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

impl QuarantineCommand {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let (Self::List { config, .. } | Self::Rerun { config, .. }) = &self;
        let core = Core::open(config.load()?, clock, true).await?;
        let done = self.with(&core).await;
        core.close().await;
        done
    }

    async fn with(self, core: &Core) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { format, limit, .. } => {
                for row in core.store.read().await?.quarantined(limit).await? {
                    let s = row.summary;
                    match format {
                        Format::Json => print_json(&s)?,
                        Format::Text => {
                            let state = s.rerun_at.map_or_else(|| "waits".to_owned(), |at| format!("read {at}"));
                            println!(
                                "{}  {}  {}/{} {}  {}  {state}",
                                s.id, s.received_at, s.source, s.endpoint, s.at, s.because
                            );
                        }
                    }
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Rerun { ids, all, format, .. } => {
                let ids = if all {
                    let rows = core.store.read().await?.quarantined(i64::MAX).await?;
                    rows.into_iter().filter(|r| r.summary.rerun_at.is_none()).map(|r| r.summary.id).collect()
                } else if ids.is_empty() {
                    bail!("name the parts, or say --all");
                } else {
                    ids
                };
                let mut still = 0;
                for id in &ids {
                    let outcome = rerun(core, id).await?;
                    still += usize::from(!matches!(outcome, Rerun::Read { .. }));
                    match format {
                        Format::Json => print_json(&serde_json::json!({"id": id, "outcome": outcome}))?,
                        Format::Text => println!("{id}  {outcome}"),
                    }
                }
                Ok(if still == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    }
}
