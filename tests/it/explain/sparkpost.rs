//! SparkPost's batches: classes, echoes, and one bad element among good ones.

use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use serde_json::{Value, json};

use super::{explain, meanings};

const RECIPIENT: &str = "q7w2k9xz4m@privaterelay.appleid.com";
const NOW: [&str; 4] = ["--source", "sparkpost", "--now", "2025-10-09T12:00:00Z"];

fn batch(reports: &[Report<'_>]) -> Batch {
    let mut batch = Batch::default();
    for (event_id, report) in (1..).zip(reports) {
        let mail = Mail {
            event_id,
            message_id: 7,
            recipient: RECIPIENT,
            friendly_from: "news@shop.example",
            msg_from: "b-1@bounce.shop.example",
            at: 1_760_000_000,
        };
        batch.push(&mail, *report);
    }
    batch
}

fn classes(classes: &[(u16, &str)]) -> Vec<Value> {
    let reports: Vec<_> =
        classes.iter().map(|(class, reason)| Report::Bounce { class: *class, code: 550, reason }).collect();
    meanings(&explain(&NOW, batch(&reports).finish()))
}

#[test]
fn the_whole_document_of_one_bounce() {
    let reason = "550 5.1.1 <q7w2k9xz4m@privaterelay.appleid.com>: user not found";
    let body = batch(&[Report::Bounce { class: 10, code: 550, reason }]).finish();
    assert_eq!(
        explain(&NOW, body),
        json!({
            "source": "sparkpost", "authentic": null, "answer": 200,
            "because": "no secret is configured, so nothing could be checked; 1 read as events",
            "events": [{
                "recipient": RECIPIENT, "kind": "hard_bounce", "scope": "recipient", "fresh": true, "effect": "hold",
                "rule": "apple.user_not_found", "status": "5.1.1", "code": 550,
                "diagnostic": "550 5.1.1 <recipient>: user not found", "esp": "sparkpost", "provider_id": "1",
                "occurred_at": "2025-10-09T08:53:20.000Z",
            }],
            "quarantined": [],
        })
    );
}

#[test]
fn the_text_decides_before_the_class() {
    let suppressed = "554 5.7.1 [internal] recipient address was suppressed due to customer policy";
    let sender = "550 5.1.1 <b-1@bounce.shop.example>: unauthorized sender";
    assert_eq!(
        classes(&[
            (10, sender),
            (10, "550 something new"),
            (25, suppressed),
            (25, "550 mailbox disabled by administrator"),
            (30, "550 something new"),
            (40, "450 4.2.2 user is over quota"),
            (50, "550 blocked"),
            (52, "550 looks like spam"),
            (60, "I am out of office"),
            (90, "unsubscribe"),
            (4711, "550 something new"),
        ]),
        [
            json!(["hard_bounce", "sender", true, "none", "apple.unauthorized_sender"]),
            json!(["hard_bounce", "ambiguous", true, "hold", "relay.unknown_text"]),
            json!(["hard_bounce", "esp", false, "suppress", "sparkpost.suppressed"]),
            json!(["soft_bounce", "ambiguous", true, "none", "sparkpost.admin_failure"]),
            json!(["hard_bounce", "ambiguous", true, "hold", "relay.unknown_text"]),
            json!(["soft_bounce", "recipient", true, "none", "apple.over_quota"]),
            json!(["hard_bounce", "sender", true, "none", "sparkpost.mail_block"]),
            json!(["hard_bounce", "content", true, "none", "sparkpost.spam_content"]),
            json!(["soft_bounce", "recipient", false, "none", "sparkpost.auto_reply"]),
            json!(["unsubscribed", "recipient", true, "suppress", "sparkpost.unsubscribe"]),
            json!(["soft_bounce", "ambiguous", true, "none", "sparkpost.unknown_class"]),
        ]
    );
}

#[test]
fn every_other_report() {
    let body = batch(&[
        Report::Injection,
        Report::Delivery,
        Report::Delay { class: 20, code: 451, reason: "451 4.7.1 later" },
        Report::PolicyRejection { reason: "554 not allowed" },
        Report::GenerationRejection { reason: "554 recipient address suppressed due to customer policy" },
        Report::SpamComplaint { fbtype: "abuse" },
        Report::SpamComplaint { fbtype: "not-spam" },
        Report::ListUnsubscribe,
        Report::LinkUnsubscribe,
        Report::Open,
    ]);
    let explained = explain(&NOW, body.finish());
    assert_eq!(
        meanings(&explained),
        [
            json!(["sent", "recipient", false, "none", "sparkpost.injection"]),
            json!(["delivered", "recipient", true, "none", "sparkpost.delivery"]),
            json!(["delayed", "ambiguous", true, "none", "sparkpost.delay"]),
            json!(["hard_bounce", "sender", false, "none", "sparkpost.policy_rejection"]),
            json!(["hard_bounce", "esp", false, "suppress", "sparkpost.suppressed"]),
            json!(["complaint", "recipient", true, "suppress", "sparkpost.spam_complaint"]),
            json!(["other", "recipient", false, "none", "sparkpost.not_spam"]),
            json!(["unsubscribed", "recipient", true, "suppress", "sparkpost.list_unsubscribe"]),
            json!(["unsubscribed", "recipient", true, "suppress", "sparkpost.link_unsubscribe"]),
        ]
    );
    assert!(explained["because"].as_str().unwrap().ends_with("; 9 read as events; 1 of no effect here"));
}

#[test]
fn one_bad_element_costs_no_sibling() {
    let mut body = batch(&[Report::Delivery, Report::Delivery]);
    body.push_raw(br#"{"msys":{"hologram_event":{"type":"x"}}}"#);
    body.push_raw(br#"{"msys":{"message_event":{"type":"bounce","event_id":"9","rcpt_to":"not an address"}}}"#);
    body.push_raw(b"7");
    let explained = explain(&NOW, body.finish());
    assert_eq!(explained["events"].as_array().unwrap().len(), 2);
    let places: Vec<_> =
        explained["quarantined"].as_array().unwrap().iter().map(|part| part["at"].as_str().unwrap()).collect();
    assert_eq!(places, ["/3/msys", "/4"]);
    assert_eq!(explained["quarantined"][0]["because"], "`message_event.rcpt_to` is not one mail address");
    assert_eq!(explained["unknown"], json!(["hologram_event"]));
    assert_eq!(explained["answer"], 200);
}

#[test]
fn a_test_of_sparkposts_and_what_is_no_batch() {
    for body in ["", "[]", "[{\"msys\":{}}]"] {
        let explained = explain(&NOW, body);
        assert_eq!((&explained["events"], &explained["quarantined"]), (&json!([]), &json!([])), "{body}");
    }
    let explained = explain(&NOW, "{\"msys\":1}");
    assert_eq!(explained["quarantined"], json!([{"at": "", "because": "the body is not a JSON array"}]));
    assert_eq!((&explained["answer"], &explained["authentic"]), (&json!(200), &Value::Null));
}

#[test]
fn a_bounce_that_names_nobody_has_no_recipient() {
    let body = include_bytes!("../../fixtures/sparkpost/out_of_band_of_nobody.json");
    let explained = explain(&NOW, body);
    let event = &explained["events"][0];
    assert_eq!((event.get("recipient"), &event["scope"]), (Some(&Value::Null), &json!("ambiguous")), "{explained}");
}
