//! From each source to the verdict, on both databases.

use relaywatch::cli::demo::world::apple::{departure, forwarding};
use relaywatch::cli::demo::world::braze;
use relaywatch::cli::demo::world::ses::{Form, Refused};
use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use serde_json::json;

use crate::daemon::Home;
use crate::feeds::{FROM, NOT_FOUND, TEAM, UNAUTHORIZED, braze_post, mail_to, now, sparkpost_post, unique};
use crate::postgres;
use crate::stage::Stage;

#[tokio::test]
async fn each_source_reaches_the_verdict_on_sqlite() {
    every_source(&Stage::sqlite().await).await;
}

#[tokio::test]
async fn each_source_reaches_the_verdict_on_postgresql() {
    let database = postgres::database().await;
    every_source(&Stage::on(Home::new(), database.url(), "").await).await;
}

async fn every_source(stage: &Stage) {
    ses(stage).await;
    sparkpost(stage).await;
    braze(stage).await;
    apple(stage).await;
    let logged = stage.metric("relaywatch_log_head").await;
    assert!(logged >= 15.0, "{logged} events in the log");
    // What an untold reader sees is consistent with what it was told: nobody here is known under another team.
    let other = stage.ask(&json!({"team": TEAM, "address": "nobody@privaterelay.appleid.com"})).await;
    assert_eq!((&other["verdict"], &other["reason"]), (&json!("unknown"), &json!("not_seen")));
}

fn person() -> String {
    format!("{}@privaterelay.appleid.com", unique())
}

async fn ses(stage: &Stage) {
    let [bounced, refused, echoed, complained, delivered] = [(); 5].map(|()| person());
    let answer = stage.post(&stage.feeds.ses_bounce(&bounced, NOT_FOUND, &unique())).await;
    assert_eq!(answer, json!({"new": 1, "repeated": 0}));
    stage.expect_verdict(&bounced, "hold", "recent_bounce").await;
    let security = stage.ask(&json!({"team": TEAM, "address": bounced, "class": "security"})).await;
    assert_eq!(security["send"], true, "security mail passes a hold: {security}");
    let evidence = &stage.verdict(&bounced).await["evidence"][0];
    assert_eq!(evidence["kind"], "hard_bounce");

    // The sender's fault is nobody else's: who was known stays as he was, and who was not stays unknown.
    stage.post(&stage.feeds.ses_bounce(&refused, UNAUTHORIZED, &unique())).await;
    stage.expect_verdict(&refused, "unknown", "not_seen").await;
    stage.post(&stage.feeds.ses(&mail_to(&refused).delivery(Form::Published, now()))).await;
    stage.post(&stage.feeds.ses_bounce(&refused, UNAUTHORIZED, &unique())).await;
    stage.expect_verdict(&refused, "sendable", "ok").await;

    // SES did not try: a limit of SES, and no word about the person.
    let mail = mail_to(&echoed);
    let recipient = [Refused::new(&echoed, "5.1.1", "Amazon SES did not send the message")];
    let echo = mail.bounce(Form::Published, ("Permanent", "OnAccountSuppressionList"), &recipient, &unique(), now());
    stage.post(&stage.feeds.ses(&echo)).await;
    let said = stage.ask(&json!({"team": TEAM, "address": echoed, "stream": "news"})).await;
    assert_eq!(
        (&said["reason"], &said["scope"], &said["send"]),
        (&json!("esp_suppressed"), &json!("esp"), &json!(false))
    );
    assert_eq!(said["limits"][0]["esp"], "ses", "{said}");

    let complaint = mail_to(&complained).complaint(Form::Published, &[&complained], &unique(), now());
    stage.post(&stage.feeds.ses(&complaint)).await;
    stage.expect_verdict(&complained, "suppressed", "complaint").await;

    let delivery = stage.feeds.ses(&mail_to(&delivered).delivery(Form::Published, now()));
    stage.post(&delivery).await;
    stage.expect_verdict(&delivered, "sendable", "ok").await;
    let again = stage.post(&delivery).await;
    assert_eq!(again, json!({"new": 0, "repeated": 1}), "said twice, counted once");
}

async fn sparkpost(stage: &Stage) {
    let [bounced, refused, complained, unsubscribed, ordinary] = [(); 5].map(|()| person());
    let ordinary = ordinary.replace("privaterelay.appleid.com", "mail.example.org");
    let mut batch = Batch::default();
    let mut push = |recipient: &str, report| {
        let event_id = uuid::Uuid::now_v7().as_u64_pair().1;
        let (friendly_from, msg_from) = (FROM, "b@bounce.news.example.com");
        let mail = Mail { event_id, message_id: event_id, recipient, friendly_from, msg_from, at: now().secs() };
        batch.push(&mail, report);
    };
    push(&bounced, Report::Bounce { class: 10, code: 550, reason: NOT_FOUND });
    push(&refused, Report::Delivery);
    push(&refused, Report::Bounce { class: 10, code: 550, reason: UNAUTHORIZED });
    push(&complained, Report::SpamComplaint { fbtype: "abuse" });
    push(&unsubscribed, Report::LinkUnsubscribe);
    push(&ordinary, Report::Bounce { class: 10, code: 550, reason: NOT_FOUND });
    let answer = stage.post(&sparkpost_post(batch.finish())).await;
    assert_eq!(answer, json!({"new": 6, "repeated": 0}));
    stage.expect_verdict(&bounced, "hold", "recent_bounce").await;
    stage.expect_verdict(&refused, "sendable", "ok").await;
    stage.expect_verdict(&complained, "suppressed", "complaint").await;
    stage.expect_verdict(&unsubscribed, "suppressed", "unsubscribed").await;
    stage.expect_verdict(&ordinary, "sendable", "not_relay").await;
}

async fn braze(stage: &Stage) {
    let [bounced, dropped, complained] = [(); 3].map(|()| person());
    let event = |recipient: &str, report| {
        let (id, sub) = (unique(), format!("000002.{}.0002", unique()));
        let mail = braze::Mail {
            id: &id,
            external_user_id: &sub,
            recipient,
            from_domain: "news.example.com",
            esp: "SendGrid",
            at: now().secs(),
        };
        braze::event(&mail, report)
    };
    let events = [
        event(&bounced, braze::Report::Bounce { reason: Some(NOT_FOUND), is_drop: false }),
        event(&dropped, braze::Report::Bounce { reason: None, is_drop: true }),
        event(&complained, braze::Report::MarkAsSpam),
    ];
    let answer = stage.post(&braze_post(&events)).await;
    assert_eq!(answer, json!({"new": 3, "repeated": 0}));
    stage.expect_verdict(&bounced, "hold", "recent_bounce").await;
    stage.expect_verdict(&complained, "suppressed", "complaint").await;
    let said = stage.verdict(&dropped).await;
    assert_eq!(said["verdict"], "sendable", "an echo of one ESP is its own affair: {said}");
}

async fn apple(stage: &Stage) {
    let [consented, closed, deleted] = [(); 3].map(|()| person());
    let subs = [1, 2, 3].map(|n| format!("00000{n}.{}.000{n}", unique()));
    let say = async |event| stage.post(&stage.feeds.notification(event, &unique())).await;

    // The pair of sub and address comes with the forwarding event; the revocation has the sub alone.
    say(forwarding(true, &subs[0], &consented, now())).await;
    stage.expect_verdict(&consented, "sendable", "forwarding_enabled").await;
    say(departure("consent-revoked", &subs[0], now())).await;
    stage.expect_verdict(&consented, "suppressed", "consent_revoked").await;
    let security = stage.ask(&json!({"team": TEAM, "address": consented, "class": "security"})).await;
    assert_eq!(security["send"], false, "nothing passes Apple's word: {security}");

    say(forwarding(false, &subs[1], &closed, now())).await;
    stage.expect_verdict(&closed, "suppressed", "forwarding_disabled").await;
    say(forwarding(true, &subs[1], &closed, now())).await;
    stage.expect_verdict(&closed, "sendable", "forwarding_enabled").await;

    // The deletion first: the order in which Apple's words arrive says nothing.
    say(departure("account-deleted", &subs[2], now())).await;
    say(forwarding(true, &subs[2], &deleted, now())).await;
    stage.expect_verdict(&deleted, "suppressed", "account_deleted").await;
}
