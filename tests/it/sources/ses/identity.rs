//! Identities: the same report in either feed is one event, and different reports of one message are several.

use std::collections::HashSet;

use relaywatch::cli::demo::world::ses::{Form, Refused, SentMail};
use relaywatch::domain::event::{Event, Identity};
use relaywatch::domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ONE, TWO, json, read};
use crate::sources::sns::endpoint::fixture;

fn identities(event: &Value) -> Vec<Identity> {
    read(&event.to_string()).events.into_iter().map(|event| event.identity).collect()
}

#[test]
fn one_bounce_in_both_feeds_is_one_event() {
    let (a, b) = (json("bounce_identity.json"), json("bounce_published.json"));
    assert_eq!(identities(&a), identities(&b));
}

#[test]
fn what_has_no_feedback_id_goes_by_message_type_time_and_recipient() {
    let delivery = json("delivery_identity.json");
    let mut published = delivery.clone();
    published.as_object_mut().unwrap().remove("notificationType");
    published["eventType"] = json!("Delivery");
    published["delivery"]["timestamp"] = json!("2026-05-01T09:59:52.100 +0000");
    assert_eq!(identities(&delivery), identities(&published));
    let mut later = delivery.clone();
    later["delivery"]["timestamp"] = json!("2026-05-01T09:59:52.101Z");
    assert_ne!(identities(&delivery), identities(&later));
}

#[test]
fn no_two_reports_of_one_message_collide() {
    let names = [
        "bounce_identity.json",
        "bounce_several.json",
        "bounce_suppressed.json",
        "bounce_out_of_office.json",
        "complaint_published.json",
        "delivery_identity.json",
        "delivery_delay.json",
        "send.json",
        "reject.json",
        "rendering_failure.json",
        "open.json",
        "click.json",
        "subscription.json",
    ];
    let events: Vec<Event> = names.iter().flat_map(|name| read(&fixture(name)).events).collect();
    let distinct: HashSet<&Identity> = events.iter().map(|event| &event.identity).collect();
    assert_eq!(distinct.len(), events.len(), "all of these carry the same mail.messageId");
}

#[test]
fn a_hard_bounce_after_a_soft_one_and_a_delivery_is_an_event_of_its_own() {
    let at = Timestamp::parse("2026-05-01T09:59:50Z").unwrap();
    let mail = SentMail {
        message_id: "m-1".into(),
        at,
        from: "Example News <hello@news.example.com>".into(),
        source: "hello@news.example.com".into(),
        to: vec![ONE.into(), TWO.into()],
    };
    let soft = Refused::new(ONE, "4.2.2", "452 4.2.2 mailbox full");
    let hard = Refused::new(ONE, "5.1.1", "550 5.1.1 <q7k2m9x4ab@privaterelay.appleid.com>: user not found");
    let all = [
        mail.send(),
        mail.delivery(Form::Published, at),
        mail.delay("MailboxFull", std::slice::from_ref(&soft), at),
        mail.bounce(Form::Published, ("Transient", "MailboxFull"), &[soft], "f-1", at),
        mail.bounce(Form::Notification, ("Permanent", "General"), &[hard], "f-2", at),
        mail.complaint(Form::Notification, &[ONE], "f-3", at),
    ];
    let identities: Vec<Identity> = all.iter().flat_map(identities).collect();
    let distinct: HashSet<_> = identities.iter().collect();
    assert_eq!((identities.len(), distinct.len()), (8, 8));
}

#[test]
fn without_any_id_nothing_is_guessed() {
    let mut event = json("bounce_identity.json");
    event["bounce"]["feedbackId"] = json!(null);
    assert_eq!(identities(&event).len(), 1, "the message's id stands in");
    event["mail"]["messageId"] = json!("");
    let translation = read(&event.to_string());
    assert_eq!((translation.events.len(), translation.quarantined[0].at.as_str()), (0, "/mail/messageId"));
}
