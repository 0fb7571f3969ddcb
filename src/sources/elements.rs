//! Cuts a JSON array or object into its parts without reading them, so that a broken part costs only itself.

/// No real batch comes near. What follows stays together, so that a body of commas does not become millions of parts.
const MOST: usize = 50_000;

/// The parts of an array, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut<'a> {
    /// The elements as written, trimmed. The last one may be cut short when the body was.
    pub parts: Vec<&'a [u8]>,
    /// What follows the closing bracket, or the 50,000th part; trimmed.
    pub rest: &'a [u8],
}

/// Cuts an array. `None` when the first thing in the text is not `[`.
///
/// Only strings and brackets are tracked, in one pass and without recursion; whether a part is JSON is for its reader to
/// say.
pub fn array(text: &[u8]) -> Option<Cut<'_>> {
    let text = start(text).strip_prefix(b"[")?;
    let mut parts = Vec::new();
    let mut from = 0;
    loop {
        let end = value_end(text, from);
        let part = text[from..end].trim_ascii();
        let closed = text.get(end) != Some(&b',');
        // `[]`, and the comma that some writers leave before the bracket.
        if !(part.is_empty() && closed) {
            parts.push(part);
        }
        if closed {
            return Some(Cut { parts, rest: text.get(end + 1..).unwrap_or_default().trim_ascii() });
        }
        from = end + 1;
        if parts.len() == MOST {
            return Some(Cut { parts, rest: text[from..].trim_ascii() });
        }
    }
}

/// The value of a member of an object, as written; `Some(None)` when there is no such member, `None` when the text is
/// not an object. The name is compared as written, without escapes.
pub fn member<'a>(text: &'a [u8], name: &str) -> Option<Option<&'a [u8]>> {
    let text = start(text).strip_prefix(b"{")?;
    let mut from = 0;
    loop {
        let end = value_end(text, from);
        let part = text[from..end].trim_ascii();
        let value = part
            .strip_prefix(b"\"")
            .and_then(|part| part.strip_prefix(name.as_bytes()))
            .and_then(|part| part.strip_prefix(b"\""))
            .and_then(|part| part.trim_ascii().strip_prefix(b":"));
        if let Some(value) = value {
            return Some(Some(value.trim_ascii()));
        }
        if text.get(end) != Some(&b',') {
            return Some(None);
        }
        from = end + 1;
    }
}

/// Drops a byte order mark and blanks.
fn start(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii()
}

/// Where the value that starts at `at` ends: at its comma, at the bracket that closes what holds it, or with the text.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at + 1);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// One past the quote that ends the string whose content starts at `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(step) = text.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'"' | b'\\'))) {
        at += step;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> (Vec<&str>, &str) {
        let cut = array(text.as_bytes()).unwrap();
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (cut.parts.into_iter().map(text).collect(), text(cut.rest))
    }

    #[test]
    fn cuts_at_the_commas_of_the_array_and_nowhere_else() {
        assert_eq!(cut("[]"), (vec![], ""));
        assert_eq!(cut(" [ ] \n"), (vec![], ""));
        assert_eq!(cut(r#"[{"a":[1,2]}, "x,]\"\\" ,3]"#), (vec![r#"{"a":[1,2]}"#, r#""x,]\"\\""#, "3"], ""));
        assert_eq!(cut("\u{feff}[1]"), (vec!["1"], ""));
    }

    #[test]
    fn a_broken_part_keeps_its_siblings() {
        assert_eq!(cut(r#"[{"a":},{"b":1},nonsense,{"c"}]"#).0, [r#"{"a":}"#, r#"{"b":1}"#, "nonsense", r#"{"c"}"#]);
        assert_eq!(cut("[1,,2,]").0, ["1", "", "2"]);
    }

    #[test]
    fn a_body_cut_short_keeps_what_came() {
        assert_eq!(cut(r#"[{"a":1},{"b":"tail"#), (vec![r#"{"a":1}"#, r#"{"b":"tail"#], ""));
        assert_eq!(cut(r#"["\"#), (vec![r#""\"#], ""));
        assert_eq!(cut("[1] and more"), (vec!["1"], "and more"));
    }

    #[test]
    fn finds_a_member_at_the_top_only() {
        let text = br#"{"x":{"events":0},"events" : [1,2] ,"y":1}"#;
        assert_eq!(member(text, "events"), Some(Some(&b"[1,2]"[..])));
        assert_eq!(member(text, "z"), Some(None));
        assert_eq!(member(b"{}", "events"), Some(None));
        assert_eq!(member(b"[]", "events"), None);
    }

    #[test]
    fn a_body_of_commas_stays_small() {
        let commas = format!("[{}", ",".repeat(1_000_000));
        let (parts, rest) = cut(&commas);
        assert_eq!((parts.len(), rest.len()), (MOST, 1_000_000 - MOST));
    }

    #[test]
    fn a_deep_body_needs_no_stack() {
        let deep = format!("[{}1{},2]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(cut(&deep).0[1], "2");
    }

    proptest! {
        #[test]
        fn any_json_like_text_returns(text in r#"[\[\]{}",:\\ a1-]{0,80}"#) {
            let _ = (array(text.as_bytes()), member(text.as_bytes(), "a"));
        }

        #[test]
        fn sound_arrays_are_cut_as_the_parser_reads_them(values in prop::collection::vec(".{0,12}", 0..8)) {
            let text = serde_json::to_vec(&values).unwrap();
            let parts = array(&text).unwrap().parts;
            let read: Vec<String> = parts.into_iter().map(|part| serde_json::from_slice(part).unwrap()).collect();
            prop_assert_eq!(read, values);
        }
    }
}
