//! The HTTP client of the tests: a request is sent by saying which status it must be answered with.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One for all tests of the process; it keeps no connection, because each test has a runtime of its own.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    // reqwest is built without a choice of cryptography, although the tests speak plain HTTP on loopback. An error
    // means that another test made the same choice first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
});

/// A request under construction.
pub struct Request {
    what: String,
    builder: reqwest::RequestBuilder,
}

/// What came back, with the status that was expected.
#[derive(Debug)]
pub struct Answer {
    what: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request to an absolute URL.
    pub fn new(method: Method, url: &str) -> Self {
        Self { what: format!("{method} {url}"), builder: CLIENT.request(method, url) }
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// With these bytes as the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// With this value as a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    /// Sends it and fails the test, with the body in the message, unless the status is `want`.
    pub async fn expect(self, want: u16) -> Answer {
        let what = self.what.clone();
        let (got, answer) = self.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(got, want, "{what}: {}", answer.text());
        answer
    }

    /// Sends it; for a test that accepts more than one answer, or none.
    pub async fn send(self) -> Result<(u16, Answer), reqwest::Error> {
        let response = self.builder.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, Answer { what: self.what, headers, body: response.bytes().await? }))
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text()))
    }
}

mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says what it was sent.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = |headers: HeaderMap, body: Bytes| async move {
            let header = |name| headers.get(name).map_or("none", |value: &http::HeaderValue| value.to_str().unwrap());
            let said = [header("authorization"), header("content-type"), header("x-kind")].join(" ");
            (StatusCode::CREATED, [("x-said", said)], body)
        };
        let server = axum::serve(listener, Router::new().route("/", post(answer)));
        tokio::spawn(server.into_future());
        url
    }

    #[tokio::test]
    async fn sends_what_it_was_given_and_gives_what_came_back() {
        let url = echo().await;
        let request = Request::new(Method::POST, &url).bearer("t0ken").header("x-kind", "story");
        let answer = request.json(&serde_json::json!({"n": 1})).expect(201).await;
        assert_eq!(answer.headers["x-said"], "Bearer t0ken application/json story");
        assert_eq!(answer.json::<serde_json::Value>()["n"], 1);
        let answer = Request::new(Method::POST, &url).body("plain").expect(201).await;
        assert_eq!(answer.text(), "plain");
    }

    #[tokio::test]
    #[should_panic(expected = "why not")]
    async fn another_status_fails_with_the_body_in_the_message() {
        Request::new(Method::POST, &echo().await).body("why not").expect(200).await;
    }
}
