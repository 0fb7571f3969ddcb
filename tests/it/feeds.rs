//! The providers as the tests on the real daemon play them: one configuration with every source, and signed requests for it.

use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use relaywatch::cli::demo::world::apple::{AppleSigner, EventsForm, NotificationSpec};
use relaywatch::cli::demo::world::braze;
use relaywatch::cli::demo::world::ses::{Form, Refused, SentMail};
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::clock::Clock;
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::client::Request;
use crate::daemon::Home;

/// The team of every endpoint.
pub const TEAM: &str = "TEAM1";
/// Apple's audience of the team's app.
pub const APP: &str = "com.example.app";
/// The one listed topic.
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";
/// The header From of every mail.
pub const FROM: &str = "news@news.example.com";
/// What the relay says of an address that is no more.
pub const NOT_FOUND: &str = "550 5.1.1 user not found";
/// What the relay says of a sender that is not registered.
pub const UNAUTHORIZED: &str = "550 5.1.1 unauthorized sender";

/// The secret of SparkPost, sent as Basic.
const SPARKPOST: &str = "Basic c3BhcmtwYXNzOmludmVudGVkLXNlY3JldA==";
/// The secret of Braze, sent as a bearer token.
const BRAZE: &str = "Bearer invented-token";

/// The root secret of every keyring here, so that a test can name people as the daemon does.
const ROOT: [u8; 32] = *b"a root secret known to the tests";

/// Present time.
pub fn now() -> Timestamp {
    Clock::system().now()
}

/// An id nobody else has.
pub fn unique() -> String {
    Uuid::now_v7().simple().to_string()
}

/// The keyring of every daemon that [`Feeds::settle`] made a home for.
pub fn keyring() -> Keyring {
    Keyring::new(&[Root { id: 1, secret: ROOT }]).expect("one root is enough")
}

/// One request of a provider. It may be sent any number of times.
#[derive(Clone)]
pub struct Post {
    /// The path on the hooks listener.
    pub path: &'static str,
    /// Headers by name.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Post {
    /// The request, to the hooks listener at this address.
    pub fn to(&self, hooks: SocketAddr) -> Request {
        let request = Request::new(Method::POST, &format!("http://{hooks}{}", self.path)).body(self.body.clone());
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The same with one header replaced or added.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The signers of the providers.
pub struct Feeds {
    /// Amazon SNS.
    pub sns: SnsSigner,
    /// Apple.
    pub apple: AppleSigner,
}

impl Feeds {
    /// With certificates that are valid now.
    pub fn new() -> Self {
        Self { sns: SnsSigner::new(now()), apple: AppleSigner::new() }
    }

    /// Writes certificate, key set and key file into the home, and gives the configuration of a daemon that takes all feeds.
    pub fn settle(&self, home: &Home, store_url: &str) -> String {
        let folder = home.folder();
        fs::create_dir_all(folder.join("data")).expect("a data folder");
        let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a file in the home");
        write("sns.pem", self.sns.certificate_pem().as_bytes());
        write("apple.json", &self.apple.jwks());
        let secret = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ROOT);
        write("data/keys.toml", format!("[[keys]]\nid = 1\nsecret = \"{secret}\"\n").as_bytes());
        let url = self.sns.certificate_url();
        home.toml(store_url)
            + &format!(
                r#"
[[teams]]
id = "{TEAM}"
[[teams.apps]]
id = "{APP}"

[[streams]]
name = "news"
team = "{TEAM}"
from_domain = "news.example.com"
provider = "ses"

[[endpoints.ses]]
name = "main"
team = "{TEAM}"
topics = ["{TOPIC}"]

[[endpoints.sparkpost]]
name = "main"
team = "{TEAM}"
auth = {{ basic = {{ user = "sparkpass", passwords = ["invented-secret"] }} }}

[[endpoints.braze]]
name = "main"
team = "{TEAM}"
external_user_id = "apple_sub"
auth = {{ bearer = {{ tokens = ["invented-token"] }} }}

[[endpoints.apple]]
name = "main"

[apple]
keys_file = "apple.json"

[sns.certificates]
"{url}" = "sns.pem"
"#
            )
    }

    /// An inner event of SES, published to the topic.
    pub fn ses(&self, inner: &Value) -> Post {
        self.sns_message(&self.sns.notification(TOPIC, &inner.to_string(), None, now(), &unique()))
    }

    /// Any body as SNS posts it.
    pub fn sns_message(&self, body: &[u8]) -> Post {
        let headers = vec![("content-type", "text/plain; charset=UTF-8".to_owned())];
        Post { path: "/hooks/ses/main", headers, body: Bytes::copy_from_slice(body) }
    }

    /// A bounce of one recipient by SES, with a feedback id of the caller's.
    pub fn ses_bounce(&self, recipient: &str, reply: &str, feedback_id: &str) -> Post {
        let refused = [Refused::new(recipient, "5.1.1", reply)];
        let at = now();
        self.ses(&mail_to(recipient).bounce(Form::Published, ("Permanent", "General"), &refused, feedback_id, at))
    }

    /// A notification of Apple's with one event, as it goes over the wire.
    pub fn notification(&self, event: Value, jti: &str) -> Post {
        self.notification_for(APP, event, jti)
    }

    /// Likewise, for another audience.
    pub fn notification_for(&self, audience: &str, event: Value, jti: &str) -> Post {
        let spec = NotificationSpec {
            audience: audience.to_owned(),
            issued_at: now(),
            jti: jti.to_owned(),
            events: vec![event],
            form: EventsForm::Text,
        };
        apple_post(&self.apple.notification(&spec))
    }
}

/// Any body as Apple posts it.
pub fn apple_post(body: &[u8]) -> Post {
    let headers = vec![("content-type", "application/json".to_owned())];
    Post { path: "/hooks/apple/main", headers, body: Bytes::copy_from_slice(body) }
}

/// A batch as SparkPost posts it, with the right secret.
pub fn sparkpost_post(body: Vec<u8>) -> Post {
    let headers = vec![("content-type", "application/json".to_owned()), ("authorization", SPARKPOST.to_owned())];
    Post { path: "/hooks/sparkpost/main", headers, body: body.into() }
}

/// A batch as Braze posts it, with the right secret.
pub fn braze_post(events: &[Value]) -> Post {
    let headers = vec![("content-type", "application/json".to_owned()), ("authorization", BRAZE.to_owned())];
    Post { path: "/hooks/braze/main", headers, body: braze::batch(events).into() }
}

/// A mail that SES sent a minute ago.
pub fn mail_to(recipient: &str) -> SentMail {
    SentMail {
        message_id: format!("0102{}", unique()),
        at: now().minus(std::time::Duration::from_secs(60)),
        from: FROM.to_owned(),
        source: "bounces@news.example.com".to_owned(),
        to: vec![recipient.to_owned()],
    }
}
