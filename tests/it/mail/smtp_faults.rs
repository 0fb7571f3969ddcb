//! Whatever the server does, what is said of a letter's fate is true: taken only when it was, uncertain only when it may have been.

use std::time::Duration;

use relaywatch::clock::Stopwatch;
use relaywatch::mail::{Handed, Letter, Submission};

use super::authority::Authority;
use super::scripted_smtp::{Act, STEPS, ScriptedSmtp};
use super::{letter, submission};

fn canary() -> Letter {
    letter("probe@sender.test", "abc123@relay.test")
}

/// One that logs in over STARTTLS.
fn encrypted(server: &ScriptedSmtp, authority: &Authority, host: &str) -> Submission {
    submission(&format!(
        "host = '{host}'\nport = {}\nca_file = '{}'\nusername = 'u'\npassword = 's3cret'\ntimeout = '{}'\n",
        server.port(),
        authority.file().display(),
        server.patience()
    ))
}

/// One in the clear that does not log in.
fn plain(server: &ScriptedSmtp) -> Submission {
    let (port, patience) = (server.port(), server.patience());
    submission(&format!("host = '127.0.0.1'\nport = {port}\ntls = 'none'\ntimeout = '{patience}'\n"))
}

/// What comes of one fault in the clear, and what the server has taken.
async fn handed(step: &'static str, act: Act) -> (Handed, usize) {
    let server = ScriptedSmtp::start(step, act, None).await;
    let handed = plain(&server).send(&canary()).await;
    (handed, server.taken().len())
}

#[tokio::test]
async fn a_letter_that_was_taken_is_accepted() {
    let authority = Authority::new();
    let server = ScriptedSmtp::start("nothing", Act::Hang, Some(authority.acceptor("localhost"))).await;
    let (submission, canary) = (encrypted(&server, &authority, "localhost"), canary());
    let want = Handed::Accepted { reply: "250 Ok 0102-abc".to_owned(), provider_id: None };
    assert!(submission.send(&canary).await == want);
    let taken = server.taken();
    let [message] = taken.as_slice() else { panic!("{} messages", taken.len()) };
    assert_eq!(message.matches(&canary.token).count(), 4, "Message-ID, marker, subject and body:\n{message}");
}

#[tokio::test]
async fn hanging_or_dropping_at_any_step_is_told_as_what_it_is() {
    let authority = Authority::new();
    for step in STEPS.into_iter().chain(["."]) {
        for act in [Act::Hang, Act::Drop] {
            let server = ScriptedSmtp::start(step, act, Some(authority.acceptor("localhost"))).await;
            let since = Stopwatch::start();
            let handed = encrypted(&server, &authority, "localhost").send(&canary()).await;
            assert!(since.elapsed() < Duration::from_secs(4), "{step} {act:?}: {:?}", since.elapsed());
            match (step, &handed) {
                ("content" | ".", Handed::Uncertain { .. }) => (),
                ("content" | ".", _) => panic!("{step} {act:?}: {handed:?}"),
                (_, Handed::NotSent { .. }) => (),
                _ => panic!("{step} {act:?}: {handed:?}"),
            }
            assert_eq!(server.taken().len(), 0, "{step}");
        }
    }
}

#[tokio::test]
async fn a_server_that_leaves_without_a_word_still_took_the_letter() {
    for act in [Act::Hang, Act::Drop, Act::Say("500 no")] {
        let (handed, taken) = handed("QUIT", act).await;
        assert!(matches!(handed, Handed::Accepted { .. }), "{act:?}: {handed:?}");
        assert_eq!(taken, 1);
    }
    let (handed, _) = handed(".", Act::SayAndDrop("250 ok")).await;
    assert!(matches!(handed, Handed::Accepted { .. }), "{handed:?}");
}

#[tokio::test]
async fn a_no_is_told_with_its_code_status_and_words() {
    for (step, said, code, status, transient) in [
        ("MAIL", "550 5.1.1 <probe@sender.test>: unauthorized sender", 550, Some("5.1.1"), false),
        ("RCPT", "550-5.1.1 <abc123@relay.test>:\r\n550 5.1.1 user not found", 550, Some("5.1.1"), false),
        ("RCPT", "451 4.7.1 Greylisted, try again later", 451, Some("4.7.1"), true),
        ("RCPT", "452 4.2.2 mailbox full", 452, Some("4.2.2"), true),
        ("RCPT", "552 mailbox full", 552, None, false),
        ("DATA", "421 4.3.2 shutting down", 421, Some("4.3.2"), true),
        (".", "554 5.7.1 rejected by policy", 554, Some("5.7.1"), false),
        (".", "451 4.3.0 try again", 451, Some("4.3.0"), true),
    ] {
        let (handed, taken) = handed(step, Act::Say(said)).await;
        let Handed::Refused { code: found, status: read, text, transient: later } = handed else {
            panic!("{said}: {handed:?}")
        };
        assert_eq!((found, read.as_deref(), later), (code, status, transient), "{said}");
        assert!(said.replace("\r\n550", "").contains(text.split(' ').next_back().unwrap()), "{text}");
        assert_eq!(taken, 0, "{said}");
    }
    let (handed, _) = handed("RCPT", Act::SayAndDrop("421 4.7.0 too many connections")).await;
    assert!(matches!(handed, Handed::Refused { code: 421, transient: true, .. }), "{handed:?}");
}

#[tokio::test]
async fn an_answer_without_a_meaning_is_never_a_success() {
    for (step, said) in [
        ("greeting", "HTTP/1.1 200 OK"),
        ("greeting", "554 no service"),
        ("EHLO", "250"),
        // The library panics on this one.
        ("EHLO", "250-smtp.test\r\n250- \r\n250 PIPELINING"),
        ("EHLO", "502 what"),
        ("MAIL", "354 go"),
        ("MAIL", "ok"),
        ("RCPT", "334 "),
        ("DATA", "250 ok"),
        ("DATA", "xyz"),
    ] {
        let (handed, taken) = handed(step, Act::Say(said)).await;
        assert!(matches!(handed, Handed::NotSent { .. }), "{step} {said}: {handed:?}");
        assert_eq!(taken, 0);
    }
    for said in ["354 go on", "334 ", "ok", "250", "2500 ok", "\u{0}\u{ff}", "250-never ends"] {
        let (handed, _) = handed(".", Act::Say(said)).await;
        let fits = matches!(handed, Handed::Uncertain { .. });
        assert!(fits, "{said}: {handed:?}");
    }
}

#[tokio::test]
async fn without_the_right_certificate_nothing_is_said() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (acceptor, host, why) in [
        (stranger.acceptor("localhost"), "localhost", "not of a trusted authority"),
        (authority.acceptor("other.test"), "localhost", "for another name"),
        (authority.acceptor("localhost"), "127.0.0.1", "for another name"),
        (authority.expired("localhost"), "localhost", "has expired"),
    ] {
        let server = ScriptedSmtp::start("nothing", Act::Hang, Some(acceptor)).await;
        let handed = encrypted(&server, &authority, host).send(&canary()).await;
        assert!(matches!(&handed, Handed::NotSent { because } if because.contains(why)), "{handed:?}");
    }
    let server =
        ScriptedSmtp::start("handshake", Act::Say("250 no TLS here\r\n"), Some(authority.acceptor("localhost"))).await;
    let handed = encrypted(&server, &authority, "localhost").send(&canary()).await;
    assert!(matches!(&handed, Handed::NotSent { because } if because.contains("TLS")), "{handed:?}");
    // It does not offer encryption: neither a letter nor a password goes there.
    let server = ScriptedSmtp::sound().await;
    let handed = encrypted(&server, &authority, "localhost").send(&canary()).await;
    assert!(matches!(&handed, Handed::NotSent { because } if because.contains("STARTTLS")), "{handed:?}");
}

/// What a man in the middle appends to the last reply in the clear must not count as answers to what is said encrypted.
#[tokio::test]
async fn nothing_said_before_the_encryption_is_believed_after_it() {
    let authority = Authority::new();
    let forged = "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 Ok forged";
    let server = ScriptedSmtp::start("STARTTLS", Act::Say(forged), Some(authority.acceptor("localhost"))).await;
    let handed = encrypted(&server, &authority, "localhost").send(&canary()).await;
    assert!(matches!(handed, Handed::NotSent { .. }), "{handed:?}");
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn a_login_that_is_refused_is_no_refusal_of_the_letter() {
    let authority = Authority::new();
    for said in ["535 5.7.8 u: authentication failed", "454 4.7.0 later", "334 "] {
        let server = ScriptedSmtp::start("AUTH", Act::Say(said), Some(authority.acceptor("localhost"))).await;
        let handed = encrypted(&server, &authority, "localhost").send(&canary()).await;
        assert!(matches!(&handed, Handed::NotSent { .. }), "{said}: {handed:?}");
    }
}

#[tokio::test]
async fn no_more_connections_than_allowed_and_none_waits_for_ever() {
    let server = ScriptedSmtp::start("RCPT", Act::After(Duration::from_millis(150)), None).await;
    let text =
        format!("host = '127.0.0.1'\nport = {}\ntls = 'none'\ntimeout = '10s'\nconnections = 3\n", server.port());
    let submission = submission(&text);
    let canaries: Vec<_> = (0..12).map(|_| canary()).collect();
    let handed = futures_util::future::join_all(canaries.iter().map(|canary| submission.send(canary))).await;
    assert!(handed.iter().all(|handed| matches!(handed, Handed::Accepted { .. })), "{handed:?}");
    assert_eq!((server.taken().len(), server.most_at_once()), (12, 3));

    let deaf = ScriptedSmtp::start("greeting", Act::Hang, None).await;
    let text = format!("host = '127.0.0.1'\nport = {}\ntls = 'none'\ntimeout = '1s'\nconnections = 1\n", deaf.port());
    let submission = self::submission(&text);
    let (one, other) = (canary(), canary());
    let (one, other) = tokio::join!(submission.send(&one), submission.send(&other));
    for handed in [one, other] {
        assert!(matches!(handed, Handed::NotSent { .. }), "{handed:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_so_and_nothing_shows_a_secret() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = submission(&format!("host = '127.0.0.1'\nport = {port}\ntls = 'none'\n"));
    let handed = nobody.send(&canary()).await;
    assert!(matches!(&handed, Handed::NotSent { because } if because.contains("no connection")), "{handed:?}");
    let authority = Authority::new();
    for step in STEPS {
        let act = Act::Say("599 5.0.0 u abc123@relay.test s3cret");
        let server = ScriptedSmtp::start(step, act, Some(authority.acceptor("localhost"))).await;
        let shown = format!("{:?}", encrypted(&server, &authority, "localhost").send(&canary()).await);
        assert!(!shown.contains("s3cret") && !shown.contains('@'), "{shown}");
    }
}
