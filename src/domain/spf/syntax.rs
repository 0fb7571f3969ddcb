//! Why a text is no SPF record, and where in it.

use std::ops::Range;

/// A fault in a record: a permanent error at receivers, wherever it stands (RFC 7208 section 4.6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at byte {}", span.start)]
pub struct SyntaxError {
    /// The bytes of the record that are wrong.
    pub span: Range<usize>,
    /// What is wrong with them, as the words after "there is".
    pub problem: String,
}

impl SyntaxError {
    /// A fault of these bytes.
    pub fn new(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { span, problem: problem.into() }
    }

    /// A fault of one byte.
    pub fn at(offset: usize, problem: impl Into<String>) -> Self {
        Self::new(offset..offset + 1, problem)
    }
}
