//! `relaywatch check`: whether Apple's relay would take a stream's mail, and what is wrong with its records.

mod chosen;
mod progress;
mod row;
mod text;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt;

use self::chosen::Chosen;
use self::progress::Progress;
use self::row::{Row, Unread};
use self::text::{Summary, Text};
use super::asked::{Asked, resolvers};
use super::paint::Paint;
use super::{ConfigFile, Format, USAGE};
use crate::clock::Clock;
use crate::config::Config;
use crate::dns::{Sweep, check, for_each};
use crate::domain::observed::Seen;
use crate::domain::posture::{Checked, Posture};
use crate::domain::stream::Stream;

/// Streams whose checks are unfinished at once. What bounds the questions in flight is `dns.in_flight`; this bounds memory, and how
/// long a check waits for its turn while its deadline runs.
const AT_ONCE: usize = 256;

/// At least one stream is failing.
const FAILING: u8 = 1;
/// None is failing, and at least one could not be judged.
const UNKNOWN: u8 = 2;

/// Check a stream's DNS records and its registration with Apple: would the relay take its mail, and by which of Apple's two paths?
///
/// A STREAM is a registered one, of the configuration file or of the store; a DOMAIN is checked as its own From and envelope domain
/// and needs neither. With one argument the JSON is one document; with several, --all or --stream-file it is one line each, in their order.
///
/// Ends 0 when all streams pass or are at risk, 1 when one is failing, 2 when one is unknown (an answer is missing, a line cannot be
/// read, the check could not run). Failing beats unknown.
#[derive(Debug, Args)]
pub struct Check {
    /// What is checked: a registered stream's name, or any domain.
    #[arg(value_name = "STREAM|DOMAIN", required_unless_present_any = ["all", "stream_file"])]
    targets: Vec<String>,
    /// Check all registered streams.
    #[arg(long, conflicts_with_all = ["targets", "stream_file"])]
    all: bool,
    /// Check the registrations in this file, or of standard input for `-`: one JSON object to a line, of which only `name` and
    /// `from_domain` must be there.
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    stream_file: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    config: ConfigFile,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        // Ending 1 would say that a stream is failing; nothing is known of it.
        Ok(self.check(clock).await.unwrap_or_else(|error| {
            eprintln!("relaywatch: {error:#}");
            ExitCode::from(UNKNOWN)
        }))
    }

    async fn check(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let rows = match self.chosen(&config).await? {
            Chosen::Rows(rows) => rows,
            Chosen::NoSuchStream(name) => {
                eprintln!("relaywatch: no stream `{name}` is registered, and it is no domain name either");
                return Ok(ExitCode::from(USAGE));
            }
        };
        let dns = self.asked.settings(&config.dns);
        let looking = Looking { sweep: Sweep::new(resolvers(&dns)?, clock.now()), deadline: dns.deadline.get() };
        let many = self.all || self.stream_file.is_some();
        let printing = Printing { format: self.format, alone: !many && rows.len() == 1, paint: Paint::stdout() };
        let progress = Progress::begin(rows.len(), many);
        let summary = print_all(&looking, rows, &printing, progress).await?;
        Ok(summary.exit())
    }

    async fn chosen(&self, config: &Config) -> anyhow::Result<Chosen> {
        match &self.stream_file {
            Some(file) => Ok(Chosen::Rows(row::read(file)?)),
            None if self.all => chosen::all(config).await,
            None => chosen::named(config, self.config.config.is_some(), &self.targets).await,
        }
    }
}

/// One look at the DNS.
struct Looking {
    sweep: Sweep,
    deadline: Duration,
}

impl Looking {
    /// By the registration alone: what ESPs reported of the sending is the daemon's to know.
    async fn check(&self, stream: Stream) -> Checked {
        check(&self.sweep, stream, &Seen::default(), self.deadline).await
    }
}

/// How reports are written.
struct Printing {
    format: Format,
    /// Whether it is the only one.
    alone: bool,
    paint: Paint,
}

impl Printing {
    fn checked(&self, checked: &Checked) -> anyhow::Result<String> {
        Ok(match self.format {
            Format::Json => serde_json::to_string(&checked.document())? + "\n",
            Format::Text => Text { checked, is_short: !self.alone, paint: self.paint }.to_string(),
        })
    }

    fn unread(&self, unread: &Unread) -> anyhow::Result<String> {
        Ok(match self.format {
            Format::Json => serde_json::to_string(unread)? + "\n",
            Format::Text => format!("{}: {unread}\n\n", self.paint.posture(Posture::Unknown, "unknown")),
        })
    }
}

/// Checks all, and prints each as soon as those before it are printed.
async fn print_all(
    looking: &Looking,
    rows: Vec<Row>,
    printing: &Printing,
    mut progress: Progress,
) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mut finished = for_each(rows.into_iter().enumerate(), AT_ONCE, async |(place, row)| match row {
        Row::Stream(stream) => {
            let checked = looking.check(*stream).await;
            (place, checked.judged.posture, printing.checked(&checked))
        }
        Row::Unread(unread) => (place, Posture::Unknown, printing.unread(&unread)),
    });
    let mut finished = std::pin::pin!(&mut finished);
    let (mut early, mut next) = (BTreeMap::new(), 0);
    while let Some((place, posture, written)) = finished.next().await {
        summary.count(posture);
        progress.advance();
        early.insert(place, written?);
        while let Some(written) = early.remove(&next) {
            progress.clear();
            if !print(&written)? {
                return Ok(summary);
            }
            next += 1;
        }
    }
    progress.clear();
    if printing.format == Format::Text && !printing.alone {
        print(&format!("{}\n", summary.text(printing.paint)))?;
    }
    Ok(summary)
}

/// Writes to standard output; false when nobody reads it any more.
fn print(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
