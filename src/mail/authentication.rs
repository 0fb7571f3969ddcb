//! What the receiving host found out about a message: Authentication-Results (RFC 8601), of the one host that is trusted.

use serde::{Deserialize, Serialize};

/// The most results that are read of one message.
const MOST: usize = 64;

/// One result, in the words of RFC 8601 section 2.7. Words that are none of them are `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It probably does not.
    Softfail,
    /// Nothing is claimed.
    Neutral,
    /// There is nothing to check.
    None,
    /// It holds, and local policy does not take it.
    Policy,
    /// It could not be checked for the moment.
    Temperror,
    /// What is published cannot be understood.
    Permerror,
    /// Another word.
    Other,
}

/// A DKIM signature as the receiving host saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whether it holds.
    pub verdict: Verdict,
    /// Whose it is (`header.d`, else the domain of `header.i`), in lower case.
    pub domain: Option<String>,
}

/// What the receiving host found out. Everything is empty when it says nothing or is not trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// SPF of the last hop.
    pub spf: Option<Verdict>,
    /// The DKIM signatures.
    pub dkim: Vec<Signature>,
    /// DMARC of the header From.
    pub dmarc: Option<Verdict>,
}

impl Authentication {
    /// Reads the header fields, topmost first, of which only those under the trusted name count. Of each method the topmost
    /// field that tells of it counts: a field that the sender has forged stands further down. Never fails.
    pub(super) fn read<'a>(fields: impl IntoIterator<Item = &'a str>, trusted: Option<&str>) -> Self {
        let mut found = Self::default();
        let Some(trusted) = trusted else { return found };
        for field in fields {
            let text = without_comments(field);
            let mut parts = split(&text, ';').into_iter();
            // The name may be followed by a version.
            let host = parts.next().unwrap_or_default();
            let host = unquoted(host.split_whitespace().next().unwrap_or_default());
            if !host.eq_ignore_ascii_case(trusted) {
                continue;
            }
            let mut here = Self::default();
            for part in parts.take(MOST) {
                here.add(part);
            }
            found.spf = found.spf.or(here.spf);
            found.dmarc = found.dmarc.or(here.dmarc);
            if found.dkim.is_empty() {
                found.dkim = here.dkim;
            }
        }
        found
    }

    /// Adds one `method=result ptype.property=value …`.
    fn add(&mut self, part: &str) {
        let words: Vec<(String, String)> = pairs(part);
        let Some((method, result)) = words.first() else { return };
        let verdict = Verdict::of(result);
        // A method may carry its version: `dkim/1=pass`.
        match method.split('/').next().unwrap_or_default() {
            "spf" => self.spf = self.spf.or(Some(verdict)),
            "dmarc" => self.dmarc = self.dmarc.or(Some(verdict)),
            "dkim" => {
                let value = |name: &str| words.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
                let domain = value("header.d").or_else(|| value("header.i").and_then(|i| i.rsplit('@').next()));
                let sound = |d: &&str| !d.is_empty() && d.len() <= 253 && !d.contains('@');
                self.dkim.push(Signature { verdict, domain: domain.filter(sound).map(str::to_ascii_lowercase) });
            }
            _ => (),
        }
    }
}

impl Verdict {
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "pass" => Self::Pass,
            "fail" => Self::Fail,
            "softfail" => Self::Softfail,
            "neutral" => Self::Neutral,
            "none" => Self::None,
            "policy" => Self::Policy,
            "temperror" => Self::Temperror,
            "permerror" => Self::Permerror,
            _ => Self::Other,
        }
    }
}

/// The text with a blank in place of each comment (RFC 5322 section 3.2.2), which may hold others.
fn without_comments(text: &str) -> String {
    let (mut out, mut depth, mut quoted) = (String::with_capacity(text.len()), 0_usize, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted || depth > 0 => {
                let escaped = chars.next();
                if depth == 0 {
                    out.push(c);
                    out.extend(escaped);
                }
            }
            '"' if depth == 0 => {
                quoted = !quoted;
                out.push(c);
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => {
                depth -= 1;
                out.push(' ');
            }
            c if depth == 0 => out.push(c),
            _ => (),
        }
    }
    out
}

/// The parts between the separators that stand outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => (),
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The `name=value` of a part, names in lower case. Blanks around the equals sign are allowed.
fn pairs(part: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut sides = split(part, '=').into_iter();
    let Some(mut name) = sides.next().and_then(|side| side.split_whitespace().last()) else { return found };
    for side in sides {
        let side = side.trim();
        // The value ends at a blank outside of quotes; the last word is the next name.
        let words: Vec<&str> = split(side, ' ').into_iter().filter(|word| !word.trim().is_empty()).collect();
        let value = words.first().map_or("", |word| word.trim());
        found.push((name.to_ascii_lowercase(), unquoted(value)));
        if found.len() == MOST {
            break;
        }
        name = words.last().map_or("", |word| word.trim());
    }
    found
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&str]) -> Authentication {
        Authentication::read(fields.iter().copied(), Some("mx.relay.test"))
    }

    fn signature(verdict: Verdict, domain: &str) -> Signature {
        Signature { verdict, domain: Some(domain.to_owned()) }
    }

    #[test]
    fn reads_what_receiving_hosts_write() {
        let rspamd = " mx.relay.test;\r\n\tdkim=pass header.d=Sender.test header.s=s1 header.b=\"a;b=\";\r\n\tdmarc=pass \
            (policy=reject) header.from=sender.test;\r\n\tspf=softfail (mx.relay.test: domain of canary@sender.test) smtp.mailfrom=x@y.test";
        let want = Authentication {
            spf: Some(Verdict::Softfail),
            dkim: vec![signature(Verdict::Pass, "sender.test")],
            dmarc: Some(Verdict::Pass),
        };
        assert_eq!(read(&[rspamd]), want);
        let several =
            "MX.relay.test 1; dkim/1 = fail reason=\"bad (sig\" header.i=@a.test; DKIM=Pass header.d=b.test;spf=banana";
        let want = vec![signature(Verdict::Fail, "a.test"), signature(Verdict::Pass, "b.test")];
        assert_eq!(read(&[several]).dkim, want);
        assert_eq!(read(&[several]).spf, Some(Verdict::Other));
        assert_eq!(read(&["\"mx.relay.test\"; none"]), Authentication::default());
    }

    #[test]
    fn one_field_for_each_method_is_put_together() {
        let found =
            read(&["mx.relay.test; dkim=pass header.d=a.test", "mx.relay.test; spf=pass", "mx.relay.test; dmarc=fail"]);
        assert_eq!((found.spf, found.dkim.len(), found.dmarc), (Some(Verdict::Pass), 1, Some(Verdict::Fail)));
    }

    #[test]
    fn only_the_trusted_host_is_believed_and_only_what_stands_on_top() {
        assert_eq!(read(&["evil.test; spf=pass; dkim=pass; dmarc=pass"]), Authentication::default());
        assert_eq!(read(&["evil.test (mx.relay.test;); spf=pass"]), Authentication::default());
        assert_eq!(Authentication::read(["mx.relay.test; spf=pass"], None), Authentication::default());
        let forged = read(&["mx.relay.test; spf=fail; dmarc=none", "mx.relay.test; spf=pass; dmarc=pass; dkim=pass"]);
        assert_eq!((forged.spf, forged.dmarc), (Some(Verdict::Fail), Some(Verdict::None)));
    }

    #[test]
    fn an_address_never_gets_in() {
        let found = read(&["mx.relay.test; dkim=pass header.d=a@b.test; dkim=pass header.i=\"x@c.test\""]);
        assert!(!format!("{found:?}").contains('@'), "{found:?}");
    }
}
