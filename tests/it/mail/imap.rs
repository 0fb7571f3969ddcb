//! Reading a mailbox by IMAP: what is new, a piece at a time, without touching what is not ours.

use std::time::Duration;

use relaywatch::clock::{Clock, Stopwatch};
use relaywatch::domain::canary::Folder as Kind;
use relaywatch::domain::time::Timestamp;
use relaywatch::mail::{Cursor, Mailbox, News};

use super::scripted_imap::{Act, Folder, ScriptedImap};
use super::{mailbox, token};

fn reader(server: &ScriptedImap, more: &str) -> Mailbox {
    let text = format!(
        "kind = 'imap'\nhost = '127.0.0.1'\nport = {}\ntls = 'none'\nusername = 'u'\npassword = 'p'\n{more}",
        server.port()
    );
    mailbox(&text)
}

fn with_token(token: &str) -> String {
    format!("Subject: Mail check {token}\r\n\r\n{token}\r\n")
}

#[tokio::test]
async fn every_folder_that_matters_is_read_and_each_message_once() {
    let token = token();
    let text = with_token(&token);
    let folder = Folder::new(3, move |_| text.clone());
    let server = ScriptedImap::sound(folder.clone()).await;
    let mailbox = reader(&server, "folders = ['INBOX', 'Else']\n");
    let first = mailbox.collect(&Cursor::default()).await.unwrap();
    let kinds: Vec<_> = first.found.iter().map(|f| (f.folder, f.folder_name.as_str())).collect();
    let want = [(Kind::Inbox, "INBOX"), (Kind::Other, "Else"), (Kind::Spam, "Bulk Mail")];
    assert_eq!(kinds, want.map(|kind| [kind; 3]).concat(), "a duplicate is told of as often as it came");
    assert!(first.afresh.is_some_and(|from| from < Clock::system().now().minus(Duration::from_secs(86_400))));
    assert!(first.complete && first.found.iter().all(|f| f.token == token));
    assert_eq!(Some(first.found[0].received_at), Timestamp::parse("2026-11-20T10:00:07Z"));
    let cursor = Cursor::parse(&first.cursor.to_text());
    let next = mailbox.collect(&cursor).await.unwrap();
    assert_eq!((next.found, next.afresh), (vec![], None), "it goes on where the first look ended");
    *folder.exists.lock().unwrap() = 5;
    let next = mailbox.collect(&cursor).await.unwrap();
    assert_eq!(next.found.len(), 6, "two in each folder");
    assert!(server.said().iter().all(|said| !said.starts_with("SELECT") && !said.contains("BODY[")));
}

#[tokio::test]
async fn under_another_uidvalidity_everything_is_read_again() {
    let text = with_token(&token());
    let mut folder = Folder::new(2, move |_| text.clone());
    let server = ScriptedImap::sound(folder.clone()).await;
    let cursor = reader(&server, "").collect(&Cursor::default()).await.unwrap().cursor;
    folder.validity = 8;
    let server = ScriptedImap::sound(folder).await;
    let again = reader(&server, "").collect(&cursor).await.unwrap();
    assert_eq!((again.found.len(), again.afresh.is_some()), (4, true));
}

#[tokio::test]
async fn a_huge_mailbox_is_read_in_small_pieces_and_the_canary_found() {
    let token = token();
    let text = with_token(&token);
    let folder = Folder::new(4500, move |n| {
        if n == 4321 { text.clone() } else { format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(20_000)) }
    });
    let server = ScriptedImap::sound(folder).await;
    let mailbox = reader(&server, "read_limit = '4KiB'\ntimeout = '60s'\n");
    let (mut cursor, mut found, mut looks) = (Cursor::default(), Vec::new(), 0);
    loop {
        let collected = mailbox.collect(&cursor).await.unwrap();
        found.extend(collected.found);
        cursor = collected.cursor;
        looks += 1;
        if collected.complete {
            break;
        }
        assert!(looks < 20);
    }
    assert!(looks >= 3, "one look goes through 2000 at most");
    let places: Vec<_> = found.iter().map(|f| (f.folder, f.token.as_str())).collect();
    assert_eq!(places, [(Kind::Inbox, token.as_str()), (Kind::Spam, token.as_str())]);
    for said in server.said().iter().filter(|said| said.contains("BODY.PEEK")) {
        let (from, to) = said.split(' ').nth(1).and_then(|set| set.split_once(':')).expect("a range");
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        assert!(to - from < 50 && said.contains("<0.4096>"), "{said}");
    }
    // What comes next is found by few questions, not by reading everything again.
    let before = server.said().len();
    mailbox.collect(&cursor).await.unwrap();
    assert!(server.said().len() - before < 20, "{:?}", &server.said()[before..]);
}

#[tokio::test]
async fn news_are_told_of_where_the_server_can_and_looked_for_where_not() {
    let folder = Folder::new(1, |_| "Subject: x\r\n\r\nx".to_owned());
    let server = ScriptedImap::sound(folder.clone()).await;
    let mailbox = reader(&server, "");
    assert_eq!(
        mailbox.wait_for_news(&Cursor::default(), Duration::from_secs(5)).await,
        Ok(News::Maybe),
        "never looked"
    );
    let cursor = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    assert_eq!(mailbox.wait_for_news(&cursor, Duration::from_secs(3)).await, Ok(News::Nothing));
    let (news, ()) = tokio::join!(mailbox.wait_for_news(&cursor, Duration::from_secs(20)), async {
        while server.said().iter().filter(|said| *said == "IDLE").count() != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.tell();
    });
    assert_eq!(news, Ok(News::Maybe));
    // What came before it listened is not told of any more, and still news.
    *folder.exists.lock().unwrap() = 2;
    let since = Stopwatch::start();
    assert_eq!(mailbox.wait_for_news(&cursor, Duration::from_secs(20)).await, Ok(News::Maybe));
    assert!(since.elapsed() < Duration::from_secs(10));

    let server = ScriptedImap::start("nothing", Act::Hang, folder, "IMAP4rev1", None).await;
    let mailbox = reader(&server, "poll = '1s'\n");
    let cursor = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    let since = Stopwatch::start();
    assert_eq!(mailbox.wait_for_news(&cursor, Duration::from_secs(20)).await, Ok(News::Maybe));
    assert!(since.elapsed() >= Duration::from_secs(1) && since.elapsed() < Duration::from_secs(10));
    assert!(!server.said().iter().any(|said| said == "IDLE"));
}

#[tokio::test]
async fn only_what_still_holds_its_token_and_is_old_enough_is_deleted() {
    let token = token();
    let (ours, theirs) = (with_token(&token), "Subject: dear diary\r\n\r\nx\r\n".to_owned());
    let folder = Folder::new(1, {
        let ours = ours.clone();
        move |_| ours.clone()
    });
    let server = ScriptedImap::sound(folder.clone()).await;
    let mailbox = reader(&server, "");
    let found = mailbox.collect(&Cursor::default()).await.unwrap().found;
    let places: Vec<_> = found.iter().map(|f| f.place.clone()).collect();
    let (late, early) =
        (Clock::system().now().plus(Duration::from_secs(1)), Timestamp::parse("2026-11-20T10:00:00Z").unwrap());
    assert_eq!(mailbox.tidy(&places, early).await, Ok(0), "too young");
    assert_eq!(mailbox.tidy(&[], late).await, Ok(0));
    assert!(!server.said().iter().any(|said| said.starts_with("UID STORE")));
    assert_eq!(mailbox.tidy(&places, late).await, Ok(2), "in the inbox and in spam");
    let deleted: Vec<_> =
        server.said().into_iter().filter(|said| said.contains("STORE") || said.contains("EXPUNGE")).collect();
    assert_eq!(deleted, ["UID STORE 3 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 3"].repeat(2));

    // Another message lies there now, or the folder is another one, or the server cannot remove one alone.
    let other = ScriptedImap::sound(Folder::new(1, move |_| theirs.clone())).await;
    assert_eq!(reader(&other, "").tidy(&places, late).await, Ok(0));
    let renewed = ScriptedImap::sound(Folder { validity: 8, ..folder.clone() }).await;
    assert_eq!(reader(&renewed, "").tidy(&places, late).await, Ok(0));
    let simple = ScriptedImap::start("nothing", Act::Hang, folder, "IMAP4rev1", None).await;
    assert_eq!(reader(&simple, "").tidy(&places, late).await, Ok(2));
    for server in [other, renewed, simple] {
        assert!(!server.said().iter().any(|said| said.contains("EXPUNGE")), "{:?}", server.said());
    }
}

/// Without it spam would be taken for lost.
#[tokio::test]
async fn the_folder_for_spam_is_found_or_named() {
    let text = with_token(&token());
    let folder = Folder::new(1, move |_| text.clone());
    for (capabilities, listed, want) in [
        ("IMAP4rev1", "* LIST () \".\" INBOX\r\n* LIST () \".\" Spam\r\n* LIST () \".\" JUNK\r\n", Some("JUNK")),
        ("IMAP4rev1 SPECIAL-USE", "* LIST () \"/\" Spam\r\n* LIST (\\Junk) \"/\" Odd\r\n", Some("Odd")),
        ("IMAP4rev1 SPECIAL-USE LIST-EXTENDED", "* LIST (\\Junk) \"/\" {3}\r\nOdd\r\n", Some("Odd")),
        (
            "IMAP4rev1",
            "* LIST (\\Noselect \\Junk) \"/\" Junk\r\n* LIST () \"/\" \"[Gmail]/Spam\"\r\n",
            Some("[Gmail]/Spam"),
        ),
        ("IMAP4rev1", "* LIST () \".\" INBOX\r\n* LIST () \".\" Junkyard\r\n", None),
        ("IMAP4rev1", "", None),
    ] {
        let server = ScriptedImap::start("LIST", Act::Say(listed), folder.clone(), capabilities, None).await;
        let read = reader(&server, "").collect(&Cursor::default()).await;
        let asked = server.said().iter().any(|said| said.ends_with("RETURN (SPECIAL-USE)"));
        assert_eq!(asked, capabilities.contains("EXTENDED"), "{capabilities}");
        let Some(want) = want else {
            assert!(read.is_err_and(|e| e.because.contains("spam_folder")), "{listed}");
            let named = reader(&server, "spam_folder = 'INBOX'\n").collect(&Cursor::default()).await.unwrap();
            assert_eq!(named.found.iter().map(|f| f.folder).collect::<Vec<_>>(), [Kind::Inbox], "there is none");
            continue;
        };
        let found = read.unwrap().found;
        let kinds: Vec<_> = found.iter().map(|f| (f.folder, f.folder_name.as_str())).collect();
        assert_eq!(kinds, [(Kind::Inbox, "INBOX"), (Kind::Spam, want)], "{listed}");
    }
}

#[tokio::test]
async fn a_message_that_the_server_does_not_give_stops_nobody() {
    let text = with_token(&token());
    let broken = move |n| if n == 2 || n == 5 { String::new() } else { text.clone() };
    let began = Clock::system().now();
    for (exists, found, passed_over) in [(6, 4, 2), (3, 2, 1)] {
        let server = ScriptedImap::sound(Folder::new(exists, broken.clone())).await;
        let collected = reader(&server, "spam_folder = 'INBOX'\n").collect(&Cursor::default()).await.unwrap();
        assert_eq!((collected.found.len(), collected.passed_over, collected.complete), (found, passed_over, true));
        assert!(collected.afresh >= Some(began), "what came before may be among them");
        // It is not asked for again.
        let next = reader(&server, "spam_folder = 'INBOX'\n").collect(&collected.cursor).await.unwrap();
        assert_eq!((next.found.len(), next.passed_over, next.afresh), (0, 0, None));
    }
    // None at all is a fault of the server's.
    let server = ScriptedImap::sound(Folder::new(3, |_| String::new())).await;
    assert!(reader(&server, "").collect(&Cursor::default()).await.is_err());
}
