//! An explanation for people: the verdict first, then one block per event.

use std::fmt::{self, Display, Formatter};

use super::{effects, rules};
use crate::app::explain::{Explanation, Provider};
use crate::domain::event::Event;
use crate::domain::record::event_time;
use crate::domain::time::Timestamp;
use crate::sources::{Action, Quarantined, Translation};

/// What was explained as of a time, to be printed.
pub struct Text<'e>(pub &'e Explanation, pub Timestamp);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(explanation, now) = self;
        let (source, answer) = (explanation.provider.as_str(), explanation.answer());
        let verdict = match (explanation.authentic(), &explanation.outcome) {
            (Some(true), _) => "authentic",
            (Some(false), _) => "NOT authentic",
            (None, Ok(_)) => "not checked",
            (None, Err(_)) => "could not be checked",
        };
        writeln!(f, "{source}: {verdict}. The hook would answer {answer}.")?;
        match &explanation.outcome {
            Err(refusal) => {
                writeln!(f, "  {} ({}). Nothing of it would be taken.", refusal.because, refusal.reason)?;
            }
            Ok(translation) => {
                writeln!(f, "  {}.", translation.because.trim_end_matches('.'))?;
                taken(f, translation, *now)?;
            }
        }
        match hint(explanation) {
            Some(hint) => writeln!(f, "\nHint: {hint}"),
            None => Ok(()),
        }
    }
}

fn taken(f: &mut Formatter<'_>, translation: &Translation, now: Timestamp) -> fmt::Result {
    for (index, event) in translation.events.iter().enumerate() {
        writeln!(f)?;
        block(f, index + 1, event, now)?;
    }
    for Quarantined { at, because, .. } in &translation.quarantined {
        let at = if at.is_empty() { "the whole body" } else { at };
        writeln!(f, "\nUnreadable, {at}: {because}.")?;
        writeln!(f, "   It would be kept sealed for 14 days; `relaywatch quarantine rerun` reads it again.")?;
    }
    for kind in &translation.unknown {
        writeln!(f, "\nUnknown kind, counted: {kind}")?;
    }
    for action in &translation.actions {
        match action {
            Action::ConfirmSubscription { topic_arn, .. } => {
                writeln!(
                    f,
                    "\nSNS asks for a confirmation: the daemon would confirm the subscription of {topic_arn}."
                )?;
            }
            Action::SubscriptionEnded { topic_arn } => {
                writeln!(f, "\nSNS says that the subscription of {topic_arn} has ended: this feed falls silent.")?;
            }
        }
    }
    if translation.events.is_empty() && translation.quarantined.is_empty() && translation.actions.is_empty() {
        writeln!(f, "\nNo events.")?;
    }
    Ok(())
}

fn block(f: &mut Formatter<'_>, number: usize, event: &Event, now: Timestamp) -> fmt::Result {
    let Event { who, evidence, origin, .. } = event;
    let news = if event.fresh { "" } else { ", no news about delivery" };
    writeln!(f, "{number}. {} (scope {}{news}) -> {}", event.kind, event.scope, event.effect())?;
    let mut line = |name: &str, text: &dyn Display| writeln!(f, "   {name:<10} {text}");
    line("recipient", &who.address.as_ref().map_or("not named", |address| address.expose()))?;
    if let Some(sub) = &who.sub {
        line("sub", &sub.expose())?;
    }
    if let Some(app) = &origin.app {
        line("app", app)?;
    }
    line("effect", &effects::sentence(event))?;
    for note in effects::notes(event, now) {
        line("but", &note)?;
    }
    let said = rules::sentence(&event.rule).unwrap_or("One of your own [[bounce_rules]].");
    line("rule", &format_args!("{}: {said}", event.rule))?;
    if let Some(diagnostic) = &evidence.diagnostic {
        line("said", diagnostic)?;
    }
    match (evidence.code, &evidence.status) {
        (Some(code), Some(status)) => line("code", &format_args!("{code}, status {status}"))?,
        (Some(code), None) => line("code", &code)?,
        (None, Some(status)) => line("status", status)?,
        (None, None) => {}
    }
    if let Some(esp) = &origin.esp {
        line("esp", esp)?;
    }
    if let Some(id) = &evidence.provider_id {
        line("id", id)?;
    }
    line("at", &event_time(event.occurred_at, now))
}

/// What to try next, where the most likely mistake can be told.
fn hint(explanation: &Explanation) -> Option<&'static str> {
    match (explanation.provider, &explanation.outcome) {
        (Provider::Sns, Err(refusal)) => match refusal.reason {
            "raw_delivery" => Some("this is the inner event alone; --source ses explains it."),
            "certificate_fetch" => {
                Some("give the signing certificate with --certificate URL=PEMFILE; nothing is fetched here.")
            }
            _ => None,
        },
        (Provider::Ses, Ok(t)) if t.quarantined.iter().any(|q| q.because.contains("neither eventType")) => {
            Some("if this is the whole envelope of SNS, --source sns explains it.")
        }
        (Provider::Apple, Ok(t)) if t.authentic.is_none() => {
            Some("give Apple's key set with --jwks FILE to have the signature checked.")
        }
        _ => None,
    }
}
