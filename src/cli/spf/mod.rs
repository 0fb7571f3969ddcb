//! `relaywatch spf`: whether one address may send for a domain, with the records that decide.

pub mod tree;

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use self::tree::Drawn;
use super::asked::{Asked, resolvers};
use super::paint::{Harmless, Paint};
use super::{ConfigFile, Format, USAGE, print_json};
use crate::clock::Clock;
use crate::dns::{Sweep, gather};
use crate::domain::finding::State;
use crate::domain::spf::{Evaluation, Sender, SpfResult, evaluate};

/// The exit code of an evaluation that lacks an answer.
const UNKNOWN: u8 = 2;

/// Evaluate SPF (RFC 7208) for one sending address: the result, the term that decided, the records read and what they cost.
///
/// Ends 0 whatever the record says of the address, 2 on temperror: an answer is missing, so nothing is known.
#[derive(Debug, Args)]
pub struct Spf {
    /// The address that sends.
    #[arg(long, value_name = "IP")]
    ip: IpAddr,
    /// The envelope sender (MAIL FROM), or its domain; `<>` for a bounce, which then needs --helo.
    #[arg(long, value_name = "ADDRESS")]
    mail_from: String,
    /// The name in HELO or EHLO. Without it: the domain of the envelope sender.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    config: ConfigFile,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    evaluation: Evaluation,
    ip: IpAddr,
    /// Whose record was asked.
    domain: String,
    queries: usize,
    seconds: f64,
    #[serde(skip)]
    elapsed: Duration,
}

impl Spf {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let mail_from = self.mail_from.trim().trim_start_matches('<').trim_end_matches('>');
        let domain = mail_from.rsplit_once('@').map_or(mail_from, |(_, domain)| domain);
        let helo = self.helo.as_deref().unwrap_or(domain).trim();
        if helo.is_empty() {
            eprintln!("relaywatch: a bounce has no sender: name the sending host with --helo");
            return Ok(ExitCode::from(USAGE));
        }
        let dns = self.asked.settings(&self.config.load()?.dns);
        let (now, deadline) = (clock.now(), dns.deadline.get());
        let sweep = Sweep::new(resolvers(&dns)?, now);
        let now_seconds = u64::try_from(now.secs()).unwrap_or_default();
        let sender = Sender { ip: self.ip, mail_from, helo, receiver: "unknown", now_seconds };
        let gathered = gather(&sweep, deadline, |inquiry| evaluate(inquiry, &sender)).await;
        let answer = Answer {
            ip: self.ip,
            domain: if domain.is_empty() { helo } else { domain }.to_owned(),
            evaluation: gathered.value,
            queries: gathered.queries,
            seconds: (gathered.elapsed.as_secs_f64() * 1e3).round() / 1e3,
            elapsed: gathered.elapsed,
        };
        match self.format {
            Format::Json => print_json(&answer)?,
            Format::Text => write!(std::io::stdout().lock(), "{}", Text(&answer, Paint::stdout()))?,
        }
        let is_known = answer.evaluation.result != SpfResult::Temperror;
        Ok(if is_known { ExitCode::SUCCESS } else { ExitCode::from(UNKNOWN) })
    }
}

/// An evaluation for people.
struct Text<'a>(&'a Answer, Paint);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(Answer { ip, domain, evaluation, queries, elapsed, .. }, paint) = self;
        let Evaluation { result, explanation, matched, problem, counts, tree } = evaluation;
        writeln!(f, "{}: {} for mail from {}", paint.state(state(*result), result.as_str()), ip, paint.bold(domain))?;
        writeln!(f, "  {}", means(*result))?;
        if let Some(matched) = matched {
            writeln!(f, "  matched      {}", Harmless(matched))?;
        }
        if let Some(problem) = problem {
            writeln!(f, "  problem      {}", Harmless(problem))?;
        }
        if let Some(explanation) = explanation {
            writeln!(f, "  explanation  {}", Harmless(explanation))?;
        }
        if let Some(tree) = tree {
            writeln!(f)?;
            write!(f, "{}", Drawn { tree, counts: *counts, paint: *paint })?;
        }
        let asked = format!("{queries} questions, {:.2} s", elapsed.as_secs_f64());
        writeln!(f, "\n{}", paint.faint(&asked))
    }
}

/// What a receiver makes of a result (RFC 7208 section 8).
fn means(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "The domain lets this address send.",
        SpfResult::Fail => "The domain says that this address may not send.",
        SpfResult::Softfail => "The domain says that this address probably may not send.",
        SpfResult::Neutral => "The domain does not say whether this address may send.",
        SpfResult::None => "There is no SPF record to go by.",
        SpfResult::Temperror => "An answer of the DNS is missing: nothing is known about this address.",
        SpfResult::Permerror => "Receivers cannot evaluate the record: no address passes.",
    }
}

fn state(result: SpfResult) -> State {
    match result {
        SpfResult::Pass => State::Pass,
        SpfResult::Softfail | SpfResult::Neutral => State::Warn,
        SpfResult::Temperror => State::Unknown,
        SpfResult::Fail | SpfResult::None | SpfResult::Permerror => State::Fail,
    }
}
