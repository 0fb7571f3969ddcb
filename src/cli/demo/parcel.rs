//! One request of the world before it is signed, and after.

use http::StatusCode;

use super::world::apple::{self, AppleSigner, NotificationSpec};
use super::world::sns::SnsSigner;
use crate::domain::time::Timestamp;

/// The topic on the daemon's list.
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";

/// A topic of somebody else's account.
pub const FOREIGN_TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:ses-events";

/// The header with which SparkPost proves itself, and its value in the demo.
pub const SECRET: (&str, &str) = ("x-demo-secret", "only-for-the-demo");

/// The name of all hooks of the demo.
pub const ENDPOINT: &str = "demo";

/// The keys with which the world signs: its own, trusted by nobody but the demo's daemon.
pub struct Signers {
    /// In place of Amazon SNS.
    pub sns: SnsSigner,
    /// In place of Apple.
    pub apple: AppleSigner,
}

/// A request to be signed and posted.
#[derive(Clone)]
pub enum Parcel {
    /// A batch of SparkPost's.
    SparkPost {
        /// The id that a repetition has too.
        batch: String,
        /// The body.
        body: Vec<u8>,
        /// Elements in it.
        events: usize,
    },
    /// A message of SES's, to be put into a signed envelope of SNS.
    Ses {
        /// The inner event.
        message: String,
        /// SNS's id, the same for a repetition.
        id: String,
        /// When SNS took it.
        at: Timestamp,
    },
    /// A notification of Apple's, to be signed.
    Apple(NotificationSpec),
    /// An attack, as it stands; the status is the answer it must get.
    Hostile {
        /// The source's name in the path.
        source: &'static str,
        /// The body.
        body: Vec<u8>,
        /// What it must be answered with.
        answer: StatusCode,
    },
}

/// A signed request.
pub struct Letter {
    /// The path of the hook.
    pub path: String,
    /// Headers that the provider sends.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The answer it must get.
    pub answer: StatusCode,
}

impl Parcel {
    /// How many events it brings.
    pub fn events(&self) -> usize {
        match self {
            Self::SparkPost { events, .. } => *events,
            Self::Ses { .. } | Self::Apple(_) | Self::Hostile { .. } => 1,
        }
    }

    /// Signs it.
    pub fn seal(self, signers: &Signers) -> Letter {
        let letter = |source: &str, headers: Vec<(&'static str, String)>, body| {
            let path = format!("/hooks/{source}/{ENDPOINT}");
            Letter { path, headers, body, answer: StatusCode::OK }
        };
        match self {
            Self::SparkPost { batch, body, .. } => {
                let headers = vec![(SECRET.0, SECRET.1.to_owned()), ("x-messagesystems-batch-id", batch)];
                letter("sparkpost", headers, body)
            }
            Self::Ses { message, id, at } => {
                letter("ses", Vec::new(), signers.sns.notification(TOPIC, &message, None, at, &id))
            }
            Self::Apple(spec) => letter("apple", Vec::new(), signers.apple.notification(&spec)),
            Self::Hostile { source, body, answer } => Letter { answer, ..letter(source, Vec::new(), body) },
        }
    }
}

/// The attacks. Each says that the owner of `address` is gone; none may be believed.
pub fn attacks(signers: &Signers, address: &str, sub: &str, message: &str, now: Timestamp) -> Vec<Parcel> {
    let hostile = |source, body, answer| Parcel::Hostile { source, body, answer };
    // Signed for one address, and changed on the way.
    let nobody = "nobody@privaterelay.appleid.com";
    let signed = signers.sns.notification(TOPIC, &message.replace(address, nobody), None, now, "forged-1");
    let changed = String::from_utf8_lossy(&signed).replace(nobody, address).into_bytes();
    // Soundly signed by SNS, on behalf of another account.
    let foreign = signers.sns.notification(FOREIGN_TOPIC, message, None, now, "foreign-1");
    let (iat, audience) = (now.secs(), super::cast::APPS[0]);
    // Soundly signed by Apple, but for a sign-in: whoever can sign in has such a token of his own.
    let id_token = serde_json::json!({
        "iss": "https://appleid.apple.com", "aud": audience, "exp": iat + 600, "iat": iat, "sub": sub,
        "email": address, "email_verified": "true", "is_private_email": "true",
    });
    let id_token = signers.apple.sign(&signers.apple.header(), id_token.to_string().as_bytes());
    // The words of a notification over the signature of a sign-in.
    let event = apple::departure("consent-revoked", sub, now).to_string();
    let claims = serde_json::json!({
        "iss": "https://appleid.apple.com", "aud": audience, "iat": iat, "jti": "forged", "events": event,
    });
    let input = apple::signing_input(&signers.apple.header(), claims.to_string().as_bytes());
    let signature = id_token.rsplit('.').next().unwrap_or_default();
    vec![
        hostile("ses", changed, StatusCode::FORBIDDEN),
        hostile("ses", foreign, StatusCode::FORBIDDEN),
        hostile("apple", apple::body(&id_token), StatusCode::FORBIDDEN),
        hostile("apple", apple::body(&format!("{input}.{signature}")), StatusCode::FORBIDDEN),
        // Hostile letters carry no secret.
        hostile("sparkpost", b"[]".to_vec(), StatusCode::UNAUTHORIZED),
    ]
}
