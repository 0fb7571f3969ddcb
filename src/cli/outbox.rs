//! `relaywatch outbox`: how deliveries stand, what shadow mode would have done, and a person's word to go on, try again or take back.
//!
//! It writes to the store that the daemon uses; the daemon sees it within a second. Every such word is in the audit trail.

pub mod diff;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{ConfigFile, Format};
use crate::app::Core;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::destinations::Destination;
use crate::domain::breaker::WINDOW;
use crate::domain::time::Timestamp;
use crate::store::{AuditRow, Store, Tx};

/// How deliveries stand; go on, try again or take back.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// How the deliveries of every destination, or of one, stand.
    Status {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        destination: Option<String>,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// What a suppressor that acts on the first hard bounce would have done otherwise.
    Diff {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        destination: String,
        /// How to answer; in JSON one line for each user and one for the totals.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Lets a destination go on that the breaker or a reversal stopped.
    Resume {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        destination: String,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Tries again what was given up.
    Retry {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        destination: String,
        /// Instead: delivers the desired states that `reverse` took back.
        #[arg(long)]
        reversed: bool,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Takes back everything the destination was told since a time, and stops it until `resume`.
    Reverse {
        /// Which configuration.
        #[command(flatten)]
        config: ConfigFile,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        destination: String,
        /// Since when (RFC 3339).
        #[arg(long, value_name = "TIME", value_parser = instant)]
        since: Timestamp,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not a time; write RFC 3339, such as 2026-01-31T12:00:00Z".to_owned())
}

impl OutboxCommand {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let (Self::Status { config, .. }
        | Self::Diff { config, .. }
        | Self::Resume { config, .. }
        | Self::Retry { config, .. }
        | Self::Reverse { config, .. }) = &self;
        let core = Core::open(config.load()?, clock, true).await?;
        let done = self.answer(&core.config, &core.store, core.clock.now(), &mut std::io::stdout()).await;
        core.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    /// Does it, and writes the answer to `out`.
    ///
    /// # Errors
    /// When the destination is not configured, the store fails, or nothing can be written.
    pub async fn answer(
        &self,
        config: &Config,
        store: &Store,
        now: Timestamp,
        out: &mut (dyn Write + Send),
    ) -> anyhow::Result<()> {
        let desk = Desk { config, store, now };
        let (said, format) = match self {
            Self::Status { destination, format, .. } => (desk.status(destination.as_deref()).await?, format),
            Self::Diff { destination, format, .. } => {
                return diff::print(store, desk.find(destination)?, &config.policy.policy(), now, *format, out).await;
            }
            Self::Resume { destination, format, .. } => (desk.resume(desk.find(destination)?).await?, format),
            Self::Retry { destination, reversed, format, .. } => {
                (desk.retry(desk.find(destination)?, *reversed).await?, format)
            }
            Self::Reverse { destination, since, format, .. } => {
                (desk.reverse(desk.find(destination)?, *since).await?, format)
            }
        };
        match format {
            Format::Json => writeln!(out, "{said}")?,
            Format::Text => print_text(&said, "", out)?,
        }
        Ok(())
    }
}

struct Desk<'a> {
    config: &'a Config,
    store: &'a Store,
    now: Timestamp,
}

impl<'a> Desk<'a> {
    fn find(&self, name: &str) -> anyhow::Result<&'a Destination> {
        let found = self.config.destinations.0.iter().find(|d| d.name == name);
        found.with_context(|| format!("no destination is called {name:?}; see [[destinations]]"))
    }

    async fn status(&self, name: Option<&str>) -> anyhow::Result<Value> {
        let asked = match name {
            Some(name) => std::slice::from_ref(self.find(name)?),
            None => &self.config.destinations.0,
        };
        let mut tx = self.store.read().await?;
        let mut all = Vec::new();
        for destination in asked {
            let name = &destination.name;
            let summary = tx.outbox_summary(name).await?;
            let halt = tx.halt_of(name).await?;
            let age = summary.oldest_waiting_micros.map(|at| self.now.since(Timestamp::from_micros(at)).as_secs());
            let given_up = tx.dead_because(name, 10).await?;
            all.push(json!({
                "destination": name,
                "mode": destination.mode,
                "waiting": summary.waiting,
                "oldest_waiting_seconds": age,
                "delivered": summary.delivered,
                "dead": summary.dead,
                "dead_because": given_up.iter().map(|(why, n)| json!({"error": why, "count": n})).collect::<Vec<_>>(),
                "changed_last_hour": tx.changed_since(name, self.now.minus(WINDOW)).await?,
                "reversed": tx.count_reversed(name).await?,
                "halted": halt.halted.map(|(at, why)| json!({"since": at, "why": why})),
                "resumed_at": halt.resumed_at,
            }));
        }
        Ok(json!({"destinations": all}))
    }

    async fn resume(&self, to: &Destination) -> anyhow::Result<Value> {
        let mut tx = self.store.write().await?;
        let halted = tx.halt_of(&to.name).await?.halted;
        if halted.is_some() {
            tx.resume(&to.name, self.now).await?;
            self.audit(&mut tx, "resume", json!({"destination": to.name})).await?;
            tx.commit().await?;
        }
        let was = halted.map(|(at, why)| json!({"since": at, "why": why}));
        Ok(json!({"destination": to.name, "resumed": was.is_some(), "was_halted": was}))
    }

    async fn retry(&self, to: &Destination, reversed: bool) -> anyhow::Result<Value> {
        let mut tx = self.store.write().await?;
        let due = match reversed {
            true => tx.restate(&to.name, self.now).await?,
            false => tx.revive(&to.name, self.now).await?,
        };
        let detail = json!({"destination": to.name, "reversed": reversed, "due": due});
        self.audit(&mut tx, "retry", detail.clone()).await?;
        tx.commit().await?;
        Ok(detail)
    }

    async fn reverse(&self, to: &Destination, since: Timestamp) -> anyhow::Result<Value> {
        let mut tx = self.store.write().await?;
        // First the halt: what the reversal does not see must not leave after it.
        tx.halt(&to.name, self.now, &format!("what was written since {since} is being taken back")).await?;
        let due = tx.reverse(&to.name, since, self.now).await?;
        let detail = json!({"destination": to.name, "since": since, "due": due});
        self.audit(&mut tx, "reverse", detail.clone()).await?;
        tx.commit().await?;
        Ok(json!({"destination": to.name, "since": since, "due": due, "halted": true, "delivers": to.mode.delivers()}))
    }

    async fn audit(&self, tx: &mut Tx, action: &str, detail: Value) -> anyhow::Result<()> {
        let id = uuid::Uuid::now_v7().to_string();
        let (who, action, detail) = ("command line".to_owned(), format!("outbox_{action}"), detail.to_string());
        tx.put_audit(&AuditRow { id, at: self.now, who, action, detail }).await?;
        Ok(())
    }
}

/// One line per value, nested names before it.
fn print_text(value: &Value, name: &str, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(field, value)| {
            let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
            print_text(value, &name, out)
        }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(i, item)| print_text(item, &format!("{name}.{i}"), out))
        }
        Value::String(text) => writeln!(out, "{name}: {text}"),
        Value::Null => writeln!(out, "{name}: -"),
        other => writeln!(out, "{name}: {other}"),
    }
}
