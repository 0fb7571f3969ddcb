//! A stop by SIGTERM: what was begun is finished and answered, nothing new is taken, the exit code is 0.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feeds::{NOT_FOUND, Post, unique};
use crate::stage::Stage;

/// How long after the signal the second half of each body comes.
const AFTER: Duration = Duration::from_millis(400);

/// A request whose head and half a body are on the way.
async fn begun(post: &Post, hooks: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(hooks).await.unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\n\r\n", post.path, post.body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&post.body[..post.body.len() / 2]).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream, post: Post) -> String {
    tokio::time::sleep(AFTER).await;
    stream.write_all(&post.body[post.body.len() / 2..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_get_their_answer_and_new_ones_are_not_taken() {
    let mut stage = Stage::sqlite().await;
    let (hooks, operations) = (stage.daemon.home().hooks, stage.daemon.home().operations);
    let people: Vec<_> = (0..12).map(|_| format!("{}@privaterelay.appleid.com", unique())).collect();
    let mut answers = Vec::new();
    for address in &people {
        let post = stage.feeds.ses_bounce(address, NOT_FOUND, &unique());
        let stream = begun(&post, hooks).await;
        answers.push((stream, post));
    }
    // Connected means accepted by the kernel; the daemon must have them in hand.
    while stage.metric(r#"relaywatch_http_connections{listener="hooks"}"#).await < people.len() as f64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answers: Vec<_> = answers.into_iter().map(|(stream, post)| tokio::spawn(rest(stream, post))).collect();
    let meanwhile = tokio::spawn(async move {
        tokio::time::sleep(AFTER / 2).await;
        let url = format!("http://{operations}/readyz");
        let ready = crate::client::Request::new(http::Method::GET, &url).expect(503).await.text();
        (TcpStream::connect(hooks).await.is_err(), ready)
    });
    let status = tokio::task::block_in_place(|| stage.daemon.terminate());
    assert_eq!(status.code(), Some(0));
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(r#"{"new":1,"repeated":0}"#), "{answer}");
    }
    let (refused, ready) = meanwhile.await.unwrap();
    assert!(refused, "a new connection was taken while stopping");
    assert!(ready.contains("shutting down"), "{ready}");

    stage.daemon.restart().await;
    for address in &people {
        stage.expect_verdict(address, "hold", "recent_bounce").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_outlasts_the_grace_is_dropped_and_the_exit_code_says_so() {
    let home = crate::daemon::Home::new();
    let url = home.sqlite_url();
    let feeds = crate::feeds::Feeds::new();
    let toml = feeds.settle(&home, &url).replace("[store]", "shutdown_grace = \"300ms\"\n\n[store]");
    let mut daemon = crate::daemon::Daemon::start(home, &toml).await;
    let post = feeds.ses_bounce("a@private.icloud.com", NOT_FOUND, &unique());
    let mut stream = begun(&post, daemon.home().hooks).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = tokio::task::block_in_place(|| daemon.terminate());
    assert_eq!(status.code(), Some(1));
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.contains("200"), "{answer}");
}
