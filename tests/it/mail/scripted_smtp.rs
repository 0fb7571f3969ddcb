//! An SMTP server in this process that does what it is told at one step, and its duty at all others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What happens at a step.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// It says this instead, without the line break, and goes on.
    Say(&'static str),
    /// It says this and hangs up.
    SayAndDrop(&'static str),
    /// It does its duty after this time.
    After(Duration),
    /// It never says anything again.
    Hang,
    /// It hangs up.
    Drop,
}

/// The steps: those of the protocol, `greeting`, `handshake`, `login` (the answer to AUTH) and `.` (the end of data). `content`
/// is in the midst of the message.
pub const STEPS: [&str; 9] = ["greeting", "EHLO", "STARTTLS", "handshake", "AUTH", "MAIL", "RCPT", "DATA", "content"];

/// The server, gone with this value.
pub struct ScriptedSmtp {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<String>>>,
    gate: Arc<Gate>,
    most_at_once: Arc<AtomicUsize>,
    patience: &'static str,
    serving: JoinHandle<()>,
}

struct Duty {
    step: &'static str,
    act: Act,
    tls: Option<TlsAcceptor>,
    taken: Arc<Mutex<Vec<String>>>,
    gate: Arc<Gate>,
}

/// Before the answer to a whole message: so many get one, and the others wait.
struct Gate {
    places: Semaphore,
    received: AtomicUsize,
}

impl ScriptedSmtp {
    /// Acts at one step. With `tls` it offers STARTTLS.
    pub async fn start(step: &'static str, act: Act, tls: Option<TlsAcceptor>) -> Self {
        Self::begin(step, act, tls, Semaphore::MAX_PERMITS).await
    }

    async fn begin(step: &'static str, act: Act, tls: Option<TlsAcceptor>, answered: usize) -> Self {
        let gate = Arc::new(Gate { places: Semaphore::new(answered), received: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (now, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let duty = Arc::new(Duty { step, act, tls, taken: Arc::clone(&taken), gate: Arc::clone(&gate) });
        let most = Arc::clone(&most_at_once);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (duty, now, most) = (Arc::clone(&duty), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // `None` is a connection that ended early, on whichever side.
                    let _ = duty.serve(stream).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        let hangs = match act {
            Act::Hang => step != "nothing",
            Act::Say(said) => said.ends_with("never ends"),
            _ => false,
        };
        Self { address, taken, gate, most_at_once, patience: if hangs { "1s" } else { "10s" }, serving }
    }

    /// A server without a fault.
    pub async fn sound() -> Self {
        Self::start("nothing", Act::Hang, None).await
    }

    /// A server without a fault that leaves all letters but so many unanswered until it is opened.
    pub async fn gated(answered: usize) -> Self {
        Self::begin("nothing", Act::Hang, None, answered).await
    }

    /// Lets it answer whatever it has in hand, and all that comes.
    pub fn open(&self) {
        self.gate.places.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// The messages that came whole, answered or not.
    pub fn received(&self) -> usize {
        self.gate.received.load(Ordering::SeqCst)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How long it is waited for: a busy machine takes its time, and one that hangs is not worth it.
    pub fn patience(&self) -> &'static str {
        self.patience
    }

    /// The messages that it answered for with 250.
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("not poisoned").clone()
    }

    /// The most connections that stood at once.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedSmtp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Duty {
    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        self.answer(&mut stream, "greeting", "220 smtp.test ready").await?;
        if self.commands(&mut stream, self.tls.is_some()).await? {
            let acceptor = self.tls.as_ref()?;
            match (self.step, self.act) {
                ("handshake", Act::Hang) => std::future::pending().await,
                ("handshake", Act::Drop) => return None,
                ("handshake", Act::Say(text)) => stream.get_mut().write_all(text.as_bytes()).await.ok()?,
                _ => (),
            }
            let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await.ok()?);
            self.commands(&mut stream, false).await?;
        }
        Some(())
    }

    /// Answers commands; whether it ends in STARTTLS.
    async fn commands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        offers: bool,
    ) -> Option<bool> {
        loop {
            let line = line(stream).await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if offers => self.answer(stream, "EHLO", "250-smtp.test\r\n250 STARTTLS").await?,
                "EHLO" => self.answer(stream, "EHLO", "250-smtp.test\r\n250 AUTH PLAIN LOGIN").await?,
                "STARTTLS" if offers => {
                    self.answer(stream, "STARTTLS", "220 go").await?;
                    return Some(true);
                }
                "AUTH" => self.answer(stream, "AUTH", "235 2.7.0 welcome").await?,
                "MAIL" => self.answer(stream, "MAIL", "250 2.1.0 ok").await?,
                "RCPT" => self.answer(stream, "RCPT", "250 2.1.5 ok").await?,
                "DATA" => {
                    self.answer(stream, "DATA", "354 go").await?;
                    let message = self.content(stream).await?;
                    self.gate.received.fetch_add(1, Ordering::SeqCst);
                    self.gate.places.acquire().await.ok()?.forget();
                    self.answer(stream, ".", "250 Ok 0102-abc").await?;
                    if self.step != "."
                        || matches!(self.act, Act::Say(said) | Act::SayAndDrop(said) if said.starts_with('2'))
                    {
                        self.taken.lock().expect("not poisoned").push(message);
                    }
                }
                "QUIT" => {
                    self.answer(stream, "QUIT", "221 bye").await?;
                    return Some(false);
                }
                _ => self.answer(stream, "unknown", "500 what").await?,
            }
        }
    }

    async fn content<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>) -> Option<String> {
        let mut message = String::new();
        loop {
            let line = line(stream).await?;
            if self.step == "content" {
                match self.act {
                    Act::Hang => std::future::pending().await,
                    _ => return None,
                }
            }
            if line == "." {
                return Some(message);
            }
            message.push_str(&line);
            message.push('\n');
        }
    }

    async fn answer<S: AsyncWrite + Unpin>(&self, stream: &mut S, step: &str, duty: &str) -> Option<()> {
        let (text, goes_on) = match self.act {
            _ if step != self.step => (duty, true),
            Act::Say(text) => (text, true),
            Act::SayAndDrop(text) => (text, false),
            Act::After(time) => {
                tokio::time::sleep(time).await;
                (duty, true)
            }
            Act::Hang => std::future::pending().await,
            Act::Drop => return None,
        };
        stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        goes_on.then_some(())
    }
}

async fn line<S: AsyncBufRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}
