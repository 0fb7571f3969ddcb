//! A real HTTP receiver of webhooks that keeps what it got, answers as told, and checks signatures by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, Uri};
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A signing secret for tests: 32 bytes that count up.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Another one.
pub const NEXT_SECRET: &str = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

/// How the receiver answers one request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// With this status and `Retry-After`.
    Wait(u16, &'static str),
    /// With a redirect to `/elsewhere`.
    Redirect,
    /// Not at all, as long as the test lives.
    Silence,
    /// 204, once the test lets it.
    Held,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path and query it was posted to.
    pub uri: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().expect("text")
    }

    /// Whether one of the signatures is that of `secret`, by the specification and not by the code under test.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let mut content = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).into_bytes();
        content.extend_from_slice(&self.body);
        self.header("webhook-signature").split(' ').any(|part| {
            let tag = STANDARD.decode(part.strip_prefix("v1,").expect("version 1")).expect("base64");
            hmac::verify(&key, &content, &tag).is_ok()
        })
    }
}

#[derive(Clone)]
struct Desk {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    otherwise: Arc<Mutex<Answer>>,
    gate: Arc<Semaphore>,
}

/// The receiver. It stops with its runtime.
pub struct Receiver {
    /// Where it listens, without a path.
    pub origin: String,
    desk: Desk,
}

impl Receiver {
    /// Starts one that answers 204.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("a bound port"));
        let desk = Desk {
            received: Arc::default(),
            answers: Arc::default(),
            otherwise: Arc::new(Mutex::new(Answer::Status(204))),
            gate: Arc::new(Semaphore::new(0)),
        };
        let router = Router::new().fallback(receive).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, desk }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.origin.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Answers the next requests so, then 204 again.
    pub fn answer_next(&self, answers: &[Answer]) {
        self.desk.answers.lock().unwrap().extend(answers);
    }

    /// Answers so when nothing else was said.
    pub fn answer_always(&self, answer: Answer) {
        *self.desk.otherwise.lock().unwrap() = answer;
    }

    /// Lets `n` held requests be answered.
    pub fn release(&self, n: usize) {
        self.desk.gate.add_permits(n);
    }

    /// What it got since the last call.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.desk.received.lock().unwrap())
    }

    /// Waits until it has got `n` requests.
    pub async fn wait_for(&self, n: usize) {
        let waiting = async {
            while self.desk.received.lock().unwrap().len() < n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the requests come");
    }
}

async fn receive(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    desk.received.lock().unwrap().push(Received { uri: uri.to_string(), headers, body: body.to_vec() });
    let answer = desk.answers.lock().unwrap().pop_front().unwrap_or(*desk.otherwise.lock().unwrap());
    let status = |code| StatusCode::from_u16(code).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::Wait(code, wait) => (status(code), [("retry-after", wait)]).into_response(),
        Answer::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Answer::Silence => std::future::pending().await,
        Answer::Held => {
            desk.gate.acquire().await.expect("the gate stays open").forget();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
