//! The answers of a batch as they are written.

use serde_json::value::RawValue;

use super::super::ndjson;
use super::super::problem::Problem;
use super::super::question::Asked;
use crate::domain::verdict::Verdict;

/// A verdict as JSON, with the end of its line. Most verdicts of a batch are the same but for whom they are on, so the last one is kept.
#[derive(Default)]
pub(super) struct Spelling<'v> {
    verdict: Option<&'v Verdict>,
    text: Vec<u8>,
}

impl<'v> Spelling<'v> {
    /// The verdict as a single question gets it.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn of(&mut self, verdict: &'v Verdict) -> Result<&[u8], Problem> {
        if self.verdict != Some(verdict) {
            self.text.clear();
            ndjson::write(&mut self.text, verdict)?;
            self.verdict = Some(verdict);
        }
        Ok(&self.text)
    }
}

/// The caller's `id` first, then whom the verdict is on, then the verdict as a single question gets it.
pub(super) fn write(out: &mut Vec<u8>, id: Option<&RawValue>, asked: &Asked, verdict: &[u8]) {
    out.push(b'{');
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        out.extend_from_slice(id.get().as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(format!("\"key\":\"{}\"", asked.key).as_bytes());
    out.push(b',');
    // Without the verdict's own opening brace.
    out.extend_from_slice(verdict.get(1..).unwrap_or_default());
}
