//! The command line: one file per command.
//!
//! Answers go to stdout, logs to stderr; with `--format json` stdout holds exactly one JSON document, or NDJSON. Wrong usage exits
//! 64, a failure 1.

mod asked;
mod canary;
mod check;
mod config;
pub mod demo;
mod doctor;
mod erase;
mod explain;
mod export;
mod import;
mod input;
mod leaked;
mod migrate;
pub mod outbox;
mod overrides;
mod paint;
mod quarantine;
mod serve;
mod spf;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clock::Clock;
use crate::config::{Config, environment};

/// Watches whether mail still reaches people behind Apple's private relay.
#[derive(Debug, Parser)]
#[command(name = "relaywatch", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve(serve::Serve),
    /// Play an incident against a real daemon on this machine, and show who may be mailed and why.
    Demo(demo::Demo),
    /// Say what is wrong with this installation, and what to do about it.
    Doctor(doctor::Doctor),
    /// Check a stream's or a domain's DNS records: would Apple's relay take the mail?
    Check(check::Check),
    /// Evaluate SPF for one sending address.
    Spf(spf::Spf),
    /// Say what a webhook body means.
    Explain(explain::Explain),
    /// Check a configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring the store's schema up to date.
    Migrate(migrate::Migrate),
    /// Make, list and revoke tokens of the API.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Import users, or what is known from before.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Write the verdict on every known address.
    Export(export::Export),
    /// Decide about one address.
    Override(overrides::Override),
    /// Erase a person.
    Erase(erase::Erase),
    /// List relay addresses that were mailed from where nobody of ours should have them.
    Leaked(leaked::Leaked),
    /// List what could not be read, and read it again.
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Is mail really arriving? How the canaries stand; a round of them now; the drill.
    #[command(subcommand)]
    Canary(canary::CanaryCommand),
    /// How deliveries to destinations stand; go on, try again or take back.
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
}

/// Which configuration a command works with.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// The configuration file. Without it: embedded SQLite under ./data, loopback listeners.
    #[arg(long, value_name = "FILE", env = "RELAYWATCH_CONFIG")]
    config: Option<PathBuf>,
}

/// How a command answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The exit code of wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;

impl ConfigFile {
    /// Reads and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field.
    pub fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.config.as_deref(), environment())?)
    }
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error).context("starting the runtime")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    match command {
        Command::Serve(serve) => serve.run(clock).await,
        Command::Demo(demo) => demo.run(clock).await,
        Command::Doctor(doctor) => doctor.run(clock).await,
        Command::Check(check) => check.run(clock).await,
        Command::Spf(spf) => spf.run(clock).await,
        Command::Explain(explain) => explain.run(clock).await,
        Command::Config(config) => config.run(),
        Command::Migrate(migrate) => migrate.run(clock).await,
        Command::Token(token) => token.run(clock).await,
        Command::Import(import) => import.run(clock).await,
        Command::Export(export) => export.run(clock).await,
        Command::Override(decision) => decision.run(clock).await,
        Command::Erase(erase) => erase.run(clock).await,
        Command::Leaked(leaked) => leaked.run(clock).await,
        Command::Quarantine(quarantine) => quarantine.run(clock).await,
        Command::Canary(canary) => canary.run(clock).await,
        Command::Outbox(outbox) => outbox.run(clock).await,
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("relaywatch: {error:#}");
    ExitCode::FAILURE
}

/// Prints one JSON document.
///
/// # Errors
/// When stdout is closed.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}
