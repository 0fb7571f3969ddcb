//! Finds what has the shape of a canary's token. Whether it is one is for the domain to say.

use crate::domain::canary::token::{CODE_LEN, PREFIX};

/// The most that one text yields. A canary holds one, twice.
pub(super) const MOST: usize = 8;

/// Whether the text is of a token's shape and nothing else.
pub(super) fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == CODE_LEN && rest.bytes().all(is_base32))
}

/// What looks like a token in a text that may hold anything: each once, in order, at most eight.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (at, _) in text.match_indices(PREFIX) {
        let rest = &text[at + PREFIX.len()..];
        let length = rest.bytes().take(CODE_LEN + 1).take_while(|b| is_base32(*b)).count();
        let token = &text[at..at + PREFIX.len() + length];
        // One character more, and it is not what we wrote.
        if length == CODE_LEN && !found.contains(&token) {
            found.push(token);
            if found.len() == MOST {
                break;
            }
        }
    }
    found
}

fn is_base32(byte: u8) -> bool {
    byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_token_once_whatever_stands_around_it() {
        let (one, other) = (format!("rwc1-{}", "a2".repeat(26)), format!("rwc1-{}", "z7".repeat(26)));
        let text = format!("Re: [ext] {one} ({other}) <b>{one}</b>");
        assert_eq!(tokens(&text), [&one, &other]);
        assert_eq!(tokens(&format!("ärwc1-rwc1-{}ä", "b".repeat(52))), [format!("rwc1-{}", "b".repeat(52))]);
        assert!(is_token(&one) && !is_token(&text));
    }

    #[test]
    fn what_is_shorter_longer_or_written_otherwise_is_none() {
        for rest in ["a".repeat(51), "a".repeat(53), "A".repeat(52), "1".repeat(52), String::new(), "ä".repeat(26)] {
            assert_eq!(tokens(&format!("rwc1-{rest}")), [""; 0], "{rest}");
        }
    }

    #[test]
    fn a_text_full_of_them_yields_few() {
        let text: String =
            (0..100).map(|i| format!("rwc1-{}{:02} ", "a".repeat(50), i).replace(['0', '1', '8', '9'], "2")).collect();
        assert!(tokens(&text).len() <= MOST);
    }
}
