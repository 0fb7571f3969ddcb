//! Events about a message as a whole: sent, rejected by SES, not rendered, opened, clicked, preferences changed.

use serde_json::{Map, Value};

use super::mail::text;
use super::reader::{Reader, Report, plain};
use crate::domain::event::{Kind, Scope};

/// Reads a `Send`: SES took the message. The detector counts it against what comes back.
pub fn read_send(reader: &mut Reader<'_>) {
    let at = reader.mail.sent_at;
    for_each_destination(reader, "send", at, None, |_| (Kind::Sent, Scope::Recipient, "ses.send"));
}

/// Reads a `Reject` (SES found malware and sent nothing).
pub fn read_reject(reader: &mut Reader<'_>) {
    let Some(reject) = reader.object("reject") else { return };
    let (at, reason) = (reader.mail.sent_at, text(reject, "reason"));
    for_each_destination(reader, "reject", at, reason, |_| (Kind::Other, Scope::Content, "ses.reject"));
}

/// Reads a `Rendering Failure` (a template lacks data). Nothing was sent. The error's text quotes the sender's own
/// template and is not kept.
pub fn read_rendering_failure(reader: &mut Reader<'_>) {
    let at = reader.mail.sent_at;
    for_each_destination(reader, "rendering_failure", at, None, |_| {
        (Kind::Other, Scope::Content, "ses.rendering_failure")
    });
}

/// Reads an `Open` or a `Click`. Mail programs and proxies cause both, so neither proves anything here.
pub fn read_engagement(reader: &mut Reader<'_>, word: &'static str) {
    let Some(engagement) = reader.object(word) else { return };
    let rule = if word == "open" { "ses.open" } else { "ses.click" };
    for_each_destination(reader, word, text(engagement, "timestamp"), None, |_| (Kind::Other, Scope::Recipient, rule));
}

/// Reads a `Subscription`: the recipient changed his preferences on SES's page or by the header. Only a message to one
/// person tells who it was. Coming back is of no effect here: lifting a suppression takes more than an ESP's word.
pub fn read_subscription(reader: &mut Reader<'_>) {
    let Some(subscription) = reader.object("subscription") else { return };
    let left = has_left(subscription);
    for_each_destination(reader, "subscription", text(subscription, "timestamp"), None, |named| match (left, named) {
        (true, 1) => (Kind::Unsubscribed, Scope::Recipient, "ses.subscription_left"),
        (true, _) => (Kind::Other, Scope::Ambiguous, "ses.subscription_names_several"),
        (false, _) => (Kind::Other, Scope::Recipient, "ses.subscription"),
    });
}

/// Whether the new preferences end something that the old ones did not: everything, or a topic.
fn has_left(subscription: &Map<String, Value>) -> bool {
    let preferences = |name: &str| subscription.get(name).and_then(Value::as_object);
    let everything =
        |name| preferences(name).and_then(|p| p.get("unsubscribeAll")).and_then(Value::as_bool).unwrap_or(false);
    let out_of = |name| -> Vec<&str> {
        let topics = preferences(name).and_then(|p| p.get("topicSubscriptionStatus")).and_then(Value::as_array);
        let is_out = |topic: &&Value| {
            let status = topic.get("subscriptionStatus").and_then(Value::as_str).unwrap_or("");
            status.replace('_', "").eq_ignore_ascii_case("optout")
        };
        topics
            .into_iter()
            .flatten()
            .filter(is_out)
            .filter_map(|topic| topic.get("topicName").and_then(Value::as_str))
            .collect()
    };
    let before = out_of("oldTopicPreferences");
    (everything("newTopicPreferences") && !everything("oldTopicPreferences"))
        || out_of("newTopicPreferences").iter().any(|topic| !before.contains(topic))
}

fn for_each_destination(
    reader: &mut Reader<'_>,
    word: &'static str,
    at: Option<&str>,
    said: Option<&str>,
    meaning: impl Fn(usize) -> (Kind, Scope, &'static str),
) {
    let (recipients, named) = reader.recipients("mail", "destination");
    let report = Report { word, feedback_id: None, at, named };
    let (kind, scope, rule) = meaning(named);
    for recipient in recipients {
        let evidence = reader.evidence(said, None, &recipient.address);
        // Only leaving is news; none of the rest says anything about delivery.
        let fresh = kind == Kind::Unsubscribed;
        reader.add(&report, recipient.address, plain(kind, scope, fresh, rule), evidence);
    }
}
