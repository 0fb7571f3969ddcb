//! `relaywatch serve`: the daemon.

use std::process::ExitCode;

use clap::Args;

use super::ConfigFile;
use crate::app;
use crate::clock::Clock;
use crate::shutdown::{Ended, signals};

/// Run the daemon.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// Do not change the schema; refuse to start when it is not up to date.
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        crate::logging::install(&config.log)?;
        let ended = app::serve(config, clock, !self.no_migrate, signals()?, None).await?;
        Ok(match ended {
            Ended::Drained => ExitCode::SUCCESS,
            Ended::Forced | Ended::Failed(_) => ExitCode::FAILURE,
        })
    }
}
