//! Macro strings: how they are written (RFC 7208 section 7.1) and what they become (sections 7.2 and 7.3).

use super::syntax::SyntaxError;

/// What a macro letter stands for (RFC 7208 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Letter {
    /// `s`: the sender.
    Sender,
    /// `l`: its local part.
    LocalPart,
    /// `o`: its domain.
    SenderDomain,
    /// `d`: the domain whose record is evaluated.
    Domain,
    /// `i`: the client's address, split into parts that a name can be built of.
    Ip,
    /// `p`: the validated name of the client's address.
    ValidatedName,
    /// `v`: `in-addr` or `ip6`.
    IpVersion,
    /// `h`: the HELO or EHLO domain.
    Helo,
    /// `c`: the client's address as people write it. Only in explanations.
    ReadableIp,
    /// `r`: the domain of the host that checks. Only in explanations.
    Receiver,
    /// `t`: the time, in seconds since 1970. Only in explanations.
    Time,
}

/// Where a macro string stands, which decides what may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A domain-spec.
    Domain,
    /// The value of a modifier that nobody knows.
    Modifier,
    /// The text of an explanation, in which spaces are allowed too.
    Explanation,
}

/// A macro string, or a domain-spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroString {
    parts: Vec<Part>,
    /// Whether the last thing in it is a macro, `%%`, `%_` and `%-` included.
    ends_in_macro: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Macro(Macro),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    /// Written in upper case: the value is URL-escaped.
    escape: bool,
    /// How many parts are kept, counted from the right.
    keep: usize,
    reverse: bool,
    delimiters: Vec<u8>,
}

impl MacroString {
    /// Reads a macro string; `at` is where it begins in its record.
    pub fn parse(text: &[u8], at: usize, place: Place) -> Result<Self, SyntaxError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let (mut next, mut ends_in_macro) = (0, false);
        while let Some(&byte) = text.get(next) {
            let allowed = matches!(byte, b'!'..=b'~') || (byte == b' ' && place == Place::Explanation);
            if !allowed {
                return Err(SyntaxError::at(at + next, "a byte that is not visible ASCII"));
            }
            ends_in_macro = byte == b'%';
            if byte != b'%' {
                literal.push(char::from(byte));
                next += 1;
                continue;
            }
            match text.get(next + 1) {
                Some(b'%') => literal.push('%'),
                Some(b'_') => literal.push(' '),
                Some(b'-') => literal.push_str("%20"),
                Some(b'{') => {
                    let length = text[next..].iter().position(|&b| b == b'}');
                    let Some(length) = length else {
                        return Err(SyntaxError::new(at + next..at + text.len(), "a macro without its closing brace"));
                    };
                    let read = Macro::parse(&text[next + 2..next + length], place)
                        .map_err(|problem| SyntaxError::new(at + next..at + next + length + 1, problem))?;
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Macro(read));
                    next += length + 1;
                    continue;
                }
                _ => return Err(SyntaxError::at(at + next, "a percent sign that begins no macro")),
            }
            next += 2;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts, ends_in_macro })
    }

    /// Reads a domain-spec: a macro string that ends in a macro or in a dot and a top label (RFC 7208 section 7.1).
    pub fn domain_spec(text: &[u8], at: usize) -> Result<Self, SyntaxError> {
        let here = at..at + text.len();
        if text.is_empty() {
            return Err(SyntaxError::new(here, "a domain is missing"));
        }
        let spec = Self::parse(text, at, Place::Domain)?;
        if spec.ends_in_macro {
            return Ok(spec);
        }
        // After the last macro everything is literal, hence stands in the text as it is.
        let literal = text.rsplit(|&b| b == b'}').next().unwrap_or_default();
        let literal = literal.strip_suffix(b".").unwrap_or(literal);
        let Some(dot) = literal.iter().rposition(|&b| b == b'.') else {
            return Err(SyntaxError::new(here, "a domain of one label only"));
        };
        if !is_top_label(&literal[dot + 1..]) {
            return Err(SyntaxError::new(here, "a domain whose last label no domain can end in"));
        }
        Ok(spec)
    }

    /// Whether a letter is in it.
    pub fn uses(&self, letter: Letter) -> bool {
        self.letters().any(|used| used == letter)
    }

    /// The letters in it, in their order.
    pub fn letters(&self) -> impl Iterator<Item = Letter> {
        self.parts.iter().filter_map(|part| match part {
            Part::Macro(used) => Some(used.letter),
            Part::Literal(_) => None,
        })
    }

    /// The whole labels after the last macro; `None` where there is no macro, or nothing whole after it.
    pub fn literal_suffix(&self) -> Option<&str> {
        let [.., Part::Macro(_), Part::Literal(last)] = self.parts.as_slice() else { return None };
        last.split_once('.').map(|(_, suffix)| suffix).filter(|suffix| !suffix.is_empty())
    }

    /// What it becomes with these values; `None` where a value is not known.
    pub fn expand(&self, value: impl Fn(Letter) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let mut expanded = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => expanded.extend_from_slice(text.as_bytes()),
                Part::Macro(used) => used.expand(&value(used.letter)?, &mut expanded),
            }
        }
        Some(expanded)
    }
}

/// `toplabel` of RFC 7208 section 7.1: letters, digits and inner dashes, not digits alone.
fn is_top_label(label: &[u8]) -> bool {
    let edges = [label.first(), label.last()];
    edges.iter().all(|edge| edge.is_some_and(u8::is_ascii_alphanumeric))
        && label.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.iter().all(u8::is_ascii_digit)
}

impl Macro {
    /// Reads what stands between the braces.
    fn parse(inner: &[u8], place: Place) -> Result<Self, &'static str> {
        let Some((&written, rest)) = inner.split_first() else { return Err("a macro without a letter") };
        let letter = match written.to_ascii_lowercase() {
            b's' => Letter::Sender,
            b'l' => Letter::LocalPart,
            b'o' => Letter::SenderDomain,
            b'd' => Letter::Domain,
            b'i' => Letter::Ip,
            b'p' => Letter::ValidatedName,
            b'v' => Letter::IpVersion,
            b'h' => Letter::Helo,
            b'c' | b'r' | b't' if place == Place::Domain => {
                return Err("a macro letter that is only allowed in explanations");
            }
            b'c' => Letter::ReadableIp,
            b'r' => Letter::Receiver,
            b't' => Letter::Time,
            _ => return Err("a macro letter that does not exist"),
        };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(digits);
        let keep = match digits {
            [] => usize::MAX,
            _ => digits.iter().fold(0_usize, |n, &b| n.saturating_mul(10).saturating_add(usize::from(b - b'0'))),
        };
        if keep == 0 {
            return Err("a macro that keeps no part");
        }
        let (reverse, delimiters) = match rest.split_first() {
            Some((b'r' | b'R', delimiters)) => (true, delimiters),
            _ => (false, rest),
        };
        if !delimiters.iter().all(|b| b".-+,/_=".contains(b)) {
            return Err("a macro with something in it that is no delimiter");
        }
        let delimiters = if delimiters.is_empty() { b"." } else { delimiters }.to_vec();
        Ok(Self { letter, escape: written.is_ascii_uppercase(), keep, reverse, delimiters })
    }

    fn expand(&self, value: &[u8], into: &mut Vec<u8>) {
        let mut parts: Vec<&[u8]> = value.split(|b| self.delimiters.contains(b)).collect();
        if self.reverse {
            parts.reverse();
        }
        let kept = parts[parts.len().saturating_sub(self.keep)..].join(&b'.');
        for byte in kept {
            if self.escape && !(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
                into.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else {
                into.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the examples in RFC 7208 section 7.4.
    fn value(letter: Letter) -> Option<Vec<u8>> {
        let text = match letter {
            Letter::Sender => "strong-bad@email.example.com",
            Letter::LocalPart => "strong-bad",
            Letter::SenderDomain | Letter::Domain => "email.example.com",
            Letter::Ip | Letter::ReadableIp => "192.0.2.3",
            Letter::IpVersion => "in-addr",
            Letter::Helo => "a b&c",
            _ => return None,
        };
        Some(text.into())
    }

    fn expanded(text: &str) -> String {
        let read = MacroString::parse(text.as_bytes(), 0, Place::Domain).unwrap();
        String::from_utf8(read.expand(value).unwrap()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_7208_section_7_4() {
        for (text, want) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{H}%%%_%-", "a%20b%26c% %20"),
            ("%{d99999999999999999999999}", "email.example.com"),
        ] {
            assert_eq!(expanded(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_macro_is_told_with_its_place() {
        for (text, at) in [
            ("a%b", 1),
            ("a%", 1),
            ("%{", 0),
            ("%{}", 0),
            ("x%{d", 1),
            ("%{z}", 0),
            ("%{d0}", 0),
            ("%{c}", 0),
            ("%{d!}", 0),
            ("a\tb", 1),
            ("a b", 1),
        ] {
            let wrong = MacroString::parse(text.as_bytes(), 7, Place::Domain).unwrap_err();
            assert_eq!(wrong.span.start, 7 + at, "{text}: {}", wrong.problem);
        }
        assert!(MacroString::parse(b"%{c} %{r} %{t}", 0, Place::Explanation).is_ok());
    }

    #[test]
    fn a_domain_ends_in_a_macro_or_in_a_top_label() {
        for good in ["a.test", "a.test.", "%{d}", "x.%{d}", "%{d}.test", "a:b/c.test", "a.xn--zckzah", "a..test", "x%%"]
        {
            assert!(MacroString::domain_spec(good.as_bytes(), 0).is_ok(), "{good}");
        }
        for bad in ["", "test", "test.", "a.123", "a.-b", "a.b-", "a.b/24", "a.test,", "%{d}x", "a.test:25", "a.te_st"]
        {
            assert!(MacroString::domain_spec(bad.as_bytes(), 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_suffix_after_the_last_macro_is_whole_labels() {
        let suffix = |text: &str| {
            let spec = MacroString::domain_spec(text.as_bytes(), 0).unwrap();
            spec.literal_suffix().map(str::to_owned)
        };
        assert_eq!(suffix("%{i}._spf.mail.example"), Some("_spf.mail.example".into()));
        assert_eq!(suffix("%{i}-x.mail.example."), Some("mail.example.".into()));
        assert_eq!(suffix("x.%{d}"), None);
        assert_eq!(suffix("mail.example"), None);
    }
}
