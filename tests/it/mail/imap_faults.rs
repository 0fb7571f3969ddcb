//! A mailbox that cannot be read to its end is unknown: no fault of the server may look like a mailbox without the canary.

use std::time::Duration;

use relaywatch::clock::Stopwatch;
use relaywatch::mail::{Cursor, Mailbox};

use super::authority::Authority;
use super::scripted_imap::{Act, COMMANDS, Folder, ScriptedImap};
use super::{mailbox, token};

fn plain(server: &ScriptedImap) -> Mailbox {
    let text = format!(
        "kind = 'imap'\nhost = '127.0.0.1'\nport = {}\ntls = 'none'\nusername = 'u'\npassword = 's3cret'\ntimeout = '1s'\n",
        server.port()
    );
    mailbox(&text)
}

/// Ten messages, all of which hold the token.
fn folder(token: &str) -> Folder {
    let text = format!("Subject: {token}\r\n\r\n{}\r\n", "x".repeat(500));
    Folder::new(10, move |_| text.clone())
}

#[tokio::test]
async fn every_fault_at_every_command_is_unknown() {
    let acts = [Act::No, Act::Say("garbage\r\n"), Act::Cut, Act::Open, Act::Hang, Act::Drop, Act::Flood];
    for command in COMMANDS {
        for act in acts {
            let server = ScriptedImap::start(command, act, folder(&token()), "IMAP4rev1", None).await;
            let since = Stopwatch::start();
            let read = plain(&server).collect(&Cursor::default()).await;
            assert!(since.elapsed() < Duration::from_secs(5), "{command} {act:?}");
            let refused = read.expect_err(&format!("{command} {act:?}")).to_string();
            assert!(!refused.contains("s3cret") && !refused.contains('@') && refused.len() < 200, "{refused}");
        }
    }
}

/// The cursor must not pass what was not seen, so the next look must find it.
#[tokio::test]
async fn an_answer_without_the_messages_is_not_their_absence() {
    let token = token();
    for command in ["FETCH", "SEARCH", "EXAMINE"] {
        let server = ScriptedImap::start(command, Act::Say(""), folder(&token), "IMAP4rev1", None).await;
        let read = plain(&server).collect(&Cursor::default()).await;
        assert!(read.is_err(), "{command}: {read:?}");
    }
}

#[tokio::test]
async fn without_the_right_certificate_no_password_is_said() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (acceptor, why) in [
        (Some(stranger.acceptor("localhost")), "not of a trusted authority"),
        (Some(authority.acceptor("other.test")), "for another name"),
        (Some(authority.expired("localhost")), "has expired"),
        (None, "STARTTLS"),
    ] {
        let act = if acceptor.is_some() { Act::Hang } else { Act::No };
        let command = if acceptor.is_some() { "nothing" } else { "STARTTLS" };
        let server = ScriptedImap::start(command, act, folder(&token()), "IMAP4rev1", acceptor).await;
        let text = format!(
            "kind = 'imap'\nhost = 'localhost'\nport = {}\ntls = 'starttls'\nca_file = '{}'\nusername = 'u'\npassword = 'p'\n",
            server.port(),
            authority.file().display()
        );
        let refused = mailbox(&text).collect(&Cursor::default()).await.unwrap_err();
        assert!(refused.because.contains(why), "{refused}");
        assert!(!server.said().iter().any(|said| said.starts_with("LOGIN")), "{:?}", server.said());
    }
}

#[tokio::test]
async fn a_server_that_takes_its_leave_is_unknown() {
    let bye = "* BYE shutting down\r\n";
    let server = ScriptedImap::start("EXAMINE", Act::Say(bye), folder(&token()), "IMAP4rev1", None).await;
    assert!(plain(&server).collect(&Cursor::default()).await.is_err());
    let server = ScriptedImap::start("IDLE", Act::Drop, folder(&token()), "IMAP4rev1 IDLE", None).await;
    let cursor = plain(&server).collect(&Cursor::default()).await.unwrap().cursor;
    assert!(plain(&server).wait_for_news(&cursor, Duration::from_secs(2)).await.is_err());
}

/// Some words make the library panic, or overflow its stack. The process lives on, and the mailbox is unknown.
#[tokio::test]
async fn no_word_of_a_server_ends_the_process() {
    let date = "* 5 FETCH (UID 9 INTERNALDATE NIL)\r\n";
    let nested = script(format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(200_000)));
    let hidden = script(format!("* OK hello {{300000}}\r\n* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(200_000)));
    for said in [date, nested, hidden] {
        for command in ["greeting", "LOGIN", "CAPABILITY", "LIST", "EXAMINE", "SEARCH", "FETCH"] {
            let server = ScriptedImap::start(command, Act::Say(said), folder(&token()), "IMAP4rev1", None).await;
            assert!(plain(&server).collect(&Cursor::default()).await.is_err(), "{command}");
        }
        let server = ScriptedImap::start("IDLE", Act::Say(said), folder(&token()), "IMAP4rev1 IDLE", None).await;
        let cursor = plain(&server).collect(&Cursor::default()).await.unwrap().cursor;
        assert!(plain(&server).wait_for_news(&cursor, Duration::from_secs(2)).await.is_err());
        for command in ["SELECT", "STORE"] {
            let server = ScriptedImap::start(command, Act::Say(said), folder(&token()), "IMAP4rev1", None).await;
            let found = plain(&server).collect(&Cursor::default()).await.unwrap().found;
            let places: Vec<_> = found.into_iter().map(|found| found.place).collect();
            let late = relaywatch::clock::Clock::system().now();
            assert!(plain(&server).tidy(&places, late).await.is_err(), "{command}");
        }
    }
}

/// A script is written once and lives as long as the tests.
fn script(text: String) -> &'static str {
    text.leak()
}

#[tokio::test]
async fn what_is_no_tls_is_told_so() {
    let authority = Authority::new();
    for (command, tls) in [("greeting", "implicit"), ("STARTTLS", "starttls")] {
        for act in [Act::Say("* OK no TLS here\r\n"), Act::Hang] {
            let server = ScriptedImap::start(command, act, folder(&token()), "IMAP4rev1", None).await;
            let text = format!(
                "kind = 'imap'\nhost = 'localhost'\nport = {}\ntls = '{tls}'\nca_file = '{}'\nusername = 'u'\npassword = 'p'\ntimeout = '1s'\n",
                server.port(),
                authority.file().display()
            );
            let refused = mailbox(&text).collect(&Cursor::default()).await.unwrap_err();
            let why = if matches!(act, Act::Hang) { "not read within" } else { "no TLS" };
            // It takes the OK for a yes, and then goes on in the clear.
            assert!(refused.because.contains(why) || command == "STARTTLS", "{command} {act:?}: {refused}");
            assert!(!server.said().iter().any(|said| said.starts_with("LOGIN")), "{:?}", server.said());
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_keeps_nobody() {
    let within = async |what: &str, work: &mut (dyn Future<Output = bool> + Unpin)| {
        let since = Stopwatch::start();
        assert!(work.await, "{what}");
        assert!(since.elapsed() < Duration::from_secs(5), "{what}: {:?}", since.elapsed());
    };
    let server = ScriptedImap::start("IDLE", Act::Hang, folder(&token()), "IMAP4rev1 IDLE", None).await;
    let mailbox = plain(&server);
    let cursor = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    // One that says nothing while it idles has no news.
    let waiting = async { mailbox.wait_for_news(&cursor, Duration::from_secs(1)).await.is_ok() };
    within("IDLE", &mut Box::pin(waiting)).await;
    for command in ["SELECT", "STORE", "EXPUNGE"] {
        let server = ScriptedImap::start(command, Act::Hang, folder(&token()), "IMAP4rev1 UIDPLUS", None).await;
        let mailbox = plain(&server);
        let found = mailbox.collect(&Cursor::default()).await.unwrap().found;
        let places: Vec<_> = found.into_iter().map(|found| found.place).collect();
        let late = relaywatch::clock::Clock::system().now();
        within(command, &mut Box::pin(async { mailbox.tidy(&places, late).await.is_err() })).await;
    }
}
