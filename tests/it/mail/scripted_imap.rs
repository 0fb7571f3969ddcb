//! An IMAP server in this process with as many messages as a test wants, that does what it is told at one command.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What happens at a command.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// It says no.
    No,
    /// It says this instead of its answer, and then OK.
    Say(&'static str),
    /// It says half of its answer and hangs up.
    Cut,
    /// It says its answer without the OK, and hangs up.
    Open,
    /// It never says anything again.
    Hang,
    /// It hangs up.
    Drop,
    /// It sends without end.
    Flood,
}

/// The commands that a look takes.
pub const COMMANDS: [&str; 7] = ["greeting", "LOGIN", "CAPABILITY", "LIST", "EXAMINE", "SEARCH", "FETCH"];

/// One folder's messages: how many there are, and each by its number from 1 on. UIDs are three times the number. One without a text is there,
/// and is not given.
#[derive(Clone)]
pub struct Folder {
    pub validity: u32,
    pub exists: Arc<Mutex<u32>>,
    pub message: Arc<dyn Fn(u32) -> String + Send + Sync>,
}

impl Folder {
    pub fn new(exists: u32, message: impl Fn(u32) -> String + Send + Sync + 'static) -> Self {
        Self { validity: 7, exists: Arc::new(Mutex::new(exists)), message: Arc::new(message) }
    }
}

/// The server, gone with this value.
pub struct ScriptedImap {
    address: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
    news: Arc<Notify>,
    serving: JoinHandle<()>,
}

struct Duty {
    command: &'static str,
    act: Act,
    folder: Folder,
    capabilities: &'static str,
    tls: Option<TlsAcceptor>,
    said: Arc<Mutex<Vec<String>>>,
    news: Arc<Notify>,
}

impl ScriptedImap {
    /// Has one folder under every name, and acts at one command. With `tls` it offers STARTTLS.
    pub async fn start(
        command: &'static str,
        act: Act,
        folder: Folder,
        capabilities: &'static str,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (said, news) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let duty = Arc::new(Duty {
            command,
            act,
            folder,
            capabilities,
            tls,
            said: Arc::clone(&said),
            news: Arc::clone(&news),
        });
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let duty = Arc::clone(&duty);
                tokio::spawn(async move { duty.serve(stream).await });
            }
        });
        Self { address, said, news, serving }
    }

    /// A server without a fault.
    pub async fn sound(folder: Folder) -> Self {
        Self::start("nothing", Act::Hang, folder, "IMAP4rev1 IDLE UIDPLUS", None).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The commands that came, without their tags.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("not poisoned").clone()
    }

    /// Tells whoever idles of a message more.
    pub fn tell(&self) {
        self.news.notify_waiters();
    }
}

impl Drop for ScriptedImap {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Duty {
    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        match (self.command, self.act) {
            ("greeting", Act::No) => stream.write_all(b"* BYE go away\r\n").await.ok()?,
            ("greeting", Act::Say(text)) => stream.write_all(text.as_bytes()).await.ok()?,
            ("greeting", Act::Hang) => std::future::pending().await,
            ("greeting", Act::Flood) => flood(&mut stream).await?,
            ("greeting", _) => return None,
            _ => stream.write_all(b"* OK ready\r\n").await.ok()?,
        }
        if self.commands(&mut stream).await? {
            let stream = self.tls.as_ref()?.accept(stream.into_inner()).await.ok()?;
            self.commands(&mut BufReader::new(stream)).await?;
        }
        Some(())
    }

    /// Answers commands; whether it ends in STARTTLS.
    async fn commands<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>) -> Option<bool> {
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let (tag, command) = line.trim_end().split_once(' ')?;
            self.said.lock().expect("not poisoned").push(command.to_owned());
            let verb = command.trim_start_matches("UID ").split(' ').next().unwrap_or_default();
            if verb == "STARTTLS" && self.tls.is_some() && self.command != "STARTTLS" {
                stream.write_all(format!("{tag} OK go\r\n").as_bytes()).await.ok()?;
                return Some(true);
            }
            if verb == "IDLE" && self.command != "IDLE" {
                stream.write_all(b"+ idling\r\n* OK still here\r\n").await.ok()?;
                self.news.notified().await;
                stream.write_all(b"* 9 EXISTS\r\n").await.ok()?;
                continue;
            }
            let answer = self.answer(verb, command);
            let (text, goes_on) = match self.act {
                _ if self.command != verb => (format!("{answer}{tag} OK done\r\n"), true),
                Act::No => (format!("{tag} NO u abc123@relay.test s3cret\r\n"), true),
                Act::Say(text) => (format!("{text}{tag} OK done\r\n"), true),
                Act::Cut => (answer[..answer.len() / 2].to_owned(), false),
                Act::Open => (answer, false),
                Act::Hang => std::future::pending().await,
                Act::Drop => return None,
                Act::Flood => {
                    flood(stream).await?;
                    return None;
                }
            };
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            if !goes_on || verb == "LOGOUT" {
                return None;
            }
        }
    }

    fn answer(&self, verb: &str, command: &str) -> String {
        let exists = *self.folder.exists.lock().expect("not poisoned");
        match verb {
            "CAPABILITY" => format!("* CAPABILITY {}\r\n", self.capabilities),
            "LIST" => "* LIST () \".\" INBOX\r\n* LIST (\\HasNoChildren \\Junk) \".\" \"Bulk Mail\"\r\n".to_owned(),
            "EXAMINE" | "SELECT" => format!(
                "* {exists} EXISTS\r\n* OK [UIDVALIDITY {}] x\r\n* OK [UIDNEXT {}] x\r\n",
                self.folder.validity,
                exists * 3 + 1
            ),
            "SEARCH" => {
                let numbers: Vec<String> = (1..=exists).map(|n| n.to_string()).collect();
                format!("* SEARCH {}\r\n", numbers.join(" "))
            }
            "FETCH" => self.fetch(command, exists),
            _ => String::new(),
        }
    }

    fn fetch(&self, command: &str, exists: u32) -> String {
        let by_uid = command.starts_with("UID ");
        let set = command.trim_start_matches("UID ").split(' ').nth(1).unwrap_or_default();
        let (from, to) = set.split_once(':').unwrap_or((set, set));
        let number = |text: &str| text.parse::<u32>().unwrap_or_default() / if by_uid { 3 } else { 1 };
        let limit = command
            .split_once("<0.")
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(limit, _)| limit.parse::<usize>());
        let mut out = String::new();
        for n in number(from)..=number(to).min(exists) {
            let uid = n * 3;
            let Some(Ok(limit)) = limit else {
                out.push_str(&format!("* {n} FETCH (UID {uid})\r\n"));
                continue;
            };
            let mut message = (self.folder.message)(n);
            if message.is_empty() {
                continue;
            }
            message.truncate(limit);
            let (length, date) = (message.len(), "20-Nov-2026 10:00:07 +0000");
            out.push_str(&format!(
                "* {n} FETCH (UID {uid} INTERNALDATE \"{date}\" BODY[]<0> {{{length}}}\r\n{message})\r\n"
            ));
        }
        out
    }
}

async fn flood<S: AsyncWrite + Unpin>(stream: &mut S) -> Option<()> {
    stream.write_all(b"* 1 FETCH (UID 3 BODY[]<0> {4000000000}\r\n").await.ok()?;
    loop {
        stream.write_all(&[b'x'; 1 << 16]).await.ok()?;
    }
}
