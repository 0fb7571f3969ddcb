//! The inner event of SES: every kind, scope and effect it can have.

use serde_json::{Value, json};

use super::{explain, meanings, text};
use crate::sources::sns::endpoint::fixture;

const ONE: &str = "q7k2m9x4ab@privaterelay.appleid.com";
const NOW: [&str; 4] = ["--source", "ses", "--now", "2026-05-01T12:00:00Z"];

fn of(body: impl AsRef<[u8]>) -> Value {
    let explained = explain(&NOW, body);
    assert_eq!((&explained["source"], &explained["authentic"]), (&json!("ses"), &Value::Null));
    assert_eq!(
        (&explained["answer"], &explained["because"]),
        (&json!(200), &json!("the inner event alone carries no signature"))
    );
    explained
}

/// The published bounce, with one recipient of this kind in it.
fn bounce(main: &str, sub: &str, mut recipient: Value) -> Value {
    let mut event: Value = serde_json::from_str(&fixture("bounce_published.json")).unwrap();
    if recipient.get("emailAddress").is_none() {
        recipient["emailAddress"] = json!(ONE);
    }
    event["bounce"]["bounceType"] = json!(main);
    event["bounce"]["bounceSubType"] = json!(sub);
    event["bounce"]["bouncedRecipients"] = json!([recipient]);
    of(event.to_string())
}

fn replied(reply: &str) -> Value {
    json!({"action": "failed", "status": "5.1.1", "diagnosticCode": format!("smtp; {reply}")})
}

#[test]
fn the_whole_document_of_a_user_not_found() {
    assert_eq!(
        of(fixture("bounce_identity.json")),
        json!({
            "source": "ses", "authentic": null, "because": "the inner event alone carries no signature", "answer": 200,
            "events": [{
                "recipient": ONE, "kind": "hard_bounce", "scope": "recipient", "fresh": true, "effect": "hold",
                "rule": "apple.user_not_found", "status": "5.1.1", "code": 550,
                "diagnostic": "550 5.1.1 <recipient>: user not found", "esp": "ses",
                "provider_id": "0102018f3a5b9d22-9a8b7c6d-1111-4222-8333-abcdefabcdef-000000",
                "occurred_at": "2026-05-01T09:59:53.417Z",
            }],
            "quarantined": [],
        })
    );
}

#[test]
fn bounces() {
    let sender = "550 5.1.1 <b+1@bounce.news.example.com>: unauthorized sender";
    let unknown = "550 5.1.1 mailbox unavailable";
    let ask = |main, sub, reply: &str| meanings(&bounce(main, sub, replied(reply)));
    for (main, sub, reply, want) in [
        ("Permanent", "General", sender, json!(["hard_bounce", "sender", true, "none", "apple.unauthorized_sender"])),
        ("Permanent", "General", unknown, json!(["hard_bounce", "ambiguous", true, "hold", "relay.unknown_text"])),
        (
            "Permanent",
            "General",
            "550 5.7.1 Email rejected due to transformation error",
            json!(["hard_bounce", "relay", true, "none", "apple.transformation_error"]),
        ),
        (
            "Permanent",
            "General",
            "550 5.7.1 [CS01] Message rejected due to local policy.",
            json!(["hard_bounce", "content", true, "none", "apple.local_policy"]),
        ),
        (
            "Permanent",
            "Suppressed",
            "550 5.1.1 user not found",
            json!(["hard_bounce", "esp", false, "suppress", "ses.suppressed"]),
        ),
        (
            "Transient",
            "General",
            "450 4.2.2 user is over quota",
            json!(["soft_bounce", "recipient", true, "none", "apple.over_quota"]),
        ),
    ] {
        assert_eq!(ask(main, sub, reply), [want], "{main} {sub} {reply}");
    }
    let silent = bounce("Permanent", "General", json!({}));
    assert_eq!(meanings(&silent), [json!(["hard_bounce", "ambiguous", true, "hold", "relay.no_text"])]);
    let event = &silent["events"][0];
    for absent in ["status", "code", "diagnostic"] {
        assert_eq!(event.get(absent), Some(&Value::Null), "{absent} is there, and null");
    }
}

#[test]
fn echoes_replies_complaints_and_the_rest() {
    for (name, want) in [
        ("bounce_suppressed.json", json!(["hard_bounce", "esp", false, "suppress", "ses.on_account_suppression_list"])),
        ("bounce_out_of_office.json", json!(["soft_bounce", "recipient", false, "none", "ses.automatic_reply"])),
        ("complaint_published.json", json!(["complaint", "recipient", true, "suppress", "ses.complaint"])),
        ("delivery_identity.json", json!(["delivered", "recipient", true, "none", "ses.delivery"])),
        ("send.json", json!(["sent", "recipient", false, "none", "ses.send"])),
        ("reject.json", json!(["other", "content", false, "none", "ses.reject"])),
        ("rendering_failure.json", json!(["other", "content", false, "none", "ses.rendering_failure"])),
        ("open.json", json!(["other", "recipient", false, "none", "ses.open"])),
        ("click.json", json!(["other", "recipient", false, "none", "ses.click"])),
        ("subscription.json", json!(["unsubscribed", "recipient", true, "suppress", "ses.subscription_left"])),
    ] {
        let mut found = meanings(&of(fixture(name)));
        // Some name several recipients, of whom the same is true.
        found.dedup();
        assert_eq!(found, [want], "{name}");
    }
    let delayed = of(fixture("delivery_delay.json"));
    assert_eq!((&delayed["events"][0]["kind"], &delayed["events"][0]["effect"]), (&json!("delayed"), &json!("none")));
}

#[test]
fn a_complaint_that_names_several_convicts_none_of_them() {
    let explained = of(fixture("complaint_several.json"));
    let nobody = json!(["complaint", "ambiguous", true, "none", "ses.complaint_names_several"]);
    assert_eq!(meanings(&explained), [nobody.clone(), nobody]);
    assert_eq!(explained["events"][1]["recipient"], "t5w8z3n6cd@privaterelay.appleid.com");
}

#[test]
fn every_recipient_on_its_own_and_the_unreadable_one_apart() {
    let explained = of(fixture("bounce_several.json"));
    assert_eq!(explained["events"].as_array().unwrap().len(), 2);
    let apart = json!([{"at": "/bounce/bouncedRecipients/2", "because": "emailAddress is not a mail address"}]);
    assert_eq!(explained["quarantined"], apart);
}

#[test]
fn what_is_no_event_of_ses_is_kept_for_later_and_no_failure() {
    for (body, because) in
        [("", "not JSON"), ("[]", "not a JSON object"), ("{}", "neither eventType nor notificationType")]
    {
        let explained = of(body);
        let [part] = explained["quarantined"].as_array().unwrap().as_slice() else { panic!("{explained}") };
        assert_eq!(part["at"], "");
        assert!(part["because"].as_str().unwrap().contains(because), "{part}");
    }
    let newer = of(r#"{"eventType":"Levitation","mail":{"messageId":"m-1"}}"#);
    assert_eq!((&newer["unknown"], &newer["events"]), (&json!(["Levitation"]), &json!([])));
}

#[test]
fn what_the_daemon_would_not_do_is_noted() {
    let late = explain(&["--source", "ses", "--now", "2026-06-06T12:00:00Z"], fixture("bounce_identity.json"));
    let stale = "older than 35 days, so it could be a repetition: kept without effect";
    assert_eq!(late["events"][0]["notes"], json!([stale]));
    let mut recipient = replied("550 5.1.1 no such user here");
    recipient["emailAddress"] = json!("reader@example.org");
    let ordinary = bounce("Permanent", "General", recipient.clone());
    assert_eq!(
        ordinary["events"][0]["notes"],
        json!(["not a relay address: it is counted, no record is kept, and it may be mailed"])
    );
    recipient["emailAddress"] = json!("reader@icloud.com");
    let shared = bounce("Permanent", "General", recipient);
    assert!(shared["events"][0]["notes"][0].as_str().unwrap().contains("user import or Apple's flag"), "{shared}");
}

#[test]
fn without_now_it_is_received_now() {
    let explained = explain(&["--source", "ses"], fixture("bounce_identity.json"));
    assert_eq!(explained["events"][0]["occurred_at"], "2026-05-01T09:59:53.417Z");
    let early = explain(&["--source", "ses", "--now", "2026-05-01T09:00:00+00:00"], fixture("bounce_identity.json"));
    assert_eq!(early["events"][0]["occurred_at"], "2026-05-01T09:00:00.000Z", "nothing happens after its receipt");
}

#[test]
fn a_person_reads_the_verdict_first() {
    let wanted = "\
ses: not checked. The hook would answer 200.
  the inner event alone carries no signature.

1. hard_bounce (scope recipient) -> hold
   recipient  q7k2m9x4ab@privaterelay.appleid.com
   effect     The address is put on hold: not now, and not for good. One bounce never suppresses a user.
   rule       apple.user_not_found: Apple says of this recipient that there is no such user.
   said       550 5.1.1 <recipient>: user not found
   code       550, status 5.1.1
   esp        ses
   id         0102018f3a5b9d22-9a8b7c6d-1111-4222-8333-abcdefabcdef-000000
   at         2026-05-01T09:59:53.417Z
";
    assert_eq!(text(&NOW, fixture("bounce_identity.json")), wanted);
    let envelope = text(&NOW, fixture("sns_version_1.json"));
    assert!(envelope.contains("Unreadable, the whole body: neither eventType"), "{envelope}");
    assert!(
        envelope.ends_with("Hint: if this is the whole envelope of SNS, --source sns explains it.\n"),
        "{envelope}"
    );
    let several = text(&NOW, fixture("bounce_several.json"));
    assert!(
        several.contains("\n2. soft_bounce") && several.contains("Unreadable, /bounce/bouncedRecipients/2: "),
        "{several}"
    );
}
