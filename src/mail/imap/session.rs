//! One IMAP session (RFC 3501), command by command. Every command ends with its own OK, or fails: what is missing from an
//! answer that broke off must not look like a mailbox without it.

use std::sync::Arc;

use async_imap::imap_proto::{AttributeValue, Capability, MailboxDatum, NameAttribute, Response, ResponseCode, Status};
use async_imap::{Client, Session as Inner};
use rustls::ClientConfig;

use super::super::link::{self, Fault, Link};
use super::super::mailbox::Unreadable;
use crate::config::mail_server::{Login, MailServer, MailTls};

/// How many bytes may be read in answer to a command that asks for little.
const ALLOWANCE: usize = 1 << 20;
/// What folders for spam are called, in lower case, where the server does not mark one. The surest name first.
const SPAM: [&str; 8] =
    ["junk", "spam", "junk email", "junk e-mail", "bulk mail", "[gmail]/spam", "inbox.junk", "inbox.spam"];
/// How many bytes a search may list. About as many as a million messages take.
const SEARCH: usize = 16 << 20;

/// A session that has logged in.
pub(super) struct Session {
    inner: Inner<Link>,
    /// Whether the server tells of news (RFC 2177), can delete by UID (RFC 4315), and tells what folders are for when it is asked
    /// (RFC 6154 with RFC 5258).
    pub(super) idle: bool,
    uidplus: bool,
    special_use: bool,
}

/// A folder as it was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) validity: u32,
    pub(super) exists: u32,
    pub(super) uid_next: Option<u32>,
}

/// A message, or its beginning.
#[derive(Debug)]
pub(super) struct Mail {
    /// Its number in the folder.
    pub(super) number: u32,
    pub(super) uid: u32,
    pub(super) received: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// Connects and logs in.
pub(super) async fn open(server: &MailServer, login: &Login, tls: &Arc<ClientConfig>) -> Result<Session, Unreadable> {
    let link = link::connect(server, tls, ALLOWANCE).await.map_err(fault)?.shaped();
    let mut client = greeted(link).await?;
    if server.tls == MailTls::Starttls {
        client.run_command_and_check_ok("STARTTLS", None).await.map_err(|error| match error {
            async_imap::error::Error::No(_) | async_imap::error::Error::Bad(_) => fault(Fault::NoStarttls),
            other => failed("STARTTLS", &other),
        })?;
        // What was said in the clear behind the answer goes with the old buffer. There is no second greeting.
        client = Client::new(client.into_inner().encrypt(&server.host, tls).await.map_err(fault)?);
    }
    let login = client.login(login.username.expose(), login.password.expose()).await;
    let inner = login.map_err(|(error, _)| failed("the login", &error))?;
    let mut session = Session { inner, idle: false, uidplus: false, special_use: false };
    let (mut idle, mut uidplus, mut special_use) = (false, false, false);
    let capabilities = session.command("CAPABILITY", ALLOWANCE, |response| {
        if let Response::Capabilities(list) = response {
            let has =
                |name: &str| list.iter().any(|c| matches!(c, Capability::Atom(a) if a.eq_ignore_ascii_case(name)));
            idle |= has("IDLE");
            uidplus |= has("UIDPLUS");
            special_use |= has("SPECIAL-USE") && has("LIST-EXTENDED");
        }
    });
    capabilities.await?;
    (session.idle, session.uidplus, session.special_use) = (idle, uidplus, special_use);
    Ok(session)
}

async fn greeted(link: Link) -> Result<Client<Link>, Unreadable> {
    let mut client = Client::new(link);
    match client.read_response().await {
        Ok(Some(said)) => match said.parsed() {
            Response::Data { status: Status::Ok, .. } => Ok(client),
            _ => Err(Unreadable::new("the server greets with a refusal")),
        },
        Ok(None) => Err(fault(Fault::Broken)),
        Err(error) => Err(lost("the greeting", &error)),
    }
}

impl Session {
    /// Runs a command and hands on every untagged response. `name` stands in what is told of a failure.
    async fn command(
        &mut self,
        command: &str,
        allowance: usize,
        each: impl FnMut(&Response<'_>),
    ) -> Result<(), Unreadable> {
        if self.ask(command, allowance, each).await? { Ok(()) } else { Err(refused(name(command))) }
    }

    /// Runs a command that the server may well say no to. Whether it did what was asked.
    async fn ask(
        &mut self,
        command: &str,
        allowance: usize,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<bool, Unreadable> {
        let name = name(command);
        self.inner.get_mut().allow(allowance);
        let id = self.inner.run_command(command).await.map_err(|e| failed(name, &e))?;
        loop {
            let said = self.inner.read_response().await.map_err(|e| lost(name, &e))?;
            match said.ok_or_else(|| fault(Fault::Broken))?.parsed() {
                Response::Done { tag, status, .. } if *tag == id => {
                    return match status {
                        Status::Ok => Ok(true),
                        Status::No => Ok(false),
                        _ => Err(refused(name)),
                    };
                }
                Response::Data { status: Status::Bye, .. } => {
                    return Err(Unreadable::new("the server takes its leave"));
                }
                other => each(other),
            }
        }
    }

    /// The folder for spam: the one that the server marks as that (RFC 6154), else one that is called so.
    pub(super) async fn junk(&mut self) -> Result<Option<String>, Unreadable> {
        let (mut marked, mut called): (Option<String>, Option<(usize, String)>) = (None, None);
        // A plain LIST need not tell the marks.
        let command = if self.special_use { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
        self.command(command, ALLOWANCE, |response| {
            let Response::MailboxData(MailboxDatum::List(folder)) = response else { return };
            let is = |wanted: &NameAttribute<'_>| folder.name_attributes.contains(wanted);
            if is(&NameAttribute::NoSelect) {
                return;
            }
            if is(&NameAttribute::Junk) && marked.is_none() {
                marked = Some(folder.name.to_string());
            }
            let rank = SPAM.iter().position(|name| folder.name.eq_ignore_ascii_case(name));
            if let Some(rank) = rank.filter(|rank| called.as_ref().is_none_or(|(known, _)| rank < known)) {
                called = Some((rank, folder.name.to_string()));
            }
        })
        .await?;
        Ok(marked.or(called.map(|(_, name)| name)))
    }

    /// Opens a folder, to change it or only to read.
    pub(super) async fn select(&mut self, folder: &str, change: bool) -> Result<Opened, Unreadable> {
        let (mut exists, mut validity, mut uid_next) = (None, None, None);
        let verb = if change { "SELECT" } else { "EXAMINE" };
        self.command(&format!("{verb} {}", quoted(folder)), ALLOWANCE, |response| match response {
            Response::MailboxData(MailboxDatum::Exists(n)) => exists = Some(*n),
            Response::Data { status: Status::Ok, outcome } => match outcome.code {
                Some(ResponseCode::UidValidity(n)) => validity = Some(n),
                Some(ResponseCode::UidNext(n)) => uid_next = Some(n),
                _ => (),
            },
            _ => (),
        })
        .await?;
        // RFC 3501 section 6.3.1 requires the one; without the other no UID means anything.
        let (Some(exists), Some(validity)) = (exists, validity) else {
            return Err(Unreadable::new("the server does not say what is in a folder"));
        };
        Ok(Opened { validity, exists, uid_next })
    }

    /// The least number in the folder of the messages that came on that day or later; `None` when there are none.
    pub(super) async fn first_since(&mut self, day: &str) -> Result<Option<u32>, Unreadable> {
        let (mut least, mut answered): (Option<u32>, bool) = (None, false);
        self.command(&format!("SEARCH SINCE {day}"), SEARCH, |response| {
            if let Response::MailboxData(MailboxDatum::Search(numbers)) = response {
                answered = true;
                least = numbers.iter().copied().chain(least).min();
            }
        })
        .await?;
        // Also a search without a result has one (RFC 3501 section 6.4.4).
        if answered { Ok(least) } else { Err(Unreadable::new("the server does not answer a search")) }
    }

    /// The UID of the message with that number. `None` when it has gone.
    pub(super) async fn uid_at(&mut self, number: u32) -> Result<Option<u32>, Unreadable> {
        let mut uid = None;
        self.command(&format!("FETCH {number} (UID)"), ALLOWANCE, |response| {
            if let Response::Fetch(at, attributes) = response
                && *at == number
            {
                uid = attributes.iter().find_map(|a| if let AttributeValue::Uid(uid) = a { Some(*uid) } else { None });
            }
        })
        .await?;
        Ok(uid)
    }

    /// The beginnings of messages, `limit` bytes of each; `set` as in `FETCH 3:9` or `UID FETCH 17`. Marks none as read.
    /// `each` sees one at a time. Whether the server says that it gave what was asked; also then some may be missing.
    pub(super) async fn fetch(
        &mut self,
        set: &str,
        limit: usize,
        count: usize,
        mut each: impl FnMut(Mail),
    ) -> Result<bool, Unreadable> {
        let allowance = ALLOWANCE + count * (limit + 1024);
        let command = format!("{set} (UID INTERNALDATE BODY.PEEK[]<0.{limit}>)");
        self.ask(&command, allowance, |response| {
            let Response::Fetch(number, attributes) = response else { return };
            let mut mail = Mail { number: *number, uid: 0, received: None, bytes: Vec::new() };
            for attribute in attributes {
                match attribute {
                    AttributeValue::Uid(uid) => mail.uid = *uid,
                    AttributeValue::InternalDate(date) => mail.received = Some(date.to_string()),
                    AttributeValue::BodySection { section: None, data: Some(data), .. } => {
                        mail.bytes = data.get(..limit).unwrap_or(data).to_vec();
                    }
                    _ => (),
                }
            }
            // A server may tell of flags by itself, without a UID.
            if mail.uid != 0 {
                each(mail);
            }
        })
        .await
    }

    /// Marks a message as deleted, and removes it where that can be done to it alone: a plain EXPUNGE would remove what
    /// somebody else has marked.
    pub(super) async fn delete(&mut self, uid: u32) -> Result<(), Unreadable> {
        self.command(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"), ALLOWANCE, |_| ()).await?;
        if self.uidplus {
            self.command(&format!("UID EXPUNGE {uid}"), ALLOWANCE, |_| ()).await?;
        }
        Ok(())
    }

    /// Waits until the server tells of something. The caller bounds the time, and drops the session.
    pub(super) async fn told(&mut self) -> Result<(), Unreadable> {
        self.inner.get_mut().allow(ALLOWANCE);
        self.inner.run_command("IDLE").await.map_err(|e| failed("IDLE", &e))?;
        loop {
            let said = self.inner.read_response().await.map_err(|e| lost("IDLE", &e))?;
            match said.ok_or_else(|| fault(Fault::Broken))?.parsed() {
                Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(_)) => return Ok(()),
                Response::Done { .. } => return Err(Unreadable::new("the server refused IDLE")),
                Response::Data { status: Status::Bye, .. } => {
                    return Err(Unreadable::new("the server takes its leave"));
                }
                _ => (),
            }
        }
    }

    /// Takes leave. Whether the server answers does not matter.
    pub(super) async fn leave(mut self) {
        let _ = self.inner.run_command("LOGOUT").await;
    }
}

/// A quoted string (RFC 3501 section 4.3). The configuration lets only printable ASCII through.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What a failed command is called: its verb.
fn name(command: &str) -> &str {
    command.split(' ').find(|word| *word != "UID").unwrap_or_default()
}

fn refused(name: &str) -> Unreadable {
    Unreadable::new(format!("the server refused {name}"))
}

fn fault(fault: Fault) -> Unreadable {
    Unreadable::new(fault.to_string())
}

fn lost(name: &str, error: &std::io::Error) -> Unreadable {
    match error.kind() {
        // What cannot be understood as IMAP comes as this too, and its text quotes the server.
        std::io::ErrorKind::Other => Unreadable::new(format!("the answer to {name} makes no sense")),
        _ => Unreadable::new(format!("{}, at {name}", link::broken(error))),
    }
}

fn failed(name: &str, error: &async_imap::error::Error) -> Unreadable {
    use async_imap::error::Error;
    match error {
        Error::No(_) | Error::Bad(_) => refused(name),
        Error::Io(error) => lost(name, error),
        Error::ConnectionLost => fault(Fault::Broken),
        _ => Unreadable::new(format!("the answer to {name} makes no sense")),
    }
}
