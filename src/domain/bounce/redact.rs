//! Puts a role where an address stood. Linear in the text, and without effect on its own output.

use super::Role;
use super::parties::Parties;
use super::spelling;

/// An address that the ESP had masked: it names a party, but not which.
pub(super) const MASK: &str = "...@...";

/// No marker is longer.
pub(super) const LONGEST_MARKER: usize = 11;

/// What separates the parts of a URL behind its scheme.
const URL_SEPARATORS: [char; 5] = ['/', '?', '&', '=', '#'];

/// What stands for an address in a redacted text, the mask among it.
pub(super) fn markers() -> impl Iterator<Item = &'static str> {
    Role::ALL.into_iter().map(Role::marker).chain([MASK])
}

/// The text on one line, without control characters and without addresses.
pub(super) fn redact(text: &str, parties: &Parties<'_>) -> String {
    let mut scan = Scan { text: &on_one_line(text), at: 0, out: String::new(), parties, quotes_tried: 0 };
    scan.out.reserve(scan.text.len().min(64 * 1024));
    scan.run();
    match parties.recipient {
        Some(recipient) => spelling::hide(&scan.out, recipient),
        None => scan.out,
    }
}

/// Runs of white space and control characters become one space; characters that only steer the display (and could hide
/// the pieces of an address from the scan) go; every spelling of the at sign becomes `@`.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(64 * 1024));
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match c {
            c if c.is_whitespace() || c.is_control() => {
                if !line.is_empty() && !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            '\u{ff20}' | '\u{fe6b}' => line.push('@'),
            c => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    if !line.contains(['%', '&', '\\']) {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(c) = rest.chars().next() {
        let (plain, len) = at_sign(rest).map_or((c, c.len_utf8()), |len| ('@', len));
        out.push(plain);
        rest = &rest[len..];
    }
    out
}

/// How many bytes spell an encoded at sign here: `%40`, also encoded again (`%2540`), and the forms of HTML and JSON.
fn at_sign(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('%') {
        let mut rest = rest;
        while let Some(again) = rest.strip_prefix("25") {
            rest = again;
        }
        return rest.starts_with("40").then(|| text.len() - rest.len() + 2);
    }
    ["&#64;", "&#x40;", "&commat;", "\\u0040"].into_iter().find(|form| text.starts_with(form)).map(str::len)
}

/// Zero-width, directional and other format characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One pass over a line.
struct Scan<'a, 'p> {
    text: &'a str,
    at: usize,
    out: String,
    parties: &'a Parties<'p>,
    /// Quotation marks before this place are known to open no quoted local part.
    quotes_tried: usize,
}

impl Scan<'_, '_> {
    fn run(&mut self) {
        while let Some(c) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            if let Some(marker) = Role::ALL.into_iter().map(Role::marker).find(|m| rest.starts_with(m)) {
                self.keep(marker.len());
            } else if c == '"' && self.at >= self.quotes_tried {
                self.quoted();
            } else if is_run(c) {
                match run_len(rest) {
                    0 => self.keep(MASK.len()),
                    len => self.plain_run(self.at + len),
                }
            } else {
                self.keep(c.len_utf8());
            }
        }
    }

    fn keep(&mut self, len: usize) {
        self.out.push_str(&self.text[self.at..self.at + len]);
        self.at += len;
    }

    /// A quotation mark: the local part up to the closing one, if an at sign follows that.
    fn quoted(&mut self) {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while end < bytes.len() && !matches!(bytes[end], b'"' | b'<' | b'>') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(bytes.len());
        if bytes.get(end) == Some(&b'"') && bytes.get(end + 1) == Some(&b'@') {
            self.address(self.at, end + 1);
        } else {
            // What lies between was part of this string; trying each escaped mark in it again would be quadratic.
            self.quotes_tried = end;
            self.keep(1);
        }
    }

    /// An unbroken run of characters that may be part of an address. A URL is taken apart at its own separators.
    fn plain_run(&mut self, end: usize) {
        let url = self.text[self.at..end].starts_with("//");
        while self.at < end {
            let rest = &self.text[self.at..end];
            let piece = match url {
                true => rest.find(URL_SEPARATORS).map_or(rest.len(), |n| n.max(1)),
                false => rest.len(),
            };
            let Some(sign) = rest[..piece].find('@') else {
                self.keep(piece);
                continue;
            };
            let local = rest[..sign].trim_start_matches(['\'', '`']);
            let in_url = url && self.text[..self.at].ends_with(URL_SEPARATORS);
            if local.is_empty() && !in_url {
                // `@example.com` names nobody.
                self.keep(sign + 1);
            } else {
                self.keep(sign - local.len());
                self.address(self.at, self.at + local.len());
            }
        }
    }

    /// Replaces the address whose local part begins at `from` and whose (first) at sign stands at `sign`.
    fn address(&mut self, from: usize, sign: usize) {
        let rest = &self.text[sign..];
        let taken = rest.find(|c| !is_domain(c) && c != '@').unwrap_or(rest.len());
        let whole = &self.text[from..sign + taken];
        let last = whole.rfind('@').unwrap_or(0);
        let (local, domain) = (&whole[..last], whole[last..].trim_start_matches('@'));
        if is_masked(local) {
            let masked = rest.find(|c| !is_domain(c) && !is_masking(c) && c != '@').unwrap_or(rest.len());
            self.out.push_str(MASK);
            self.at = sign + masked;
            return;
        }
        let name = domain.trim_end_matches(is_trailing);
        self.at = sign + taken - (domain.len() - name.len());
        let marker = self.parties.role(local, name).marker();
        let behind = self.text[self.at..].trim_start_matches(is_trailing);
        if self.out.ends_with('<') && behind.starts_with('>') {
            self.out.pop();
            self.at = self.text.len() - behind.len() + 1;
        }
        self.out.push_str(marker);
    }
}

/// How far a run goes: to the first character that cannot be in one, or to a mask.
fn run_len(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| !is_run(*c) || (*c == '.' && text[*at..].starts_with(MASK));
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// Whether a character can stand in an unquoted address (RFC 5321 atext, RFC 6531), or in a URL's path or query.
fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c) || (!c.is_ascii() && !is_punctuation(c))
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._".contains(c) || (!c.is_ascii() && is_run(c))
}

/// What ends a sentence rather than a domain.
fn is_trailing(c: char) -> bool {
    matches!(c, '.' | '-' | '_' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

/// Punctuation beyond ASCII, except the ideographic full stops that separate labels (RFC 3490 section 3.1).
fn is_punctuation(c: char) -> bool {
    match c {
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{2026}' => false,
        'ª' | 'º' | 'µ' => false,
        _ => {
            matches!(c, '\u{a0}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}'
            | '\u{ff1a}'..='\u{ff1f}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
        }
    }
}

fn is_masking(c: char) -> bool {
    matches!(c, '.' | '*' | '\u{2026}')
}

/// Whether an ESP took the name out: `...`, `****`, `j***e`.
fn is_masked(local: &str) -> bool {
    local.chars().all(is_masking) || local.contains("...") || local.contains("***") || local.contains('\u{2026}')
}
