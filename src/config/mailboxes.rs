//! `[[mailboxes]]`: where canaries should arrive, and how they are read there.

use std::path::PathBuf;

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::endpoint::check_name;
use super::findings::{Findings, Section};
use super::mail_server::{Login, MailServer, MailTls, check_login};
use super::secret::Secret;
use super::size::Size;

/// All mailboxes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Mailboxes(pub Vec<MailboxSection>);

/// How a mailbox is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxKind {
    /// From a server, by IMAP.
    Imap,
    /// From a folder of this machine.
    Maildir,
}

/// One `[[mailboxes]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSection {
    /// Its name, in routes and metrics.
    pub name: String,
    /// How it is read.
    pub kind: MailboxKind,
    /// The server's host name; the certificate must be for it. IMAP only, as all up to `password`.
    #[serde(default)]
    pub host: Option<String>,
    /// Its port; left out, 143, and 993 for implicit TLS.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default = "implicit")]
    pub tls: MailTls,
    /// The only authorities whose certificates are taken, as a PEM file. Without it those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The user's name.
    #[serde(default)]
    pub username: Option<Secret>,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The folder on this machine. Maildir only.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// The folders to read, as the server or the Maildir names them. Beside them, that for spam is always read.
    #[serde(default = "folders")]
    pub folders: Vec<String>,
    /// The folder for spam, where the mailbox does not tell by itself which it is. `INBOX`: a server's mailbox has none.
    #[serde(default)]
    pub spam_folder: Option<String>,
    /// The name under which the receiving host writes Authentication-Results (RFC 8601 section 2.2). Others' are not believed.
    #[serde(default)]
    pub authserv_id: Option<String>,
    /// How long one look may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// How often is looked at least. A server that tells of news is looked at as soon as it does.
    #[serde(default = "poll")]
    pub poll: Span,
    /// How far back the first look goes.
    #[serde(default = "look_back")]
    pub look_back: Span,
    /// How much of one message is read.
    #[serde(default = "read_limit")]
    pub read_limit: Size,
}

impl MailboxSection {
    /// The server. Of a Maildir: none.
    pub fn server(&self) -> Option<MailServer> {
        let port = self.port.unwrap_or(if self.tls == MailTls::Implicit { 993 } else { 143 });
        Some(MailServer { host: self.host.clone()?, port, tls: self.tls, ca_file: self.ca_file.clone() })
    }

    /// Who logs in.
    pub fn login(&self) -> Option<Login> {
        Login::of(self.username.as_ref(), self.password.as_ref())
    }
}

impl Section for MailboxSection {
    fn check(&self, findings: &mut Findings) {
        check_name("name", &self.name, findings);
        match self.kind {
            MailboxKind::Imap => {
                findings.expect(self.host.is_some(), "host", "is missing: an IMAP mailbox is on a server");
                if let Some(server) = self.server() {
                    server.check(findings);
                }
                check_login(self.username.as_ref(), self.password.as_ref(), findings);
                findings.expect(self.login().is_some(), "username", "is missing: an IMAP mailbox wants a login");
                findings.expect(self.path.is_none(), "path", "is for a Maildir only");
            }
            MailboxKind::Maildir => {
                findings.expect(self.path.is_some(), "path", "is missing: a Maildir is a folder of this machine");
                findings.expect(self.host.is_none(), "host", "is for an IMAP mailbox only");
                findings.expect(self.login().is_none(), "username", "is for an IMAP mailbox only");
            }
        }
        let named = |folder: &String| {
            !folder.is_empty() && folder.len() <= 200 && folder.bytes().all(|b| (b' '..=b'~').contains(&b))
        };
        let apart = |folder: &String| self.kind == MailboxKind::Imap || !folder.contains(['/', '\\']);
        let all = || self.folders.iter().chain(&self.spam_folder);
        findings.expect(!self.folders.is_empty(), "folders", "names no folder");
        findings.expect(self.folders.len() <= 50, "folders", "names more than 50 folders");
        let sound = all().all(|folder| named(folder) && apart(folder));
        findings.expect(sound, "folders", "takes names in ASCII (modified UTF-7), in a Maildir without slashes");
        let served = self.authserv_id.as_ref().is_none_or(named);
        findings.expect(served, "authserv_id", "is not the name of a host");
        check_span("timeout", self.timeout, Span::secs(1), Span::secs(600), findings);
        check_span("poll", self.poll, Span::secs(1), Span::secs(3600), findings);
        check_span("look_back", self.look_back, Span::hours(1), Span::days(90), findings);
        let fits = self.read_limit >= Size::kib(4) && self.read_limit <= Size::mib(4);
        findings.expect(fits, "read_limit", "must be from 4KiB to 4MiB");
    }
}

impl Section for Mailboxes {
    fn check(&self, findings: &mut Findings) {
        self.0.check(findings);
        let names = self.0.iter().map(|mailbox| &mailbox.name);
        findings.expect_unique(names, |i| format!("{i}.name"), "names two mailboxes");
    }
}

fn implicit() -> MailTls {
    MailTls::Implicit
}

fn folders() -> Vec<String> {
    vec!["INBOX".to_owned()]
}

fn timeout() -> Span {
    Span::secs(60)
}

fn poll() -> Span {
    Span::secs(30)
}

fn look_back() -> Span {
    Span::days(7)
}

fn read_limit() -> Size {
    Size::kib(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<String> {
        let mailbox: MailboxSection = toml::from_str(text).unwrap();
        let mut findings = Findings::default();
        findings.within("mailboxes", &Mailboxes(vec![mailbox]));
        let found = findings.into_result().err().unwrap_or_default();
        found.into_iter().map(|finding| finding.field.trim_start_matches("mailboxes.0.").to_owned()).collect()
    }

    #[test]
    fn each_kind_takes_its_own_settings() {
        let imap = "name = 'a'\nkind = 'imap'\nhost = 'imap.example'\nusername = 'u'\npassword = 'p'\n";
        assert_eq!(fields(imap), [""; 0]);
        let mailbox: MailboxSection = toml::from_str(imap).unwrap();
        assert_eq!(mailbox.server().map(|server| (server.port, server.tls)), Some((993, MailTls::Implicit)));
        let maildir = "name = 'a'\nkind = 'maildir'\npath = '/var/mail/canary'\n";
        assert_eq!(fields(maildir), [""; 0]);
        assert_eq!(fields("name = 'a'\nkind = 'imap'\npath = 'x'\n"), ["host", "username", "path"]);
        assert_eq!(fields("name = 'a'\nkind = 'maildir'\nhost = 'imap.example'\n"), ["path", "host"]);
        assert_eq!(fields(&format!("{maildir}folders = ['../x']\n")), ["folders"]);
    }

    #[test]
    fn what_cannot_work_is_found() {
        let text = "name = ''\nkind = 'imap'\nhost = 'imap.example'\ntls = 'none'\nusername = 'u'\nfolders = []\n\
            authserv_id = ''\ntimeout = '0s'\npoll = '0s'\nlook_back = '0s'\nread_limit = 1\n";
        let want = ["name", "tls", "password", "username", "folders", "authserv_id", "timeout", "poll", "look_back"];
        assert_eq!(fields(text), [&want[..], &["read_limit"]].concat());
    }
}
