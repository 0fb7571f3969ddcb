//! The store: reachable, up to date, durable, fed; and the clock its times go by.

use std::fs;

use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use relaywatch::domain::time::Timestamp;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{Diagnosis, HOOKS, installed};
use crate::daemon::{Daemon, Home};
use crate::feeds::now;
use crate::postgres;

const SECONDS_OF_DAY: i64 = 86_400;

async fn sql(home: &Home, statement: &str) {
    let path = home.folder().join("data/relaywatch.db");
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn delivery() -> Batch {
    let mut batch = Batch::default();
    let mail = Mail {
        event_id: 1,
        message_id: 1,
        recipient: "q7w2k9xz4m@privaterelay.appleid.com",
        friendly_from: "news@shop.example",
        msg_from: "b-1@bounce.shop.example",
        at: now().secs(),
    };
    batch.push(&mail, Report::Delivery);
    batch
}

#[tokio::test]
async fn feeds_quarantine_and_clock() {
    let home = Home::new();
    let toml = installed(&home, HOOKS);
    let mut daemon = Daemon::start(home, &toml).await;
    let mut batch = delivery();
    batch.push_raw(b"{\"msys\":7}");
    daemon.hook("/hooks/sparkpost/main").bearer("hush-1").body(batch.finish()).expect(200).await;

    let running = Diagnosis::of(daemon.home(), &toml);
    assert_eq!(running.lines("daemon"), [("ok", "runs and is ready")]);
    running.says("feeds", "ok", "/hooks/sparkpost/main brought its last event 0s ago");
    for silent in ["ses", "braze", "apple"] {
        running.says("feeds", "warn", &format!("/hooks/{silent}/main has never brought an event"));
    }
    running.says("quarantine", "warn", "1 unreadable part waits");
    running.says("durability", "ok", "journal_mode is wal, synchronous is full");
    running.says("schema", "ok", "up to date");
    assert_eq!(running.code, 0);

    daemon.terminate();
    let home = daemon.home();
    let received = |at: Timestamp| format!("UPDATE events SET received_at = {}", at.micros());
    let days = |n: i64| std::time::Duration::from_secs((n * SECONDS_OF_DAY).unsigned_abs());
    sql(home, &received(now().minus(days(3)))).await;
    Diagnosis::of(home, &toml).says("feeds", "warn", "/hooks/sparkpost/main brought its last event 3d ago");
    sql(home, &received(now().plus(days(1)))).await;
    let early = Diagnosis::of(home, &toml);
    assert_eq!(early.failing(), ["clock"]);
    early.says("clock", "fail", "the newest event was received at ");
    sql(home, "UPDATE quarantine SET rerun_at = 1").await;
    Diagnosis::of(home, &toml).says("quarantine", "ok", "nothing waits");

    // Apple's silence is longer than an ESP's.
    sql(home, &format!("{}, source = 'apple'", received(now().minus(days(3))))).await;
    Diagnosis::of(home, &toml).says("feeds", "ok", "/hooks/apple/main brought its last event 3d ago");
    sql(home, &received(now().minus(days(8)))).await;
    Diagnosis::of(home, &toml).says("feeds", "warn", "/hooks/apple/main brought its last event 8d ago");
    // Only the newest million events are looked at.
    sql(home, "UPDATE log_head SET n = n + 1000000").await;
    Diagnosis::of(home, &toml).says("feeds", "warn", "/hooks/apple/main brought none of the newest 1000000 events");
}

#[tokio::test]
async fn a_schema_that_is_older_or_newer() {
    let home = Home::new();
    let toml = installed(&home, HOOKS);
    fs::create_dir(home.folder().join("data")).unwrap();
    fs::write(home.folder().join("data/relaywatch.db"), "").unwrap();
    let empty = Diagnosis::of(&home, &toml);
    empty.says("schema", "warn", "not up to date: migration 1 is pending");
    assert!(home.run(&["migrate", "--config", "config.toml"]).status.success());
    assert_eq!(Diagnosis::of(&home, &toml).lines("schema"), [("ok", "up to date")]);
    sql(
        &home,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)",
    )
    .await;
    let newer = Diagnosis::of(&home, &toml);
    newer.says("schema", "fail", "migration 9999 is unknown to this version");
    assert_eq!(newer.code, 1);
}

#[test]
fn a_store_that_cannot_be_opened() {
    let home = Home::new();
    fs::create_dir(home.folder().join("data")).unwrap();
    fs::write(home.folder().join("data/relaywatch.db"), "no database, but long enough to be taken for a header of one")
        .unwrap();
    let garbage = Diagnosis::of(&home, &installed(&home, HOOKS));
    garbage.says("store", "fail", "sqlite:data/relaywatch.db: ");
    let nobody = Diagnosis::of(&home, &home.toml("postgres://relay:hush@127.0.0.1:1/relay?sslmode=disable"));
    nobody.says("store", "fail", "postgres://relay:***@127.0.0.1:1/relay");
    nobody.says("keys", "fail", "./data/keys.toml is missing");
    assert!(!format!("{:?}", nobody.checks).contains("hush"));
}

/// The test server gives up durability for speed: what the doctor must notice.
#[tokio::test]
async fn a_server_that_does_not_wait_for_its_disk() {
    let (home, database) = (Home::new(), postgres::database().await);
    let toml = format!("{}[keys]\nfile = \"keys.toml\"\n", home.toml(database.url()));
    fs::write(
        home.folder().join("keys.toml"),
        "[[keys]]\nid = 1\nsecret = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n",
    )
    .unwrap();
    let pending = Diagnosis::of(&home, &toml);
    pending.says("schema", "warn", "migration 1 is pending");
    assert!(home.run(&["migrate", "--config", "config.toml"]).status.success());
    let diagnosis = Diagnosis::of(&home, &toml);
    let durability = diagnosis.lines("durability");
    assert_eq!(durability.len(), 2, "{durability:?}");
    for (setting, line) in ["fsync", "full_page_writes"].iter().zip(durability) {
        let lost = format!("{setting} is off, so what was acknowledged can be lost in a power cut");
        assert_eq!(line, ("fail", lost.as_str()));
    }
    assert_eq!(diagnosis.code, 1);
}
