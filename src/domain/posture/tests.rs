//! The whole check over tables of replies: whatever is published, it ends, and says the same in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{AppleVerdict, Judged, Posture, examine};
use crate::domain::dns::zone::Zone;
use crate::domain::dns::{Data, Failure, Kind, Name};
use crate::domain::finding::{Code, Severity, State};
use crate::domain::stream::Stream;

fn stream(more: &str) -> Stream {
    let text = format!(
        r#"{{"name":"s","team":"t","from_domain":"example.com","mail_from_domain":"b.example.com",
            "dkim":[{{"domain":"example.com","selector":"k"}},{{"domain":"x.test","selector":"k"}}]{more}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn judged(zone: &Zone, stream: &Stream) -> Judged {
    zone.ask(|inquiry| examine(stream, inquiry, 1_700_000_000)).0
}

/// What can be compared of a check: everything.
fn shown(judged: &Judged) -> String {
    format!("{judged:?}")
}

#[test]
fn questions_that_do_not_wait_for_each_other_are_asked_together() {
    let zone = Zone::of(&[
        ("b.example.com", "v=spf1 ip4:192.0.2.1 -all"),
        ("_dmarc.example.com", "v=DMARC1; p=reject; rua=mailto:d@example.com"),
        ("k._domainkey.example.com", "v=DKIM1; p="),
        ("k._domainkey.x.test", "v=DKIM1; p="),
    ]);
    let (_, asked, rounds) = zone.ask(|inquiry| examine(&stream(""), inquiry, 0));
    assert!(asked.len() <= 12 && rounds <= 2, "{} questions in {rounds} rounds: {asked:?}", asked.len());
}

#[test]
fn a_stream_that_sends_no_mail_has_no_sender_to_miss() {
    let zone = Zone::of(&[
        ("example.com", "v=spf1 -all"),
        ("b.example.com", "v=spf1 -all"),
        ("_dmarc.example.com", "v=DMARC1; p=reject; rua=mailto:d@example.com"),
    ]);
    let silent = judged(&zone, &stream(r#","sends_mail":false"#));
    let codes: Vec<Code> = silent.findings.iter().map(|finding| finding.code).collect();
    assert!(!codes.contains(&Code::SpfNoAuthorisedSenders) && !codes.contains(&Code::RelayNoPath), "{codes:?}");
    assert_eq!(silent.apple.verdict, AppleVerdict::Unknown);
    assert_eq!(judged(&zone, &stream("")).apple.verdict, AppleVerdict::Reject);
}

/// Apple's portal looks at the From domain's record too; that it passes nobody is right where another domain is the envelope.
#[test]
fn a_domain_in_no_envelope_may_pass_nobody() {
    let zone = Zone::of(&[("example.com", "v=spf1 -all"), ("b.example.com", "v=spf1 ip4:192.0.2.1 -all")]);
    let registered = stream(r#","apple_sources":["example.com","b.example.com"]"#);
    let severity = |stream: &Stream| {
        let judged = judged(&zone, stream);
        judged.findings.iter().find(|f| f.code == Code::SpfNoAuthorisedSenders).map(|f| f.severity)
    };
    assert_eq!(severity(&registered), Some(Severity::Info));
    assert_eq!(
        severity(&Stream { mail_from_domain: "example.com".to_owned(), ..registered.clone() }),
        Some(Severity::Error)
    );
    assert_eq!(severity(&Stream { mail_from_domain: String::new(), ..registered }), Some(Severity::Error));
}

#[test]
fn a_registration_that_names_nothing_is_told_and_nothing_is_asked() {
    for field in ["from_domain", "mail_from_domain"] {
        let mut bad = stream("");
        let text = if field == "from_domain" { &mut bad.from_domain } else { &mut bad.mail_from_domain };
        *text = "a..b\u{1b}".to_owned();
        let (judged, asked, _) = Zone::default().ask(|inquiry| examine(&bad, inquiry, 0));
        assert!(asked.is_empty());
        assert_eq!((judged.posture, judged.findings[0].code), (Posture::Unknown, Code::DomainInvalid));
        assert_eq!(judged.findings[0].name, "a..b\\027");
        assert!(judged.apple.because.starts_with(field));
    }
    let nothing = Stream { mail_from_domain: String::new(), ..stream("") };
    assert_eq!(judged(&Zone::default(), &nothing).findings[0].code, Code::DomainNxdomain);
}

#[test]
fn a_from_domain_that_is_not_answered_is_said_once() {
    let zone = Zone::default().failing("example.com", Kind::Txt, Failure::Refused);
    let registered = stream(r#","apple_sources":["b.example.com"]"#);
    let told = judged(&zone, &registered);
    let refused =
        told.findings.iter().filter(|finding| finding.code == Code::DnsRefused && finding.name == "example.com.");
    assert_eq!(refused.count(), 1, "{:#?}", told.findings);
    assert!(told.findings.iter().all(|finding| finding.code != Code::DomainNxdomain));
}

/// The names that strangers' records may stand at, and lead to.
const NAMES: [&str; 6] = [
    "example.com",
    "b.example.com",
    "_dmarc.example.com",
    "k._domainkey.example.com",
    "k._domainkey.x.test",
    "c.example.com",
];

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(0x5eed), ..ProptestConfig::default() }
}

/// A zone of texts, aliases, exchanges and failures, at random names.
fn zone_of(parts: &[(usize, u8, Vec<u8>, usize)]) -> Zone {
    parts.iter().fold(Zone::default(), |zone, (at, kind, bytes, to)| {
        let (name, target) = (NAMES[at % NAMES.len()], NAMES[to % NAMES.len()]);
        match kind % 6 {
            0 => zone.cname(name, target),
            1 => {
                let exchange = Name::parse(target).unwrap();
                zone.data(name, Kind::Mx, Data::Mx { preference: u16::from(*kind), exchange })
            }
            2 => zone.failing(name, [Kind::Txt, Kind::Mx, Kind::A][to % 3], Failure::Servfail),
            _ => zone.data(name, Kind::Txt, Data::Txt(vec![bytes.as_slice().into()])),
        }
    })
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = proptest::collection::vec(any::<u8>(), 0..60);
    let spf = "v=spf1( (\\+|-|~|\\?)?(include:(b|c)\\.example\\.com|redirect=c\\.example\\.com|a|mx|ptr|exists:%\\{i\\}\\.c\\.example\\.com|ip4:192\\.0\\.2\\.[0-9]|all|x=y|z)){0,8}";
    let dmarc = "v=DMARC1(; ?(p=(none|reject|x)|sp=none|t=y|psd=[yn]|rua=mailto:a@(c\\.example\\.com|x\\.test)|adkim=[rs])){0,5}";
    let dkim = "(v=DKIM1; )?(k=(rsa|ed25519|x); )?(t=y; )?p=[A-Za-z0-9+/=]{0,44}";
    prop_oneof![
        any_bytes,
        spf.prop_map(String::into_bytes),
        dmarc.prop_map(String::into_bytes),
        dkim.prop_map(String::into_bytes),
    ]
}

fn parts() -> impl Strategy<Value = Vec<(usize, u8, Vec<u8>, usize)>> {
    proptest::collection::vec((any::<usize>(), any::<u8>(), record(), any::<usize>()), 0..14)
}

proptest! {
    #![proptest_config(config())]

    /// Whatever stands at whatever name, also where names lead in circles: the check ends within bounds, and its findings are sorted.
    #[test]
    fn any_zone_is_judged_and_in_any_order_alike(parts in parts(), known in any::<bool>()) {
        let more = if known { r#","sending_ips":["192.0.2.1","2001:db8::1"],"apple_sources":["example.com"],"provider":"ses""# } else { "" };
        let zone = zone_of(&parts);
        let stream = stream(more);
        let (judged, asked, rounds) = zone.ask(|inquiry| examine(&stream, inquiry, 0));
        prop_assert!(asked.len() < 400 && rounds < 60);
        prop_assert!(judged.findings.windows(2).all(|pair| pair[0].severity >= pair[1].severity && pair[0] != pair[1]));
        for finding in &judged.findings {
            let text = finding.record.as_deref().unwrap_or_default();
            prop_assert!(finding.offset.is_none_or(|at| text.is_char_boundary(at)), "{:?}", finding);
            prop_assert!(!text.chars().any(char::is_control));
        }
        let reversed = zone.reversed().ask(|inquiry| examine(&stream, inquiry, 0)).0;
        prop_assert_eq!(shown(&judged), shown(&reversed));
        let open = |path: State| matches!(path, State::Pass | State::Warn);
        prop_assert_eq!(judged.apple.verdict == AppleVerdict::Accept, open(judged.apple.spf_path) || open(judged.apple.dkim_path));
    }

    /// Failures alone prove nothing.
    #[test]
    fn without_answers_nothing_is_broken(failures in proptest::collection::vec(0..5_u8, 64)) {
        let failures = failures.into_iter().map(|word| match word {
            0 => Failure::Servfail,
            1 => Failure::Bogus,
            2 => Failure::Refused,
            3 => Failure::Timeout,
            _ => Failure::Other,
        });
        let (mut known, mut failures) = (BTreeMap::new(), failures.cycle());
        let judged = loop {
            let mut inquiry = crate::domain::dns::Inquiry::new(&known);
            if let Ok(judged) = examine(&stream(""), &mut inquiry, 0) {
                break judged;
            }
            let missing = inquiry.missing().clone();
            let silent = |failure| crate::domain::dns::Reply::of(crate::domain::dns::Outcome::Failed(failure));
            known.extend(missing.into_iter().map(|question| (question, silent(failures.next().unwrap()))));
        };
        prop_assert!(judged.findings.iter().all(|finding| finding.code.is_unanswered()), "{:#?}", judged.findings);
        prop_assert_eq!(judged.posture, Posture::Unknown);
        prop_assert!(judged.published.is_empty());
    }
}
