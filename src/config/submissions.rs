//! `[[submissions]]`: the servers that take our canaries, by SMTP. What they sign and deliver is the real stream's way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::endpoint::check_name;
use super::findings::{Findings, Section};
use super::mail_server::{Login, MailAddress, MailServer, MailTls, check_login};
use super::secret::Secret;
use crate::domain::address::domain_of;
use crate::domain::stream::Provider;

/// The headers that a letter has by itself, and those that say how its body is written.
const OUR_HEADERS: [&str; 12] = [
    "auto-submitted",
    "bcc",
    "cc",
    "date",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "subject",
    "to",
    "x-auto-response-suppress",
    "x-relaywatch-canary",
];

/// All submission servers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Submissions(pub Vec<SubmissionSection>);

/// One `[[submissions]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionSection {
    /// Its name, in routes and metrics.
    pub name: String,
    /// Whose server it is: tells how the provider's message id stands in its answer.
    #[serde(default)]
    pub provider: Provider,
    /// Its host name; the certificate must be for it.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: MailTls,
    /// The only authorities whose certificates are taken, as a PEM file. Without it those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The user's name, where the server wants a login.
    #[serde(default)]
    pub username: Option<Secret>,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The name that we greet the server with (EHLO).
    pub hello: String,
    /// The envelope sender (MAIL FROM): where bounces go.
    pub envelope_from: MailAddress,
    /// Further headers of every canary, such as the configuration set of SES.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long one canary may take, from waiting for a free connection to the answer.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

impl SubmissionSection {
    /// The server.
    pub fn server(&self) -> MailServer {
        MailServer { host: self.host.clone(), port: self.port, tls: self.tls, ca_file: self.ca_file.clone() }
    }

    /// Who logs in, if anybody.
    pub fn login(&self) -> Option<Login> {
        Login::of(self.username.as_ref(), self.password.as_ref())
    }
}

impl Section for SubmissionSection {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
        self.server().check(findings);
        check_login(self.username.as_ref(), self.password.as_ref(), findings);
        let greets = domain_of(&self.hello).is_some() && !self.hello.contains('@');
        findings.expect(greets, "hello", "is not a host name");
        let plain = self.envelope_from.0.expose().is_ascii();
        findings.expect(plain, "envelope_from", "takes an address in ASCII");
        for (name, value) in &self.headers {
            let field = format!("headers.{name}");
            let sound = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            findings.expect(sound, &field, "is not the name of a header");
            let ours = name.to_ascii_lowercase();
            let free = !OUR_HEADERS.contains(&ours.as_str()) && !ours.starts_with("content-");
            findings.expect(free, &field, "is a header that the canary has by itself");
            let fits = !value.is_empty() && value.len() <= 500 && value.bytes().all(|b| (b' '..=b'~').contains(&b));
            findings.expect(fits, &field, "takes 1 to 500 characters of ASCII on one line");
        }
        // What a replica leaves behind that dies while it sends must still be young enough for the next to send.
        check_span("timeout", self.timeout, Span::secs(1), Span::secs(300), findings);
        findings.expect((1..=100).contains(&self.connections), "connections", "must be from 1 to 100");
    }
}

impl Section for Submissions {
    fn check(&self, findings: &mut Findings) {
        self.0.check(findings);
        let names = self.0.iter().map(|submission| &submission.name);
        findings.expect_unique(names, |i| format!("{i}.name"), "names two submissions");
    }
}

fn port() -> u16 {
    587
}

fn timeout() -> Span {
    Span::secs(120)
}

fn connections() -> usize {
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let submission: SubmissionSection = toml::from_str(text).unwrap();
        let mut findings = Findings::default();
        findings.within("submissions", &Submissions(vec![submission]));
        findings.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    const LEAST: &str =
        "name = 'ses'\nhost = 'smtp.example'\nhello = 'probe.example'\nenvelope_from = 'c@news.example'\n";

    #[test]
    fn the_least_is_starttls_at_the_submission_port() {
        let submission: SubmissionSection = toml::from_str(LEAST).unwrap();
        assert_eq!((submission.port, submission.tls, submission.connections), (587, MailTls::Starttls, 2));
        assert!(submission.login().is_none());
        assert_eq!(found(LEAST), [""; 0]);
    }

    #[test]
    fn every_finding_names_its_field_and_no_secret() {
        let text = "name = 'a b'\nhost = 'c@s3cret.example'\nport = 0\ntls = 'none'\nusername = 's3cret'\nhello = ''\n\
            envelope_from = 's3cret@news.example'\ntimeout = '1h'\nconnections = 0\nheaders = { From = 'x', 'X Y' = 'x', X-A = '' }";
        let found = found(text);
        let fields: Vec<_> =
            found.iter().map(|f| f.split(": ").next().unwrap().trim_start_matches("submissions.0.")).collect();
        let want = ["name", "host", "port", "tls", "password", "hello", "headers.From", "headers.X Y", "headers.X-A"];
        assert_eq!(fields, [&want[..], &["timeout", "connections"]].concat());
        let submission: SubmissionSection = toml::from_str(text).unwrap();
        let printed = format!("{submission:?}{}", found.join(" "));
        assert!(!printed.replace("c@s3cret.example", "").contains("s3cret"), "{printed}");
    }

    #[test]
    fn without_encryption_only_to_a_loopback_host() {
        for (host, fits) in [("localhost", true), ("127.0.0.2", true), ("::1", true), ("10.0.0.1", false)] {
            let text = format!("{}tls = 'none'\n", LEAST.replace("smtp.example", host));
            assert_eq!(found(&text).is_empty(), fits, "{host}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let error =
            toml::from_str::<SubmissionSection>(&LEAST.replace("c@news.example", "c news.example")).unwrap_err();
        assert!(error.message().contains("is not a mail address") && !error.message().contains("news"), "{error}");
    }
}
