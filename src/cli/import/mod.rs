//! `relaywatch import users|history`: what the own database and the ESPs know already.

mod forecast;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use self::forecast::Forecast;
use super::input::{Input, is_stdin};
use super::{ConfigFile, Format, USAGE, print_json};
use crate::app::{Core, rules};
use crate::clock::Clock;
use crate::domain::address::Address;
use crate::domain::event::Event;
use crate::intake::Submission;
use crate::sources::import::{Defaults, Directory, History, LONGEST_ROW, LineError, Rows, Tally, Users};
use crate::sources::lines::Line;
use crate::sources::written::Wrong;
use crate::store::AddressAt;

/// How many rows become durable together.
const AT_A_TIME: usize = 5_000;

/// Import users, or what is known from before.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Users: whose address is which, and when they last authorized with Apple.
    ///
    /// One JSON object to a line, or CSV with the names in the first line: team, app, sub, address, is_private_email, authorized_at.
    /// `authorized_at` is an identity token or a code exchange with Apple, never an app session.
    Users(Import),
    /// Last successes, bounces, complaints, opt-outs and entries of suppression lists.
    ///
    /// One JSON object to a line, or CSV: team, address, kind (accepted, hard_bounce, complaint, unsubscribed, esp_listed), date, source
    /// (the ESP or system), and optionally stream, from_domain, text, status, code, is_private_email. Rows about ordinary addresses are
    /// left out.
    History {
        #[command(flatten)]
        import: Import,
        /// Only say how many verdicts would change, and how. A conviction that needs a control from the same file is not foreseen.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is imported, and how.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    config: ConfigFile,
    /// The file, or `-` for standard input.
    file: PathBuf,
    /// The team of rows that name none.
    #[arg(long)]
    team: Option<String>,
    /// The app of rows that name none.
    #[arg(long)]
    app: Option<String>,
    /// Take nothing at all when a row is wrong. Needs a file, which is then read twice.
    #[arg(long)]
    strict: bool,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What became of an import of history.
#[derive(Serialize)]
struct HistoryDone<'a> {
    #[serde(flatten)]
    tally: &'a Tally,
    /// Rows about addresses that are no relay addresses. Nothing of them is stored.
    not_relay: usize,
}

impl ImportCommand {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let (Self::Users(import) | Self::History { import, .. }) = &self;
        if import.strict && is_stdin(&import.file) {
            eprintln!("relaywatch: --strict needs a file: standard input cannot be read twice");
            return Ok(ExitCode::from(USAGE));
        }
        // Before the store is opened: a missing file is no reason to make a database.
        Input::open(&import.file, LONGEST_ROW)?;
        let core = Core::open(import.config.load()?, clock, true).await?;
        let done = self.with(&core).await;
        core.close().await;
        done
    }

    async fn with(self, core: &Core) -> anyhow::Result<ExitCode> {
        let received_at = core.clock.now();
        let directory = Directory::new(core.config.teams.clone());
        match self {
            Self::Users(import) => {
                let defaults = import.defaults();
                let users = Users { directory: &directory, defaults: &defaults, received_at };
                let read = |rows: &Rows, line: &[u8]| rows.row(line).and_then(|row| users.event(row));
                let reading = Reading { import: &import, fields: &Users::FIELDS, read: &read };
                if let Some(wrong) = reading.refused()? {
                    return import.answer(&wrong, &wrong);
                }
                let mut tally = reading.begun(core).await?;
                let mut batches = reading.batches()?;
                while let Some(events) = batches.next(&mut tally)? {
                    submit(core, events, &mut tally).await?;
                }
                import.answer(&tally, &tally)
            }
            Self::History { import, dry_run } => {
                let (rules, defaults) = (rules(&core.config)?, import.defaults());
                let streams = core.intake.context().streams.load();
                let history = History {
                    directory: &directory,
                    defaults: &defaults,
                    streams: &streams,
                    rules: &rules,
                    received_at,
                };
                let read = |rows: &Rows, line: &[u8]| rows.row(line).and_then(|row| history.event(row));
                let reading = Reading { import: &import, fields: &History::FIELDS, read: &read };
                if let Some(tally) = reading.refused()? {
                    return import.answer(&tally, &HistoryDone { tally: &tally, not_relay: 0 });
                }
                let mut tally = reading.begun(core).await?;
                let mut batches = reading.batches()?;
                let (mut not_relay, mut forecast) = (0, Forecast::default());
                while let Some(events) = batches.next(&mut tally)? {
                    let all = events.len();
                    let events = about_relay(core, events).await?;
                    not_relay += all - events.len();
                    if dry_run {
                        forecast.add(core, &events, received_at);
                    } else {
                        submit(core, events, &mut tally).await?;
                    }
                }
                if dry_run {
                    return forecast.answer(core, &tally, not_relay, import.format).await;
                }
                if import.format == Format::Text && not_relay > 0 {
                    println!("{not_relay} rows are not about relay addresses and were left out");
                }
                import.answer(&tally, &HistoryDone { tally: &tally, not_relay })
            }
        }
    }
}

impl Import {
    fn defaults(&self) -> Defaults {
        Defaults { team: self.team.clone(), app: self.app.clone() }
    }

    fn answer(&self, tally: &Tally, json: &impl Serialize) -> anyhow::Result<ExitCode> {
        if self.format == Format::Json {
            print_json(json)?;
        } else {
            tell_errors(tally);
            let Tally { accepted, new, repeated, rejected, .. } = tally;
            println!("accepted {accepted} rows ({new} new, {repeated} known), rejected {rejected}");
        }
        Ok(if tally.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Tells the wrong rows one by one.
fn tell_errors(tally: &Tally) {
    for LineError { line, field, detail, .. } in &tally.errors {
        match field {
            Some(field) => eprintln!("line {line}: {field}: {detail}"),
            None => eprintln!("line {line}: {detail}"),
        }
    }
    if tally.errors_left_out > 0 {
        eprintln!("and {} more", tally.errors_left_out);
    }
}

/// How a line becomes an event.
type ReadRow<'a> = dyn Fn(&Rows, &[u8]) -> Result<Event, Wrong> + 'a;

/// What is read, and how a row of it becomes an event.
struct Reading<'a> {
    import: &'a Import,
    fields: &'a [&'static str],
    read: &'a ReadRow<'a>,
}

impl<'a> Reading<'a> {
    fn batches(&self) -> anyhow::Result<Batches<'a>> {
        let input = Input::open(&self.import.file, LONGEST_ROW)?;
        Ok(Batches { input, fields: self.fields, read: self.read, rows: None })
    }

    /// With `--strict`: what is wrong with the file, if anything is.
    fn refused(&self) -> anyhow::Result<Option<Tally>> {
        let mut tally = Tally::default();
        if self.import.strict {
            let mut batches = self.batches()?;
            while batches.next(&mut tally)?.is_some() {}
        }
        Ok((tally.rejected > 0).then_some(tally))
    }

    async fn begun(&self, core: &Core) -> anyhow::Result<Tally> {
        let cursor = core.store.read().await?.head().await?.to_string();
        Ok(Tally { durable: true, cursor, ..Tally::default() })
    }
}

/// The events of the input, some thousands at a time.
struct Batches<'a> {
    input: Input,
    fields: &'a [&'static str],
    read: &'a ReadRow<'a>,
    rows: Option<Rows>,
}

impl Batches<'_> {
    /// The next events; wrong rows go to the tally. `None` at the end.
    fn next(&mut self, tally: &mut Tally) -> anyhow::Result<Option<Vec<Event>>> {
        let mut events = Vec::new();
        while events.len() < AT_A_TIME {
            let Some((number, line)) = self.input.next_line()? else {
                return Ok((!events.is_empty()).then_some(events));
            };
            let text = match line {
                Line::Text(text) => text,
                Line::TooLong => {
                    tally.reject(LineError::too_long(number, LONGEST_ROW));
                    continue;
                }
            };
            let rows = match &self.rows {
                Some(rows) => rows,
                None => match Rows::begin(&text, self.fields) {
                    Ok(rows) => {
                        let rows = self.rows.insert(rows);
                        if rows.has_header() {
                            continue;
                        }
                        rows
                    }
                    Err(wrong) => anyhow::bail!("line {number}: {}", wrong.detail),
                },
            };
            match (self.read)(rows, &text) {
                Ok(event) => events.push(event),
                Err(wrong) => tally.reject(LineError::new(number, wrong)),
            }
        }
        Ok(Some(events))
    }
}

async fn submit(core: &Core, events: Vec<Event>, tally: &mut Tally) -> anyhow::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let received_at = core.clock.now();
    let submission = Submission { endpoint: "import".to_owned(), received_at, events, ..Submission::default() };
    let receipt = core.intake.submit(submission).await?;
    tally.accept(receipt.new, receipt.repeated, receipt.head);
    Ok(())
}

/// Those that are about relay addresses. On `icloud.com` only a flag tells: the row's, or one that is known already.
async fn about_relay(core: &Core, events: Vec<Event>) -> anyhow::Result<Vec<Event>> {
    let keyring = &core.intake.context().keyring;
    let place = |event: &Event| -> Option<AddressAt> {
        let address = event.who.address.as_ref().filter(|a| a.on_shared_domain())?;
        Some((event.origin.team.clone(), keyring.address(address)))
    };
    let unflagged: BTreeSet<AddressAt> = events.iter().filter_map(place).collect();
    let known = core.store.read().await?.addresses(&unflagged.into_iter().collect::<Vec<_>>()).await?;
    let flagged = |event: &Event| {
        let known = place(event).and_then(|at| known.get(&at)).is_some_and(|row| row.record.relay_domain.is_some());
        event.who.is_private == Some(true) || known
    };
    let relay = |event: &Event| event.who.address.as_ref().is_some_and(Address::on_relay_domain) || flagged(event);
    Ok(events.into_iter().filter(relay).collect())
}
