//! Apple's notifications through the hook's own interface.

mod audiences;
mod hostile;
mod key_set;
mod shapes;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use relaywatch::cli::demo::world::apple::{AppleSigner, EventsForm, NotificationSpec, body, departure, forwarding};
use relaywatch::config::teams::Teams;
use relaywatch::domain::ids::TeamId;
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::apple::{AppleSource, Audiences, KeySet};
use relaywatch::sources::{HookSource, Refusal, Request, Translation};
use serde::Deserialize;
use serde_json::Value;

const APP: &str = "com.example.app";
const SUB: &str = "000001.0123456789abcdef0123456789abcdef.0001";
const EMAIL: &str = "q7w2e9r4t1@privaterelay.appleid.com";
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// 2026-11-19T12:00:00Z, when every fixture was signed.
fn signed_at() -> Timestamp {
    Timestamp::from_secs(1_795_089_600)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `com.example.app` with its website's Services ID, and `com.example.moved`, transferred an hour before the fixtures were signed.
fn audiences() -> Audiences {
    #[derive(Deserialize)]
    struct File {
        teams: Teams,
    }
    let text = r#"
        [[teams]]
        id = "TEAMA"
        [[teams.apps]]
        id = "com.example.app"
        audiences = ["com.example.app", "com.example.web"]
        [[teams.apps]]
        id = "com.example.moved"
        audiences = [{ id = "com.example.moved", from = "2025-01-01T00:00:00Z", until = "2026-11-19T11:00:00Z" }]
        [[teams]]
        id = "TEAMB"
        [[teams.apps]]
        id = "com.example.moved"
        audiences = [{ id = "com.example.moved", from = "2026-11-19T11:00:00Z" }]
    "#;
    Audiences::of(&toml::from_str::<File>(text).unwrap().teams)
}

fn source(keys: KeySet) -> AppleSource {
    AppleSource::new(Arc::new(keys), Arc::new(audiences()), MAX_AGE)
}

fn demo_source() -> AppleSource {
    source(KeySet::fixed(&AppleSigner::new().jwks()).unwrap())
}

async fn receive(source: &AppleSource, body: &[u8], at: Timestamp) -> Result<Translation, Refusal> {
    let headers = HeaderMap::new();
    source.admit(&headers)?;
    source.receive(Request { headers: &headers, body, received_at: at }).await
}

/// What the hook makes of these claims, well signed and received a second later.
async fn read(claims: &Value) -> Result<Translation, Refusal> {
    let signer = AppleSigner::new();
    let token = signer.sign(&signer.header(), claims.to_string().as_bytes());
    receive(&demo_source(), &body(&token), signed_at().plus(seconds(1))).await
}

fn spec(form: EventsForm, events: Vec<Value>) -> NotificationSpec {
    NotificationSpec { audience: APP.to_owned(), issued_at: signed_at(), jti: "jti-1".to_owned(), events, form }
}

/// An `email-disabled` of half a second before it was signed.
fn disabled() -> Value {
    forwarding(false, SUB, EMAIL, signed_at().minus(Duration::from_millis(500)))
}

fn revoked() -> Value {
    departure("consent-revoked", SUB, signed_at().minus(Duration::from_millis(500)))
}

/// Nothing that can be printed of it shows whom it is about.
fn assert_sealed(printed: &str) {
    for secret in [SUB, "q7w2e9r4t1", "000001.", "0123456789abcdef"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
