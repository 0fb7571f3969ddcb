//! What is said of keys, asked from a zone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::der::{tests::bare, wrapped};
use super::*;
use crate::domain::dns::zone::Zone;
use crate::domain::dns::{Data, Kind};
use crate::domain::finding::{State, state_of};

/// The key of RFC 6376 appendix C, of 1024 bits.
const RFC_6376: &str = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ\
     DwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt\
     IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7\
     od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV\
     jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYck\
     cQ2QIDAQAB";
/// The two keys of RFC 8463 appendix A.2.
const RFC_8463_ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const RFC_8463_RSA: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\
     iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC\
     DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3\
     Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn rsa(bits: usize) -> String {
    STANDARD.encode(wrapped(&bare(bits)))
}

fn good() -> String {
    format!("v=DKIM1; k=rsa; p={}", rsa(2048))
}

fn judged(zone: &Zone, selectors: &[(&str, &str)]) -> Dkim {
    let selectors: Vec<_> = selectors.iter().map(|(s, d)| ((*s).to_owned(), name(d))).collect();
    zone.ask(|inquiry| lint(inquiry, &selectors, &name("example.com"))).0
}

/// What is said of one record at one selector.
fn of(record: &str) -> Dkim {
    judged(&Zone::of(&[("s1._domainkey.example.com", record)]), &[("s1", "example.com")])
}

fn codes(dkim: &Dkim) -> Vec<Code> {
    dkim.findings.iter().map(|f| f.code).collect()
}

#[test]
fn the_examples_of_the_rfcs_are_keys() {
    let zone = Zone::of(&[
        ("brisbane._domainkey.example.com", RFC_6376),
        ("brisbane._domainkey.football.example.com", RFC_8463_ED25519),
        ("test._domainkey.football.example.com", RFC_8463_RSA),
    ]);
    let dkim = judged(&zone, &[("brisbane", "example.com")]);
    assert_eq!(dkim.keys[0].algorithm, Some(Algorithm::Rsa { bits: 1024 }));
    assert_eq!((dkim.keys[0].usable, codes(&dkim)), (Usable::Yes, vec![Code::DkimKeyWeak]));
    let dkim = judged(&zone, &[("brisbane", "football.example.com"), ("test", "football.example.com")]);
    assert_eq!(dkim.keys[0].algorithm, Some(Algorithm::Ed25519));
    assert_eq!(dkim.keys[1].algorithm, Some(Algorithm::Rsa { bits: 1024 }));
    assert_eq!(codes(&dkim), [Code::DkimKeyWeak]);
    let dkim = judged(&zone, &[("brisbane", "football.example.com")]);
    assert_eq!((dkim.keys[0].usable, codes(&dkim)), (Usable::Unknown, vec![Code::DkimEd25519Only]));
    // Every tag of RFC 6376 section 3.6.1.
    let tags = format!("v=DKIM1; h=sha1:sha256; k=rsa; n=Key=20note; s=email:*; t=s; p={}", rsa(2048));
    assert_eq!((of(&tags).keys[0].usable, codes(&of(&tags))), (Usable::Yes, vec![]));
}

#[test]
fn a_sound_key_is_not_complained_about() {
    for record in [
        good(),
        format!("p={}", rsa(2048)),
        format!(" p = {} ; k = RSA ; g=*; ", rsa(2048)),
        format!("k=rsa; h=sha256; p={}", rsa(4096).replace('A', "A\t ").replace('B', "\r\n B")),
        format!("v=DKIM1;p={};x_own=1", rsa(2048)),
    ] {
        let dkim = of(&record);
        assert_eq!((codes(&dkim), dkim.keys[0].usable), (vec![], Usable::Yes), "{record}");
        assert_eq!(dkim.keys[0].record, Some(printable(record.as_bytes())));
    }
}

#[test]
fn every_fault_of_a_record_has_its_code_and_place() {
    let key = rsa(2048);
    let cut = &key[..256];
    for (record, code, at, usable) in [
        (format!("v=DKIM1; k=rsa;; p={key}"), Code::DkimSyntax, 15, Usable::No),
        (format!("\"v=DKIM1; p={key}"), Code::DkimSyntax, 0, Usable::No),
        (format!("v=DKIM1; p={key}; k=rsa; p={key}"), Code::DkimSyntax, 11 + key.len() + 9, Usable::No),
        ("v=DKIM1; k=rsa".to_owned(), Code::DkimSyntax, 14, Usable::No),
        (format!("v=dkim1; p={key}"), Code::DkimVersion, 0, Usable::No),
        (format!("v=DKIM1\\; p={key}"), Code::DkimVersion, 0, Usable::No),
        (format!("k=rsa; v=DKIM1; p={key}"), Code::DkimVersion, 7, Usable::No),
        ("v=DKIM1; p= ".to_owned(), Code::DkimRevoked, 9, Usable::No),
        ("v=DKIM1; p=MI_G".to_owned(), Code::DkimKeyUndecodable, 13, Usable::No),
        (format!("v=DKIM1; p={cut}"), Code::DkimKeyUndecodable, 11, Usable::No),
        ("v=DKIM1; p=MIG".to_owned(), Code::DkimKeyUndecodable, 11, Usable::No),
        (format!("v=DKIM1; k=ed448; p={key}"), Code::DkimKeyTypeUnknown, 11, Usable::No),
        (format!("v=DKIM1; k=ed25519; p={key}"), Code::DkimKeyUndecodable, 22, Usable::No),
        (format!("v=DKIM1; p={}", rsa(1023)), Code::DkimKeyTooShort, 11, Usable::No),
        (format!("v=DKIM1; p={}", rsa(1024)), Code::DkimKeyWeak, 11, Usable::Yes),
        (format!("v=DKIM1; p={}", rsa(2047)), Code::DkimKeyWeak, 11, Usable::Yes),
        (format!("v=DKIM1; p={}", STANDARD.encode(bare(2048))), Code::DkimKeyPkcs1, 11, Usable::Yes),
        (format!("v=DKIM1; h=sha1; p={key}"), Code::DkimHashRestricted, 9, Usable::No),
        (format!("v=DKIM1; s=tlsrpt; p={key}"), Code::DkimServiceType, 9, Usable::No),
        (format!("v=DKIM1; t=s : y; p={key}"), Code::DkimTesting, 15, Usable::Yes),
    ] {
        let dkim = of(&record);
        assert_eq!(codes(&dkim), [code], "{record}");
        let finding = &dkim.findings[0];
        let shown = printable(record.as_bytes());
        let at = printable(&record.as_bytes()[..at]).len();
        assert_eq!((finding.offset, finding.record.as_ref()), (Some(at), Some(&shown)), "{record}");
        assert_eq!((dkim.keys[0].usable, dkim.keys[0].testing), (usable, code == Code::DkimTesting), "{record}");
        assert!(!finding.evidence.is_empty() && !finding.remedy.is_empty());
    }
}

#[test]
fn a_remedy_is_a_record_without_the_fault() {
    let published = |dkim: &Dkim| dkim.findings[0].remedy.strip_prefix("Publish instead: ").map(str::to_owned);
    let key = rsa(2048);
    for record in [
        format!("v=DKIM1; h=sha1; p={key}"),
        format!("v=DKIM1\\; p={key}"),
        format!("\"v=DKIM1; k=rsa; p={key}"),
        format!("v=DKIM1; p={}", STANDARD.encode(bare(2048))),
    ] {
        assert_eq!(published(&of(&record)), Some(good()), "{record}");
    }
    let ed25519 = "v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert_eq!(published(&of(ed25519)).as_deref(), Some(RFC_8463_ED25519));
}

#[test]
fn a_missing_selector_is_worse_where_no_other_works() {
    let zone = Zone::of(&[("s1._domainkey.example.com", &good()), ("s1._domainkey.other.example", &good())]);
    let severity = |dkim: &Dkim| dkim.findings.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>();
    let gone = judged(&zone, &[("s2", "example.com")]);
    assert_eq!(severity(&gone), [(Code::DkimSelectorMissing, Severity::Error)]);
    assert_eq!(gone.keys[0].usable, Usable::No);
    assert!(gone.findings[0].evidence.contains("NXDOMAIN"));
    let spare = judged(&zone, &[("s2", "example.com"), ("s1", "example.com")]);
    assert_eq!(severity(&spare), [(Code::DkimSelectorMissing, Severity::Warning)]);
    let elsewhere = judged(&zone, &[("s2", "example.com"), ("s1", "other.example")]);
    assert_eq!(severity(&elsewhere), [(Code::DkimSelectorMissing, Severity::Error)]);
    let nodata = Zone::default().data("s2._domainkey.example.com", Kind::A, Data::A([192, 0, 2, 1].into()));
    assert!(judged(&nodata, &[("s2", "example.com")]).findings[0].evidence.contains("NODATA"));
}

#[test]
fn an_alias_that_leads_nowhere_is_told_from_no_alias() {
    let zone = Zone::default()
        .cname("s1._domainkey.example.com", "s1.dkim.esp.example")
        .cname("s1.dkim.esp.example", "s1.keys.esp.example")
        .cname("loop._domainkey.example.com", "loop._domainkey.example.com");
    let dkim = judged(&zone, &[("s1", "example.com")]);
    assert_eq!(codes(&dkim), [Code::DkimCnameDangling]);
    assert_eq!(dkim.keys[0].chain, [name("s1.dkim.esp.example"), name("s1.keys.esp.example")]);
    assert!(
        dkim.findings[0]
            .evidence
            .contains("s1._domainkey.example.com. -> s1.dkim.esp.example. -> s1.keys.esp.example.: ")
    );
    assert_eq!(codes(&judged(&zone, &[("loop", "example.com")])), [Code::DkimCnameDangling]);
}

#[test]
fn a_domain_typed_twice_is_found() {
    let zone = Zone::of(&[
        ("s1._domainkey.example.com.example.com", &good()),
        ("s2._domainkey.example.com.example.com", "v=spf1 -all"),
    ]);
    let dkim = judged(&zone, &[("s1", "example.com")]);
    assert_eq!(codes(&dkim), [Code::DkimSelectorMissing, Code::DkimNameDoubled]);
    assert_eq!(dkim.findings[1].name, "s1._domainkey.example.com.example.com.");
    assert_eq!(codes(&judged(&zone, &[("s2", "example.com")])), [Code::DkimSelectorMissing]);
}

#[test]
fn several_records_are_no_key_and_not_proven_to_be_none() {
    let at = "s1._domainkey.example.com";
    let both = Zone::of(&[(at, &good()), (at, "v=spf1 -all")]);
    let dkim = judged(&both, &[("s1", "example.com")]);
    assert_eq!(codes(&dkim), [Code::DkimMultiple, Code::DkimSyntax, Code::DkimVersion]);
    assert_eq!(dkim.keys[0].usable, Usable::Unknown);
    assert_eq!(judged(&both.clone().reversed(), &[("s1", "example.com")]), dkim);
    let none = Zone::of(&[(at, "v=DKIM1; p="), (at, "v=spf1 -all")]);
    assert_eq!(judged(&none, &[("s1", "example.com")]).keys[0].usable, Usable::No);
}

#[test]
fn no_answer_is_no_finding_about_the_record() {
    for failure in
        [Failure::Servfail, Failure::Bogus, Failure::Refused, Failure::Timeout, Failure::Disputed, Failure::Other]
    {
        let zone = Zone::default().failing("s1._domainkey.example.com", Kind::Txt, failure);
        let dkim = judged(&zone, &[("s1", "example.com")]);
        assert_eq!((dkim.keys[0].usable, dkim.keys[0].failure), (Usable::Unknown, Some(failure)));
        assert!(dkim.findings.iter().all(|f| f.code.leaves_unknown()), "{:?}", dkim.findings);
        assert_eq!(state_of(Area::Dkim, &dkim.findings), State::Unknown);
    }
    // The key is gone by a sound answer; only why is not known.
    let zone = Zone::default().failing("s1._domainkey.example.com", Kind::Cname, Failure::Timeout).failing(
        "s1._domainkey.example.com.example.com",
        Kind::Txt,
        Failure::Timeout,
    );
    assert_eq!(codes(&judged(&zone, &[("s1", "example.com")])), [Code::DkimSelectorMissing]);
}

#[test]
fn an_unanswered_selector_may_be_the_rsa_key_beside_an_ed25519_one() {
    let zone = Zone::of(&[("ed._domainkey.example.com", RFC_8463_ED25519)]).failing(
        "rsa._domainkey.example.com",
        Kind::Txt,
        Failure::Timeout,
    );
    assert_eq!(codes(&judged(&zone, &[("ed", "example.com"), ("rsa", "example.com")])), [Code::DnsTimeout]);
}

#[test]
fn what_is_registered_may_be_nothing_or_no_name() {
    let none = judged(&Zone::default(), &[]);
    assert_eq!(codes(&none), [Code::DkimNotConfigured]);
    assert_eq!(state_of(Area::Dkim, &none.findings), State::Unknown);
    let long = "a".repeat(64);
    let wrong = judged(&Zone::default(), &[(&long, "example.com"), ("", "example.com"), ("a..b", "example.com")]);
    assert_eq!(codes(&wrong), [Code::DomainInvalid; 3]);
    assert_eq!(state_of(Area::Dkim, &wrong.findings), State::Fail);
    let dotted = Zone::of(&[("mail.2026._domainkey.example.com", &good())]);
    assert_eq!(codes(&judged(&dotted, &[("mail.2026", "example.com")])), []);
}

#[test]
fn selectors_are_asked_together() {
    let selectors = [("s1".to_owned(), name("example.com")), ("s2".to_owned(), name("example.com"))];
    let zone = Zone::of(&[("s1._domainkey.example.com", &good()), ("s2._domainkey.example.com", &good())]);
    let (dkim, asked, rounds) = zone.ask(|inquiry| lint(inquiry, &selectors, &name("example.com")));
    assert_eq!((dkim.findings, asked.len(), rounds), (vec![], 2, 1));
    let (_, asked, rounds) = Zone::default().ask(|inquiry| lint(inquiry, &selectors, &name("example.com")));
    assert_eq!((asked.len(), rounds), (6, 2));
}

#[test]
fn a_record_of_thousands_of_faults_is_told_in_a_few() {
    for text in [";".repeat(60_000), "p=; ".repeat(15_000), "p ".repeat(30_000), "h=:::".repeat(12_000)] {
        let dkim = of(&text);
        assert!((1..30).contains(&dkim.findings.len()), "{}", dkim.findings.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x5eed),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_record_returns_and_its_faults_stand_in_it(record in "[vpkhst=;: a-zA-Z0-9+/\"\\\\\t\r\n\u{fc}]{0,60}") {
        let read = read(record.as_bytes());
        prop_assert!(read.flaws.iter().all(|f| f.at <= record.len()));
        prop_assert!(read.accepted || !read.flaws.is_empty());
    }

    #[test]
    fn findings_do_not_depend_on_the_order_of_answers(
        records in proptest::collection::vec("(v=DKIM1; )?(k=(rsa|ed25519); )?(t=y; )?p=(MIGf|)", 1..4),
    ) {
        let zone = records.iter().fold(Zone::default(), |zone, text| zone.txt("s1._domainkey.example.com", text));
        let both = [zone.clone(), zone.reversed()].map(|zone| judged(&zone, &[("s1", "example.com")]));
        prop_assert_eq!(&both[0], &both[1]);
    }
}
