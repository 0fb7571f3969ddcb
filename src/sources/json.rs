//! JSON as providers really send it: one broken character or one absurd customer field must not cost a whole body.

use serde_json::Value;

/// Arrays and objects nested deeper than this read as `null`. `serde_json` itself stops at 128.
const DEEPEST: usize = 100;

/// A body that is not JSON even after repair. Holds the place, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON (line {line}, column {column})")]
pub struct NotJson {
    /// Line of the first fault, from 1.
    pub line: usize,
    /// Column of the first fault, from 1 (0: the line is empty).
    pub column: usize,
}

/// Parses JSON; when that fails, repairs what does not change its structure and parses again.
///
/// Repaired are: invalid UTF-8 and lone surrogate escapes (`"\ud800"` without its pair), both read as U+FFFD; a byte order
/// mark; nesting deeper than 100 and numbers beyond `f64`, both read as `null`. What is well-formed is taken as it is.
///
/// # Errors
/// When it is no JSON with these repairs either; the place is that of the first fault of the original.
pub fn parse_lossy(bytes: &[u8]) -> Result<Value, NotJson> {
    serde_json::from_slice(bytes).or_else(|first: serde_json::Error| {
        let not_json = NotJson { line: first.line(), column: first.column() };
        serde_json::from_str(&repair(&String::from_utf8_lossy(bytes))).map_err(|_| not_json)
    })
}

/// One pass over the text. It tracks only strings and brackets: whatever else is wrong is left for the parser to refuse.
fn repair(text: &str) -> String {
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut out = String::with_capacity(rest.len());
    let mut depth = 0usize;
    while let Some(first) = rest.chars().next() {
        let before = depth;
        let mut written = None;
        let taken = match first {
            '"' => {
                let (taken, mended) = string(rest);
                written = mended;
                taken
            }
            '-' | '0'..='9' => {
                let taken = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
                if rest[..taken].parse::<f64>().is_ok_and(f64::is_infinite) {
                    written = Some("null".to_owned());
                }
                taken
            }
            _ => {
                match first {
                    '{' | '[' => depth += 1,
                    '}' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                first.len_utf8()
            }
        };
        if before.max(depth) <= DEEPEST {
            out.push_str(written.as_deref().unwrap_or(&rest[..taken]));
        } else if before == DEEPEST {
            out.push_str("null");
        }
        rest = &rest[taken..];
    }
    out
}

/// The length of the string literal at the start of `text`, quotes included, and its mended form if it holds a lone
/// surrogate escape.
fn string(text: &str) -> (usize, Option<String>) {
    let bytes = text.as_bytes();
    let mut lone = Vec::new();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                break;
            }
            b'\\' => match escaped_unit(bytes, at) {
                Some(0xd800..=0xdbff) if matches!(escaped_unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => at += 12,
                Some(0xd800..=0xdfff) => {
                    lone.push(at);
                    at += 6;
                }
                _ => at += 2,
            },
            _ => at += 1,
        }
    }
    // A backslash before a character of several bytes is no JSON, but must not cut that character in two.
    let mut end = at.min(bytes.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    if lone.is_empty() {
        return (end, None);
    }
    let mut mended = String::with_capacity(end);
    let mut from = 0;
    for place in lone {
        mended.push_str(&text[from..place]);
        mended.push('\u{fffd}');
        from = place + 6;
    }
    mended.push_str(&text[from..end]);
    (end, Some(mended))
}

/// The UTF-16 unit of a `\uXXXX` escape at `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0u16, |unit, digit| {
        (*digit as char).to_digit(16).and_then(|d| u16::try_from(d).ok()).map(|d| unit << 4 | d)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_is_well_formed_as_it_is() {
        let value = parse_lossy(br#"{"a":"\ud83d\ude00 \\ud800","b":[1,2.5e3,null]}"#).unwrap();
        assert_eq!(value, json!({"a": "\u{1f600} \\ud800", "b": [1, 2500.0, null]}));
    }

    #[test]
    fn mends_lone_surrogates_and_nothing_beside_them() {
        for (written, read) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""a\udc00b\uD83D\uDE00""#, "a\u{fffd}b\u{1f600}"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud800 \ud800x \" {""#, "\\ud800 \u{fffd}x \" {"),
        ] {
            assert_eq!(parse_lossy(written.as_bytes()), Ok(json!(read)), "{written}");
        }
    }

    #[test]
    fn mends_invalid_utf8_and_drops_a_byte_order_mark() {
        assert_eq!(parse_lossy(b"{\"a\":\"x\xff\xfey\"}"), Ok(json!({"a": "x\u{fffd}\u{fffd}y"})));
        assert_eq!(parse_lossy(b"\xef\xbb\xbf[1]"), Ok(json!([1])));
    }

    #[test]
    fn cuts_what_is_too_deep_or_too_large_and_keeps_the_rest() {
        let deep = format!(r#"{{"meta":{}"]}}"{},"kept":-1e400,"n":7}}"#, "[".repeat(5000), "]".repeat(5000));
        let value = parse_lossy(deep.as_bytes()).unwrap();
        assert_eq!((&value["n"], &value["kept"]), (&json!(7), &Value::Null));
        let mut node = &value["meta"];
        let mut levels = 0;
        while let Some(inner) = node.get(0) {
            node = inner;
            levels += 1;
        }
        assert_eq!((levels, node), (DEEPEST - 1, &Value::Null));
    }

    #[test]
    fn what_is_no_json_stays_none_and_says_where() {
        for text in ["", "{", "Successfully validated", "[1,]", "\"\\u12\"", "{\"a\":\"\\", "]]", "\"\\\u{e4}"] {
            assert!(parse_lossy(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse_lossy(b"{\n\"secret\": x}").unwrap_err().to_string(), "not JSON (line 2, column 11)");
    }

    proptest! {
        #[test]
        fn any_bytes_return(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_lossy(&bytes);
        }

        #[test]
        fn any_json_like_text_returns_and_repair_changes_nothing_sound(text in r#"[\[\]{}",:\\ud8cf0-9eE+. -]{0,200}"#) {
            let _ = repair(&text);
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(serde_json::from_str::<Value>(&repair(&text)).unwrap(), value);
            }
        }
    }
}
