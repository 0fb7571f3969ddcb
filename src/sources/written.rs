//! JSON that a client wrote: what is wrong with it is told by field and never by value, which may be an address.

use serde::Deserialize;
use serde_path_to_error::{Path, Segment};

/// What is wrong with a body, a line or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field, as a dotted path; `None` when the whole cannot be read.
    pub field: Option<String>,
    /// What is wrong, in words without the value.
    pub detail: String,
}

impl Wrong {
    /// A field is wrong.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), detail: detail.into() }
    }

    /// The whole cannot be read.
    pub fn whole(detail: impl Into<String>) -> Self {
        Self { field: None, detail: detail.into() }
    }
}

/// Reads one JSON value and nothing after it.
///
/// # Errors
/// Names the field where serde knows it.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Wrong> {
    // Only what is wrong is worth the search for its place.
    if let Ok(read) = serde_json::from_slice(bytes) {
        return Ok(read);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| wrong(error.path(), error.inner()))?;
    json.end().map_err(|_| Wrong::whole("more than one JSON value"))?;
    Ok(read)
}

/// Reads a value that has been parsed already.
///
/// # Errors
/// Names the field where serde knows it.
pub fn read_value<'de, T: Deserialize<'de>>(value: serde_json::Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(value).map_err(|error| wrong(error.path(), error.inner()))
}

fn wrong(path: &Path, error: &serde_json::Error) -> Wrong {
    let text = error.to_string();
    // serde_json puts the place behind every message.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let mut segments: Vec<String> = path.iter().filter_map(segment).collect();
    if message.starts_with("unknown field ") {
        // What the client called it is foreign, and a key may be an address as well as a value.
        if segments.last().is_some_and(|name| !is_plain(name)) {
            segments.pop();
        }
    } else {
        // These two name a field of ours.
        let named = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start));
        segments.extend(named.map(|rest| rest.trim_end_matches('`').to_owned()));
    }
    let whole = segments.is_empty();
    let mut detail = without_value(message);
    if error.is_syntax() || error.is_eof() {
        detail = match error.line() {
            0 => detail,
            1 => format!("{detail} (column {})", error.column()),
            line => format!("{detail} (line {line}, column {})", error.column()),
        };
    }
    Wrong { field: (!whole).then(|| dotted(&segments)), detail }
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(format!("[{index}]")),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn dotted(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        if !path.is_empty() && !segment.starts_with('[') {
            path.push('.');
        }
        path += segment;
    }
    path
}

/// Whether it can be a misspelt field and not a person: letters and underscores, and few.
fn is_plain(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// serde's words without the value it met. Its own part of the message ends it: what was expected.
fn without_value(message: &str) -> String {
    let expected = message.rfind(", expected ").map(|at| &message[at + ", expected ".len()..]);
    for (start, said) in [
        ("unknown field ", "is not a known field, expected"),
        ("unknown variant ", "is not"),
        ("invalid type: ", "must be"),
        ("invalid value: ", "must be"),
        ("invalid length ", "must be"),
    ] {
        if message.starts_with(start) {
            return expected.map_or_else(|| "is not valid".to_owned(), |expected| format!("{said} {expected}"));
        }
    }
    if message.starts_with("missing field ") {
        return "is missing".to_owned();
    }
    if message.starts_with("duplicate field ") {
        return "is given twice".to_owned();
    }
    // Any other quotation may quote the value.
    if message.contains(['`', '"']) { "is not valid".to_owned() } else { message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is asked")]
    struct Row {
        team: String,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read is asked")]
    struct Part {
        kind: Kind,
        #[serde(default)]
        n: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
        Two,
    }

    #[test]
    fn what_is_wrong_is_told_by_field_and_without_its_value() {
        for (text, field, detail) in [
            (r#"{"parts":[]}"#, Some("team"), "is missing"),
            (r#"{"team":"A","parts":[{"kind":"one"},{"n":1}]}"#, Some("parts[1].kind"), "is missing"),
            (r#"{"team":"A","parts":[{"kind":"who@a.example"}]}"#, Some("parts[0].kind"), "is not `one` or `two`"),
            (r#"{"team":"A","parts":[{"kind":"one","n":"who@a.example"}]}"#, Some("parts[0].n"), "must be u8"),
            (r#"{"team":"A","parts":[{"kind":"one","n":4711}]}"#, Some("parts[0].n"), "must be u8"),
            (r#"{"team":["who@a.example"]}"#, Some("team"), "must be a string"),
            (r#"{"team":"A","taem":1}"#, Some("taem"), "is not a known field, expected `team` or `parts`"),
            (r#"{"team":"A","who@a.example":1}"#, None, "is not a known field, expected `team` or `parts`"),
            (
                r#"{"team":"A","parts":[{"001234.ab.0001":1}]}"#,
                Some("parts[0]"),
                "is not a known field, expected `kind` or `n`",
            ),
            (r#"{"team":"A","x, expected who@a.example":1}"#, None, "is not a known field, expected `team` or `parts`"),
            (r#"{"team":"A","":1}"#, None, "is not a known field, expected `team` or `parts`"),
            (r#"{"team":"A","team":"B"}"#, Some("team"), "is given twice"),
            (r#"{"team":"A"} {}"#, None, "more than one JSON value"),
            (r#"{"team":"A",}"#, None, "trailing comma (column 13)"),
            ("{\n\"team\":\n", Some("team"), "EOF while parsing a value (line 3, column 0)"),
            ("", None, "EOF while parsing a value (column 0)"),
            (r#""who@a.example""#, None, "must be struct Row"),
            ("team,sub", None, "expected ident (column 2)"),
        ] {
            let wrong = read::<Row>(text.as_bytes()).unwrap_err();
            assert_eq!((wrong.field.as_deref(), wrong.detail.as_str()), (field, detail), "{text}");
        }
        let wrong = read::<Row>(b"{\"team\":\"\xff\"}").unwrap_err();
        assert_eq!(wrong.detail, "invalid unicode code point (column 10)");
    }
}
