//! What an import would change, without changing it: for every address in it, the verdict before and after.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use serde::Serialize;

use crate::app::Core;
use crate::cli::{Format, print_json};
use crate::domain::address::Address;
use crate::domain::event::Event;
use crate::domain::record::{AddressRecord, Join, Keys, event_time, fold};
use crate::domain::time::Timestamp;
use crate::domain::verdict::{Question, Verdict};
use crate::sources::import::{LineError, Tally};
use crate::store::AddressAt;

/// Addresses judged at a time.
const AT_A_TIME: usize = 1_000;

/// What the rows add to each address's record.
#[derive(Default)]
pub(super) struct Forecast {
    rows: usize,
    added: HashMap<AddressAt, AddressRecord>,
}

/// One kind of change, and how many addresses it would happen to.
#[derive(Debug, Serialize)]
struct Change {
    before: String,
    after: String,
    addresses: usize,
}

#[derive(Serialize)]
struct Foreseen<'a> {
    rows: usize,
    addresses: usize,
    not_relay: usize,
    rejected: usize,
    errors: &'a [LineError],
    errors_left_out: usize,
    before: BTreeMap<String, usize>,
    after: BTreeMap<String, usize>,
    changes: Vec<Change>,
}

impl Forecast {
    /// Takes rows in.
    pub(super) fn add(&mut self, core: &Core, events: &[Event], received_at: Timestamp) {
        let context = core.intake.context();
        let (keyring, streams) = (&context.keyring, context.streams.load());
        for event in events {
            self.rows += 1;
            let address = event.who.address.as_ref().map(|a: &Address| keyring.address(a));
            let keys = Keys { event: keyring.event(&event.identity), address, sub: None };
            let at = event_time(event.occurred_at, received_at);
            let delta = fold(event, keys, at, &streams.name(&event.origin));
            if let Some((key, delta)) = delta.address {
                self.added.entry((event.origin.team.clone(), key)).or_default().join(&delta);
            }
        }
    }

    /// Judges every address, and tells.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn answer(
        self,
        core: &Core,
        tally: &Tally,
        not_relay: usize,
        format: Format,
    ) -> anyhow::Result<ExitCode> {
        let changes = self.changes(core).await?;
        let mut foreseen = Foreseen {
            rows: self.rows,
            addresses: self.added.len(),
            not_relay,
            rejected: tally.rejected,
            errors: &tally.errors,
            errors_left_out: tally.errors_left_out,
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            changes: Vec::new(),
        };
        for ((before, after), addresses) in changes {
            *foreseen.before.entry(before.clone()).or_default() += addresses;
            *foreseen.after.entry(after.clone()).or_default() += addresses;
            foreseen.changes.push(Change { before, after, addresses });
        }
        if format == Format::Json {
            print_json(&foreseen)?;
        } else {
            super::tell_errors(tally);
            let Foreseen { rows, addresses, rejected, .. } = &foreseen;
            println!(
                "{rows} rows about {addresses} addresses; {not_relay} not about relay addresses, {rejected} wrong"
            );
            for Change { before, after, addresses } in &foreseen.changes {
                println!("{addresses:>10}  {before} -> {after}");
            }
            println!("nothing was changed");
        }
        Ok(if tally.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn changes(&self, core: &Core) -> anyhow::Result<BTreeMap<(String, String), usize>> {
        let context = core.intake.context();
        let question = Question::default();
        let mut changes = BTreeMap::new();
        let all: Vec<(&AddressAt, &AddressRecord)> = self.added.iter().collect();
        for part in all.chunks(AT_A_TIME) {
            let mut tx = core.store.read().await?;
            let places: Vec<AddressAt> = part.iter().map(|(at, _)| (*at).clone()).collect();
            let views = tx.views(&places, &context.policy).await?;
            for ((at, added), view) in part.iter().zip(views) {
                let mut after = view.clone();
                let mut record = after.address.take().unwrap_or_default();
                record.join(added);
                after.around.controlled = tx.controlled(&at.0, &record, &context.policy).await?;
                // Only an authorization brings back who was erased.
                after.address = (view.erased_at.is_none() || view.address.is_some()).then_some(record);
                let judge = |mut view: crate::domain::verdict::View| {
                    view.on_relay_domain |= view.address.is_none();
                    words(&context.judge(&at.0, view, &question, ""))
                };
                *changes.entry((judge(view), judge(after))).or_default() += 1;
            }
        }
        Ok(changes)
    }
}

fn words(verdict: &Verdict) -> String {
    let answer = serde_json::to_value(verdict.verdict).unwrap_or_default();
    format!("{} {}", answer.as_str().unwrap_or_default(), verdict.reason.as_str())
}
