//! Deliveries, delays, sends, and the events that say nothing about delivery.

use relaywatch::domain::event::{Effect, Kind, Scope};
use relaywatch::domain::time::Timestamp;
use serde_json::json;

use super::{ONE, TWO, json, read, recipients};
use crate::sources::sns::endpoint::fixture;

#[test]
fn a_delivery_counts_for_every_recipient() {
    let translation = read(&fixture("delivery_identity.json"));
    assert_eq!(recipients(&translation), [ONE, TWO]);
    for event in &translation.events {
        assert_eq!((event.kind, event.fresh, event.effect()), (Kind::Delivered, true, Effect::None));
        assert_eq!(event.evidence.diagnostic.as_deref(), Some("250 2.6.0 Message received"));
        assert_eq!(event.occurred_at, Timestamp::parse("2026-05-01T09:59:52.1Z").unwrap());
    }
}

#[test]
fn a_send_is_kept_for_the_detector_per_destination() {
    let translation = read(&fixture("send.json"));
    assert_eq!(recipients(&translation), [ONE, TWO]);
    for event in &translation.events {
        assert_eq!((event.kind, event.fresh, event.effect()), (Kind::Sent, false, Effect::None));
        assert_eq!(event.occurred_at, Timestamp::parse("2026-05-01T09:59:50Z").unwrap());
    }
}

#[test]
fn a_delay_says_whose_it_is() {
    let translation = read(&fixture("delivery_delay.json"));
    let event = &translation.events[0];
    assert_eq!((event.kind, event.effect()), (Kind::Delayed, Effect::None));
    assert_eq!((event.evidence.status.as_deref(), event.evidence.code), (Some("4.4.1"), Some(421)));
    for (delay_type, scope) in [
        ("InternalFailure", Scope::Esp),
        ("General", Scope::Ambiguous),
        ("MailboxFull", Scope::Recipient),
        ("SpamDetected", Scope::Content),
        ("RecipientServerError", Scope::Relay),
        ("IPFailure", Scope::Esp),
        ("TransientCommunicationFailure", Scope::Relay),
        ("BYOIPHostNameLookupUnavailable", Scope::Sender),
        ("Undetermined", Scope::Ambiguous),
        ("SendingDeferral", Scope::Esp),
    ] {
        let mut event = json("delivery_delay.json");
        event["deliveryDelay"]["delayType"] = json!(delay_type);
        event["deliveryDelay"]["delayedRecipients"] = json!([{"emailAddress": ONE}]);
        let translation = read(&event.to_string());
        assert_eq!((translation.events[0].kind, translation.events[0].scope), (Kind::Delayed, scope), "{delay_type}");
        assert!(translation.unknown.is_empty(), "{delay_type}");
    }
    let mut event = json("delivery_delay.json");
    event["deliveryDelay"]["delayType"] = json!("LunarEclipse");
    let translation = read(&event.to_string());
    assert_eq!((translation.events[0].kind, translation.unknown.len()), (Kind::Delayed, 1));
}

#[test]
fn what_says_nothing_about_delivery_has_no_effect() {
    for (name, rule) in [
        ("reject.json", "ses.reject"),
        ("rendering_failure.json", "ses.rendering_failure"),
        ("open.json", "ses.open"),
        ("click.json", "ses.click"),
    ] {
        let translation = read(&fixture(name));
        let event = &translation.events[0];
        assert_eq!((event.kind, event.fresh, event.effect()), (Kind::Other, false, Effect::None), "{name}");
        assert_eq!(event.rule, rule);
        assert!(translation.unknown.is_empty() && translation.quarantined.is_empty(), "{name}");
    }
}

#[test]
fn a_subscription_event_is_an_unsubscription_only_when_something_ends() {
    let event = &read(&fixture("subscription.json")).events[0];
    assert_eq!((event.kind, event.effect()), (Kind::Unsubscribed, Effect::Suppress));
    let topics = |status: &str| json!([{"topicName": "weekly", "subscriptionStatus": status}]);
    for (all_now, all_before, now, before, left) in [
        (true, false, "OptIn", "OptIn", true),
        (false, false, "OptOut", "OptIn", true),
        (false, false, "OptOut", "OptOut", false),
        (true, true, "OptIn", "OptIn", false),
        (false, true, "OptIn", "OptOut", false),
        (false, false, "OptIn", "OptIn", false),
    ] {
        let mut event = json("subscription.json");
        event["subscription"]["newTopicPreferences"] =
            json!({"unsubscribeAll": all_now, "topicSubscriptionStatus": topics(now)});
        event["subscription"]["oldTopicPreferences"] =
            json!({"unsubscribeAll": all_before, "topicSubscriptionStatus": topics(before)});
        let kind = read(&event.to_string()).events[0].kind;
        assert_eq!(kind == Kind::Unsubscribed, left, "{all_now} {all_before} {now} {before}");
        assert!(left || kind == Kind::Other);
    }
    let mut event = json("subscription.json");
    event["subscription"]["oldTopicPreferences"] = json!(null);
    assert_eq!(read(&event.to_string()).events[0].kind, Kind::Unsubscribed);
    event["mail"]["destination"] = json!([ONE, TWO]);
    for event in read(&event.to_string()).events {
        assert_eq!((event.kind, event.scope), (Kind::Other, Scope::Ambiguous), "of two nobody can tell who left");
    }
}

#[test]
fn unknown_types_are_counted_and_nothing_is_lost() {
    for name in ["Received", "Bounce2", "<script>alert(1)</script>@example.com", &"x".repeat(500)] {
        let mut event = json("send.json");
        event["eventType"] = json!(name);
        let translation = read(&event.to_string());
        assert_eq!((translation.events.len(), translation.quarantined.len(), translation.unknown.len()), (0, 0, 1));
        assert!(translation.unknown[0].len() <= 64 && !translation.unknown[0].contains(['@', '<']));
    }
}
