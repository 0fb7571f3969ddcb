//! Reading a Maildir: new and cur, the folder for spam, and what a delivery agent does meanwhile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use relaywatch::clock::Clock;
use relaywatch::domain::canary::Folder;
use relaywatch::mail::{Cursor, Mailbox, News};
use tempfile::TempDir;

use super::{mailbox, mailbox_at, token};

fn maildir() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for below in ["", ".Junk", ".Else"] {
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.path().join(below).join(part)).unwrap();
        }
    }
    folder
}

fn reader(folder: &TempDir, more: &str) -> Mailbox {
    mailbox(&format!("kind = 'maildir'\npath = '{}'\n{more}", folder.path().display()))
}

/// Delivers as the format wants it: written elsewhere, then moved.
fn deliver(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join("tmp").join(name), text).unwrap();
    fs::rename(folder.join("tmp").join(name), folder.join("new").join(name)).unwrap();
}

fn with_token(token: &str) -> String {
    format!("Subject: Mail check {token}\n\n{token}\n")
}

#[tokio::test]
async fn what_is_new_is_found_in_every_folder() {
    let (folder, tokens) = (maildir(), [token(), token(), token()]);
    deliver(folder.path(), "1.a.host", &with_token(&tokens[0]));
    deliver(&folder.path().join(".Junk"), "2.a.host", &with_token(&tokens[1]));
    deliver(&folder.path().join(".Else"), "3.a.host", &with_token(&tokens[2]));
    fs::write(folder.path().join("tmp/4.a.host"), with_token(&token())).unwrap();
    let mailbox = reader(&folder, "folders = ['INBOX', 'Else']\n");
    let collected = mailbox.collect(&Cursor::default()).await.unwrap();
    let found: Vec<_> = collected.found.iter().map(|f| (f.folder, &f.token)).collect();
    assert_eq!(found, [(Folder::Inbox, &tokens[0]), (Folder::Other, &tokens[2]), (Folder::Spam, &tokens[1])]);
    assert!(collected.complete && collected.afresh.is_some());
    assert_eq!(mailbox.collect(&collected.cursor).await.unwrap().afresh, None);
    // A folder that is read from now on was not read before.
    fs::create_dir_all(folder.path().join(".Spam/new")).unwrap();
    fs::create_dir_all(folder.path().join(".Spam/cur")).unwrap();
    assert!(mailbox.collect(&collected.cursor).await.unwrap().afresh.is_some());
    fs::remove_dir_all(folder.path().join(".Spam")).unwrap();
    // Read by a person meanwhile, and still found.
    fs::rename(folder.path().join("new/1.a.host"), folder.path().join("cur/1.a.host:2,S")).unwrap();
    let again = mailbox.collect(&Cursor::default()).await.unwrap();
    assert_eq!(again.found.len(), 3);
    let late = Clock::system().now().plus(Duration::from_secs(60));
    let places: Vec<_> = collected.found.into_iter().map(|f| f.place).collect();
    let early = Clock::system().now().minus(Duration::from_secs(3600));
    assert_eq!(mailbox.tidy(&places, early).await, Ok(0));
    // Somebody else's message under a name that we know.
    fs::write(folder.path().join(".Else/new/3.a.host"), "Subject: dear diary\n\nx").unwrap();
    assert_eq!(mailbox.tidy(&places, late).await, Ok(2));
    assert!(folder.path().join(".Else/new/3.a.host").exists() && folder.path().join("tmp/4.a.host").exists());
    assert!(!folder.path().join("cur/1.a.host:2,S").exists());
}

#[tokio::test]
async fn news_are_noticed() {
    let folder = maildir();
    deliver(folder.path(), "0.old.host", &with_token(&token()));
    let mailbox = reader(&folder, "");
    assert_eq!(mailbox.wait_for_news(&Cursor::default(), Duration::ZERO).await, Ok(News::Maybe), "never looked");
    let cursor = mailbox.collect(&Cursor::default()).await.unwrap().cursor;
    let cursor = Cursor::parse(&cursor.to_text());
    assert_eq!(mailbox.wait_for_news(&cursor, Duration::from_millis(50)).await, Ok(News::Nothing));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (news, ()) = tokio::join!(mailbox.wait_for_news(&cursor, Duration::from_secs(20)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        deliver(folder.path(), "1.new.host", &with_token(&token()));
    });
    assert_eq!(news, Ok(News::Maybe));
    assert!(!mailbox.collect(&cursor).await.unwrap().found.is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_unknown() {
    let folder = maildir();
    fs::remove_dir(folder.path().join(".Else/cur")).unwrap();
    for more in ["folders = ['INBOX', 'Else']\n", "spam_folder = 'Nowhere'\n"] {
        let refused = reader(&folder, more).collect(&Cursor::default()).await.unwrap_err().to_string();
        assert!(refused.contains("cannot be read") && !refused.contains(folder.path().to_str().unwrap()), "{refused}");
    }
    // That for spam is there, and cannot be looked into.
    fs::remove_dir_all(folder.path().join(".Junk")).unwrap();
    assert!(reader(&folder, "").collect(&Cursor::default()).await.is_ok(), "nobody needs one");
    std::os::unix::fs::symlink(".Junk", folder.path().join(".Junk")).unwrap();
    assert!(reader(&folder, "").collect(&Cursor::default()).await.is_err());
}

/// Nobody can set the time of a file's last change, so the reader's clock goes wrong here: by a day, and back again.
#[tokio::test]
async fn a_time_in_the_future_blinds_nobody() {
    let (folder, day) = (maildir(), Duration::from_secs(86_400));
    let at =
        |now| mailbox_at(&format!("kind = 'maildir'\npath = '{}'\n", folder.path().display()), Clock::manual(now).0);
    let now = Clock::system().now();
    deliver(folder.path(), "1.a.host", &with_token(&token()));
    // The file is of tomorrow: it is found, and what comes today is found after it.
    let early = at(now.minus(day));
    let collected = early.collect(&Cursor::default()).await.unwrap();
    assert_eq!(collected.found.len(), 1);
    assert_eq!(
        early.wait_for_news(&collected.cursor, Duration::ZERO).await,
        Ok(News::Nothing),
        "it is no news all day"
    );
    deliver(folder.path(), "2.a.host", &with_token(&token()));
    let next = at(now.minus(day / 2)).collect(&collected.cursor).await.unwrap();
    assert_eq!((next.found.len(), next.afresh), (1, None));
    // A mark of tomorrow, from a clock that was set back since: what comes today is found, and that the look began afresh is told.
    let tomorrow = now.plus(day).micros();
    let cursor =
        Cursor::parse(&format!("{{\"INBOX\":{{\"changed\":{tomorrow}}},\".Junk\":{{\"changed\":{tomorrow}}}}}"));
    let next = at(Clock::system().now()).collect(&cursor).await.unwrap();
    assert_eq!((next.found.len(), next.afresh.is_some()), (2, true));
}

/// The time before the last look is looked at again. What was told of is not told again, or somebody's forgery would count at every look.
#[tokio::test]
async fn what_was_told_of_is_not_told_of_again() {
    let folder = maildir();
    deliver(folder.path(), "1.a.host", &with_token(&token()));
    let mailbox = reader(&folder, "");
    let first = mailbox.collect(&Cursor::default()).await.unwrap();
    assert_eq!(first.found.len(), 1);
    // Seen by a person: another name, and the same message.
    fs::rename(folder.path().join("new/1.a.host"), folder.path().join("cur/1.a.host:2,S")).unwrap();
    let late = token();
    deliver(folder.path(), "2.a.host", &with_token(&late));
    let next = mailbox.collect(&Cursor::parse(&first.cursor.to_text())).await.unwrap();
    assert_eq!(next.found.iter().map(|f| &f.token).collect::<Vec<_>>(), [&late]);
    assert_eq!(mailbox.collect(&next.cursor).await.unwrap().found, []);
    // A cursor of before names were kept.
    let changed = Clock::system().now().micros();
    let old = Cursor::parse(&format!("{{\"INBOX\":{{\"changed\":{changed}}}}}"));
    assert_eq!(mailbox.collect(&old).await.unwrap().found.len(), 2);
}

/// A mailbox full of what looks like canaries is read in several looks, each of which holds little.
#[tokio::test]
async fn a_flood_is_read_in_several_looks() {
    let folder = maildir();
    for n in 0..900 {
        let tokens: Vec<String> = (0..8).map(|_| token()).collect();
        let hops = format!("Received: by {}.test; Fri, 20 Nov 2026 10:00:07 +0000\n", "a.".repeat(120)).repeat(40);
        deliver(folder.path(), &format!("{n}.a.host"), &format!("{hops}Subject: {}\n\nx\n", tokens.join(" ")));
    }
    let mailbox = reader(&folder, "timeout = '60s'\n");
    let (mut cursor, mut found, mut looks) = (Cursor::default(), std::collections::BTreeSet::new(), 0);
    loop {
        let collected = mailbox.collect(&cursor).await.unwrap();
        looks += 1;
        assert!(collected.found.len() < 6000 && looks < 10, "{} in look {looks}", collected.found.len());
        for one in collected.found {
            assert!(one.way.hops.len() <= 20 && found.insert(one.token), "told of twice");
        }
        cursor = collected.cursor;
        if collected.complete {
            break;
        }
    }
    assert!(looks > 1 && found.len() == 900 * 8, "{looks} looks, {} tokens", found.len());
}
