//! `relaywatch doctor`: what a new operator gets wrong, each finding with what to do about it.

mod database;
mod files;
mod finding;
mod listeners;
mod settings;

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use self::finding::{Finding, Report};
use super::{ConfigFile, Format, print_json};
use crate::clock::Clock;
use crate::config::{Config, environment};
use crate::domain::time::Timestamp;

/// Check configuration, keys, store, clock, feeds and listeners, and say what to do about what is wrong.
///
/// Changes nothing. Ends 0 when nothing fails; warnings fail nothing.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Doctor {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let report = Report::of(self.look(clock.now()).await);
        match self.format {
            Format::Json => print_json(&report)?,
            Format::Text => write!(std::io::stdout().lock(), "{report}")?,
        }
        Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn look(&self, now: Timestamp) -> Vec<Finding> {
        let config = match Config::load(self.config.config.as_deref(), environment()) {
            Ok(config) => config,
            Err(error) => {
                let remedy = "mend it; until then nothing else can be looked at";
                let broken =
                    |problem: &crate::config::Problem| Finding::fail("configuration", problem.to_string(), remedy);
                return error.problems.iter().map(broken).collect();
            }
        };
        let mut found = vec![match &self.config.config {
            Some(file) => Finding::ok("configuration", format!("{} is valid", file.display())),
            None => {
                Finding::info("configuration", "no file is given: the defaults hold, beside RELAYWATCH__… variables")
            }
        }];
        // What only building the hooks can tell: files that are missing, certificates that are none.
        if let Err(error) = crate::app::endpoints(&config) {
            let remedy = "mend it: the daemon does not start with it";
            found.push(Finding::fail("configuration", format!("{error:#}"), remedy));
        }
        found.extend(settings::findings(&config, now));
        let (of_keys, keyring) = files::keys(&config, !config.store.url.is_missing());
        found.extend(of_keys);
        found.extend(files::first_token(&config));
        found.extend(files::data_dir(&config));
        found.extend(database::findings(&config, keyring.as_ref(), now).await);
        found.extend(listeners::findings(&config.server).await);
        found
    }
}
