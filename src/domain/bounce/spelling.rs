//! Hides the recipient where no at sign gives it away: `local=domain`, `local_at_domain`, and the local part alone.

use super::parties::percent_char;
use super::{Role, apple, esp};
use crate::domain::address::Address;

/// A shorter local part standing alone is more likely an ordinary word, and tells little.
const SHORTEST_ALONE: usize = 5;

/// What stands for the at sign, in lower case. Longer forms first where one begins another.
const AT_SIGNS: [&str; 18] = [
    "_at_", "-at-", ".at.", "+at+", "(at)", "[at]", "{at}", " at ", " (at) ", " [at] ", "=40", "=3d", "==", "=", "%",
    "#", "!", "|",
];

/// What stands for a dot in the domain.
const DOTS: [&str; 7] = [".", "_", "-", "=", " dot ", "(dot)", "[dot]"];

/// Hides every spelling of the recipient in a text whose addresses are already replaced.
pub(super) fn hide(text: &str, recipient: &Address) -> String {
    let alone = recipient.local().len() >= SHORTEST_ALONE && !is_word_of_the_rules(recipient.local());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (at, marker) = next_marker(rest);
        hide_between(&rest[..at], recipient, alone, &mut out);
        out.push_str(marker);
        rest = &rest[at + marker.len()..];
    }
    out
}

/// A local part such as `sender` or `quota` stands in every other reply: hiding it would hide the rule and nobody.
fn is_word_of_the_rules(local: &str) -> bool {
    apple::RULES.iter().chain(&esp::RULES).flat_map(|rule| rule.all).any(|text| text.contains(local))
}

fn next_marker(text: &str) -> (usize, &'static str) {
    let mut from = 0;
    while let Some(at) = text[from..].find('<').map(|at| from + at) {
        if let Some(marker) = Role::ALL.into_iter().map(Role::marker).find(|m| text[at..].starts_with(m)) {
            return (at, marker);
        }
        from = at + 1;
    }
    (text.len(), "")
}

fn hide_between(text: &str, recipient: &Address, alone: bool, out: &mut String) {
    let folded = Folded::of(text);
    let local = recipient.local().replace('ς', "σ");
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = folded.text[from..].find(&local).map(|at| from + at) {
        let local_end = found + local.len();
        match domain_after(&folded.text[local_end..], recipient.domain()) {
            Some(len) => from = local_end + len,
            None if alone => from = local_end,
            None => {
                from = found + folded.text[found..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
        }
        let (start, end) = (folded.starts[found], folded.ends[from - 1]);
        if start >= copied {
            out.push_str(&text[copied..start]);
            out.push_str(Role::Recipient.marker());
        }
        copied = end;
    }
    out.push_str(&text[copied..]);
}

/// How many bytes behind a local part spell an at sign and the domain.
fn domain_after(text: &str, domain: &str) -> Option<usize> {
    AT_SIGNS.into_iter().filter_map(|sign| text.strip_prefix(sign)).find_map(|mut rest| {
        for (n, label) in domain.split('.').enumerate() {
            if n > 0 {
                rest = DOTS.into_iter().find_map(|dot| rest.strip_prefix(dot))?;
            }
            rest = rest.strip_prefix(label)?;
        }
        Some(text.len() - rest.len())
    })
}

/// A text in lower case with its percent-encoding taken off, and for each byte of it the place it came from.
struct Folded {
    text: String,
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Folded {
    fn of(text: &str) -> Self {
        let mut folded = Self { text: String::with_capacity(text.len()), starts: Vec::new(), ends: Vec::new() };
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let (c, len) = percent_char(&text[at..]).unwrap_or((c, c.len_utf8()));
            // A capital sigma does not tell which small one it was.
            folded.text.extend(c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c }));
            folded.starts.resize(folded.text.len(), at);
            folded.ends.resize(folded.text.len(), at + len);
            at += len;
        }
        folded
    }
}
