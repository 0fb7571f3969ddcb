//! Complaints: one named person, several, nobody, and the list of the ESP.

use relaywatch::domain::event::{Effect, Kind, Scope};
use serde_json::{Value, json};

use super::{ONE, TWO, json, read, recipients};
use crate::sources::sns::endpoint::fixture;

fn complaint(change: impl Fn(&mut Value)) -> relaywatch::sources::Translation {
    let mut event = json("complaint_published.json");
    change(&mut event["complaint"]);
    read(&event.to_string())
}

#[test]
fn one_named_person_complained() {
    let translation = read(&fixture("complaint_published.json"));
    let event = &translation.events[0];
    assert_eq!(recipients(&translation), [ONE]);
    assert_eq!((event.kind, event.scope, event.fresh), (Kind::Complaint, Scope::Recipient, true));
    assert_eq!((event.effect(), event.who.named), (Effect::Suppress, 1));
}

#[test]
fn of_several_nobody_is_convicted() {
    let translation = read(&fixture("complaint_several.json"));
    assert_eq!(recipients(&translation), [ONE, TWO]);
    for event in &translation.events {
        assert_eq!((event.kind, event.scope), (Kind::Complaint, Scope::Ambiguous));
        assert_eq!((event.effect(), event.who.named), (Effect::None, 2));
    }
    let with_unreadable =
        complaint(|c| c["complainedRecipients"] = json!([{"emailAddress": ONE}, {"emailAddress": 3}]));
    assert_eq!((with_unreadable.events[0].who.named, with_unreadable.events[0].scope), (2, Scope::Ambiguous));
    let twice =
        complaint(|c| c["complainedRecipients"] = json!([{"emailAddress": ONE}, {"emailAddress": ONE.to_uppercase()}]));
    assert_eq!((twice.events[0].who.named, twice.events[0].scope), (1, Scope::Recipient), "one person, named twice");
}

#[test]
fn what_is_no_complaint_of_a_person() {
    for (field, value, kind, scope, fresh, effect) in [
        ("complaintFeedbackType", "not-spam", Kind::Other, Scope::Recipient, false, Effect::None),
        ("complaintSubType", "OnAccountSuppressionList", Kind::Complaint, Scope::Esp, false, Effect::Suppress),
        ("complaintFeedbackType", "auth-failure", Kind::Complaint, Scope::Sender, true, Effect::None),
        ("complaintFeedbackType", "virus", Kind::Complaint, Scope::Content, true, Effect::None),
        ("complaintFeedbackType", "fraud", Kind::Complaint, Scope::Recipient, true, Effect::Suppress),
        ("complaintFeedbackType", "other", Kind::Complaint, Scope::Recipient, true, Effect::Suppress),
    ] {
        let translation = complaint(|c| c[field] = json!(value));
        let event = &translation.events[0];
        assert_eq!((event.kind, event.scope, event.fresh, event.effect()), (kind, scope, fresh, effect), "{value}");
    }
}

#[test]
fn feedback_fields_are_optional() {
    let translation = complaint(|c| {
        let fields = c.as_object_mut().unwrap();
        fields.retain(|name, _| ["feedbackId", "complainedRecipients", "timestamp"].contains(&name.as_str()));
    });
    assert_eq!((translation.events[0].kind, translation.quarantined.len()), (Kind::Complaint, 0));
}
