//! What only time shows: lost, late after all, delivered and never arrived, and a mailbox that nobody could read.

use std::time::Duration;

use relaywatch::cli::demo::world::ses::{Form, SentMail};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::{Setup, expect_counted, expect_states, round, route, told};
use crate::cable::Cable;
use crate::feeds::now;
use crate::mail::real_world::{user, world};
use crate::mail::scripted_smtp::ScriptedSmtp;
use crate::stage::eventually;

/// Opens the way by which the relay hands on what it keeps (tests/components/mail).
async fn open_the_way() {
    let ip = &world().ip;
    let listener = TcpListener::bind((ip.as_str(), 2528)).await.expect("nobody else opens it");
    let target = format!("{ip}:2526");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(target).await else { return };
                // Either side may hang up: that is the end of it.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_drops_and_keeps_and_the_results_name_it() {
    let user = user();
    let (dropped, late) = (format!("drop-{user}"), format!("late-{user}"));
    let stage = Setup::new("10s")
        .servers()
        .mailbox(&user)
        .mailbox(&dropped)
        .mailbox(&late)
        .address("dropped", &format!("{dropped}@privaterelay.appleid.com"))
        .address("late", &format!("{late}@privaterelay.appleid.com"))
        .address("plain", &format!("{user}@mailbox.test"))
        .route("dropped", "production", ["shop", "own", "dropped", &dropped])
        .route("dropped", "control", ["other", "own", "dropped", &dropped])
        .route("dropped", "plain", ["shop", "own", "plain", &user])
        .route("late", "production", ["shop", "own", "late", &late])
        .start()
        .await;
    let lost = [("dropped.production", "lost"), ("dropped.control", "lost"), ("late.production", "lost")];
    expect_states(&stage, &lost).await;
    // Without the relay it comes in any case; on a busy machine after its time.
    let dropped = [("dropped.plain", "arrived|late"), ("dropped.production", "lost"), ("dropped.control", "lost")];
    let now = expect_states(&stage, &dropped).await;
    let broken = round(&now, "dropped");
    assert_eq!(broken["broken"], "relay", "a control of another team does not come through either");
    let words = "nobody's mail comes through the relay, and without the relay it arrives: the relay itself";
    assert_eq!(broken["because"], words);
    let text = stage.command(&["canary", "status"]);
    assert!(text.contains("broken: relay\n") && text.contains(words), "{text}");
    expect_counted(&stage, "relaywatch_canary_lost_total{delivered=\"unknown\",route=\"dropped.production\"}").await;
    expect_counted(&stage, "relaywatch_canary_lost_total{delivered=\"unknown\",route=\"late.production\"}").await;

    open_the_way().await;
    let now = expect_states(&stage, &[("late.production", "late"), ("dropped.production", "lost")]).await;
    assert!(route(&now, "late.production")["seconds"].as_f64().is_some_and(|took| took > 10.0), "{now:#}");
    expect_counted(&stage, "relaywatch_canary_late_total{route=\"late.production\"}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_cannot_be_read_loses_nothing_and_gives_it_back() {
    let user = user();
    let (cable, _) = Cable::to(&format!("imaps://{}:2993", world().ip)).await;
    cable.pull();
    // Longer than the relay takes when it has to try again: it must be there in time.
    let stage = Setup::new("30s")
        .servers()
        .mailbox_by(&user, "localhost", cable.was_used().1.port())
        .address("relayed", &format!("{user}@privaterelay.appleid.com"))
        .route("blind", "production", ["shop", "own", "relayed", &user])
        .start()
        .await;
    let now = expect_states(&stage, &[("blind.production", "unknown")]).await;
    let unread = route(&now, "blind.production");
    assert!(unread["mailbox_error"].is_string() && unread["mailbox_read_at"].is_null(), "{unread}");
    assert_eq!(round(&now, "blind")["broken"], "unknown");
    expect_counted(&stage, "relaywatch_canary_undecided_total{route=\"blind.production\",state=\"unknown\"}").await;
    cable.plug();
    // It was there in time; only nobody could look.
    expect_states(&stage, &[("blind.production", "arrived")]).await;
    // What was found is on disk before the mailbox counts as read.
    eventually(|| async {
        let now = told(&stage).await;
        let was_read = route(&now, "blind.production")["mailbox_error"].is_null();
        if was_read { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let lost = "relaywatch_canary_lost_total{delivered=\"unknown\",route=\"blind.production\"}";
    assert!(stage.metric(lost).await.abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_by_the_word_of_the_provider_and_never_arrived_is_a_state_of_its_own() {
    let user = user();
    let (address, esp) = (format!("{user}@privaterelay.appleid.com"), ScriptedSmtp::sound().await);
    let stage = Setup::new("10s")
        .submission(
            "ses",
            "bounces@news.example.com",
            &format!("provider = \"ses\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"", esp.port()),
        )
        .mailbox(&user)
        .address("relayed", &address)
        .route("esp", "production", ["news", "ses", "relayed", &user])
        .start()
        .await;
    expect_states(&stage, &[("esp.production", "accepted")]).await;
    stage.post(&stage.feeds.ses(&about("0102-another", &address))).await;
    let sent = about("0102-abc", &address);
    stage.post(&stage.feeds.ses(&sent)).await;
    stage.post(&stage.feeds.ses(&sent)).await;
    let now = expect_states(&stage, &[("esp.production", "delivered_never_arrived")]).await;
    assert_eq!(round(&now, "esp")["broken"], "unknown", "one way alone names no part");
    expect_counted(&stage, "relaywatch_canary_lost_total{delivered=\"yes\",route=\"esp.production\"}").await;
    assert_eq!(esp.taken().len(), 1);
    stage.expect_verdict(&address, "unknown", "not_seen").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(told(&stage).await["rounds"][0]["n"], json!(1), "one round only");
}

/// SES's word that the relay took the message it knows by this id.
fn about(id: &str, address: &str) -> Value {
    let mail = SentMail {
        message_id: id.to_owned(),
        at: now(),
        from: crate::feeds::FROM.to_owned(),
        source: "bounces@news.example.com".to_owned(),
        to: vec![address.to_owned()],
    };
    mail.delivery(Form::Published, now())
}
