//! Promise 11 on the real daemon: marked people go in by every path there is, and stand nowhere but sealed.
//!
//! Searched are the log at its most talkative, the metrics, every answer that is no list of people, and every file, in the
//! clear and in the encodings that [`privacy`] knows. Then the people are erased, and even their keyed hashes are gone from
//! everything but the tombstones.

mod erased;
mod hooks;
mod questions;

use http::Method;
use relaywatch::store::Store;

use crate::daemon::Home;
use crate::feeds::Post;
use crate::postgres;
use crate::privacy::{self, Marked};
use crate::stage::Stage;

/// As much as the log can be made to say.
const TALKATIVE: &str = "[log]\nlevel = \"trace\"\nformat = \"json\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_be_found_anywhere_on_sqlite() {
    let home = Home::new();
    let url = home.sqlite_url();
    let mut stage = Stage::on(home, &url, TALKATIVE).await;
    let people = go_everywhere(&stage).await;
    // While it runs there is a write-ahead log as well.
    assert!(privacy::assert_nowhere_under(&[people.stem()], stage.daemon.home().folder()) >= 5);
    assert_eq!(tokio::task::block_in_place(|| stage.daemon.terminate()).code(), Some(0));
    privacy::assert_nowhere_under(&[people.stem()], stage.daemon.home().folder());

    erased::erase_everybody(&stage, &url, &people).await;
    erased::expect_no_key_in_sqlite(&stage, &people).await;
    privacy::assert_nowhere_under(&[people.stem()], stage.daemon.home().folder());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_be_found_anywhere_on_postgresql() {
    // A server of its own, because its files are searched too.
    let server = postgres::server();
    let mut stage = Stage::on(Home::new(), server.url(), TALKATIVE).await;
    let people = go_everywhere(&stage).await;
    assert_eq!(tokio::task::block_in_place(|| stage.daemon.terminate()).code(), Some(0));
    privacy::assert_nowhere_under(&[people.stem()], stage.daemon.home().folder());
    postgres::checkpoint(server.url()).await;
    assert!(privacy::assert_nowhere_under(&[people.stem()], server.folder()) > 100);

    erased::erase_everybody(&stage, server.url(), &people).await;
    erased::expect_no_key_in_postgresql(server.url(), &people).await;
}

/// Sends people in by every path, and searches what the daemon said meanwhile.
async fn go_everywhere(stage: &Stage) -> Marked {
    let people = Marked::new();
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let mut posts = hooks::taken(stage, &people);
    let taken = posts.len();
    posts.extend(hooks::refused(stage, &people));
    for (n, (what, post)) in posts.into_iter().enumerate() {
        let (status, bytes) = answer(stage, &post).await;
        let fits = if n < taken { status == 200 } else { (400..500).contains(&status) };
        assert!(fits, "{what}: {status}: {}", String::from_utf8_lossy(&bytes));
        said.push((what, bytes));
    }
    said.extend(questions::ask_everything(stage, &people).await);
    let metrics = stage.daemon.operations(Method::GET, "/metrics").expect(200).await;
    said.push(("/metrics".to_owned(), metrics.body.to_vec()));
    let listed = stage.command(&["quarantine", "list", "--format", "json"]);
    assert!(listed.lines().count() >= 10, "little was quarantined: {listed}");
    said.push(("quarantine list".to_owned(), listed.into_bytes()));
    said.push(("log".to_owned(), stage.daemon.log().into_bytes()));
    let haystacks: Vec<_> = said.iter().map(|(what, bytes)| (what.as_str(), bytes.as_slice())).collect();
    privacy::assert_nowhere(&[people.stem()], &haystacks);

    // The search would find nothing either if nothing had been taken.
    let logged = stage.metric("relaywatch_log_head").await;
    assert!(logged >= 30.0, "only {logged} events");
    people
}

/// Status, headers and body of an answer.
async fn answer(stage: &Stage, post: &Post) -> (u16, Vec<u8>) {
    let (status, answer) = post.to(stage.daemon.home().hooks).send().await.expect("an answer");
    (status, [format!("{:?}", answer.headers).as_bytes(), &answer.body].concat())
}

/// Opens the store behind the daemon's back.
async fn store(url: &str) -> Store {
    Store::open(url).await.expect("the store opens")
}
