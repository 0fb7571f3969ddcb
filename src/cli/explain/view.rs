//! An explanation as one JSON document.

use serde::Serialize;

use super::effects;
use crate::app::explain::Explanation;
use crate::domain::event::{Effect, Event, Kind, Scope};
use crate::domain::record::event_time;
use crate::domain::time::Timestamp;
use crate::sources::{Action, Quarantined, Translation};

/// The whole document.
#[derive(Debug, Serialize)]
pub struct View<'e> {
    source: &'static str,
    authentic: Option<bool>,
    because: &'e str,
    answer: u16,
    /// The label under which a refusal is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    events: Vec<EventView<'e>>,
    quarantined: Vec<PartView<'e>>,
    /// Kinds that this version has no meaning for.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unknown: &'e [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<ActionView<'e>>,
}

/// One event. Here the recipient stands in the clear: whoever asks brought the body along.
#[derive(Debug, Serialize)]
struct EventView<'e> {
    recipient: Option<&'e str>,
    kind: Kind,
    scope: Scope,
    fresh: bool,
    effect: Effect,
    rule: &'e str,
    status: Option<&'e str>,
    code: Option<u16>,
    diagnostic: Option<&'e str>,
    esp: Option<&'e str>,
    provider_id: Option<&'e str>,
    occurred_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'e str>,
    /// Why the daemon would do less than `effect` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct PartView<'e> {
    at: &'e str,
    because: &'e str,
}

#[derive(Debug, Serialize)]
struct ActionView<'e> {
    action: &'static str,
    topic_arn: &'e str,
}

impl<'e> View<'e> {
    /// What was explained as of `now`.
    pub fn of(explanation: &'e Explanation, now: Timestamp) -> Self {
        let (events, quarantined, unknown, actions): (&[Event], &[Quarantined], &[String], &[Action]) =
            match &explanation.outcome {
                Ok(Translation { events, quarantined, unknown, actions, .. }) => {
                    (events, quarantined, unknown, actions)
                }
                Err(_) => Default::default(),
            };
        Self {
            source: explanation.provider.as_str(),
            authentic: explanation.authentic(),
            because: explanation.because(),
            answer: explanation.answer(),
            refusal: explanation.outcome.as_ref().err().map(|refusal| refusal.reason),
            events: events.iter().map(|event| EventView::of(event, now)).collect(),
            quarantined: quarantined.iter().map(|q| PartView { at: &q.at, because: &q.because }).collect(),
            unknown,
            actions: actions.iter().map(ActionView::of).collect(),
        }
    }
}

impl<'e> ActionView<'e> {
    /// Without the token, which would confirm the subscription.
    fn of(action: &'e Action) -> Self {
        match action {
            Action::ConfirmSubscription { topic_arn, .. } => Self { action: "confirm_subscription", topic_arn },
            Action::SubscriptionEnded { topic_arn } => Self { action: "subscription_ended", topic_arn },
        }
    }
}

impl<'e> EventView<'e> {
    fn of(event: &'e Event, now: Timestamp) -> Self {
        let Event { who, evidence, origin, .. } = event;
        Self {
            recipient: who.address.as_ref().map(|address| address.expose()),
            kind: event.kind,
            scope: event.scope,
            fresh: event.fresh,
            effect: event.effect(),
            rule: &event.rule,
            status: evidence.status.as_deref(),
            code: evidence.code,
            diagnostic: evidence.diagnostic.as_deref(),
            esp: origin.esp.as_ref().map(|esp| esp.as_str()),
            provider_id: evidence.provider_id.as_deref(),
            occurred_at: event_time(event.occurred_at, now),
            sub: who.sub.as_ref().map(|sub| sub.expose()),
            app: origin.app.as_ref().map(|app| app.as_str()),
            notes: effects::notes(event, now),
        }
    }
}
