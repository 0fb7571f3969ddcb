//! An SES endpoint as a test sets it up, and what it is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::config::hook_auth::HookAuth;
use relaywatch::config::ses::SesEndpoint;
use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::ids::TeamId;
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::fetch::{Fetch, FetchError, Fetching};
use relaywatch::sources::ses::SesSource;
use relaywatch::sources::sns::{Trust, Verifier};
use relaywatch::sources::{HookSource, Refusal, Request, Translation};

pub const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";

pub fn now() -> Timestamp {
    at("2026-05-01T10:00:05Z")
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/ses/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A web that serves what it was given and counts how often it is asked.
#[derive(Default)]
pub struct Web {
    served: Mutex<HashMap<String, Vec<u8>>>,
    asked: AtomicUsize,
}

impl Web {
    pub fn put(&self, url: &str, body: &str) {
        self.served.lock().unwrap().insert(url.to_owned(), body.as_bytes().to_vec());
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Fetch for Web {
    fn get<'a>(&'a self, url: &'a str, _limit: usize) -> Fetching<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.served.lock().unwrap().get(url).cloned().ok_or_else(|| FetchError("the host answered 404".to_owned()))
        })
    }
}

pub struct Endpoint {
    pub source: SesSource,
    pub web: Arc<Web>,
}

impl Endpoint {
    /// Has the signer's certificate by configuration.
    pub fn with_certificate_of(signer: &SnsSigner) -> Self {
        let mut trust = Trust::default();
        trust.add_certificate(signer.certificate_url(), signer.certificate_pem().as_bytes()).unwrap();
        Self::new(trust, None)
    }

    /// Would fetch the certificate.
    pub fn fetching() -> Self {
        Self::new(Trust::default(), None)
    }

    pub fn new(trust: Trust, raw_delivery: Option<HookAuth>) -> Self {
        let web = Arc::new(Web::default());
        let verifier = Arc::new(Verifier::new(trust, web.clone()));
        let endpoint =
            SesEndpoint { name: "main".into(), team: TeamId::new("TEAM1"), topics: vec![TOPIC.into()], raw_delivery };
        let source = SesSource::new(&endpoint, verifier, Arc::new(RuleBook::default())).unwrap();
        Self { source, web }
    }

    pub fn receive(&self, body: &[u8]) -> Result<Translation, Refusal> {
        self.receive_at(body, &[], now())
    }

    pub fn receive_at(
        &self,
        body: &[u8],
        headers: &[(&str, &str)],
        received_at: Timestamp,
    ) -> Result<Translation, Refusal> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        self.source.admit(&headers)?;
        runtime.block_on(self.source.receive(Request { headers: &headers, body, received_at }))
    }

    /// The status and the label of a refusal.
    pub fn refusal(&self, body: &[u8]) -> (u16, &'static str) {
        let refusal = self.receive(body).expect_err("a refusal");
        (refusal.answer, refusal.reason)
    }
}
