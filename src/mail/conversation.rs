//! One SMTP conversation (RFC 5321), and how far it has come: what a lost connection means depends on it alone.

use std::error::Error;
use std::sync::Arc;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Code, Response, Severity};
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;

use super::link::{self, Fault, Link};
use crate::config::mail_server::{Login, MailServer, MailTls};

/// How many bytes a server may say in one conversation.
const ALLOWANCE: usize = 256 * 1024;
/// How many lines a reply may have before the encryption.
const LINES: usize = 100;

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Waiting for one of the allowed connections.
    Place,
    /// Connecting.
    Connect,
    /// Waiting for the greeting, or agreeing on encryption.
    Greet,
    /// Logging in.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA: the server may still say no before it has seen anything.
    Data,
    /// The message is on its way. From here on only an answer tells what became of it.
    Content,
}

impl Step {
    /// For the end of a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Place => "while waiting for a free connection",
            Self::Connect => "while connecting",
            Self::Greet => "while greeting",
            Self::Login => "while logging in",
            Self::Sender => "after MAIL FROM",
            Self::Recipient => "after RCPT TO",
            Self::Data => "after DATA",
            Self::Content => "after the message was sent",
        }
    }
}

/// Why a conversation ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server said no.
    Reply {
        /// Its code, 400 to 599.
        code: u16,
        /// Its words, which may hold addresses.
        text: String,
    },
    /// The server said what has no meaning at this step.
    Nonsense,
    /// It offers no login that we know.
    NoLogin,
    /// The connection could not be made, or broke.
    Fault(Fault),
}

/// What is sent, and to whom.
pub(super) struct Parcel<'a> {
    pub(super) from: lettre::Address,
    pub(super) to: lettre::Address,
    pub(super) bytes: &'a [u8],
}

/// The server side of a conversation.
pub(super) struct Party {
    pub(super) server: MailServer,
    pub(super) login: Option<Login>,
    pub(super) hello: ClientId,
    pub(super) tls: Arc<ClientConfig>,
}

impl Party {
    /// Hands one message over. `step` always says how far that has come, also when this is dropped half way. The connection is
    /// left in `taken`, for taking leave.
    pub(super) async fn converse(
        &self,
        parcel: &Parcel<'_>,
        step: &mut Step,
        taken: &mut Option<AsyncSmtpConnection>,
    ) -> Result<Response, Stop> {
        *step = Step::Connect;
        let mut link = link::connect(&self.server, &self.tls, ALLOWANCE).await.map_err(Stop::Fault)?;
        *step = Step::Greet;
        if self.server.tls == MailTls::Starttls {
            link = self.encrypted(link).await?;
        }
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(link), &self.hello).await;
        let connection = taken.insert(connected.map_err(|e| stopped(&e))?);
        if let Some(login) = &self.login {
            *step = Step::Login;
            let credentials = Credentials::new(login.username.expose().to_owned(), login.password.expose().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(Stop::NoLogin);
            }
            completed(connection.auth(&mechanisms, &credentials).await)?;
        }
        *step = Step::Sender;
        completed(connection.command(Mail::new(Some(parcel.from.clone()), Vec::new())).await)?;
        *step = Step::Recipient;
        completed(connection.command(Rcpt::new(parcel.to.clone(), Vec::new())).await)?;
        *step = Step::Data;
        let go = connection.command(Data).await.map_err(|e| stopped(&e))?;
        if !go.has_code(354) {
            return Err(Stop::Nonsense);
        }
        *step = Step::Content;
        completed(connection.message(parcel.bytes).await)
    }

    /// Asks for encryption in the clear. Nothing that was said before it is believed after it (RFC 3207 section 4.2), and
    /// no byte is read ahead: what an attacker appends to the last clear reply ends in the handshake, not among the answers.
    async fn encrypted(&self, mut link: Link) -> Result<Link, Stop> {
        reply(&mut link, "220").await?;
        say(&mut link, &format!("EHLO {}\r\n", self.hello)).await?;
        let offers = reply(&mut link, "250").await?;
        if !offers.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
            return Err(Stop::Fault(Fault::NoStarttls));
        }
        say(&mut link, "STARTTLS\r\n").await?;
        reply(&mut link, "220").await?;
        let link = link.encrypt(&self.server.host, &self.tls).await.map_err(Stop::Fault)?;
        // There is no second greeting, and the client waits for one.
        Ok(link.preceded_by(b"220 encrypted\r\n"))
    }
}

/// Writes a line in the clear.
async fn say(link: &mut Link, line: &str) -> Result<(), Stop> {
    link.write_all(line.as_bytes()).await.map_err(|e| Stop::Fault(link::broken(&e)))
}

/// Reads a reply in the clear (RFC 5321 section 4.2.1): its lines without the code, if it is the one that is wanted.
async fn reply(link: &mut Link, wanted: &str) -> Result<Vec<String>, Stop> {
    let mut lines = Vec::new();
    while lines.len() < LINES {
        let line = link.line().await.map_err(Stop::Fault)?;
        let (code, rest) = line.split_at_checked(3).ok_or(Stop::Nonsense)?;
        if code != wanted {
            let code = code.parse().ok().filter(|code| (400..600).contains(code));
            return Err(code.map_or(Stop::Nonsense, |code| Stop::Reply { code, text: rest.trim().to_owned() }));
        }
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(lines);
        }
    }
    Err(Stop::Fault(Fault::TooMuch))
}

/// A reply that ends its command well. `lettre` also lets 3xx through, which here would be a question.
fn completed(reply: Result<Response, lettre::transport::smtp::Error>) -> Result<Response, Stop> {
    let reply = reply.map_err(|e| stopped(&e))?;
    if reply.code().severity == Severity::PositiveCompletion { Ok(reply) } else { Err(Stop::Nonsense) }
}

/// What an error of the client says: a reply with its words, a broken connection, or a reply that is none.
fn stopped(error: &lettre::transport::smtp::Error) -> Stop {
    let source = error.source();
    if let Some(code) = error.status() {
        return Stop::Reply { code: number(code), text: source.map(ToString::to_string).unwrap_or_default() };
    }
    match source.and_then(|inner| inner.downcast_ref::<std::io::Error>()) {
        Some(io) => Stop::Fault(link::broken(io)),
        // It says "incomplete response" when the connection is closed.
        None if source.is_some_and(|inner| inner.to_string() == "incomplete response") => Stop::Fault(Fault::Broken),
        None => Stop::Nonsense,
    }
}

/// The code as a number.
pub(super) fn number(code: Code) -> u16 {
    code.to_string().parse().unwrap_or_default()
}
