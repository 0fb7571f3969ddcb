//! `relaywatch canary drill`: the only live test of Apple's notifications there is.
//!
//! A person switches forwarding off and on again for one of our own relay addresses; this waits until the log has both words of Apple's. What
//! to do stands in deploy/runbooks/canary-drill.md.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use crate::app::Core;
use crate::cli::{ConfigFile, Format, print_json};
use crate::clock::Clock;
use crate::config::duration::Span;
use crate::domain::event::{Kind, Source};
use crate::domain::ids::AddressKey;
use crate::domain::time::Timestamp;

/// How often the log is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Events read at a time.
const BATCH: i64 = 1_000;

/// Waits for Apple's word on one of our own addresses while you switch its forwarding off and on.
///
/// Exit 0 when both words came, 1 when one did not come in time.
#[derive(Debug, Args)]
pub struct Drill {
    #[command(flatten)]
    config: ConfigFile,
    /// The name of the address, as in [[canaries.addresses]].
    #[arg(long, value_name = "NAME")]
    address: String,
    /// How long to wait for each word.
    #[arg(long, default_value = "30m")]
    timeout: Span,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One of Apple's words, as the log has it.
struct Word {
    event: String,
    at: Timestamp,
    waited: Duration,
}

impl Word {
    fn json(&self) -> Value {
        json!({"event": self.event, "at": self.at, "waited_seconds": self.waited.as_secs_f64()})
    }
}

impl Drill {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let core = super::open(&self.config, clock).await?;
        let done = self.play(&core).await;
        core.close().await;
        done
    }

    async fn play(&self, core: &Core) -> anyhow::Result<ExitCode> {
        let name = &self.address;
        let address = core.config.canaries.address(name);
        let address = address.ok_or_else(|| anyhow!("no address is called {name:?}; see [[canaries.addresses]]"))?;
        let key = core.intake.context().keyring.address(address);
        let mut cursor = core.store.read().await?.head().await?;
        let steps = [
            (Kind::ForwardingDisabled, "off", "Switch forwarding OFF"),
            (Kind::ForwardingEnabled, "on", "Switch forwarding ON again"),
        ];
        let mut words = Vec::new();
        for (kind, step, what) in steps {
            eprintln!(
                "{what} for {name}: on the device, Settings > your name > Sign in with Apple > the app > Forward To. Waiting {} ...",
                self.timeout
            );
            let word = self.wait(core, key, kind, &mut cursor).await?;
            if let Some(word) = &word {
                eprintln!("Apple's word came after {:.0} s: {} at {}", word.waited.as_secs_f64(), word.event, word.at);
            } else {
                eprintln!("nothing came: is the URL set at Apple for this app, and does the hook `apple` answer 200?");
            }
            let came = word.is_some();
            words.push((step, kind, word));
            if !came {
                break;
            }
        }
        let complete = words.len() == steps.len() && words.iter().all(|(_, _, word)| word.is_some());
        match self.format {
            Format::Json => {
                let word =
                    |kind: Kind| words.iter().find(|(_, of, _)| *of == kind).and_then(|(_, _, word)| word.as_ref());
                print_json(&json!({
                    "address": name, "complete": complete,
                    "forwarding_disabled": word(Kind::ForwardingDisabled).map(Word::json),
                    "forwarding_enabled": word(Kind::ForwardingEnabled).map(Word::json),
                }))?;
            }
            Format::Text => {
                for (step, _, word) in &words {
                    println!("forwarding {step}: {}", if word.is_some() { "heard" } else { "not heard" });
                }
            }
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The first such word of Apple's behind the cursor, which moves behind it.
    async fn wait(&self, core: &Core, key: AddressKey, kind: Kind, cursor: &mut i64) -> anyhow::Result<Option<Word>> {
        let began_at = core.clock.now();
        loop {
            let events = core.store.read().await?.events_after(*cursor, BATCH).await?;
            let found = events
                .iter()
                .find(|event| event.source == Source::Apple && event.kind == kind && event.address_key == Some(key));
            if let Some(event) = found {
                *cursor = event.n;
                let waited = core.clock.now().since(began_at);
                return Ok(Some(Word { event: event.id.public(), at: event.occurred_at, waited }));
            }
            let is_full = i64::try_from(events.len()).is_ok_and(|n| n == BATCH);
            *cursor = events.last().map_or(*cursor, |event| event.n);
            if is_full {
                continue;
            }
            let now = core.clock.now();
            if now.since(began_at) >= self.timeout.get() {
                return Ok(None);
            }
            core.clock.sleep_until(now.plus(EVERY)).await;
        }
    }
}
