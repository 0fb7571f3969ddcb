//! Whether a text rule fits a redacted reply: its words, and who is named beside them.

use super::redact::MASK;
use super::{Diagnostic, Party, Role};

/// A redacted reply in the form in which rules are compared: lower case, single spaces, no repeated reply codes.
pub(super) struct Said {
    text: String,
    smtp_class: Option<u8>,
}

impl Said {
    pub(super) fn of(diagnostic: &Diagnostic) -> Self {
        Self { text: flat(&diagnostic.text), smtp_class: diagnostic.smtp_class() }
    }

    pub(super) fn smtp_class(&self) -> Option<u8> {
        self.smtp_class
    }

    /// Whether there is anything to read: a word that is neither a code nor `smtp` nor an address.
    pub(super) fn has_words(&self) -> bool {
        let mut text = self.text.clone();
        for role in Role::ALL {
            text = text.replace(role.marker(), " ");
        }
        text.split(|c: char| !c.is_alphanumeric())
            .any(|word| word != "smtp" && word.chars().filter(|c| c.is_alphabetic()).count() >= 2)
    }

    /// Whether all texts occur, the reply is of the class, and the party beside the first text is the one asked for.
    pub(super) fn fits<'a>(
        &self,
        mut all: impl Iterator<Item = &'a str>,
        party: Party,
        code_class: Option<u8>,
    ) -> bool {
        let Some(at) = all.next().and_then(|first| self.text.find(first)) else { return false };
        all.all(|text| self.text.contains(text))
            && code_class.is_none_or(|class| self.smtp_class == Some(class))
            && party.admits(self.named_beside(at))
    }

    /// Who is named nearest before a place, or else nearest behind it. A masked address names nobody.
    fn named_beside(&self, at: usize) -> Option<Role> {
        let marks = || Role::ALL.into_iter().map(|role| (role.marker(), Some(role))).chain([(MASK, None)]);
        let (before, behind) = self.text.split_at(at);
        let last = marks().filter_map(|(mark, role)| before.rfind(mark).map(|at| (at, role))).max_by_key(|(at, _)| *at);
        let next =
            || marks().filter_map(|(mark, role)| behind.find(mark).map(|at| (at, role))).min_by_key(|(at, _)| *at);
        last.or_else(next).and_then(|(_, role)| role)
    }
}

/// Lower case and single spaces, as texts are compared.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As [`folded`], with the codes that open the further lines of a multi-line reply taken out (RFC 5321 section 4.2.1), so
/// that a sentence that runs over two lines is one sentence again.
fn flat(text: &str) -> String {
    let text = folded(text);
    let mut words = text.split(' ');
    let mut out: Vec<&str> = Vec::new();
    let (code, status) = loop {
        let Some(word) = words.next() else { return text };
        out.push(word);
        let first = word.rsplit(';').next().unwrap_or(word);
        match first.split_once('-') {
            Some((code, rest)) if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => break (code, rest),
            _ if out.len() < 2 => {}
            _ => return text,
        }
    };
    let mut after_code = false;
    for word in words {
        let line = word.strip_prefix(code).and_then(|rest| rest.strip_prefix('-'));
        let bare = line.unwrap_or(word);
        let repeated = word == code || bare.is_empty() || ((after_code || line.is_some()) && bare == status);
        after_code = word == code || line == Some("");
        if !repeated {
            out.push(bare);
        }
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_several_lines_is_one_sentence() {
        for (text, want) in [
            ("550-5.1.1 <recipient>: user 550 5.1.1 not  found", "550-5.1.1 <recipient>: user not found"),
            ("smtp; 550-5.1.1 User 550-5.1.1 not 550 5.1.1 Found", "smtp; 550-5.1.1 user not found"),
            ("smtp;550-User 550-not 550 found", "smtp;550-user not found"),
            ("550 5.1.1 twice 550 5.1.1 twice", "550 5.1.1 twice 550 5.1.1 twice"),
            ("550-5.1.1 first, then 554 5.7.1 second", "550-5.1.1 first, then 554 5.7.1 second"),
            ("", ""),
        ] {
            assert_eq!(flat(text), want);
        }
    }

    #[test]
    fn words_are_more_than_codes_and_addresses() {
        let said = |text: &str| Said::of(&Diagnostic { text: text.to_owned(), ..Diagnostic::default() });
        for text in ["", "smtp; 550 5.1.1", "550 5.1.1 <recipient>:", "<...@...>", "-- 5"] {
            assert!(!said(text).has_words(), "{text}");
        }
        assert!(said("550 no").has_words());
    }
}
