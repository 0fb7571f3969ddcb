//! Braze Currents: drops are echoes, and a missing reason blames nobody.

use relaywatch::cli::demo::world::braze::{self, Mail, Report};
use serde_json::{Value, json};

use super::{explain, meanings, text};

const RECIPIENT: &str = "q7w2k9xz4m@privaterelay.appleid.com";
const NOW: [&str; 4] = ["--source", "braze", "--now", "2025-10-09T12:00:00Z"];

fn body(reports: &[Report<'_>]) -> Vec<u8> {
    let event = |(index, report): (usize, &Report<'_>)| {
        let mail = Mail {
            id: &format!("c0ffee00-{index}"),
            external_user_id: "user-1",
            recipient: RECIPIENT,
            from_domain: "mail.shop.example",
            esp: "SendGrid",
            at: 1_760_000_000,
        };
        braze::event(&mail, *report)
    };
    braze::batch(&reports.iter().enumerate().map(event).collect::<Vec<_>>())
}

#[test]
fn the_whole_document_of_a_drop() {
    let explained = explain(&NOW, body(&[Report::Bounce { reason: Some("Bounced Address"), is_drop: true }]));
    assert_eq!(
        explained,
        json!({
            "source": "braze", "authentic": null, "answer": 200,
            "because": "no secret is configured, so nothing could be checked; 1 read as events",
            "events": [{
                "recipient": RECIPIENT, "kind": "hard_bounce", "scope": "esp", "fresh": false, "effect": "suppress",
                "rule": "braze.drop", "status": null, "code": null, "diagnostic": "Bounced Address", "esp": "sendgrid",
                "provider_id": "c0ffee00-0", "occurred_at": "2025-10-09T08:53:20.000Z",
            }],
            "quarantined": [],
        })
    );
}

#[test]
fn every_report() {
    let explained = explain(
        &NOW,
        body(&[
            Report::Send,
            Report::Delivery,
            Report::Bounce {
                reason: Some("550 5.1.1 <q7w2k9xz4m@privaterelay.appleid.com>: user not found"),
                is_drop: false,
            },
            Report::Bounce { reason: Some("550 5.1.1 <b@mail.shop.example>: unauthorized sender"), is_drop: false },
            Report::Bounce { reason: None, is_drop: false },
            Report::SoftBounce { reason: "450 4.2.2 user is over quota" },
            Report::Deferral { reason: "451 4.7.1 Service unavailable, try again later", attempt_count: 2 },
            Report::MarkAsSpam,
            Report::Unsubscribe,
            Report::Open,
        ]),
    );
    assert_eq!(
        meanings(&explained),
        [
            json!(["sent", "recipient", false, "none", "braze.send"]),
            json!(["delivered", "recipient", true, "none", "braze.delivery"]),
            json!(["hard_bounce", "recipient", true, "hold", "apple.user_not_found"]),
            json!(["hard_bounce", "sender", true, "none", "apple.unauthorized_sender"]),
            json!(["hard_bounce", "ambiguous", true, "hold", "relay.no_text"]),
            json!(["soft_bounce", "recipient", true, "none", "apple.over_quota"]),
            json!(["delayed", "relay", true, "none", "apple.service_unavailable"]),
            json!(["complaint", "recipient", true, "suppress", "braze.mark_as_spam"]),
            json!(["unsubscribed", "recipient", true, "suppress", "braze.unsubscribe"]),
        ]
    );
}

#[test]
fn a_test_has_no_events_and_a_bad_one_stands_apart() {
    assert_eq!(explain(&NOW, braze::TEST)["events"], json!([]));
    assert!(text(&NOW, "").ends_with("a test without events.\n\nNo events.\n"));
    let explained = explain(
        &NOW,
        r#"{"events":[{"event_type":"users.messages.email.Bounce","id":"e1","properties":{"email_address":"two@a.example three@b.example"}},{}]}"#,
    );
    let places: Vec<&Value> = explained["quarantined"].as_array().unwrap().iter().map(|part| &part["at"]).collect();
    assert_eq!((places, &explained["answer"]), (vec![&json!("/events/0"), &json!("/events/1")], &json!(200)));
}
