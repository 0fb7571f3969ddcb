//! The demo's canaries: mail of our own through the world's relay. At first all of it arrives; then the relay takes one stream's and drops it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::audience::Api;
use super::chance::Chance;
use super::plot::mail::{NEWS, News, RECEIPTS, SparkPost};
use super::post::Post;
use super::progress::Progress;
use super::stage::Stage;
use super::world::relay::Known;
use crate::app::Core;
use crate::clock::{Clock, Stopwatch};

/// The only round: is the newsletter's mail really arriving?
const ROUND: &str = "news";

/// Our own relay addresses: two for the newsletter, so that they take turns, and one for the control.
const RELAYED: [&str; 3] = [
    "canary-one@privaterelay.appleid.com",
    "canary-two@privaterelay.appleid.com",
    "canary-three@privaterelay.appleid.com",
];

/// Our own mailbox with no relay before it.
const PLAIN: &str = "canary@mailbox.example";

/// The Maildirs, below the world's folder.
const BEHIND_RELAY: &str = "behind-relay";
const BEHIND_NOTHING: &str = "plain";

/// How often is looked how they stand.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a round is waited for. It takes about five seconds; a busy machine may need more.
const PATIENCE: Duration = Duration::from_secs(45);

/// What the relay knows: both envelope domains are registered, and these addresses exist.
pub fn known_to_relay(mail: &Path) -> Known {
    let relayed = RELAYED.map(|address| (address.to_owned(), mail.join(BEHIND_RELAY)));
    let mut mailboxes = BTreeMap::from(relayed);
    mailboxes.insert(PLAIN.to_owned(), mail.join(BEHIND_NOTHING));
    Known { registered: [NEWS, RECEIPTS].map(|way| way.envelope.to_owned()).into(), mailboxes }
}

/// The sections of the configuration. `mail` is the folder of the Maildirs, `authority` any file with a certificate: nothing here speaks TLS,
/// and so the system needs no authorities of its own.
pub fn sections(port: u16, mail: &Path, authority: &toml::Value) -> String {
    let folder = |name: &str| toml::Value::from(mail.join(name).to_string_lossy().into_owned());
    let (behind_relay, behind_nothing) = (folder(BEHIND_RELAY), folder(BEHIND_NOTHING));
    let [one, two, three] = RELAYED;
    let (news, receipts) = (NEWS.from, RECEIPTS.from);
    let server = |name: &str, envelope: &str| {
        format!(
            "[[submissions]]\nname = \"{name}\"\nprovider = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             ca_file = {authority}\nhello = \"shop.example\"\nenvelope_from = \"canary@{envelope}\"\n"
        )
    };
    let (sparkpost, ses) = (server("sparkpost", NEWS.envelope), server("ses", RECEIPTS.envelope));
    format!(
        r#"
# The provider's server, with the relay behind it: the world's.
{sparkpost}
{ses}
# Where canaries arrive.
[[mailboxes]]
name = "behind-relay"
kind = "maildir"
path = {behind_relay}
poll = "1s"

[[mailboxes]]
name = "plain"
kind = "maildir"
path = {behind_nothing}
poll = "1s"

# Seconds, so that nobody has to wait: with Apple it is minutes.
[canaries]
idle = "1d"
burst = "1s"
burst_for = "1s"
ceiling = "4s"
addresses = [
    {{ name = "relay-1", address = "{one}" }},
    {{ name = "relay-2", address = "{two}" }},
    {{ name = "relay-3", address = "{three}" }},
    {{ name = "plain", address = "{PLAIN}" }},
]

[[canaries.routes]]
name = "news"
round = "{ROUND}"
role = "production"
stream = "news"
submission = "sparkpost"
mailbox = "behind-relay"
from = "{news}"
addresses = ["relay-1", "relay-2"]

[[canaries.routes]]
name = "news.control"
round = "{ROUND}"
role = "control"
stream = "receipts"
submission = "ses"
mailbox = "behind-relay"
from = "{receipts}"
addresses = ["relay-3"]

[[canaries.routes]]
name = "news.plain"
round = "{ROUND}"
role = "plain"
stream = "news"
submission = "sparkpost"
mailbox = "plain"
from = "{news}"
addresses = ["plain"]
"#
    )
}

/// What became of all canaries, and what the last round names as broken.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Canaries {
    /// Canaries sent.
    pub sent: usize,
    /// Canaries read in their mailboxes.
    pub arrived: usize,
    /// Canaries that were taken with 250 and are not there.
    pub lost: usize,
    /// The part that is broken.
    pub broken: String,
    /// The same in words.
    pub because: String,
    /// The last round.
    pub routes: Vec<Leg>,
}

/// One way of the last round.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// What it is for.
    pub role: String,
    /// Its name.
    pub route: String,
    /// What has become of its canary.
    pub state: String,
}

/// `GET /v1/canaries`, as far as the demo reads it.
#[derive(Deserialize)]
pub struct Standing {
    rounds: Vec<RoundStanding>,
}

#[derive(Deserialize)]
struct RoundStanding {
    broken: String,
    because: String,
    routes: Vec<RouteStanding>,
}

#[derive(Deserialize)]
struct RouteStanding {
    route: String,
    role: String,
    /// The newest first.
    states: Vec<String>,
}

/// Whether a state says that the mail was read where it should arrive.
fn has_arrived(state: &str) -> bool {
    ["arrived", "spam", "late"].contains(&state)
}

/// Whether a state says that it was taken and is not there.
fn is_lost(state: &str) -> bool {
    ["lost", "delivered_never_arrived"].contains(&state)
}

impl Standing {
    fn legs(&self) -> impl Iterator<Item = &RouteStanding> {
        self.rounds.iter().flat_map(|round| &round.routes)
    }

    /// How many canaries of the nth round have come to an end.
    fn settled(&self, n: usize) -> usize {
        let ended = |state: &String| !["planned", "sent", "accepted", "unknown"].contains(&state.as_str());
        self.legs().filter(|leg| leg.states.len() == n && leg.states.first().is_some_and(ended)).count()
    }

    fn is_settled(&self, n: usize) -> bool {
        self.settled(n) == self.legs().count()
    }
}

impl From<Standing> for Canaries {
    fn from(standing: Standing) -> Self {
        let count =
            |is: fn(&str) -> bool| standing.legs().flat_map(|leg| &leg.states).filter(|state| is(state)).count();
        let (sent, arrived, lost) = (count(|state| state != "planned"), count(has_arrived), count(is_lost));
        let (mut broken, mut because, mut routes) = (String::new(), String::new(), Vec::new());
        for round in standing.rounds {
            (broken, because) = (round.broken, round.because);
            routes.extend(round.routes.into_iter().map(|leg| {
                let state = leg.states.into_iter().next().unwrap_or_else(|| "never sent".to_owned());
                Leg { role: leg.role, route: leg.route, state }
            }));
        }
        Self { sent, arrived, lost, broken, because, routes }
    }
}

impl Canaries {
    /// What is not as the world has it: six were sent, and the relay dropped one of the newsletter's.
    pub fn surprise(&self) -> Option<String> {
        let Self { sent, arrived, lost, broken, .. } = self;
        let is_true = (*sent, *arrived, *lost, broken.as_str()) == (6, 5, 1, "stream_at_relay");
        (!is_true).then(|| format!("{sent} canaries sent, {arrived} arrived, {lost} lost, broken: {broken}"))
    }
}

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
        // With ids that no other part of the story has.
        let (mut chance, mut collection) = (Chance::new(2027), 5);
        self.wait(1, "Canaries go out, and all of them arrive", &mut chance, &mut collection).await?;
        self.stage.relay.drop_mail_of(NEWS.envelope);
        self.ask().await?;
        let title = "The relay takes a canary and drops it";
        Ok(self.wait(2, title, &mut chance, &mut collection).await?.into())
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
        chance: &mut Chance,
        collection: &mut u64,
    ) -> anyhow::Result<Standing> {
        let (progress, watch) = (Progress::beside(title, 3, "canaries"), Stopwatch::start());
        loop {
            for taken in self.stage.relay.taken().into_iter().filter(|taken| taken.envelope == NEWS.envelope) {
                let mut report = SparkPost::new(*collection);
                // In whole seconds, and not before the mail itself.
                let at = self.clock.now().plus(Duration::from_secs(1));
                report.note(NEWS, &taken.recipient, at, News::Delivered);
                for parcel in report.batches(chance, &[]) {
                    self.post.hand_in(parcel).await?;
                }
                *collection += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(states: [&[&str]; 3]) -> Standing {
        let leg = |states: &[&str]| {
            let states = states.iter().map(|state| (*state).to_owned()).collect();
            RouteStanding { route: "r".to_owned(), role: "plain".to_owned(), states }
        };
        let round = RoundStanding {
            broken: "stream_at_relay".to_owned(),
            because: String::new(),
            routes: states.into_iter().map(leg).collect(),
        };
        Standing { rounds: vec![round] }
    }

    #[test]
    fn a_round_is_settled_when_none_of_it_is_under_way() {
        let arrived: &[&str] = &["arrived"];
        assert!(standing([arrived, arrived, arrived]).is_settled(1));
        for open in ["planned", "sent", "accepted", "unknown"] {
            assert!(!standing([arrived, &[open], arrived]).is_settled(1), "{open}");
        }
        assert!(!standing([&[], arrived, arrived]).is_settled(1), "not begun");
        assert!(!standing([arrived, arrived, arrived]).is_settled(2), "the round before");
        assert_eq!(standing([&["lost", "arrived"], &["sent", "arrived"], arrived]).settled(2), 1);
    }

    #[test]
    fn all_rounds_are_counted_and_what_differs_is_told() {
        let two: &[&str] = &["arrived", "late"];
        let told: Canaries = standing([&["delivered_never_arrived", "arrived"], two, two]).into();
        assert_eq!((told.sent, told.arrived, told.lost), (6, 5, 1));
        assert_eq!((told.routes[0].state.as_str(), told.surprise()), ("delivered_never_arrived", None));
        let told: Canaries = standing([&["uncertain", "arrived"], two, two]).into();
        assert_eq!((told.arrived, told.lost), (5, 0));
        assert!(told.surprise().is_some_and(|words| words.starts_with("6 canaries sent, 5 arrived, 0 lost")));
    }
}
