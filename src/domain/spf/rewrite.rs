//! The record to publish instead: what a remedy proposes. Whatever comes out of here is a record without faults.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::record::{Record, is_spf, spans, text_of};
use super::term::{Qualifier, Term, TermKind, modifier};

/// The names that a term can begin with.
const NAMES: [&str; 10] = ["include", "exists", "redirect", "all", "ip4", "ip6", "ptr", "exp", "mx", "a"];

/// The record of these terms.
fn record_of<T: AsRef<str>>(terms: impl IntoIterator<Item = T>) -> String {
    terms.into_iter().fold("v=spf1".to_owned(), |record, term| record + " " + term.as_ref())
}

/// The record without the terms at these places, which are in their order.
pub fn without(raw: &[u8], gone: &[Range<usize>]) -> String {
    let is_left = |span: &Range<usize>| gone.binary_search_by_key(&span.start, |term| term.start).is_err();
    record_of(spans(raw).filter(is_left).map(|span| String::from_utf8_lossy(&raw[span]).into_owned()))
}

/// Whether the record names anybody who passes.
pub fn names_somebody(record: &str) -> bool {
    Record::parse(record.as_bytes()).is_ok_and(|record| {
        let passes = |term: &Term| matches!(term.kind, TermKind::Directive(Qualifier::Pass, _)) && !term.is_all();
        record.live().any(passes) || record.redirect().is_some_and(|_| record.all().is_none())
    })
}

/// The record with `all` in place of the one it has, behind every other directive.
pub fn ending_in(raw: &[u8], record: &Record, all: &str) -> String {
    let is_directive = |term: &&Term| matches!(term.kind, TermKind::Directive(..));
    let texts = |directives: bool| {
        let terms = record.terms.iter().filter(move |term| is_directive(term) == directives && !term.is_all());
        terms.map(|term| text_of(raw, term))
    };
    let redirect = |text: &String| !text.to_ascii_lowercase().starts_with("redirect=");
    record_of(texts(true).chain([all.to_owned()]).chain(texts(false).filter(redirect)))
}

/// One record for several: what each allows, once; `-all` only where all of them say so. `None` where one of them is no record.
pub fn merged(records: &[Vec<u8>]) -> Option<String> {
    let (mut terms, mut modifiers) = (Vec::<String>::new(), Vec::<String>::new());
    let (mut strict, mut seen) = (true, BTreeSet::new());
    for raw in records {
        let record = Record::parse(raw).ok()?;
        strict &= record
            .terms
            .iter()
            .any(|term| term.is_all() && matches!(term.kind, TermKind::Directive(Qualifier::Fail, _)));
        for term in record.terms.iter().filter(|term| !term.is_all()) {
            let text = text_of(raw, term);
            let (into, text) = match &term.kind {
                TermKind::Directive(..) => (&mut terms, text),
                // Both policies are to hold, and only one record can be redirected.
                TermKind::Redirect(_) => (&mut terms, format!("include:{}", &text["redirect=".len()..])),
                TermKind::Explanation(_)
                    if modifiers.iter().any(|own| own.to_ascii_lowercase().starts_with("exp=")) =>
                {
                    continue;
                }
                TermKind::Explanation(_) | TermKind::UnknownModifier(_) => (&mut modifiers, text),
            };
            if seen.insert(text.clone()) {
                into.push(text);
            }
        }
    }
    terms.push(if strict { "-all" } else { "~all" }.to_owned());
    terms.append(&mut modifiers);
    Some(record_of(terms))
}

/// The record as it was probably meant; `None` where that cannot be said.
pub fn corrected(raw: &[u8]) -> Option<String> {
    let text: String = std::str::from_utf8(raw).ok()?.chars().filter_map(plain).collect();
    if !is_spf(text.as_bytes()) {
        return None;
    }
    let terms = text.split(' ').skip(1).filter(|term| !term.is_empty());
    let terms = terms.map(|term| if is_term(term) { Some(term.to_owned()) } else { corrected_term(term) });
    let record = record_of(terms.collect::<Option<Vec<_>>>()?);
    Record::parse(record.as_bytes()).is_ok().then_some(record)
}

/// What word processors and copied pages put in the place of plain characters.
fn plain(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' | '\u{a0}' => Some(' '),
        '\u{200b}'..='\u{200d}' | '\u{feff}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        other => Some(other),
    }
}

fn is_term(text: &str) -> bool {
    Term::parse(text.as_bytes(), 0..text.len()).is_ok()
}

/// The term that was probably meant.
pub fn corrected_term(term: &str) -> Option<String> {
    let trimmed = term.trim_matches([',', ';', '"', '\'', '.']);
    let (qualifier, body) = trimmed.split_at(usize::from(trimmed.starts_with(['+', '-', '~', '?'])));
    let end = body.find([':', '=', '/']).unwrap_or(body.len());
    let (name, rest) = (body[..end].to_ascii_lowercase(), &body[end..]);
    let value = rest.get(1..).unwrap_or_default();
    let as_network = [body, value].into_iter().find_map(|text| Some(format!("{qualifier}{}:{text}", network(text)?)));
    let renamed =
        NAMES.iter().filter(|meant| **meant == name || is_slip(&name, meant)).map(|meant| match rest.chars().next() {
            None | Some('/') => format!("{qualifier}{meant}{rest}"),
            Some(_) if ["redirect", "exp"].contains(meant) => format!("{meant}={value}"),
            Some(_) => format!("{qualifier}{meant}:{value}"),
        });
    let candidates = [trimmed.to_owned()].into_iter().chain(as_network).chain(renamed);
    candidates.into_iter().find(|text| text != term && is_term(text) && !is_ignored_mechanism(text))
}

/// Whether the term is written like a mechanism with `=`, which makes it a modifier that nobody knows.
pub fn is_ignored_mechanism(term: &str) -> bool {
    modifier(term).is_some_and(|(name, _)| {
        let name = name.to_ascii_lowercase();
        NAMES.contains(&name.as_str()) && !["redirect", "exp"].contains(&name.as_str())
    })
}

/// The mechanism for an address, with or without a prefix length.
fn network(text: &str) -> Option<&'static str> {
    let address = text.split('/').next().unwrap_or_default();
    if address.parse::<Ipv4Addr>().is_ok() {
        Some("ip4")
    } else if address.parse::<Ipv6Addr>().is_ok() {
        Some("ip6")
    } else {
        None
    }
}

/// Whether one slip of the keyboard makes `meant` of `written`: a letter more, less, wrong, or two in the wrong order.
fn is_slip(written: &str, meant: &str) -> bool {
    let (written, meant) = (written.as_bytes(), meant.as_bytes());
    // In a name of two letters every other short name is one slip away.
    if meant.len() < 3 || written.len().abs_diff(meant.len()) > 1 {
        return false;
    }
    let same = written.iter().zip(meant).take_while(|(a, b)| a == b).count();
    let (written, meant) = (&written[same..], &meant[same..]);
    match (written, meant) {
        ([a, b, rest @ ..], [c, d, other @ ..]) if a == d && b == c && rest == other => true,
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([_, rest @ ..], other) if rest == other => true,
        (rest, [_, other @ ..]) => rest == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_riddle_is_not() {
        for (text, want) in [
            ("v=spf1 includ:a.test -all", Some("v=spf1 include:a.test -all")),
            ("v=spf1 inlcude:a.test -all", Some("v=spf1 include:a.test -all")),
            ("v=spf1 include:a.test, ~all;", Some("v=spf1 include:a.test ~all")),
            ("v=spf1 a:203.0.113.9 -all", Some("v=spf1 ip4:203.0.113.9 -all")),
            ("v=spf1 203.0.113.0/24 ipv6:2001:db8::/32 -all", Some("v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all")),
            ("v=spf1 ip4:2001:db8::1 -all", Some("v=spf1 ip6:2001:db8::1 -all")),
            ("v=spf1 a\tmx\u{a0}\u{2013}all", Some("v=spf1 a mx -all")),
            ("v=spf1 redirect:_spf.a.test", Some("v=spf1 redirect=_spf.a.test")),
            ("v=spf1 mx -al", Some("v=spf1 mx -all")),
            ("v=spf1 mx -all.", Some("v=spf1 mx -all")),
            ("v=spf1 mx moo -all", None),
            ("v=spf1 ip4:203.0.113.0/33 -all", None),
            ("v=spf1 include: -all", None),
            ("v=spf1 redirect=a.test redirect=b.test", None),
        ] {
            assert_eq!(corrected(text.as_bytes()).as_deref(), want, "{text}");
        }
        assert_eq!(corrected_term("include=a.test").as_deref(), Some("include:a.test"));
        assert!(is_ignored_mechanism("ip4=192.0.2.1") && !is_ignored_mechanism("redirect=a.test"));
    }

    #[test]
    fn several_records_become_one() {
        let merge = |records: &[&str]| merged(&records.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(
            merge(&["v=spf1 include:a.test mx ~all", "v=spf1 mx ip4:192.0.2.1 exp=e.test -all"]).as_deref(),
            Some("v=spf1 include:a.test mx ip4:192.0.2.1 ~all exp=e.test")
        );
        assert_eq!(
            merge(&["v=spf1 -all", "v=spf1 Redirect=a.test -all"]).as_deref(),
            Some("v=spf1 include:a.test -all")
        );
        assert_eq!(merge(&["v=spf1 -all", "v=spf1 moo"]), None);
    }

    #[test]
    fn all_is_moved_behind_the_others() {
        let raw = b"v=spf1 mx -all exp=e.test a ip4:192.0.2.1 ~all redirect=r.test";
        let record = Record::parse(raw).unwrap();
        assert_eq!(ending_in(raw, &record, "-all"), "v=spf1 mx a ip4:192.0.2.1 -all exp=e.test");
        assert_eq!(without(raw, &[7..9, 15..25]), "v=spf1 -all a ip4:192.0.2.1 ~all redirect=r.test");
    }

    proptest! {
        #[test]
        fn what_is_proposed_is_a_record(raw in "v=spf1( [-+~?]?(all|a|mx|ptr|ip4|ipv6|inlcude|exists|redirect|exp|x)[:=/]{0,2}[%{}a-z0-9./:,–\u{a0}]{0,12}){0,6}") {
            if let Some(record) = corrected(raw.as_bytes()) {
                prop_assert!(Record::parse(record.as_bytes()).is_ok());
            }
            if let Some(record) = merged(&[raw.clone().into_bytes(), b"v=spf1 redirect=a.test".to_vec()]) {
                prop_assert!(Record::parse(record.as_bytes()).is_ok());
            }
        }
    }
}
