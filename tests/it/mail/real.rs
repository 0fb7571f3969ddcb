//! Each fate of a canary, produced by real servers: sent, signed, relayed, verified and read; refused; forgotten.

use std::time::Duration;

use relaywatch::clock::{Clock, Stopwatch};
use relaywatch::domain::canary::Folder;
use relaywatch::mail::{Cursor, Found, Handed, Mailbox, News, Verdict};

use super::letter;
use super::real_world::{read, read_by, relay, submit, user};

/// Looks until something is found.
async fn arrived(mailbox: &Mailbox) -> (Vec<Found>, Cursor) {
    let (since, mut cursor) = (Stopwatch::start(), Cursor::default());
    loop {
        let collected = mailbox.collect(&cursor).await.expect("it can be read");
        cursor = collected.cursor;
        if !collected.found.is_empty() {
            return (collected.found, cursor);
        }
        assert!(since.elapsed() < Duration::from_secs(60), "nothing arrived");
        mailbox.wait_for_news(&cursor, Duration::from_secs(2)).await.expect("it can be read");
    }
}

#[tokio::test]
async fn a_canary_goes_through_the_relay_and_tells_of_its_way() {
    let user = user();
    let canary = letter("probe@sender.test", &format!("{user}@relay.test"));
    let handed = submit(2587, "starttls", "secret").send(&canary).await;
    let Handed::Accepted { reply, provider_id: None } = handed else { panic!("{handed:?}") };
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let mailbox = read(&user, "secret");
    let (found, cursor) = arrived(&mailbox).await;
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&found.token, found.folder), (&canary.token, Folder::Inbox));
    let arrival = &found.way;
    assert_eq!(arrival.from_domain.as_deref(), Some("relay.test"), "the relay has rewritten the sender");
    assert_eq!(arrival.return_domain.as_deref(), Some("relay.test"));
    assert!(arrival.survived.message_id && arrival.survived.marker && arrival.survived.auto_submitted);
    let mut signed: Vec<_> = arrival.authentication.dkim.iter().map(|s| (s.domain.as_deref(), s.verdict)).collect();
    signed.sort_by_key(|(domain, _)| *domain);
    // What was signed no longer stands there, so the relay's own signature has to carry it.
    assert_eq!(signed, [(Some("relay.test"), Verdict::Pass), (Some("sender.test"), Verdict::Fail)]);
    assert!(arrival.hops.len() >= 4 && arrival.hops.iter().all(|hop| hop.at.is_some()), "{:?}", arrival.hops);
    assert_eq!(arrival.hops[0].by.as_deref(), Some("submit.sender.test"));
    assert!(found.received_at.since(canary.written_at) < Duration::from_secs(60));

    // It is deleted, and only then gone.
    assert_eq!(
        mailbox.tidy(std::slice::from_ref(&found.place), canary.written_at.minus(Duration::from_secs(5))).await,
        Ok(0)
    );
    let late = Clock::system().now().plus(Duration::from_secs(5));
    assert_eq!(mailbox.tidy(std::slice::from_ref(&found.place), late).await, Ok(1));
    assert_eq!(mailbox.tidy(std::slice::from_ref(&found.place), late).await, Ok(0));
    assert_eq!(mailbox.collect(&Cursor::default()).await.unwrap().found, []);
    assert_eq!(mailbox.collect(&cursor).await.unwrap().found, []);
}

#[tokio::test]
async fn a_plain_mailbox_gets_it_with_the_senders_own_signature() {
    let user = user();
    let canary = letter("probe@sender.test", &format!("{user}@mailbox.test"));
    let handed = submit(2465, "implicit", "secret").send(&canary).await;
    assert!(matches!(handed, Handed::Accepted { .. }), "{handed:?}");
    let (found, _) = arrived(&read_by(&user, "secret", 2143, "starttls")).await;
    let arrival = &found[0].way;
    assert_eq!(arrival.from_domain.as_deref(), Some("sender.test"));
    let signed: Vec<_> = arrival.authentication.dkim.iter().map(|s| (s.domain.as_deref(), s.verdict)).collect();
    assert_eq!(signed, [(Some("sender.test"), Verdict::Pass)], "verified by another implementation");
}

#[tokio::test]
async fn a_canary_in_the_folder_for_spam_is_found_there() {
    let user = user();
    let canary = letter("probe@sender.test", &format!("{user}+junk@relay.test"));
    submit(2587, "starttls", "secret").send(&canary).await;
    let (found, _) = arrived(&read(&user, "secret")).await;
    assert_eq!(
        (&found[0].token, found[0].folder, found[0].folder_name.as_str()),
        (&canary.token, Folder::Spam, "junk")
    );
}

#[tokio::test]
async fn what_the_relay_says_no_to_is_told_with_its_words() {
    for (to, code, words) in [
        ("unauthorized", 550, "unauthorized sender"),
        ("gone", 550, "user not found"),
        ("later", 451, "try again later"),
    ] {
        let handed = relay().send(&letter("probe@sender.test", &format!("{to}@relay.test"))).await;
        let Handed::Refused { code: found, status, text, transient } = handed else { panic!("{to}: {handed:?}") };
        assert_eq!((found, transient), (code, code < 500));
        assert_eq!(status.as_deref(), Some(if code == 550 { "5.1.1" } else { "4.7.1" }));
        assert!(text.contains(words) && text.contains(&format!("<{to}@relay.test>")), "{text}");
    }
}

/// The sender's server takes it, the relay refuses it, and a report comes back, which quotes the canary: no arrival.
#[tokio::test]
async fn a_report_that_it_was_not_delivered_is_no_arrival() {
    // Nobody else's report comes here: the other tests are refused to their face.
    let mailbox = read("probe", "secret");
    let before = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    let canary = letter("probe@sender.test", "gone@relay.test");
    let handed = submit(2587, "starttls", "secret").send(&canary).await;
    assert!(matches!(handed, Handed::Accepted { .. }), "{handed:?}");
    assert_eq!(mailbox.wait_for_news(&before, Duration::from_secs(60)).await, Ok(News::Maybe), "no report came");
    let collected = mailbox.collect(&before).await.unwrap();
    assert_ne!(collected.cursor, before);
    assert_eq!(collected.found, []);
}

#[tokio::test]
async fn what_the_relay_takes_and_forgets_looks_like_a_success_and_never_arrives() {
    let canary = letter("probe@sender.test", "drop@relay.test");
    for submission in [relay(), submit(2587, "starttls", "secret")] {
        let handed = submission.send(&canary).await;
        assert!(matches!(handed, Handed::Accepted { .. }), "{handed:?}");
    }
    let mailbox = read("drop", "secret");
    let cursor = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    assert_eq!(mailbox.wait_for_news(&cursor, Duration::from_secs(2)).await, Ok(News::Nothing));
    let collected = mailbox.collect(&Cursor::default()).await.unwrap();
    assert!(collected.found.is_empty() && collected.complete);
}

#[tokio::test]
async fn a_wrong_password_sends_nothing_and_reads_nothing() {
    let handed = submit(2587, "starttls", "wrong").send(&letter("probe@sender.test", "x@relay.test")).await;
    assert!(matches!(&handed, Handed::NotSent { because } if because.contains("535")), "{handed:?}");
    let refused = read("x", "wrong").collect(&Cursor::default()).await.unwrap_err();
    assert_eq!(refused.because, "the server refused the login");
}
