//! Signs notifications as Apple does, with a key that is known to everyone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::domain::time::Timestamp;

/// The demo's key: known to everyone, trusted by nothing but the demo's own key set.
const KEY: &str = include_str!("apple_key.pem");

/// A stand-in for Apple: one RSA key and its key set.
pub struct AppleSigner {
    key: KeyPair,
    kid: String,
}

/// One notification to sign.
#[derive(Debug, Clone)]
pub struct NotificationSpec {
    /// `aud`.
    pub audience: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `jti`.
    pub jti: String,
    /// The events as they shall stand.
    pub events: Vec<Value>,
    /// How `events` is written.
    pub form: EventsForm,
}

/// The three forms in which `events` has been seen or documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsForm {
    /// One event as text that holds JSON: the wire.
    Text,
    /// One event as an object: Apple's samples.
    Object,
    /// A list of objects: Apple's first talks.
    Array,
}

impl NotificationSpec {
    /// The claims as they go over the wire, with `exp` a day after `iat`. The forms for one event take the first.
    pub fn claims(&self) -> Value {
        let first = || self.events.first().cloned().unwrap_or_else(|| Map::new().into());
        let events = match self.form {
            EventsForm::Text => Value::String(first().to_string()),
            EventsForm::Object => first(),
            EventsForm::Array => Value::Array(self.events.clone()),
        };
        json!({
            "iss": "https://appleid.apple.com",
            "aud": self.audience,
            "exp": self.issued_at.secs() + 86_400,
            "iat": self.issued_at.secs(),
            "jti": self.jti,
            "events": events,
        })
    }
}

/// `email-disabled` or `email-enabled`, as captured on the wire: milliseconds, and the flag as text.
pub fn forwarding(enabled: bool, sub: &str, email: &str, at: Timestamp) -> Value {
    json!({
        "type": if enabled { "email-enabled" } else { "email-disabled" },
        "sub": sub,
        "event_time": at.micros() / 1_000,
        "email": email,
        "is_private_email": "true",
    })
}

/// `consent-revoked` or a deletion: only the subject is named.
pub fn departure(kind: &str, sub: &str, at: Timestamp) -> Value {
    json!({ "type": kind, "sub": sub, "event_time": at.micros() / 1_000 })
}

/// The request body that carries a token.
pub fn body(token: &str) -> Vec<u8> {
    json!({ "payload": token }).to_string().into_bytes()
}

/// What a signature covers (RFC 7515 section 5.1), for signing it otherwise than Apple would.
pub fn signing_input(header: &Value, claims: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

impl AppleSigner {
    /// With the demo's key.
    pub fn new() -> Self {
        Self::with_key(KEY, "demo-1").expect("the embedded key is a PKCS#8 RSA key")
    }

    /// With another PKCS#8 PEM key. `None` when it is not one.
    pub fn with_key(pem: &str, kid: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let key = KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?;
        Some(Self { key, kid: kid.to_owned() })
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        json!({
            "kty": "RSA",
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(public.n),
            "e": URL_SAFE_NO_PAD.encode(public.e),
        })
    }

    /// The key set that Apple would serve at `/auth/keys`.
    pub fn jwks(&self) -> Vec<u8> {
        json!({ "keys": [self.jwk()] }).to_string().into_bytes()
    }

    /// The header that Apple writes.
    pub fn header(&self) -> Value {
        json!({ "kid": self.kid, "alg": "RS256" })
    }

    /// Signs any claims under any header, with RS256 whatever the header says.
    pub fn sign(&self, header: &Value, claims: &[u8]) -> String {
        let input = signing_input(header, claims);
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .expect("the buffer is as long as the modulus");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The whole request body of a notification.
    pub fn notification(&self, spec: &NotificationSpec) -> Vec<u8> {
        body(&self.sign(&self.header(), spec.claims().to_string().as_bytes()))
    }
}

impl Default for AppleSigner {
    fn default() -> Self {
        Self::new()
    }
}
