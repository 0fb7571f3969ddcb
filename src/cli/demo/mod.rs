//! `relaywatch demo`: the daemon, and a small loopback world that plays an incident against it.
//!
//! The world (`world`, `cast`, `plot`) acts only through the daemon's doors: it signs what Amazon, SparkPost and Apple would
//! send and posts it over HTTP (`post`), then asks about everybody (`audience`) and compares the answers with what it knows to
//! be true (`truth`). Beside that it takes the daemon's own mail and drops some (`canaries`). Tests and bench sign with [`world`] too.

mod audience;
mod canaries;
mod cast;
mod chance;
mod parcel;
mod plot;
mod post;
mod progress;
mod stage;
mod summary;
mod truth;
pub mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::mpsc;

use self::audience::Api;
use self::canaries::Rounds;
use self::parcel::{Parcel, Signers};
use self::plot::Story;
use self::post::{Post, Taken};
use self::progress::Progress;
use self::stage::{Daemon, Stage};
use self::summary::{Serving, Summary};
use self::truth::{Judgement, OneStrike, Question};
use self::world::apple::AppleSigner;
use self::world::sns::SnsSigner;
use super::{Format, print_json};
use crate::clock::{Clock, Stopwatch};
use crate::domain::verdict::Reason;
use crate::shutdown::{Ended, signals};

/// Play an incident against a real daemon on this machine, and show who may be mailed and why.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the summary. Without it the daemon goes on serving until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// How to answer. Progress is always on stderr.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What the play left to show.
struct Played {
    summary: Summary,
    judged: Judgement,
    samples: Vec<(Reason, serde_json::Value)>,
}

impl Demo {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let mut signals = signals()?;
        let signers = Arc::new(Signers { sns: SnsSigner::new(clock.now()), apple: AppleSigner::new() });
        let stage = Stage::set(&signers)?;
        crate::logging::install(&stage.config.log)?;
        let watch = Stopwatch::start();
        let story = Story::new(clock.now());
        let imported = import(&stage, &story, &clock).await?;
        let mut daemon = Daemon::start(stage.config.clone(), clock.clone()).await?;
        let played = tokio::select! {
            played = play(&stage, &daemon, story, &signers, &clock) => played.map(Some),
            _ = signals.recv() => Ok(None),
        };
        let shown = played.and_then(|played| match played {
            Some(mut played) => {
                played.summary.events += imported;
                played.summary.seconds = watch.elapsed().as_secs_f64();
                self.show(&stage, &daemon, played).map(Some)
            }
            None => Ok(None),
        });
        // Nobody wants to look at a play that was broken off.
        let ends_here = self.exit || !matches!(shown, Ok(Some(_)));
        let ended = serve_on(&mut daemon, &mut signals, ends_here).await;
        let is_good = shown?.unwrap_or_else(|| {
            eprintln!("\nrelaywatch: stopped before the end");
            false
        });
        Ok(if is_good && ended? == Ended::Drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Shows what came out; says whether it was good.
    fn show(&self, stage: &Stage, daemon: &Daemon, mut played: Played) -> anyhow::Result<bool> {
        let serving = Serving::at(&daemon.bound, &stage.token_file(), &stage.config_file());
        match self.format {
            Format::Json => {
                played.summary.serving = (!self.exit).then_some(serving);
                print_json(&played.summary)?;
            }
            Format::Text => {
                // Not `print!`: a reader who has seen enough is no reason to panic and leave the folder behind.
                let mut out = std::io::stdout().lock();
                write!(out, "{}", summary::text(&played.summary, &played.judged))?;
                if !self.exit {
                    write!(out, "{}", summary::invitation(&serving, &played.samples))?;
                }
                out.flush()?;
            }
        }
        Ok(played.judged.is_good())
    }
}

/// Everybody who signed in with Apple at the team's apps.
async fn import(stage: &Stage, story: &Story, clock: &Clock) -> anyhow::Result<usize> {
    let rows = audience::sign_ins(&story.people, story.returned());
    let progress = Progress::begin("The team's users sign in with Apple", rows.len(), "sign-ins");
    let new = audience::import(stage.config.clone(), clock.clone(), &rows, &progress).await?;
    progress.end();
    Ok(new)
}

/// What the story left: who is in it, what the daemon took, what it answered.
struct Told {
    story: Story,
    taken: Taken,
    posting: Duration,
    questions: Vec<Question>,
    judged: Judgement,
}

/// Tells the story act by act, asks about everybody, and compares.
async fn tell(mut story: Story, signers: &Signers, post: &Post, api: &Api) -> anyhow::Result<Told> {
    let (mut taken, mut posting) = (Taken::default(), Duration::ZERO);
    for act in story.acts(signers) {
        let progress = Progress::begin(act.title, act.parcels.iter().map(Parcel::events).sum(), "events");
        taken.add(post.deliver(act.parcels, &progress).await?);
        posting += progress.end();
    }
    let questions = truth::questions(&story.people);
    let progress = Progress::begin("A mailer asks about everybody", questions.len(), "verdicts");
    let answers = api.ask(&questions, &progress).await?;
    progress.end();
    let judged = Judgement::of(&questions, &answers);
    Ok(Told { story, taken, posting, questions, judged })
}

/// Plays the story with the canaries beside it, and sums up.
async fn play(
    stage: &Stage,
    daemon: &Daemon,
    story: Story,
    signers: &Arc<Signers>,
    clock: &Clock,
) -> anyhow::Result<Played> {
    let client = post::client()?;
    let post = Post::new(client.clone(), daemon.bound.hooks, Arc::clone(signers));
    let token = std::fs::read_to_string(stage.token_file()).context("the token of the API")?;
    let url = format!("http://{}", daemon.bound.api);
    let api = Api { client: client.clone(), url, token: token.trim().to_owned() };
    let rounds = Rounds { stage, api: &api, post: &post, clock };
    let (told, canaries) = tokio::try_join!(tell(story, signers, &post, &api), rounds.play())?;
    let Told { story, taken, posting, questions, judged } = told;
    let samples = judged.samples.iter().filter_map(|(reason, n)| Some((*reason, audience::body(questions.get(*n)?))));
    let mut surprises = judged.surprises.clone();
    surprises.extend(canaries.surprise().map(|words| (words, 1)));
    let summary = Summary {
        users: story.people.iter().filter(|p| p.is_user()).count(),
        events: taken.new,
        repeated: taken.repeated,
        refused: taken.refused,
        quarantined: quarantined(&client, daemon).await?,
        events_per_second: (taken.new as f64 / posting.as_secs_f64().max(0.001)) as u64,
        asked: judged.asked,
        wrongly_marked: judged.wrongly_marked,
        revoked_sendable: judged.revoked_sendable,
        held: judged.held,
        released: judged.released,
        by_reason: summary::words(&judged.by_reason),
        limits: summary::words(&judged.by_limit),
        surprises,
        canaries,
        one_strike: OneStrike::of(&story.people, &story.bounced),
        seconds: 0.0,
        serving: None,
    };
    Ok(Played { samples: samples.collect(), summary, judged })
}

/// What waits in quarantine, as the daemon's own metrics say.
async fn quarantined(client: &reqwest::Client, daemon: &Daemon) -> anyhow::Result<usize> {
    let url = format!("http://{}/metrics", daemon.bound.operations);
    let text = client.get(url).send().await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix("relaywatch_quarantine_waiting "));
    line.and_then(|n| n.parse().ok()).context("the metrics do not say how much waits in quarantine")
}

/// Lets the daemon serve until a signal, or ends it now. Further signals go to it as well: the second does not wait.
async fn serve_on(
    daemon: &mut Daemon,
    signals: &mut mpsc::Receiver<&'static str>,
    ends_now: bool,
) -> anyhow::Result<Ended> {
    if ends_now {
        daemon.order("the demo's end").await;
    }
    loop {
        tokio::select! {
            Some(signal) = signals.recv() => daemon.order(signal).await,
            ended = daemon.ended() => return ended,
        }
    }
}
