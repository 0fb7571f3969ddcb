//! A record: which text is one (RFC 7208 section 4.5), and its terms.

use std::ops::Range;

use super::macros::MacroString;
use super::syntax::SyntaxError;
use super::term::{Term, TermKind};

/// A record without faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its terms, in their order.
    pub terms: Vec<Term>,
}

const VERSION: &[u8] = b"v=spf1";

/// Whether the text is an SPF record, sound or not: the version in any case, then a space or the end.
pub fn is_spf(text: &[u8]) -> bool {
    let Some((version, rest)) = text.split_at_checked(VERSION.len()) else { return false };
    version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' '))
}

/// Where the terms of an SPF record stand. Only spaces separate them, any number of them.
pub fn spans(record: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let begin = VERSION.len().min(record.len());
    let mut at = begin;
    record[begin..].split(|&b| b == b' ').filter_map(move |term| {
        let span = at..at + term.len();
        at = span.end + 1;
        (!term.is_empty()).then_some(span)
    })
}

impl Record {
    /// Reads an SPF record. A fault anywhere makes the whole record void.
    pub fn parse(record: &[u8]) -> Result<Self, SyntaxError> {
        if !is_spf(record) {
            return Err(SyntaxError::new(0..record.len(), "no SPF version at the start"));
        }
        let terms = spans(record).map(|span| Term::parse(record, span)).collect::<Result<Vec<_>, _>>()?;
        let parsed = Self { terms };
        // RFC 7208 section 6: at most once each.
        for (name, is) in [("redirect", is_redirect as fn(&Term) -> bool), ("exp", is_explanation)] {
            if let Some(second) = parsed.terms.iter().filter(|term| is(term)).nth(1) {
                return Err(SyntaxError::new(second.span.clone(), format!("a second `{name}=`")));
            }
        }
        Ok(parsed)
    }

    /// The terms that receivers read as directives: all up to and with `all`.
    pub fn live(&self) -> impl Iterator<Item = &Term> {
        let end = self.all().map_or(self.terms.len(), |all| all + 1);
        self.terms[..end].iter().filter(|term| matches!(term.kind, TermKind::Directive(..)))
    }

    /// The directives after `all`, which nobody reads.
    pub fn dead(&self) -> impl Iterator<Item = &Term> {
        let begin = self.all().map_or(self.terms.len(), |all| all + 1);
        self.terms[begin..].iter().filter(|term| matches!(term.kind, TermKind::Directive(..)))
    }

    /// The place of the first `all` among the terms.
    pub fn all(&self) -> Option<usize> {
        self.terms.iter().position(Term::is_all)
    }

    /// `redirect=`, wherever it stands.
    pub fn redirect(&self) -> Option<(&Term, &MacroString)> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Redirect(target) => Some((term, target)),
            _ => None,
        })
    }

    /// `exp=`, wherever it stands.
    pub fn explanation(&self) -> Option<&MacroString> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Explanation(target) => Some(target),
            _ => None,
        })
    }
}

fn is_redirect(term: &Term) -> bool {
    matches!(term.kind, TermKind::Redirect(_))
}

fn is_explanation(term: &Term) -> bool {
    matches!(term.kind, TermKind::Explanation(_))
}

/// The text of a term of the record. A term that was parsed is ASCII.
pub fn text_of(record: &[u8], term: &Term) -> String {
    String::from_utf8_lossy(record.get(term.span.clone()).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::term::{Mechanism, Qualifier};
    use super::*;

    #[test]
    fn the_version_ends_in_a_space_or_the_record() {
        for good in ["v=spf1", "V=SpF1 ", "v=spf1 -all"] {
            assert!(is_spf(good.as_bytes()), "{good}");
        }
        for bad in ["", "v=spf", "v=spf10", "v=spf1\t-all", " v=spf1", "\"v=spf1 -all\"", "v=spf1;"] {
            assert!(!is_spf(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn terms_keep_their_place() {
        let raw = b"v=spf1  ip4:192.0.2.0/24   ?a:mail.example.com/24//64 ~all  ";
        let record = Record::parse(raw).unwrap();
        let texts: Vec<_> = record.terms.iter().map(|term| text_of(raw, term)).collect();
        assert_eq!(texts, ["ip4:192.0.2.0/24", "?a:mail.example.com/24//64", "~all"]);
        assert_eq!(record.terms[0].span.start, 8);
        assert_eq!(record.terms[2].kind, TermKind::Directive(Qualifier::Softfail, Mechanism::All));
    }

    #[test]
    fn a_fault_is_told_with_its_offset() {
        for (text, offset) in [
            ("v=spf1 includ:a.test -all", 7),
            ("v=spf1 -all moo", 12),
            ("v=spf1 ip4:203.0.113.256 -all", 11),
            ("v=spf1 ip4:203.0.113.0/33 -all", 23),
            ("v=spf1 ip4:203.0.113.0/032 -all", 23),
            ("v=spf1 ip4:1.2.3 -all", 11),
            ("v=spf1 ip4:192.0.2.1:25", 11),
            ("v=spf1 ip4:192.0.2.1//32", 21),
            ("v=spf1 ip4 -all", 10),
            ("v=spf1 ip6::CAFE::BABE", 11),
            ("v=spf1 a:203.0.113.9", 9),
            ("v=spf1 a:", 9),
            ("v=spf1 a/33", 9),
            ("v=spf1 a//129", 10),
            ("v=spf1 a/24/64", 12),
            ("v=spf1 include:x.test, -all", 15),
            ("v=spf1 include -all", 14),
            ("v=spf1 a\t-all", 8),
            ("v=spf1 a \u{a0}-all", 9),
            ("v=spf1 ptr/0", 10),
            ("v=spf1 -all.", 8),
            ("v=spf1 -all/8", 11),
            ("v=spf1 redirect=a.test redirect=a.test", 23),
            ("v=spf1 exp= -all", 11),
            ("v=spf1 redirect:a.test", 7),
            ("v=spf1 foo=%abc", 11),
            ("v=spf1 =all", 7),
            ("v=spf1 1up=foo", 7),
            ("v=spf1 + -all", 8),
        ] {
            let wrong = Record::parse(text.as_bytes()).unwrap_err();
            assert_eq!(wrong.span.start, offset, "{text}: {wrong}");
        }
    }

    #[test]
    fn unknown_modifiers_are_read_and_ignored() {
        let record = Record::parse(b"v=spf1 ra=postmaster rp=100 rr=all moo.cow-far_out=man:dog/cat -all").unwrap();
        assert_eq!(record.terms.iter().filter(|t| matches!(t.kind, TermKind::UnknownModifier(_))).count(), 4);
        assert_eq!(record.live().count(), 1);
    }

    #[test]
    fn terms_after_all_are_dead() {
        let record = Record::parse(b"v=spf1 a -all mx exp=a.test include:b.test redirect=c.test").unwrap();
        assert_eq!((record.live().count(), record.dead().count()), (2, 2));
        assert!(record.redirect().is_some() && record.explanation().is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_return(rest in proptest::collection::vec(any::<u8>(), 0..120), spaces in 0..3usize) {
            let record = [b"v=spf1".as_slice(), &b"   "[..spaces], &rest].concat();
            match Record::parse(&record) {
                Ok(parsed) => for term in &parsed.terms {
                    prop_assert_eq!(&Term::parse(&record, term.span.clone())?, term);
                },
                Err(wrong) => prop_assert!(wrong.span.start <= record.len()),
            }
        }

        #[test]
        fn what_looks_like_a_record_returns(record in "v=spf1( [-+~?]?(all|a|mx|ptr|ip4|ip6|include|exists|redirect|exp|x)[:=/]{0,2}[%{}a-z0-9./:]{0,12}){0,6}") {
            let _ = Record::parse(record.as_bytes());
        }
    }
}
