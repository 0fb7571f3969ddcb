//! What became of an import: how many rows were taken, and which were wrong.

use serde::Serialize;

use crate::sources::written::Wrong;

/// How many wrong rows are told one by one; the others are counted.
const MOST_TOLD: usize = 1_000;

/// One wrong row. Holds no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// Its line, from 1.
    pub line: u64,
    /// A stable word.
    pub reason: &'static str,
    /// The field, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
}

/// The sum of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Rows that were read and taken.
    pub accepted: usize,
    /// Of these, rows that said something new.
    pub new: usize,
    /// Of these, rows that had been imported before.
    pub repeated: usize,
    /// Rows that were wrong. Nothing of them is stored.
    pub rejected: usize,
    /// The first of the wrong rows.
    pub errors: Vec<LineError>,
    /// Wrong rows beyond those in `errors`.
    pub errors_left_out: usize,
    /// Whether all accepted rows are on disk.
    pub durable: bool,
    /// The head of the log afterwards: the cursor from which changes follow on.
    pub cursor: String,
}

impl LineError {
    /// The error of a row that cannot be read.
    pub fn new(line: u64, wrong: Wrong) -> Self {
        let reason = if wrong.field.is_some() { "bad_field" } else { "bad_row" };
        Self { line, reason, field: wrong.field, detail: wrong.detail }
    }

    /// The error of a row longer than `most` bytes.
    pub fn too_long(line: u64, most: usize) -> Self {
        Self { line, reason: "line_too_long", field: None, detail: format!("is longer than {most} bytes") }
    }
}

impl Tally {
    /// Counts a wrong row.
    pub fn reject(&mut self, error: LineError) {
        self.rejected += 1;
        if self.errors.len() < MOST_TOLD {
            self.errors.push(error);
        } else {
            self.errors_left_out += 1;
        }
    }

    /// Counts rows that are on disk now.
    pub fn accept(&mut self, new: usize, repeated: usize, head: i64) {
        self.accepted += new + repeated;
        self.new += new;
        self.repeated += repeated;
        self.cursor = head.to_string();
    }
}
