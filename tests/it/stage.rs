//! The real daemon with every feed set up, and the questions that tests ask it.

use std::fs;
use std::time::Duration;

use http::Method;
use relaywatch::clock::Stopwatch;
use serde_json::{Value, json};

use crate::client::Request;
use crate::daemon::{Daemon, Home};
use crate::feeds::{Feeds, Post, TEAM};

/// A daemon that takes all feeds.
pub struct Stage {
    /// The daemon.
    pub daemon: Daemon,
    /// Who signs for the providers.
    pub feeds: Feeds,
    /// Its configuration as written.
    pub toml: String,
    token: String,
}

impl Stage {
    /// On a SQLite database of its own.
    pub async fn sqlite() -> Self {
        let home = Home::new();
        let url = home.sqlite_url();
        Self::on(home, &url, "").await
    }

    /// On this store, with further sections of configuration.
    pub async fn on(home: Home, store_url: &str, more: &str) -> Self {
        let feeds = Feeds::new();
        let toml = feeds.settle(&home, store_url) + more;
        let daemon = Daemon::start(home, &toml).await;
        let mut stage = Self { daemon, feeds, toml, token: String::new() };
        // A store that has seen a daemon before has its token elsewhere, so this daemon makes one of its own.
        let first = fs::read_to_string(stage.daemon.home().folder().join("data/admin.token"));
        stage.token = first.map_or_else(|_| stage.made_token(), |token| token.trim().to_owned());
        stage
    }

    fn made_token(&self) -> String {
        self.command(&["token", "create", "--name", "test", "--scope", "admin"]).trim().to_owned()
    }

    /// Runs another command of the program on the same configuration; it must succeed. Gives what it printed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = self.daemon.home().run(&[arguments, &["--config", "config.toml"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}: {errors}", output.status);
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Posts, which must be answered 200; gives the answer.
    pub async fn post(&self, post: &Post) -> Value {
        post.to(self.daemon.home().hooks).expect(200).await.json()
    }

    /// Posts, which must be refused with this status; gives the `reason`.
    pub async fn refused(&self, post: &Post, status: u16) -> String {
        let answer: Value = post.to(self.daemon.home().hooks).expect(status).await.json();
        answer["reason"].as_str().expect("a reason").to_owned()
    }

    /// A request to the API with the token that may do everything.
    pub fn api(&self, method: Method, path: &str) -> Request {
        self.daemon.api(method, path).bearer(&self.token)
    }

    /// The verdict on an address of the team, for marketing mail.
    pub async fn verdict(&self, address: &str) -> Value {
        self.ask(&json!({"team": TEAM, "address": address})).await
    }

    /// The verdict on this question.
    pub async fn ask(&self, question: &Value) -> Value {
        self.api(Method::POST, "/v1/sendability").json(question).expect(200).await.json()
    }

    /// Fails unless the verdict on the address is this one, for this reason.
    pub async fn expect_verdict(&self, address: &str, verdict: &str, reason: &str) {
        let said = self.verdict(address).await;
        assert_eq!((said["verdict"].as_str(), said["reason"].as_str()), (Some(verdict), Some(reason)), "{said}");
        assert_eq!(said["send"] == true, verdict == "sendable", "{said}");
    }

    /// The value of a metric by its full name with labels, as `/metrics` writes it; zero when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.daemon.operations(Method::GET, "/metrics").expect(200).await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }
}

/// Waits until a condition holds; what it says in vain fails the test.
pub async fn eventually<F: Future<Output = Result<(), String>>>(condition: impl Fn() -> F) {
    let began = Stopwatch::start();
    while let Err(because) = condition().await {
        assert!(began.elapsed() < Duration::from_secs(20), "in vain: {because}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
