//! A provider's SMTP server and Apple's relay behind it, in one, on the loopback: it rewrites the sender and forwards into a Maildir,
//! refuses in Apple's words, or takes mail and drops it. Nothing is delivered anywhere else.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::domain::address::Address;

/// What one connection may say in all. A canary has about 2 KiB.
const ALLOWANCE: u64 = 256 * 1024;

/// The header that the relay does not pass on.
const DROPPED_HEADER: &str = "x-relaywatch-canary:";

/// Which mail it knows.
#[derive(Default)]
pub struct Known {
    /// Envelope domains that are registered with the relay. Other senders are refused.
    pub registered: Vec<String>,
    /// Every address that there is, with the Maildir behind it. Others are refused.
    pub mailboxes: BTreeMap<String, PathBuf>,
}

/// One mail that it took, forwarded or not: the provider calls it delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The domain of the envelope sender.
    pub envelope: String,
    /// The recipient. The world's own; nothing prints it.
    pub recipient: String,
}

/// The server, gone with this value.
pub struct Relay {
    port: u16,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

struct Inner {
    known: Known,
    /// The envelope domains whose mail is taken and dropped.
    dropping: Mutex<Vec<String>>,
    taken: Mutex<Vec<Taken>>,
    /// Mails forwarded so far, so that each gets a name of its own.
    forwarded: AtomicU64,
}

impl Relay {
    /// Listens on a free port of the loopback, and makes the Maildirs.
    ///
    /// # Errors
    /// When there is no port, or a Maildir cannot be made.
    pub fn start(known: Known) -> io::Result<Self> {
        for mailbox in known.mailboxes.values() {
            for part in ["tmp", "new", "cur"] {
                std::fs::create_dir_all(mailbox.join(part))?;
            }
        }
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = TcpListener::from_std(listener)?;
        let inner = Arc::new(Inner {
            known,
            dropping: Mutex::default(),
            taken: Mutex::default(),
            forwarded: AtomicU64::default(),
        });
        let serving = tokio::spawn(Arc::clone(&inner).serve(listener));
        Ok(Self { port, inner, serving })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on takes relayed mail of this envelope domain with 250, and forwards none of it.
    pub fn drop_mail_of(&self, envelope: &str) {
        self.inner.dropping.lock().unwrap_or_else(PoisonError::into_inner).push(envelope.to_owned());
    }

    /// What it took since it was last asked.
    pub fn taken(&self) -> Vec<Taken> {
        std::mem::take(&mut *self.inner.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What was said of the mail in hand.
#[derive(Default)]
struct Envelope {
    sender: Option<Address>,
    recipient: Option<Address>,
}

impl Inner {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        // They end with this task.
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let inner = Arc::clone(&self);
            open.spawn(async move {
                // Whoever hangs up early has not been promised anything.
                let _ = inner.converse(stream).await;
            });
            while open.try_join_next().is_some() {}
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read.take(ALLOWANCE)).lines();
        write.write_all(b"220 relay.example ESMTP\r\n").await?;
        let mut envelope = Envelope::default();
        while let Some(line) = lines.next_line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                "EHLO" | "HELO" => "250 relay.example".to_owned(),
                "MAIL" => {
                    envelope = Envelope { sender: path(&line), recipient: None };
                    "250 2.1.0 Ok".to_owned()
                }
                "RCPT" => match self.refusal(envelope.sender.as_ref(), path(&line).as_ref()) {
                    Some(refusal) => refusal,
                    None => {
                        envelope.recipient = path(&line);
                        "250 2.1.5 Ok".to_owned()
                    }
                },
                "DATA" if envelope.recipient.is_some() => {
                    write.write_all(b"354 End data with <CR><LF>.<CR><LF>\r\n").await?;
                    let mut message = Vec::new();
                    loop {
                        let Some(line) = lines.next_line().await? else { return Ok(()) };
                        if line == "." {
                            break;
                        }
                        message.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
                    }
                    self.take(std::mem::take(&mut envelope), &message).await?
                }
                "RSET" | "NOOP" => "250 2.0.0 Ok".to_owned(),
                "QUIT" => return write.write_all(b"221 2.0.0 Bye\r\n").await,
                _ => "503 5.5.1 Not now".to_owned(),
            };
            write.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    /// Why a mail is refused, in Apple's words. Both carry the same code, and only the words and the address in them tell them apart.
    fn refusal(&self, sender: Option<&Address>, recipient: Option<&Address>) -> Option<String> {
        let (Some(sender), Some(recipient)) = (sender, recipient) else {
            return Some("501 5.1.3 Bad address".to_owned());
        };
        if !self.known.mailboxes.contains_key(recipient.expose()) {
            return Some(format!("550 5.1.1 <{}>: user not found", recipient.expose()));
        }
        let registered = self.known.registered.iter().any(|domain| domain == sender.domain());
        (recipient.on_relay_domain() && !registered)
            .then(|| format!("550 5.1.1 <{}>: unauthorized sender", sender.expose()))
    }

    /// Answers for a mail, and does with it what it does at present.
    async fn take(&self, envelope: Envelope, message: &[String]) -> io::Result<String> {
        let Envelope { sender: Some(sender), recipient: Some(recipient) } = envelope else {
            return Ok("503 5.5.1 Not now".to_owned());
        };
        let drops = self.dropping.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|d| d == sender.domain());
        if let Some(mailbox) = self.known.mailboxes.get(recipient.expose())
            && !(drops && recipient.on_relay_domain())
        {
            let n = self.forwarded.fetch_add(1, Ordering::Relaxed);
            let text = if recipient.on_relay_domain() { forwarded(message, n) } else { message.join("\r\n") };
            put(mailbox, n, &text).await?;
        }
        let taken = Taken { envelope: sender.domain().to_owned(), recipient: recipient.expose().to_owned() };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
        Ok("250 2.0.0 Ok".to_owned())
    }
}

/// The address of `MAIL FROM:<…>` or `RCPT TO:<…>`.
fn path(line: &str) -> Option<Address> {
    let (_, rest) = line.split_once('<')?;
    Address::parse(rest.split_once('>')?.0)
}

/// A message as the relay passes it on: another sender, and not every header.
fn forwarded(message: &[String], n: u64) -> String {
    let head = message.iter().position(String::is_empty).unwrap_or(message.len());
    let mut lines = Vec::with_capacity(message.len());
    for (at, line) in message.iter().enumerate() {
        let is_header = |name: &str| at < head && line.get(..name.len()).is_some_and(|s| s.eq_ignore_ascii_case(name));
        if is_header("from:") {
            lines.push(format!("From: {}", rewritten(line["from:".len()..].trim(), n)));
        } else if !is_header(DROPPED_HEADER) {
            lines.push(line.clone());
        }
    }
    lines.join("\r\n")
}

/// `news@shop.example` as recipients see it.
fn rewritten(from: &str, n: u64) -> String {
    let words = from.trim_matches(['<', '>']).replace('@', "_at_").replace('.', "_");
    format!("{words}_{n:010x}@privaterelay.appleid.com")
}

/// Written elsewhere first, and moved when it is whole, as Maildir wants it.
async fn put(mailbox: &Path, n: u64, text: &str) -> io::Result<()> {
    let name = format!("{n}.relay.example");
    let draft = mailbox.join("tmp").join(&name);
    tokio::fs::write(&draft, text).await?;
    tokio::fs::rename(draft, mailbox.join("new").join(name)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAYED: &str = "canary@privaterelay.appleid.com";
    const PLAIN: &str = "canary@mailbox.example";
    const MESSAGE: &str =
        "From: news@shop.example\r\nX-Relaywatch-Canary: t\r\nSubject: Canary\r\n\r\nFrom: here\r\n..dot";

    fn relay(folder: &Path) -> Relay {
        let mailboxes = [RELAYED, PLAIN].map(|address| (address.to_owned(), folder.join(address)));
        Relay::start(Known { registered: vec!["bounces.example".to_owned()], mailboxes: mailboxes.into() }).unwrap()
    }

    /// What it answers to the recipient or to the whole message.
    async fn say(relay: &Relay, sender: &str, recipient: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).await.unwrap();
        let text = format!(
            "EHLO a.example\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n{MESSAGE}\r\n.\r\nQUIT\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        let answers: Vec<&str> = said.lines().collect();
        answers[if answers[4].starts_with("354") { 5 } else { 3 }].to_owned()
    }

    fn lying_in(folder: &Path, address: &str) -> Vec<String> {
        let files = std::fs::read_dir(folder.join(address).join("new")).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    #[tokio::test]
    async fn it_forwards_under_another_sender_or_drops_or_delivers_as_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let relay = relay(folder.path());
        assert_eq!(say(&relay, "b@bounces.example", RELAYED).await, "250 2.0.0 Ok");
        let [text] = &lying_in(folder.path(), RELAYED)[..] else { panic!("not one") };
        assert!(
            text.starts_with(
                "From: news_at_shop_example_0000000000@privaterelay.appleid.com\r\nSubject: Canary\r\n\r\n"
            )
        );
        assert!(text.ends_with("\r\nFrom: here\r\n.dot"), "{text}");
        relay.drop_mail_of("bounces.example");
        assert_eq!(say(&relay, "b@bounces.example", RELAYED).await, "250 2.0.0 Ok");
        assert_eq!(say(&relay, "b@bounces.example", PLAIN).await, "250 2.0.0 Ok", "not through the relay");
        assert_eq!(lying_in(folder.path(), RELAYED).len(), 1);
        assert!(lying_in(folder.path(), PLAIN)[0].starts_with("From: news@shop.example\r\nX-Relaywatch-Canary: t"));
        let recipients: Vec<String> = relay.taken().into_iter().map(|taken| taken.recipient).collect();
        assert_eq!(recipients, [RELAYED, RELAYED, PLAIN]);
        assert!(relay.taken().is_empty());
    }

    #[tokio::test]
    async fn it_refuses_in_apples_words() {
        let folder = tempfile::tempdir().unwrap();
        let relay = relay(folder.path());
        let nobody = "nobody@privaterelay.appleid.com";
        assert_eq!(say(&relay, "b@bounces.example", nobody).await, format!("550 5.1.1 <{nobody}>: user not found"));
        let refused = "550 5.1.1 <b@else.example>: unauthorized sender";
        assert_eq!(say(&relay, "b@else.example", RELAYED).await, refused);
        assert_eq!(say(&relay, "b@else.example", PLAIN).await, "250 2.0.0 Ok");
        assert_eq!(say(&relay, "nobody", RELAYED).await, "501 5.1.3 Bad address");
        assert!(lying_in(folder.path(), RELAYED).is_empty());
    }
}
