//! Finds the SMTP reply code (RFC 5321 section 4.2) and the enhanced status code (RFC 3463) in free text.

/// What a text holds of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found<'a> {
    /// Reply code.
    pub code: Option<u16>,
    /// Enhanced status code.
    pub status: Option<&'a str>,
}

/// Words after which three digits are a reply code even without an enhanced status behind them.
const INTRODUCTIONS: [&str; 5] = ["said:", "reply:", "response:", "error:", "code:"];

/// Finds both. A reply code is three digits that open the text (after `smtp;` or a bracket), follow a word such as
/// `said:`, or stand before an enhanced status of the same class. The status next to the code is preferred to others.
pub(super) fn find(text: &str) -> Found<'_> {
    let opening = opening(text);
    for (at, code) in numbers(text) {
        let beside = status_at(text, after_separators(text, at + 3)).filter(|s| s.as_bytes()[0] == text.as_bytes()[at]);
        if beside.is_some() {
            return Found { code: Some(code), status: beside };
        }
        let before = text[..at].trim_end();
        if at == opening || INTRODUCTIONS.iter().any(|word| ends_with(before, word)) {
            return Found { code: Some(code), status: first_status(text) };
        }
    }
    Found { code: None, status: first_status(text) }
}

/// The status, if the text is nothing else.
pub(super) fn status_alone(text: &str) -> Option<&str> {
    let text = text.trim();
    status_at(text, 0).filter(|status| status.len() == text.len())
}

/// The reply codes of a text by place: three digits, 4xx or 5xx, that stand alone.
fn numbers(text: &str) -> impl Iterator<Item = (usize, u16)> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(2)).filter_map(move |at| {
        let three = &bytes[at..at + 3];
        let alone = (at == 0 || !joins(bytes[at - 1]))
            && bytes.get(at + 3).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_')
            && !(bytes.get(at + 3) == Some(&b'.') && bytes.get(at + 4).is_some_and(u8::is_ascii_digit));
        let code = matches!(three, [b'4' | b'5', b'0'..=b'5', b'0'..=b'9']);
        (alone && code).then(|| (at, three.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'))))
    })
}

/// Where the text proper begins: behind a type such as `smtp;` (RFC 3464 section 2.1.2) and opening punctuation.
fn opening(text: &str) -> usize {
    let start = match text.split_once(';') {
        Some((kind, rest)) if kind.len() <= 16 && kind.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') => {
            text.len() - rest.len()
        }
        _ => 0,
    };
    let rest = text[start..].trim_start_matches([' ', '[', '(', '"', '\'']);
    text.len() - rest.len()
}

fn after_separators(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches([' ', '-', '#', ':']).len()
}

fn first_status(text: &str) -> Option<&str> {
    (0..text.len()).find_map(|at| status_at(text, at))
}

/// The enhanced status that begins at this byte and stands alone: `4.2.2` in `4.2.2:`, nothing in `4.2.2.1`.
fn status_at(text: &str, at: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    if !matches!(bytes.get(at), Some(b'4' | b'5')) || (at > 0 && joins(bytes[at - 1])) {
        return None;
    }
    let mut end = at + 1;
    for _ in 0..2 {
        if bytes.get(end) != Some(&b'.') {
            return None;
        }
        let digits = bytes[end + 1..].iter().take_while(|b| b.is_ascii_digit()).take(4).count();
        if !(1..=3).contains(&digits) {
            return None;
        }
        end += 1 + digits;
    }
    let next = bytes.get(end).copied();
    let goes_on = next.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        || next == Some(b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    (!goes_on).then(|| &text[at..end])
}

/// Whether a byte before a number makes it part of something longer: a version, an address, a path.
fn joins(before: u8) -> bool {
    before.is_ascii_alphanumeric() || matches!(before, b'.' | b'_' | b'/' | b'=')
}

fn ends_with(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_every_shape() {
        for (text, code, status) in [
            ("550 5.1.1 <recipient>: user not found", Some(550), Some("5.1.1")),
            ("smtp; 550 5.1.1 <recipient>: user not found (in reply to RCPT TO command)", Some(550), Some("5.1.1")),
            ("550-5.1.1 no such user", Some(550), Some("5.1.1")),
            ("554 5.7.1 [CS01] Message rejected", Some(554), Some("5.7.1")),
            ("550 #5.1.1 no", Some(550), Some("5.1.1")),
            ("host mx1.example[192.0.2.1] said: 421 try later", Some(421), None),
            ("5.7.1 Email rejected due to transformation error", None, Some("5.7.1")),
            ("delivery failed (last transfail: 454 4.4.4 no route)", Some(454), Some("4.4.4")),
            ("Mail from IP 5.7.1.3 refused", None, None),
            ("retried 512 times by Postfix/4.2.1 at 10.4.2.2", None, None),
            ("550", Some(550), None),
            ("user not found.", None, None),
            ("[554] refused", Some(554), None),
            ("550 5.7.1. See the page", Some(550), Some("5.7.1")),
            ("message of 550 bytes refused, 5.3.4", None, Some("5.3.4")),
            ("552 4.2.2 mixed", Some(552), Some("4.2.2")),
            ("é 550\u{301}", None, None),
            ("", None, None),
        ] {
            assert_eq!(find(text), Found { code, status }, "{text}");
        }
    }

    #[test]
    fn a_status_beside_the_text_must_be_one() {
        assert_eq!(status_alone(" 5.1.1 "), Some("5.1.1"));
        for text in ["", "5.1", "5.1.1 x", "2.0.0", "550"] {
            assert_eq!(status_alone(text), None, "{text}");
        }
    }
}
