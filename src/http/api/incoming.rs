//! The lines of a request body while it arrives: bounded in length and in patience, never held whole.

use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http_body_util::BodyExt;

use crate::http::body::BodyError;
use crate::sources::lines::{Line, Lines};

/// What a streamed body holds for each handful of lines that is in work: a piece of it as it came over the wire, the lines and the answers
/// to them.
pub const HELD: usize = 1 << 20;

/// A handful of lines is full at so many bytes, however few they are.
const FULL: usize = 256 << 10;

/// A body that is read line by line.
pub struct Incoming {
    body: Body,
    lines: Lines,
    idle: Duration,
    ended: bool,
    failed: Option<BodyError>,
}

impl Incoming {
    /// Lines of at most `longest` bytes; the body may be silent for `idle` at a time.
    pub fn new(body: Body, longest: usize, idle: Duration) -> Self {
        Self { body, lines: Lines::new(longest), idle, ended: false, failed: None }
    }

    /// The number of the last line taken.
    pub fn number(&self) -> u64 {
        self.lines.number()
    }

    /// Up to `most` lines with their numbers; none at the end of the body. An `eager` caller gets what is there and does not wait for
    /// more: whoever sends one line and waits for its answer gets it.
    ///
    /// # Errors
    /// When the body breaks off or is silent too long; the lines before that have been given.
    pub async fn take(&mut self, most: usize, eager: bool) -> Result<Vec<(u64, Line)>, BodyError> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        loop {
            let is_full = |taken: &Vec<_>, bytes| taken.len() >= most || bytes >= FULL;
            while !is_full(&taken, bytes) {
                let Some(line) = self.lines.next_line() else { break };
                if let Line::Text(text) = &line.1 {
                    bytes += text.len();
                }
                taken.push(line);
            }
            if is_full(&taken, bytes) || self.ended {
                return Ok(taken);
            }
            if let Some(error) = self.failed {
                return if taken.is_empty() { Err(error) } else { Ok(taken) };
            }
            let frame = self.body.frame();
            let frame = if eager && !taken.is_empty() {
                match frame.now_or_never() {
                    Some(frame) => frame,
                    None => return Ok(taken),
                }
            } else {
                match tokio::time::timeout(self.idle, frame).await {
                    Ok(frame) => frame,
                    Err(_) => {
                        self.failed = Some(BodyError::Slow(self.idle));
                        continue;
                    }
                }
            };
            match frame {
                None => {
                    self.ended = true;
                    taken.extend(self.lines.last_line());
                }
                Some(Err(_)) => self.failed = Some(BodyError::Broken),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.lines.give(piece);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};

    use super::*;

    const IDLE: Duration = Duration::from_millis(50);

    fn texts(lines: Vec<(u64, Line)>) -> Vec<String> {
        let text = |line| match line {
            Line::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            Line::TooLong => "too long".to_owned(),
        };
        lines.into_iter().map(|(n, line)| format!("{n} {}", text(line))).collect()
    }

    fn pieces(pieces: &[&'static str]) -> Vec<Result<Bytes, std::io::Error>> {
        pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect()
    }

    #[tokio::test]
    async fn an_eager_caller_gets_what_is_there_and_another_what_fits() {
        let body = || Body::from_stream(stream::iter(pieces(&["a\nb", "b\nc\n"])).chain(stream::pending()));
        let mut incoming = Incoming::new(body(), 10, IDLE);
        assert_eq!(texts(incoming.take(2, true).await.unwrap()), ["1 a", "2 bb"]);
        assert_eq!(texts(incoming.take(2, true).await.unwrap()), ["3 c"]);
        let mut incoming = Incoming::new(body(), 10, IDLE);
        assert_eq!(texts(incoming.take(9, false).await.unwrap()), ["1 a", "2 bb", "3 c"]);
        assert_eq!(incoming.take(9, false).await, Err(BodyError::Slow(IDLE)));
    }

    #[tokio::test]
    async fn the_lines_before_a_break_are_given() {
        let broken = pieces(&["a\n", "b"]).into_iter().chain([Err(std::io::Error::other("cut"))]);
        let mut incoming = Incoming::new(Body::from_stream(stream::iter(broken)), 10, IDLE);
        assert_eq!(texts(incoming.take(9, false).await.unwrap()), ["1 a"]);
        assert_eq!(incoming.take(9, false).await, Err(BodyError::Broken));
        let mut whole = Incoming::new(Body::from_stream(stream::iter(pieces(&["a\n", "b"]))), 10, IDLE);
        assert_eq!(texts(whole.take(9, false).await.unwrap()), ["1 a", "2 b"]);
        assert!(whole.take(9, false).await.unwrap().is_empty());
    }
}
