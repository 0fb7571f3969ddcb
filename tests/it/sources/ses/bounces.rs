//! Bounces: every recipient, echoes told from bounces, and where a recipient's fields contradict the type.

use relaywatch::domain::event::{Effect, Kind, Scope};
use relaywatch::domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ONE, TWO, json, read, recipients};
use crate::sources::sns::endpoint::fixture;

/// Somebody who does not hide behind the relay: here the class of the ESP decides.
const OTHER: &str = "reader@example.org";

fn bounce(main: &str, sub: &str, recipient: Value) -> String {
    let mut event = json("bounce_published.json");
    event["bounce"]["bounceType"] = json!(main);
    event["bounce"]["bounceSubType"] = json!(sub);
    event["bounce"]["bouncedRecipients"] = json!([recipient]);
    event.to_string()
}

#[test]
fn a_bounce_of_the_relay_in_both_forms() {
    for name in ["bounce_identity.json", "bounce_published.json"] {
        let translation = read(&fixture(name));
        assert_eq!(recipients(&translation), [ONE]);
        let event = &translation.events[0];
        assert_eq!((event.kind, event.scope, event.fresh), (Kind::HardBounce, Scope::Recipient, true));
        assert_eq!((event.rule.as_ref(), event.effect()), ("apple.user_not_found", Effect::Hold));
        assert_eq!(event.occurred_at, Timestamp::parse("2026-05-01T09:59:53.417Z").unwrap());
        assert_eq!((event.evidence.status.as_deref(), event.evidence.code), (Some("5.1.1"), Some(550)));
        assert_eq!(event.evidence.diagnostic.as_deref(), Some("550 5.1.1 <recipient>: user not found"));
        assert_eq!(
            event.evidence.provider_id.as_deref(),
            Some("0102018f3a5b9d22-9a8b7c6d-1111-4222-8333-abcdefabcdef-000000")
        );
        assert_eq!(event.origin.esp.as_ref().map(|esp| esp.as_str()), Some("ses"));
        assert_eq!(event.origin.team.as_str(), "TEAM1");
        assert_eq!(event.origin.from_domain.as_deref(), Some("news.example.com"));
        assert_eq!((event.origin.mail_from_domain.as_deref(), event.who.named), (None, 1));
    }
}

#[test]
fn the_sender_in_the_brackets_is_the_senders_fault() {
    let reply = "550 5.1.1 <bounce+q7k2m9x4ab=privaterelay.appleid.com@b.example.com>: unauthorized sender";
    let recipient =
        json!({"emailAddress": ONE, "action": "failed", "status": "5.1.1", "diagnosticCode": format!("smtp; {reply}")});
    let mut event: Value = serde_json::from_str(&bounce("Permanent", "General", recipient)).unwrap();
    event["mail"]["source"] = json!("bounce+q7k2m9x4ab=privaterelay.appleid.com@b.example.com");
    let translation = read(&event.to_string());
    let event = &translation.events[0];
    assert_eq!((event.scope, event.effect()), (Scope::Sender, Effect::None), "{}", event.rule);
    assert_eq!(event.origin.mail_from_domain.as_deref(), Some("b.example.com"));
    let shown = event.evidence.diagnostic.as_deref().unwrap();
    assert!(!shown.contains("q7k2m9x4ab"), "{shown}");
}

#[test]
fn every_recipient_counts_and_an_unreadable_one_costs_nobody_else() {
    let translation = read(&fixture("bounce_several.json"));
    assert_eq!(recipients(&translation), [TWO, ONE], "not the first destination, which did not bounce");
    let (hard, delayed) = (&translation.events[0], &translation.events[1]);
    assert_eq!((hard.kind, hard.scope), (Kind::HardBounce, Scope::Recipient));
    assert_eq!((delayed.kind, delayed.effect()), (Kind::SoftBounce, Effect::None), "{}", delayed.rule);
    assert_eq!((hard.who.named, delayed.who.named), (3, 3));

    let [part] = translation.quarantined.as_slice() else { panic!("{:?}", translation.quarantined) };
    assert_eq!(
        (part.at.as_str(), part.because.as_str()),
        ("/bounce/bouncedRecipients/2", "emailAddress is not a mail address")
    );
    let again = read(std::str::from_utf8(&part.body).unwrap());
    assert_eq!((again.events.len(), again.quarantined.len()), (0, 1), "only that recipient is put aside");
    assert_eq!(again.quarantined[0].at, "/bounce/bouncedRecipients/0");
}

#[test]
fn an_echo_is_no_bounce() {
    let translation = read(&fixture("bounce_suppressed.json"));
    let event = &translation.events[0];
    assert_eq!((event.kind, event.scope, event.fresh), (Kind::HardBounce, Scope::Esp, false));
    assert_eq!((event.rule.as_ref(), event.effect()), ("ses.on_account_suppression_list", Effect::Suppress));
    for (main, sub, rule, known) in [
        ("Permanent", "Suppressed", "ses.suppressed", true),
        ("PERMANENT", "ON_ACCOUNT_SUPPRESSION_LIST", "ses.on_account_suppression_list", true),
        ("permanent", "onAccountSuppressionList", "ses.on_account_suppression_list", true),
        ("Permanent", "OnTenantSuppressionList", "ses.on_tenant_suppression_list", true),
        ("Permanent", "EmailValidationSuppressed", "ses.email_validation_suppressed", true),
        ("Permanent", "OnPlanetSuppressionList", "ses.suppressed_otherwise", false),
    ] {
        // SES prints 5.1.1 beside its own words: a text rule must not mistake them for the relay's.
        let text = format!("smtp; 550 5.1.1 <{ONE}>: user not found");
        let recipient = json!({"emailAddress": ONE, "action": "failed", "status": "5.1.1", "diagnosticCode": text});
        let translation = read(&bounce(main, sub, recipient));
        let event = &translation.events[0];
        assert_eq!((event.rule.as_ref(), event.scope, event.fresh), (rule, Scope::Esp, false), "{sub}");
        assert_eq!(translation.unknown.is_empty(), known, "{sub}");
    }
}

#[test]
fn out_of_office_is_no_bounce_and_a_refusal_is() {
    let translation = read(&fixture("bounce_out_of_office.json"));
    let event = &translation.events[0];
    assert_eq!((event.rule.as_ref(), event.fresh, event.effect()), ("ses.automatic_reply", false, Effect::None));
    for (recipient, automatic) in [
        (json!({"emailAddress": ONE, "status": "2.0.0"}), true),
        (json!({"emailAddress": ONE, "diagnosticCode": "smtp; Auto-Reply: I am out of office"}), true),
        (json!({"emailAddress": ONE, "status": "4.4.7"}), false),
        (json!({"emailAddress": ONE, "status": "4.3.0", "diagnosticCode": "smtp; 451 4.3.0 try later"}), false),
        (json!({"emailAddress": ONE, "diagnosticCode": "smtp; 450 automatic replies are refused"}), false),
    ] {
        let translation = read(&bounce("Transient", "General", recipient.clone()));
        let event = &translation.events[0];
        assert_eq!(event.rule == "ses.automatic_reply", automatic, "{recipient}: {}", event.rule);
        assert_eq!(event.kind, Kind::SoftBounce, "{recipient}");
    }
}

#[test]
fn soft_bounces_hold_nobody() {
    for (sub, rule) in [
        ("MailboxFull", "ses.transient_mailbox_full"),
        ("MessageTooLarge", "ses.transient_message_too_large"),
        ("ContentRejected", "ses.transient_content_rejected"),
        ("AttachmentRejected", "ses.transient_attachment_rejected"),
        ("CustomTimeoutExceeded", "ses.transient_custom_timeout_exceeded"),
    ] {
        let translation = read(&bounce("Transient", sub, json!({"emailAddress": ONE})));
        let event = &translation.events[0];
        assert_eq!((event.rule.as_ref(), event.effect()), (rule, Effect::None), "{sub}");
        assert!(translation.unknown.is_empty());
    }
}

#[test]
fn a_recipients_own_fields_outweigh_the_type() {
    for (fields, rule) in [
        (json!({}), "ses.permanent_general"),
        (json!({"action": "Delayed"}), "ses.permanent_but_delayed"),
        (json!({"status": "4.0.0"}), "ses.permanent_but_delayed"),
        (json!({"status": "4.4.7", "action": "failed"}), "ses.permanent_general"),
        (json!({"status": "4.0.0", "action": "delayed", "diagnosticCode": "smtp; 550 no"}), "ses.permanent_general"),
        (json!({"action": "relayed"}), "ses.permanent_but_delivered"),
        (json!({"status": "2.1.5"}), "ses.permanent_but_delivered"),
        (json!({"status": 5, "action": null, "diagnosticCode": ["x"]}), "ses.permanent_general"),
    ] {
        let mut recipient = fields.clone();
        recipient["emailAddress"] = json!(OTHER);
        let translation = read(&bounce("Permanent", "General", recipient));
        assert_eq!(translation.events[0].rule, rule, "{fields}");
    }
}

#[test]
fn at_the_relay_the_class_of_ses_alone_convicts_nobody() {
    let translation = read(&bounce("Permanent", "General", json!({"emailAddress": ONE, "status": "5.1.1"})));
    let event = &translation.events[0];
    assert_eq!((event.scope, event.effect()), (Scope::Ambiguous, Effect::Hold), "{}", event.rule);
}

#[test]
fn new_kinds_are_kept_and_named() {
    for (main, sub, rule) in [
        ("Permanent", "Brandnew", "ses.permanent"),
        ("Transient", "Brandnew", "ses.transient"),
        ("Sideways", "General", "ses.unknown_type"),
    ] {
        let translation = read(&bounce(main, sub, json!({"emailAddress": OTHER})));
        assert_eq!(translation.events[0].rule, rule);
        assert_eq!(translation.unknown, [format!("Bounce {main}/{sub}")]);
    }
    let undetermined = read(&bounce("Undetermined", "Undetermined", json!({"emailAddress": ONE})));
    assert_eq!((undetermined.events[0].rule.as_ref(), undetermined.unknown.len()), ("ses.undetermined", 0));
}

#[test]
fn a_bounce_without_recipients_or_details_is_put_aside() {
    let mut event = json("bounce_identity.json");
    event["bounce"]["bouncedRecipients"] = json!([]);
    assert_eq!(read(&event.to_string()).quarantined[0].at, "/bounce/bouncedRecipients");
    event["bounce"] = json!("x");
    assert_eq!(read(&event.to_string()).quarantined[0].at, "/bounce");
}
