//! `relaywatch config check`: says what is wrong with a configuration, field by field.

use std::process::ExitCode;

use clap::Subcommand;

use super::ConfigFile;

/// Check a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read it as the daemon would, and say what is wrong.
    Check(ConfigFile),
}

impl ConfigCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Check(file) = self;
        let config = file.load()?;
        // What only building the hooks can tell: files that are missing, certificates that are none.
        crate::app::endpoints(&config)?;
        println!("the configuration is good");
        Ok(ExitCode::SUCCESS)
    }
}
