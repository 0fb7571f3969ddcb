//! A DNS server in this process whose answers are code: for tests that count questions or change their answers, and for the
//! bench, which delays them. Its address is the only thing that tells it from a resolver; UDP only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What is said, and when.
#[derive(Debug, Clone)]
pub struct Answer {
    code: ResponseCode,
    records: Vec<Record>,
    after: Duration,
    is_silent: bool,
}

impl Answer {
    /// A TXT record at the asked name for each text, living 60 s.
    pub fn texts<'a>(name: &str, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let name = Name::from_ascii(name).expect("a name");
        let record = |text: &str| Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(vec![text.to_owned()])));
        Self { records: texts.into_iter().map(record).collect(), ..Self::code(ResponseCode::NoError) }
    }

    /// These records.
    pub fn records(records: Vec<Record>) -> Self {
        Self { records, ..Self::code(ResponseCode::NoError) }
    }

    /// No record, and that code.
    pub fn code(code: ResponseCode) -> Self {
        Self { code, records: Vec::new(), after: Duration::ZERO, is_silent: false }
    }

    /// None at all.
    pub fn silence() -> Self {
        Self { is_silent: true, ..Self::code(ResponseCode::NoError) }
    }

    /// The same, later.
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// The server, gone with this value.
pub struct ScriptedDns {
    address: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
    most_at_once: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl ScriptedDns {
    /// Answers by `script`, which is given the question as `name. TYPE` in lower case and how often it was asked before.
    pub async fn start(script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        let address = socket.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let (now, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (log, most) = (Arc::clone(&asked), Arc::clone(&most_at_once));
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                // An error on a UDP socket is about an earlier answer that nobody waits for any more.
                let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
                let Ok(mut message) = Message::from_vec(&buffer[..length]) else { continue };
                let Some(query) = message.queries.first() else { continue };
                let question = format!("{} {}", query.name().to_lowercase(), query.query_type());
                let before = {
                    let mut asked = log.lock().expect("not poisoned");
                    let count = asked.entry(question.clone()).or_default();
                    *count += 1;
                    *count - 1
                };
                let answer = script(&question, before);
                message.metadata.message_type = MessageType::Response;
                message.metadata.recursion_available = true;
                message.metadata.response_code = answer.code;
                message.answers = answer.records;
                message.edns = None;
                let bytes = message.to_vec().expect("an answer");
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let (socket, now) = (Arc::clone(&socket), Arc::clone(&now));
                let reply = async move {
                    if !answer.after.is_zero() {
                        tokio::time::sleep(answer.after).await;
                    }
                    now.fetch_sub(1, Ordering::Relaxed);
                    if !answer.is_silent {
                        // Who asked may be gone.
                        let _ = socket.send_to(&bytes, from).await;
                    }
                };
                if answer.after.is_zero() {
                    reply.await;
                } else {
                    tokio::spawn(reply);
                }
            }
        });
        Self { address, asked, most_at_once, serving }
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often that was asked, as `name. TYPE`.
    pub fn asked(&self, question: &str) -> usize {
        self.asked.lock().expect("not poisoned").get(question).copied().unwrap_or(0)
    }

    /// How many questions came in all.
    pub fn total(&self) -> usize {
        self.asked.lock().expect("not poisoned").values().sum()
    }

    /// The most questions that waited for their answers at once.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::Relaxed)
    }
}

impl Drop for ScriptedDns {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
