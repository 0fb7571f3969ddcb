//! The terms of a record: directives and modifiers (RFC 7208 sections 4.6.1, 5, 6 and 12).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::macros::{MacroString, Place};
use super::network::{DualCidr, prefix_length};
use super::syntax::SyntaxError;

/// One term, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Its bytes in the record.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TermKind,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermKind {
    /// A mechanism and what a match means.
    Directive(Qualifier, Mechanism),
    /// `redirect=`: the record that decides where nothing matches.
    Redirect(MacroString),
    /// `exp=`: where the explanation of a fail stands.
    Explanation(MacroString),
    /// A modifier that nobody knows, which is ignored. Its name in lower case.
    UnknownModifier(String),
}

/// What the result is when the mechanism matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualifier {
    /// `+`, or nothing.
    Pass,
    /// `-`
    Fail,
    /// `~`
    Softfail,
    /// `?`
    Neutral,
}

/// What is compared with the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// Everybody.
    All,
    /// Whom another record passes.
    Include(MacroString),
    /// The addresses of a name, or of the domain itself.
    A(Option<MacroString>, DualCidr),
    /// The addresses of the mail exchanges.
    Mx(Option<MacroString>, DualCidr),
    /// Names that the client's address has and that have the client's address.
    Ptr(Option<MacroString>),
    /// A network, with its prefix length in bits.
    Ip4(Ipv4Addr, u8),
    /// A network, with its prefix length in bits.
    Ip6(Ipv6Addr, u8),
    /// Any address at a name.
    Exists(MacroString),
}

impl Term {
    /// Reads the term that stands at `span` of the record.
    pub fn parse(record: &[u8], span: Range<usize>) -> Result<Self, SyntaxError> {
        let bytes = &record[span.clone()];
        if let Some(at) = bytes.iter().position(|b| !matches!(b, b'!'..=b'~')) {
            let problem = match bytes[at] {
                b'\t' | b'\n' | b'\r' => "a tab or line break, where only a space separates terms",
                0x80.. => "a byte that is not ASCII",
                _ => "a control character",
            };
            return Err(SyntaxError::at(span.start + at, problem));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| SyntaxError::new(span.clone(), "a byte that is not ASCII"))?;
        let kind = match modifier(text) {
            Some((name, value)) => parse_modifier(name, value, span.start + name.len() + 1)?,
            None => {
                let (qualifier, mechanism) = match text.as_bytes().first() {
                    Some(b'+') => (Qualifier::Pass, &text[1..]),
                    Some(b'-') => (Qualifier::Fail, &text[1..]),
                    Some(b'~') => (Qualifier::Softfail, &text[1..]),
                    Some(b'?') => (Qualifier::Neutral, &text[1..]),
                    _ => (Qualifier::Pass, text),
                };
                TermKind::Directive(qualifier, parse_mechanism(mechanism, span.end - mechanism.len())?)
            }
        };
        Ok(Self { span, kind })
    }

    /// Whether evaluating it counts as a lookup (RFC 7208 section 4.6.4).
    pub fn is_lookup(&self) -> bool {
        use Mechanism::{A, All, Exists, Include, Ip4, Ip6, Mx, Ptr};
        match &self.kind {
            TermKind::Directive(_, mechanism) => match mechanism {
                Include(_) | A(..) | Mx(..) | Ptr(_) | Exists(_) => true,
                All | Ip4(..) | Ip6(..) => false,
            },
            TermKind::Redirect(_) => true,
            TermKind::Explanation(_) | TermKind::UnknownModifier(_) => false,
        }
    }

    /// Whether it is `all`, with any qualifier.
    pub fn is_all(&self) -> bool {
        matches!(self.kind, TermKind::Directive(_, Mechanism::All))
    }
}

/// Name and value, where the term is a modifier: a name, and `=` before any `:` or `/`.
pub fn modifier(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let goes_on = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (begins && goes_on).then_some((name, value))
}

fn parse_modifier(name: &str, value: &str, at: usize) -> Result<TermKind, SyntaxError> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "redirect" => Ok(TermKind::Redirect(MacroString::domain_spec(value.as_bytes(), at)?)),
        "exp" => Ok(TermKind::Explanation(MacroString::domain_spec(value.as_bytes(), at)?)),
        _ => {
            MacroString::parse(value.as_bytes(), at, Place::Modifier)?;
            Ok(TermKind::UnknownModifier(name))
        }
    }
}

/// Reads a mechanism that begins at byte `at` of its record.
fn parse_mechanism(text: &str, at: usize) -> Result<Mechanism, SyntaxError> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let after = at + end;
    let nothing_after = |mechanism| {
        if rest.is_empty() {
            return Ok(mechanism);
        }
        Err(SyntaxError::new(after..after + rest.len(), "something after `all`"))
    };
    match name.to_ascii_lowercase().as_str() {
        "all" => nothing_after(Mechanism::All),
        "include" => Ok(Mechanism::Include(needed(rest, after)?)),
        "exists" => Ok(Mechanism::Exists(needed(rest, after)?)),
        "ptr" => Ok(Mechanism::Ptr(optional(rest, after)?)),
        "a" => dual(rest, after).map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        "mx" => dual(rest, after).map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        "ip4" => {
            let (network, bits) = network(rest, after, 32)?;
            Ok(Mechanism::Ip4(network, bits))
        }
        "ip6" => {
            let (network, bits) = network(rest, after, 128)?;
            Ok(Mechanism::Ip6(network, bits))
        }
        "" => Err(SyntaxError::new(at..at + text.len().max(1), "no mechanism where one is expected")),
        _ => Err(SyntaxError::new(at..after, format!("`{name}`, which is no mechanism"))),
    }
}

/// A colon and a domain-spec.
fn needed(rest: &str, at: usize) -> Result<MacroString, SyntaxError> {
    match rest.strip_prefix(':') {
        Some(domain) => MacroString::domain_spec(domain.as_bytes(), at + 1),
        None => Err(SyntaxError::new(at..at + rest.len().max(1), "a mechanism without `:` and a domain")),
    }
}

/// Nothing, or a colon and a domain-spec.
fn optional(rest: &str, at: usize) -> Result<Option<MacroString>, SyntaxError> {
    if rest.is_empty() { Ok(None) } else { needed(rest, at).map(Some) }
}

/// A domain-spec or none, and the prefix lengths at its end.
fn dual(rest: &str, at: usize) -> Result<(Option<MacroString>, DualCidr), SyntaxError> {
    let mut cidr = DualCidr { ip4: 32, ip6: 128 };
    let mut domain = rest;
    if let Some((before, digits)) = trailing_number(domain, "//") {
        cidr.ip6 = prefix_length(digits, at + domain.len() - digits.len(), 128)?;
        domain = before;
    }
    if let Some((before, digits)) = trailing_number(domain, "/") {
        cidr.ip4 = prefix_length(digits, at + domain.len() - digits.len(), 32)?;
        domain = before;
    }
    Ok((optional(domain, at)?, cidr))
}

/// What stands before `separator` and the digits at the end, and the digits.
fn trailing_number<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let before = head.strip_suffix(separator)?;
    (head.len() < text.len()).then(|| (before, &text[head.len()..]))
}

/// A colon, an address, and a prefix length or none.
fn network<T: std::str::FromStr>(rest: &str, at: usize, longest: u8) -> Result<(T, u8), SyntaxError> {
    let Some(written) = rest.strip_prefix(':') else {
        return Err(SyntaxError::new(at..at + rest.len().max(1), "a mechanism without `:` and an address"));
    };
    let (address, digits) =
        written.split_once('/').map_or((written, None), |(address, digits)| (address, Some(digits)));
    let here = at + 1..at + 1 + address.len().max(1);
    let parsed = address.parse().map_err(|_| {
        let version = if longest == 32 { 4 } else { 6 };
        SyntaxError::new(here, format!("`{address}`, which is no IPv{version} address"))
    })?;
    let bits = digits.map_or(Ok(longest), |digits| prefix_length(digits, at + 2 + address.len(), longest))?;
    Ok((parsed, bits))
}
