//! One streamed request and its streamed answer, both chunked, each side at its own pace.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::stage::Stage;

/// How long a test waits for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// The side that asks.
pub struct Asking(OwnedWriteHalf);

/// The side that answers.
pub struct Answering {
    reader: BufReader<OwnedReadHalf>,
    /// What was decoded and not yet given out.
    text: Vec<u8>,
    ended: bool,
}

/// Opens a chunked request to the API with this token.
pub async fn open(stage: &Stage, token: &str, method: &str, path: &str) -> (Asking, Answering) {
    let address = stage.daemon.home().api;
    let (reader, mut writer) = TcpStream::connect(address).await.expect("the API listens").into_split();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    writer.write_all(head.as_bytes()).await.expect("the head is taken");
    (Asking(writer), Answering { reader: BufReader::new(reader), text: Vec::new(), ended: false })
}

impl Asking {
    /// Sends a piece of the body.
    pub async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await.expect("the piece is taken");
    }

    /// Ends the body.
    pub async fn finish(&mut self) {
        self.0.write_all(b"0\r\n\r\n").await.expect("the end is taken");
    }
}

impl Answering {
    /// The status and the head, once they are there.
    pub async fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = tokio::time::timeout(PATIENCE, self.reader.read_line(&mut head)).await.expect("a head in time");
            assert_ne!(read.expect("the connection holds"), 0, "closed within the head: {head}");
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head)
    }

    /// The next line of the body; `None` at its proper end.
    ///
    /// # Errors
    /// When the connection ends before the body does.
    pub async fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.text.iter().position(|b| *b == b'\n') {
                let line = self.text.drain(..=end).collect();
                return Ok(Some(String::from_utf8(line).expect("UTF-8").trim_end().to_owned()));
            }
            if self.ended {
                assert!(self.text.is_empty(), "the last line has no end");
                return Ok(None);
            }
            tokio::time::timeout(PATIENCE, self.chunk()).await.expect("a line in time")?;
        }
    }

    async fn chunk(&mut self) -> Result<(), String> {
        let mut size = String::new();
        let read = self.reader.read_line(&mut size).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("closed in the middle of the body".to_owned());
        }
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("{size:?} is no size"))?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).await.map_err(|error| error.to_string())?;
        self.text.extend_from_slice(&chunk[..size]);
        self.ended = size == 0;
        Ok(())
    }
}
