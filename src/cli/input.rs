//! A file or standard input, line by line, however long it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;

use crate::sources::lines::{Line, Lines};

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// Where lines come from.
pub struct Input {
    reader: Box<dyn Read + Send>,
    lines: Lines,
    ended: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, longest: usize) -> anyhow::Result<Self> {
        let reader: Box<dyn Read + Send> = if is_stdin(path) {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        };
        Ok(Self { reader, lines: Lines::new(longest), ended: false })
    }

    /// The next line with its number; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn next_line(&mut self) -> anyhow::Result<Option<(u64, Line)>> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.lines.last_line());
            }
            let mut piece = vec![0; PIECE];
            let read = self.reader.read(&mut piece).context("cannot read the input")?;
            piece.truncate(read);
            self.ended = read == 0;
            self.lines.give(Bytes::from(piece));
        }
    }
}

/// Whether the name stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A value of a person that was given as an argument, or as the first line of standard input for `-`: an argument can be seen by others.
///
/// # Errors
/// When standard input cannot be read or is empty.
pub fn personal(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read standard input")?;
    let line = line.trim();
    anyhow::ensure!(!line.is_empty(), "standard input is empty");
    Ok(line.to_owned())
}
