//! The demo's canaries: mail of our own through the world's relay. At first all of it arrives; then the relay takes one stream's and drops it.

mod settings;
mod standing;

use std::time::Duration;

pub use self::settings::{known_to_relay, sections};
pub use self::standing::{Canaries, Standing};

use self::settings::ROUND;
use super::audience::Api;
use super::chance::Chance;
use super::parcel::Parcel;
use super::plot::mail::{NEWS, News, SparkPost};
use super::post::Post;
use super::progress::Progress;
use super::stage::Stage;
use super::world::relay::Taken;
use crate::app::Core;
use crate::clock::{Clock, Stopwatch};
use crate::domain::time::Timestamp;

/// How often is looked how they stand.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long both rounds are waited for. They take about ten seconds; a busy machine may need more.
const PATIENCE: Duration = Duration::from_secs(45);

/// The world's side of the rounds.
pub struct Rounds<'a> {
    /// Where the relay is, and the configuration.
    pub stage: &'a Stage,
    /// Where is asked how they stand.
    pub api: &'a Api,
    /// Where SparkPost posts its reports.
    pub post: &'a Post,
    /// The time.
    pub clock: &'a Clock,
}

impl Rounds<'_> {
    /// One round that arrives, one of which the relay drops the newsletter's canary. Beside the rest of the story, for most of it is waiting.
    ///
    /// # Errors
    /// When the daemon does not answer. A canary that does not come is no error.
    pub async fn play(&self) -> anyhow::Result<Canaries> {
        let (mut reports, watch) = (Reports::default(), Stopwatch::start());
        self.wait(1, "Canaries go out, and all of them arrive", &mut reports, &watch).await?;
        self.stage.relay.drop_mail_of(NEWS.envelope);
        self.ask().await?;
        Ok(self.wait(2, "The relay takes a canary and drops it", &mut reports, &watch).await?.into())
    }

    /// Asks for a round, as `relaywatch canary send` does.
    async fn ask(&self) -> anyhow::Result<()> {
        let core = Core::open(self.stage.config.clone(), self.clock.clone(), true).await?;
        let asked = core.intake.ask_for_canaries(ROUND, false).await;
        core.close().await;
        asked?;
        Ok(())
    }

    /// Waits until all of the nth round have come to an end, while SparkPost reports what the relay took.
    async fn wait(
        &self,
        n: usize,
        title: &'static str,
        reports: &mut Reports,
        watch: &Stopwatch,
    ) -> anyhow::Result<Standing> {
        let progress = Progress::beside(title, 3, "canaries");
        loop {
            for taken in self.stage.relay.taken().into_iter().filter(|taken| taken.envelope == NEWS.envelope) {
                for parcel in reports.of(&taken, self.clock.now()) {
                    self.post.hand_in(parcel).await?;
                }
            }
            let standing = self.api.canaries().await?;
            if standing.is_settled(n) || watch.elapsed() > PATIENCE {
                progress.advance(standing.settled(n));
                progress.end();
                return Ok(standing);
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

/// SparkPost's reports of what the relay took.
struct Reports {
    chance: Chance,
    /// Each has ids of its own, which no other part of the story has.
    collection: u64,
}

impl Default for Reports {
    fn default() -> Self {
        Self { chance: Chance::new(2027), collection: 5 }
    }
}

impl Reports {
    /// Delivered, says SparkPost: the relay answered 250.
    fn of(&mut self, taken: &Taken, now: Timestamp) -> Vec<Parcel> {
        let mut report = SparkPost::new(self.collection);
        self.collection += 1;
        // In whole seconds, and not before the mail itself.
        report.note(NEWS, &taken.recipient, now.plus(Duration::from_secs(1)), News::Delivered);
        report.batches(&mut self.chance, &[])
    }
}
