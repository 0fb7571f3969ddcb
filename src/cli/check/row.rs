//! Registrations as NDJSON, one to a line, of which only `name` and `from_domain` must be there. A bad line stops no other.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::input::Input;
use crate::config::streams::wrong;
use crate::domain::posture::Posture;
use crate::domain::stream::Stream;
use crate::sources::lines::Line;

/// The longest line, in bytes: a registration with 100 sources takes a tenth of it.
const LONGEST: usize = 64 << 10;

/// One line.
pub enum Row {
    /// A registration.
    Stream(Box<Stream>),
    /// None, and why.
    Unread(Unread),
}

impl From<Stream> for Row {
    fn from(stream: Stream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

/// A line that is no registration. Its stream is unknown.
#[derive(Debug, Serialize)]
pub struct Unread {
    stream: Option<String>,
    posture: Posture,
    error: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Wrong {
    line: u64,
    field: Option<String>,
    message: String,
}

impl Display for Unread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Wrong { line, field, message } = &self.error;
        match field {
            Some(field) => write!(f, "line {line}: {field}: {message}"),
            None => write!(f, "line {line}: {message}"),
        }
    }
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let mut input = Input::open(file, LONGEST)?;
    let mut rows = Vec::new();
    while let Some((number, line)) = input.next_line()? {
        rows.push(match line {
            Line::Text(text) => row(number, &text),
            Line::TooLong => unread(number, None, None, format!("is longer than {LONGEST} bytes")),
        });
    }
    Ok(rows)
}

fn unread(line: u64, stream: Option<String>, field: Option<String>, message: String) -> Row {
    Row::Unread(Unread { stream, posture: Posture::Unknown, error: Wrong { line, field, message } })
}

fn row(number: u64, text: &[u8]) -> Row {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut fields: Map<String, Value> = match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return unread(number, None, None, "is no JSON object".to_owned()),
        Err(error) => return unread(number, None, None, format!("is no JSON object: {error}")),
    };
    let name = fields.get("name").and_then(Value::as_str).map(str::to_owned);
    let bad = |field: &str, message: &str| unread(number, name.clone(), Some(field.to_owned()), message.to_owned());
    // Null is what many writers put where there is nothing.
    fields.retain(|_, value| !value.is_null());
    for field in ["name", "from_domain"] {
        if !fields.contains_key(field) {
            return bad(field, "is missing");
        }
    }
    // Nobody is told apart by team here.
    let team = fields.entry("team").or_insert_with(|| Value::from("-"));
    if team == "" {
        *team = Value::from("-");
    }
    let stream: Stream = match serde_path_to_error::deserialize(Value::Object(fields)) {
        Ok(stream) => stream,
        Err(error) => return bad(&error.path().to_string(), &error.inner().to_string()),
    };
    match wrong(&stream).first() {
        Some((field, message)) => bad(field, message),
        None => Row::from(stream),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stream::PROVIDER_DEFAULT;

    fn stream(text: &str) -> Stream {
        match row(1, text.as_bytes()) {
            Row::Stream(stream) => *stream,
            Row::Unread(unread) => panic!("{unread}"),
        }
    }

    #[test]
    fn two_fields_are_enough() {
        let least = stream("\u{feff}{\"name\":\"a\",\"from_domain\":\"example.com\",\"region\":null,\"team\":\"\"}");
        assert_eq!((least.mail_from_domain.as_str(), least.sends_mail), (PROVIDER_DEFAULT, true));
        assert!(least.dkim.is_empty() && least.apple_sources.is_none());
        let more = stream(
            r#"{"name":"a","team":"T","from_domain":"example.com","mail_from_domain":"b.example.com","provider":"ses",
                "region":"eu-west-1","dkim":[{"domain":"example.com","selector":"s1"}],"sending_ips":["192.0.2.1"],
                "apple_sources":[],"sends_mail":false,"bulk":true,"apple_account":"individual"}"#,
        );
        assert_eq!((more.team.as_str(), more.dkim.len(), more.apple_sources), ("T", 1, Some(Vec::new())));
    }

    #[test]
    fn a_bad_line_names_its_field() {
        for (text, want) in [
            ("[]", "line 7: is no JSON object"),
            ("{", "line 7: is no JSON object: EOF"),
            ("\u{fc}\u{7}", "line 7: is no JSON object: expected value"),
            (r#"{"from_domain":"example.com"}"#, "line 7: name: is missing"),
            (r#"{"name":"a"}"#, "line 7: from_domain: is missing"),
            (r#"{"name":"a","from_domain":null}"#, "line 7: from_domain: is missing"),
            (r#"{"name":"a","from_domain":5}"#, "line 7: from_domain: invalid type"),
            (r#"{"name":"a","from_domain":"a b"}"#, "line 7: from_domain: is not a domain name"),
            (r#"{"name":"a b","from_domain":"example.com"}"#, "line 7: name: takes 1 to 64"),
            (r#"{"name":"a","from_domain":"example.com","froms":1}"#, "line 7: froms: unknown field"),
            (
                r#"{"name":"a","from_domain":"example.com","dkim":[{"domain":"x.test"}]}"#,
                "line 7: dkim[0]: missing field `selector`",
            ),
            (
                r#"{"name":"a","from_domain":"example.com","sending_ips":["192.0.2.300"]}"#,
                "line 7: sending_ips[0]: invalid IP",
            ),
        ] {
            match row(7, text.as_bytes()) {
                Row::Unread(unread) => assert!(unread.to_string().starts_with(want), "{unread}"),
                Row::Stream(_) => panic!("{text} is taken"),
            }
        }
    }
}
