//! Signs messages as SNS does, with a key that is known to everyone and a certificate made on the spot.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::domain::time::Timestamp;

/// The demo's key: known to everyone, trusted by nothing but the demo's own root.
const KEY: &str = include_str!("sns_key.pem");

/// Where the demo's certificate would stand. It is given to the verifier as configured, so nothing fetches it.
const URL: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem";

const DAY: Duration = Duration::from_secs(86_400);

/// A stand-in for SNS: an RSA key, a certificate in the name of SNS, and the root that made it.
///
/// It signs in version 2 (SHA256withRSA). Version 1 cannot be signed here: ring makes no SHA-1 signatures.
pub struct SnsSigner {
    key: rsa::KeyPair,
    certificate: String,
    root: String,
}

impl SnsSigner {
    /// A signer whose certificate is valid from thirty days before `now` until three hundred days after.
    ///
    /// # Panics
    /// When the embedded key is damaged.
    pub fn new(now: Timestamp) -> Self {
        Self::with("sns.amazonaws.com", now.minus(DAY * 30), now.plus(DAY * 300))
    }

    /// A signer with a certificate of this name and validity, for what must be refused.
    ///
    /// # Panics
    /// When the embedded key is damaged.
    pub fn with(name: &str, from: Timestamp, to: Timestamp) -> Self {
        let made = || -> Result<Self, Box<dyn std::error::Error>> {
            let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes())?;
            let root_key = KeyPair::generate()?;
            let mut root = params(Vec::new(), "The demo's root, trusted by nobody else", from, to)?;
            root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let root_pem = root.self_signed(&root_key)?.pem();
            let mut leaf = params(vec![name.to_owned()], name, from, to)?;
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let leaf = leaf.signed_by(&KeyPair::from_pem(KEY)?, &Issuer::new(root, root_key))?;
            let key = rsa::KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).map_err(|e| e.to_string())?;
            Ok(Self { key, certificate: leaf.pem(), root: root_pem })
        };
        made().expect("the embedded key signs")
    }

    /// The signing certificate, in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The root that made it, in PEM.
    pub fn root_pem(&self) -> &str {
        &self.root
    }

    /// The URL that the messages name.
    pub fn certificate_url(&self) -> &'static str {
        URL
    }

    /// A `Notification` as SNS posts it.
    pub fn notification(
        &self,
        topic: &str,
        message: &str,
        subject: Option<&str>,
        at: Timestamp,
        message_id: &str,
    ) -> Vec<u8> {
        let mut fields = self.fields("Notification", topic, message, at, message_id);
        if let Some(subject) = subject {
            fields.insert("Subject".to_owned(), json!(subject));
        }
        let unsubscribe = format!("https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={topic}:0");
        fields.insert("UnsubscribeURL".to_owned(), json!(unsubscribe));
        self.signed(fields)
    }

    /// A `SubscriptionConfirmation` as SNS posts it.
    pub fn subscription_confirmation(&self, topic: &str, token: &str, at: Timestamp, message_id: &str) -> Vec<u8> {
        let message = format!("You have chosen to subscribe to the topic {topic}.\nVisit the SubscribeURL to confirm.");
        self.confirmation("SubscriptionConfirmation", topic, &message, token, at, message_id)
    }

    /// An `UnsubscribeConfirmation` as SNS posts it.
    pub fn unsubscribe_confirmation(&self, topic: &str, token: &str, at: Timestamp, message_id: &str) -> Vec<u8> {
        let message =
            format!("You have deactivated the subscription to {topic}.\nVisit the SubscribeURL to cancel this.");
        self.confirmation("UnsubscribeConfirmation", topic, &message, token, at, message_id)
    }

    /// Signs the fields as they stand, whatever they are: for bodies that SNS would not make.
    ///
    /// # Panics
    /// When the embedded key is damaged.
    pub fn signed(&self, mut fields: Map<String, Value>) -> Vec<u8> {
        let confirms = fields.get("Type").and_then(Value::as_str) != Some("Notification");
        let names: &[&str] = if confirms {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        } else {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        };
        let value = |name: &&str| fields.get(*name).and_then(Value::as_str).map(|value| format!("{name}\n{value}\n"));
        let canonical: String = names.iter().filter_map(value).collect();
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), canonical.as_bytes(), &mut signature)
            .expect("the embedded key signs");
        fields.insert("Signature".to_owned(), json!(STANDARD.encode(signature)));
        Value::Object(fields).to_string().into_bytes()
    }

    fn confirmation(
        &self,
        message_type: &str,
        topic: &str,
        message: &str,
        token: &str,
        at: Timestamp,
        message_id: &str,
    ) -> Vec<u8> {
        let mut fields = self.fields(message_type, topic, message, at, message_id);
        let url =
            format!("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}");
        fields.insert("SubscribeURL".to_owned(), json!(url));
        fields.insert("Token".to_owned(), json!(token));
        self.signed(fields)
    }

    fn fields(&self, kind: &str, topic: &str, message: &str, at: Timestamp, id: &str) -> Map<String, Value> {
        let fields = [
            ("Type", kind),
            ("MessageId", id),
            ("TopicArn", topic),
            ("Message", message),
            ("Timestamp", &at.to_string()),
            ("SignatureVersion", "2"),
            ("SigningCertURL", URL),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }
}

fn params(
    names: Vec<String>,
    subject: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let at = |time: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.secs().unsigned_abs());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, subject);
    (params.not_before, params.not_after) = (at(from), at(to));
    Ok(params)
}
