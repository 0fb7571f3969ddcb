//! What is said of records, of their absence, and of where their reports go.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

#[test]
fn a_sound_record_is_not_complained_about() {
    for record in [
        SOUND,
        "v=DMARC1;p=reject;rua=mailto:r@example.com;",
        "v = DMARC1 ; rua = mailto:a@example.com , mailto:b@sub.example.com ; p = Reject ; adkim=S; fo=0:d:s; psd=u; t=n",
        "v=DMARC1; p=quarantine; sp=reject; np=reject; rua=mailto:r@example.com; ruf=mailto:r@example.com; psd=n",
    ] {
        let dmarc = of(record);
        assert_eq!(codes(&dmarc), [], "{record}: {:?}", dmarc.findings);
        assert_eq!(dmarc.at, Some(name("example.com")));
        assert_eq!(dmarc.organizational_domain, Some(name("example.com")));
        assert_eq!(dmarc.alignment.path, Path::Open);
    }
}

#[test]
fn every_fault_of_a_record_has_its_code_place_and_policy() {
    let rua = "rua=mailto:r@example.com";
    for (record, code, severity, at, policy) in [
        (format!("v=DMARC1; p=monitor; {rua}"), Code::DmarcPInvalid, Severity::Error, 12, Some(Policy::None)),
        (format!("v=DMARC1; p=reject; sp=no; {rua}"), Code::DmarcSpInvalid, Severity::Error, 23, Some(Policy::None)),
        (format!("v=DMARC1; p=reject; np=; {rua}"), Code::DmarcSpInvalid, Severity::Error, 23, Some(Policy::None)),
        (format!("v=DMARC1; {rua}"), Code::DmarcPMissing, Severity::Warning, 34, Some(Policy::None)),
        (
            format!("v=DMARC1; p=reject; adkim=x; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Warning,
            26,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; fo=0:1; ruf=mailto:r@example.com; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Warning,
            25,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; fo=d::s; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Warning,
            25,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; psd=x; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Warning,
            24,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; reject; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Warning,
            20,
            Some(Policy::Reject),
        ),
        (format!("v=DMARC1; P=reject; {rua}"), Code::DmarcTagInvalid, Severity::Warning, 10, Some(Policy::Reject)),
        (
            format!("v=DMARC1; p=reject; policy=none; {rua}"),
            Code::DmarcTagInvalid,
            Severity::Info,
            20,
            Some(Policy::Reject),
        ),
        (format!("v=DMARC1;; p=reject; {rua}"), Code::DmarcTagInvalid, Severity::Info, 9, Some(Policy::Reject)),
        (
            format!("v=DMARC1; p=reject; p=none; {rua}"),
            Code::DmarcDuplicateTag,
            Severity::Warning,
            20,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; t=y; {rua}"),
            Code::DmarcTestMode,
            Severity::Warning,
            20,
            Some(Policy::Quarantine),
        ),
        (format!("v=DMARC1; p=quarantine; t=y; {rua}"), Code::DmarcTestMode, Severity::Warning, 24, Some(Policy::None)),
        (format!("v=DMARC1; p=reject; psd=y; {rua}"), Code::DmarcPsdY, Severity::Warning, 20, Some(Policy::Reject)),
        (
            format!("v=DMARC1; p=reject; {rua},r@example.com"),
            Code::DmarcRuaInvalid,
            Severity::Warning,
            45,
            Some(Policy::Reject),
        ),
        (
            format!("v=DMARC1; p=reject; {rua}; ruf=https://example.com/"),
            Code::DmarcRuaInvalid,
            Severity::Warning,
            50,
            Some(Policy::Reject),
        ),
        (format!("v=DMARC1; p=none; {rua}"), Code::DmarcPolicyNone, Severity::Info, 10, Some(Policy::None)),
        (format!("v=DMARC1; p=reject; sp=none; {rua}"), Code::DmarcSpWeaker, Severity::Info, 20, Some(Policy::Reject)),
        (
            format!("v=DMARC1; p=reject; np=quarantine; {rua}"),
            Code::DmarcNpWeaker,
            Severity::Info,
            20,
            Some(Policy::Reject),
        ),
        ("v=DMARC1; p=reject".to_owned(), Code::DmarcRuaMissing, Severity::Info, 0, Some(Policy::Reject)),
        (format!("v=DMARC1; p=reject; pct=50; {rua}"), Code::DmarcTagRemoved, Severity::Info, 20, Some(Policy::Reject)),
        (format!("v=DMARC1; p=reject; {rua}!10m"), Code::DmarcTagRemoved, Severity::Info, 24, Some(Policy::Reject)),
    ] {
        let dmarc = of(&record);
        // A record without a policy of its own is one of p=none besides.
        let besides = |f: &&Finding| !(f.code == Code::DmarcPolicyNone && code != f.code);
        let found: Vec<_> = dmarc.findings.iter().filter(besides).collect();
        assert_eq!(found.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>(), [(code, severity)], "{record}");
        assert_eq!((found[0].offset, found[0].record.as_ref()), (Some(at), Some(&record)), "{record}");
        assert_eq!(found[0].name, "_dmarc.example.com.");
        assert_eq!(dmarc.policy, policy, "{record}");
        assert!(found[0].remedy.contains("v=DMARC1; p="), "{}", found[0].remedy);
    }
}

#[test]
fn a_record_without_policy_and_address_does_nothing() {
    for (record, code) in [
        ("v=DMARC1; p=monitor", Code::DmarcPInvalid),
        ("v=DMARC1", Code::DmarcPMissing),
        ("v=DMARC1; p=reject; sp=x; rua=", Code::DmarcSpInvalid),
    ] {
        let dmarc = of(record);
        assert_eq!(dmarc.policy, None, "{record}");
        let found = dmarc.findings.iter().find(|f| f.code == code).unwrap();
        assert_eq!(found.severity, Severity::Error, "{record}");
    }
}

#[test]
fn no_record_is_told_with_what_stands_in_its_place() {
    let none = judged(&Zone::default(), "news.example.com", &sound("news.example.com"));
    assert_eq!(codes(&none), [Code::DmarcMissing]);
    assert_eq!(none.findings[0].severity, Severity::Warning);
    assert_eq!(
        none.findings[0].evidence,
        "no DMARC record at _dmarc.news.example.com., _dmarc.example.com., _dmarc.com."
    );
    assert!(none.findings[0].remedy.contains("_dmarc.example.com the TXT record v=DMARC1; p=none; rua="));
    let bulk = Context { bulk: true, ..sound("example.com") };
    assert_eq!(judged(&Zone::default(), "example.com", &bulk).findings[0].severity, Severity::Error);
    for text in [
        "v=dmarc1; p=none",
        " v=DMARC1; p=none",
        "\"v=DMARC1; p=none\"",
        "v=DMARC1 p=none",
        "p=none; v=DMARC1",
        "v=DMARC10",
    ] {
        let dmarc = of(text);
        assert_eq!(codes(&dmarc), [Code::DmarcMissing, Code::DmarcTagInvalid], "{text}");
        assert_eq!(dmarc.findings[1].record, Some(printable(text.as_bytes())));
        assert_eq!((dmarc.record, dmarc.at, dmarc.policy), (None, None, None));
    }
    let apex = judged(&Zone::of(&[("example.com", SOUND)]), "example.com", &sound("example.com"));
    assert_eq!(codes(&apex), [Code::DmarcMissing, Code::DmarcWrongLocation]);
    assert_eq!(apex.findings[1].record.as_deref(), Some(SOUND));
}

#[test]
fn other_texts_do_not_hide_the_record_and_a_second_record_does() {
    let zone =
        Zone::of(&[("_dmarc.example.com", "v=spf1 -all"), ("_dmarc.example.com", SOUND), ("_dmarc.example.com", "x")]);
    assert_eq!(codes(&judged(&zone, "example.com", &sound("example.com"))), []);
    let two = zone.txt("_dmarc.example.com", "v=DMARC1; p=none");
    let dmarc = judged(&two, "example.com", &sound("example.com"));
    assert_eq!((codes(&dmarc), dmarc.at.clone()), (vec![Code::DmarcMultiple], None));
    assert_eq!(judged(&two.clone().reversed(), "example.com", &sound("example.com")), dmarc);
    // At a subdomain the walk goes on.
    let below = Zone::of(&[
        ("_dmarc.a.example.com", SOUND),
        ("_dmarc.a.example.com", "v=DMARC1; p=none"),
        ("_dmarc.example.com", SOUND),
    ]);
    let dmarc = judged(&below, "a.example.com", &sound("a.example.com"));
    assert_eq!((codes(&dmarc), dmarc.at), (vec![Code::DmarcMultiple], Some(name("example.com"))));
}

#[test]
fn report_addresses_of_others_have_to_agree() {
    let record = "v=DMARC1; p=reject; rua=mailto:r@example.com,mailto:a@one.example,mailto:b@two.example; ruf=mailto:c@reports.example.com";
    let zone = Zone::of(&[("_dmarc.example.com", record)]);
    let of = |zone: &Zone| judged(zone, "example.com", &sound("example.com"));
    let none = of(&zone);
    assert_eq!(codes(&none), [Code::DmarcRuaExternalUnauthorised; 2]);
    assert_eq!(none.findings[0].name, "example.com._report._dmarc.one.example.");
    assert_eq!(none.findings[0].offset, record.find("mailto:a@"));
    let one = zone.clone().txt("example.com._report._dmarc.one.example", "v=DMARC1;");
    let both = one.clone().txt("example.com._report._dmarc.two.example", "v=DMARC1; rua=mailto:other@two.example");
    assert_eq!((codes(&of(&one)).len(), codes(&of(&both)).len()), (1, 0));
    let elsewhere = one.clone().txt("example.com._report._dmarc.two.example", "v=DMARC1; rua=mailto:x@three.example");
    assert!(of(&elsewhere).findings[0].evidence.contains("three.example"));
    let lost = one.failing("example.com._report._dmarc.two.example", Kind::Txt, Failure::Timeout);
    assert_eq!(codes(&of(&lost)), [Code::DnsTimeout]);
    // The record is asked for by the domain at which it stands, which may be above the From domain.
    let below = judged(&both, "news.example.com", &sound("news.example.com"));
    assert_eq!(codes(&below), []);
    // An organization of its own inside the domain has to agree as well.
    let inside = zone.txt("_dmarc.reports.example.com", "v=DMARC1; p=none; psd=n");
    assert!(of(&inside).findings.iter().any(|f| f.name == "example.com._report._dmarc.reports.example.com."));
}

#[test]
fn walks_are_asked_together_and_share_names() {
    let zone = Zone::of(&[("_dmarc.example.com", SOUND)]);
    let ctx = Context {
        mail_from: Some(name("bounce.example.com")),
        dkim: vec![(name("mail.example.com"), Usable::Yes), (name("example.com"), Usable::Yes)],
        ..sound("example.com")
    };
    let (dmarc, asked, rounds) = zone.ask(|inquiry| lint(inquiry, &name("example.com"), &ctx));
    assert_eq!((codes(&dmarc), asked.len(), rounds), (vec![], 4, 1));
    let deep = name("a.b.c.d.e.f.g.h.i.j.k.example.com");
    let (_, asked, _) = zone.ask(|inquiry| lint(inquiry, &deep, &Context::default()));
    assert_eq!(asked.iter().filter(|q| q.name.to_string().starts_with("_dmarc.")).count(), 8);
    let longest = Name::from_labels(std::iter::repeat_n(b"a".as_slice(), 127)).unwrap();
    for from in [&longest, &Name::root(), &name("test")] {
        let (dmarc, ..) = zone.ask(|inquiry| lint(inquiry, from, &Context::default()));
        assert_eq!(codes(&dmarc), [Code::DmarcMissing], "{from}");
    }
}

#[test]
fn a_record_of_thousands_of_faults_is_told_in_a_few() {
    for text in [";".repeat(60_000), "; p=x".repeat(12_000), "; b=1".repeat(12_000), "; rua=,".repeat(8_000)] {
        let dmarc = of(&format!("v=DMARC1{text}"));
        assert!((1..30).contains(&dmarc.findings.len()), "{}", dmarc.findings.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x5eed),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_record_returns(rest in "[vprtuas=;:,@! a-z0-9.DMARC1\"\\\\\t\u{fc}]{0,60}") {
        let text = format!("v=DMARC1;{rest}");
        if let Some(record) = Record::read(text.as_bytes()) {
            prop_assert!(record.flaws.iter().all(|f| f.at <= text.len()));
            let mended = Record::read(record.mended().as_bytes()).unwrap();
            prop_assert!(mended.p.is_some() && mended.flaws.iter().all(|f| f.code == Code::DmarcRuaInvalid), "{:?}", mended);
        }
        let dmarc = of(&text);
        prop_assert!(dmarc.findings.is_sorted());
    }

    #[test]
    fn findings_do_not_depend_on_the_order_of_answers(
        records in proptest::collection::vec("(v=DMARC1|x); (p=(none|reject))?(; psd=[yn])?(; rua=mailto:a@[ab].example)?", 1..4),
        above in proptest::collection::vec("v=DMARC1; p=(none|reject)(; psd=[yn])?", 0..3),
    ) {
        let zone = records.iter().fold(Zone::default(), |zone, text| zone.txt("_dmarc.a.example.com", text));
        let zone = above.iter().fold(zone, |zone, text| zone.txt("_dmarc.example.com", text));
        let both = [zone.clone(), zone.reversed()].map(|zone| judged(&zone, "a.example.com", &sound("a.example.com")));
        prop_assert_eq!(&both[0], &both[1]);
    }
}
