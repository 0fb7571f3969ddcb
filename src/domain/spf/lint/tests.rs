//! What a lint finds, each in the smallest zone that shows it.

use proptest::prelude::*;

use super::super::zone::Zone;
use super::*;
use crate::domain::finding::{Severity, State, state_of};

fn own() -> Name {
    Name::parse("own.test").unwrap()
}

fn run(zone: &str) -> Lint {
    Zone::read(zone).run(|inquiry| lint(inquiry, &own()))
}

fn codes(lint: &Lint) -> Vec<&'static str> {
    lint.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The one finding of that code.
fn one(lint: &Lint, code: Code) -> &Finding {
    let found: Vec<_> = lint.findings.iter().filter(|finding| finding.code == code).collect();
    assert_eq!(found.len(), 1, "{code} in {:#?}", lint.findings);
    found[0]
}

fn record_in(remedy: &str) -> &str {
    &remedy[remedy.find("v=spf1").expect("a record")..]
}

#[test]
fn a_sound_record_has_no_findings() {
    let lint = run("
        own.test TXT something else
        own.test TXT v=spf1 include:p.test mx ip4:192.0.2.0/24 -all
        own.test MX 10 m.own.test
        m.own.test A 192.0.2.1
        m.own.test AAAA 2001:db8::1
        p.test TXT v=spf1 ip4:198.51.100.0/24 ?all");
    assert_eq!(codes(&lint), Vec::<&str>::new());
    assert_eq!(lint.counts, Counts { lookups: 2, voids: 0 });
    assert!(lint.complete && !lint.authorises_nobody);
    assert_eq!(lint.record.unwrap(), b"v=spf1 include:p.test mx ip4:192.0.2.0/24 -all");
    assert_eq!(lint.reached, ["own.test", "p.test"].map(|name| Name::parse(name).unwrap()).into());
}

#[test]
fn nothing_is_said_about_a_record_that_did_not_come() {
    for silence in ["TIMEOUT", "SERVFAIL"] {
        let lint = run(&format!("own.test TXT {silence}"));
        assert!(!lint.complete && lint.findings.len() == 1 && lint.findings[0].code.leaves_unknown());
        let lint = run(&format!(
            "own.test TXT v=spf1 include:p.test a -all\np.test TXT {silence}\nown.test A {silence}\nown.test AAAA 2001:db8::1"
        ));
        assert_eq!(state_of(Area::Spf, &lint.findings), State::Unknown);
        assert!(!lint.complete && lint.findings.iter().all(|finding| finding.code.leaves_unknown()));
    }
}

#[test]
fn a_missing_record_is_told_with_what_stands_there_instead() {
    let lint = run("other.test TXT x");
    assert_eq!(codes(&lint), ["spf_missing"]);
    assert!(lint.findings[0].evidence.contains("NXDOMAIN"));
    assert!(run("own.test TXT x").findings[0].evidence.starts_with("one TXT record"));
    let near = run("own.test TXT v=spf10 -all");
    assert_eq!(one(&near, Code::SpfMissing).record.as_deref(), Some("v=spf10 -all"));

    for (text, code) in [
        (" v=spf1 mx -all", Code::SpfLeadingSpace),
        ("\u{a0}v=spf1 mx -all", Code::SpfLeadingSpace),
        ("\"v=spf1 mx -all\"", Code::SpfQuoted),
        ("\u{201c}v=spf1 mx -all\u{201d}", Code::SpfQuoted),
    ] {
        let lint = run(&format!("own.test TXT {text}"));
        assert_eq!(record_in(&one(&lint, code).remedy), "v=spf1 mx -all");
        assert_eq!(one(&lint, code).severity, Severity::Info);
        assert_eq!(record_in(&one(&lint, Code::SpfMissing).remedy), "v=spf1 mx -all");
        let beside = run(&format!("own.test TXT {text}\nown.test TXT v=spf1 ip4:192.0.2.1 -all"));
        assert!(one(&beside, code).remedy.starts_with("Remove"));
        assert_eq!(state_of(Area::Spf, &beside.findings), State::Pass);
    }
    let dead = run("own.test SPF v=spf1 mx -all\nown.test TXT spf2.0/pra mx -all");
    assert_eq!(codes(&dead), ["spf_missing", "spf_type99", "spf_senderid"]);
    assert_eq!(record_in(&one(&dead, Code::SpfType99).remedy), "v=spf1 mx -all");
    assert_eq!(codes(&run("own.test SPF TIMEOUT")), ["spf_missing"], "nobody asks for the dead type");
    assert_eq!(codes(&run("own.test SPF v=spf1 -all\nown.test TXT v=spf1 ip4:192.0.2.1 -all")), Vec::<&str>::new());
}

#[test]
fn several_records_are_merged() {
    let zone = "own.test TXT v=spf1 include:b.test ~all\nown.test TXT v=spf1 include:%{i}._spf.a.test -all";
    let lint = run(zone);
    let finding = one(&lint, Code::SpfMultiple);
    assert_eq!(record_in(&finding.remedy), "v=spf1 include:%{i}._spf.a.test include:b.test ~all");
    assert!(finding.evidence.contains("include:b.test") && lint.record.is_none());
    assert!(lint.reached.contains(&Name::parse("b.test").unwrap()));
    assert!(lint.reached.contains(&Name::parse("_spf.a.test").unwrap()));
}

#[test]
fn a_fault_is_told_with_its_byte_in_the_own_record_and_in_others() {
    let lint = run("own.test TXT v=spf1 inlude:p.test -all");
    let finding = one(&lint, Code::SpfSyntax);
    assert_eq!((finding.offset, finding.record.as_deref()), (Some(7), Some("v=spf1 inlude:p.test -all")));
    assert_eq!(record_in(&finding.remedy), "v=spf1 include:p.test -all");
    assert!(!lint.authorises_nobody);
    let lint = run("own.test TXT v=spf1 mx:a.test include:p.test -all\np.test TXT v=spf1 a\tb\na.test MX 0 .");
    let finding = one(&lint, Code::SpfSyntax);
    assert_eq!((finding.name.as_str(), finding.offset), ("p.test.", Some(8)));
    assert_eq!(record_in(&finding.remedy), "v=spf1 mx:a.test -all");
    let ignored = run("own.test TXT v=spf1 ip4:192.0.2.1 include=p.test -all");
    let finding = one(&ignored, Code::SpfSyntax);
    assert_eq!((finding.severity, finding.offset), (Severity::Warning, Some(21)));
    assert_eq!(record_in(&finding.remedy), "v=spf1 ip4:192.0.2.1 include:p.test -all");
    assert_eq!(codes(&run("own.test TXT v=spf1 ip4:192.0.2.1 ra=postmaster rp=100 x=y -all")), Vec::<&str>::new());
}

/// A record with so many `a:` of a host that has both addresses.
fn lookups(n: usize) -> String {
    let terms = " a:h.test".repeat(n);
    format!("own.test TXT v=spf1{terms} -all\nh.test A 192.0.2.1\nh.test AAAA 2001:db8::1")
}

#[test]
fn the_limit_of_lookups_counts_the_longest_way() {
    assert_eq!(codes(&run(&lookups(7))), Vec::<&str>::new());
    assert_eq!(codes(&run(&lookups(8))), ["spf_lookups_near_limit"]);
    assert_eq!(codes(&run(&lookups(10))), ["spf_lookups_near_limit"]);
    let over = run(&lookups(11));
    assert_eq!((codes(&over), over.counts.lookups), (vec!["spf_lookups_exceeded"], 11));

    let nested = run("
        own.test TXT v=spf1 include:a.test include:a.test mx -all
        own.test MX 10 h.test
        h.test A 192.0.2.1
        h.test AAAA 2001:db8::1
        a.test TXT v=spf1 include:b.test include:b.test ~all a:unread.test
        b.test TXT v=spf1 redirect=c.test
        c.test TXT v=spf1 ip4:192.0.2.1 exists:%{i}.c.test ?all exp=free.test");
    // Each of a.test costs 1, its two b.test 1 each, their redirects and exists 1 each: 2 * (1 + 2 * 3) + mx.
    assert_eq!(nested.counts.lookups, 15);
    let evidence = &one(&nested, Code::SpfLookupsExceeded).evidence;
    assert!(evidence.contains("include:a.test 7, include:a.test 7, mx 1"), "{evidence}");
    assert!(nested.reached.contains(&Name::parse("c.test").unwrap()));
    assert!(!nested.reached.contains(&Name::parse("unread.test").unwrap()));
}

#[test]
fn mx_counts_once_and_has_a_limit_of_exchanges() {
    let zone = |n: usize| {
        let hosts =
            (0..n).map(|i| format!("own.test MX 10 m{i}.test\nm{i}.test A 192.0.2.1\nm{i}.test AAAA 2001:db8::1\n"));
        format!("own.test TXT v=spf1 mx ip4:192.0.2.1 -all\n{}", hosts.collect::<String>())
    };
    let ten = run(&zone(10));
    assert_eq!((codes(&ten), ten.counts.lookups), (Vec::new(), 1));
    let eleven = run(&zone(11));
    assert_eq!(codes(&eleven), ["spf_mx_limit"]);
    assert_eq!(record_in(&eleven.findings[0].remedy), "v=spf1 ip4:192.0.2.1 -all");
}

#[test]
fn voids_are_counted_for_each_family() {
    let two = run("own.test TXT v=spf1 a:x.test exists:y.test ip4:192.0.2.1 -all");
    assert_eq!((codes(&two), two.counts.voids), (vec!["spf_void_present"], 2));
    let three = run("own.test TXT v=spf1 a:x.test mx:y.test exists:z.test ip4:192.0.2.1 -all");
    let finding = one(&three, Code::SpfVoidExceeded);
    assert_eq!((finding.severity, record_in(&finding.remedy)), (Severity::Error, "v=spf1 ip4:192.0.2.1 -all"));
    let six = run("
        own.test TXT v=spf1 a:m1.test mx -all
        own.test MX 10 m1.test
        own.test MX 20 m2.test
        m1.test A 192.0.2.1
        m2.test A 192.0.2.2");
    let finding = one(&six, Code::SpfVoidExceeded);
    assert_eq!(finding.severity, Severity::Warning, "IPv4 clients are not concerned");
    assert!(finding.evidence.contains("none for IPv4 clients; 3 for IPv6 clients"), "{}", finding.evidence);
    let macros = run("own.test TXT v=spf1 exists:%{i}.a.test exists:%{i}.b.test exists:%{i}.c.test -all");
    assert_eq!(codes(&macros), Vec::<&str>::new(), "what depends on the mail is not asked");
}

#[test]
fn a_way_that_leads_nowhere_or_back_is_told() {
    let lint = run("own.test TXT v=spf1 include:p.test mx:m.test -all\nm.test MX 0 .\np.test TXT x");
    let finding = one(&lint, Code::SpfIncludeNoRecord);
    assert_eq!((finding.name.as_str(), finding.offset), ("p.test.", Some(7)));
    assert_eq!(record_in(&finding.remedy), "v=spf1 mx:m.test -all");
    let lint = run("own.test TXT v=spf1 redirect=p.test");
    assert!(one(&lint, Code::SpfRedirectNoRecord).evidence.contains("NXDOMAIN"));
    assert!(!lint.authorises_nobody);
    let lint = run(
        "own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 include:q.test\nq.test TXT v=spf1 redirect=P.test",
    );
    let finding = one(&lint, Code::SpfIncludeLoop);
    assert!(finding.evidence.contains("own.test. -> p.test. -> q.test. -> p.test."), "{}", finding.evidence);
    assert!(lint.complete);
    let lint = run("own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 -all\np.test TXT v=spf1 +all");
    assert_eq!(one(&lint, Code::SpfMultiple).name, "p.test.");
    let lint = run("own.test TXT v=spf1 include:a..test ip4:192.0.2.1 -all");
    assert_eq!(codes(&lint), ["spf_include_no_record"]);
}

#[test]
fn dead_terms_and_weak_ends_are_told_with_the_record_to_publish() {
    for (record, code, offset, fixed) in [
        ("v=spf1 -all ip4:192.0.2.1", Code::SpfTermsAfterAll, Some(12), "v=spf1 ip4:192.0.2.1 -all"),
        ("v=spf1 ip4:192.0.2.1 -all redirect=p.test", Code::SpfRedirectIgnored, Some(26), "v=spf1 ip4:192.0.2.1 -all"),
        ("v=spf1 ip4:192.0.2.1 ?all", Code::SpfNeutralAll, Some(21), "v=spf1 ip4:192.0.2.1 ~all"),
        ("v=spf1 ip4:192.0.2.1", Code::SpfAllMissing, None, "v=spf1 ip4:192.0.2.1 ~all"),
        ("v=spf1 ip4:192.0.2.1 ptr ptr:x.test -all", Code::SpfPtr, Some(21), "v=spf1 ip4:192.0.2.1 -all"),
        ("v=spf1 ip4:192.0.2.1 all", Code::SpfPlusAll, Some(21), "v=spf1 ip4:192.0.2.1 ~all"),
        ("v=spf1 ip4:192.0.2.1 ip4:10.0.0.0/0 -all", Code::SpfOverbroad, Some(21), "v=spf1 ip4:192.0.2.1 -all"),
    ] {
        let lint = run(&format!("own.test TXT {record}"));
        let finding = one(&lint, code);
        assert_eq!((finding.offset, record_in(&finding.remedy)), (offset, fixed), "{record}");
        assert_eq!(finding.severity, code.severity(), "{record}");
    }
    let wide = run("own.test TXT v=spf1 ip4:192.0.0.0/12 ip6:2001:db8::/24 ip4:198.51.0.0/16 -all");
    let finding = one(&wide, Code::SpfOverbroad);
    assert_eq!((finding.severity, record_in(&finding.remedy)), (Severity::Warning, "v=spf1 ip4:198.51.0.0/16 -all"));
}

#[test]
fn what_is_included_counts_only_for_whom_it_passes() {
    let habits = run("own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 ip4:192.0.0.0/12 ptr ?all mx");
    assert_eq!(codes(&habits), Vec::<&str>::new());
    let open = run("own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 +all");
    let finding = one(&open, Code::SpfPlusAll);
    assert_eq!(finding.name, "p.test.");
    assert_eq!(record_in(&finding.remedy), "v=spf1 include:PROVIDER ~all", "nobody is told to publish `-all` alone");
    let barred = run("own.test TXT v=spf1 -include:p.test ip4:192.0.2.1 -all\np.test TXT v=spf1 +all");
    assert_eq!(codes(&barred), Vec::<&str>::new(), "whom an -include matches fails");
    let redirected = run("own.test TXT v=spf1 redirect=p.test\np.test TXT v=spf1 ip4:192.0.2.1 ?all");
    assert_eq!(one(&redirected, Code::SpfNeutralAll).name, "p.test.");
}

#[test]
fn a_record_that_passes_nobody_is_told() {
    for record in [
        "v=spf1 ~all",
        "v=spf1 -all",
        "v=spf1",
        "v=spf1 -a:m.test ~all mx",
        "v=spf1 include:no.test -all",
        "v=spf1 redirect=no.test",
    ] {
        let lint = run(&format!(
            "own.test TXT {record}\nno.test TXT v=spf1 -all\nm.test A 192.0.2.1\nm.test AAAA 2001:db8::1"
        ));
        assert!(lint.authorises_nobody, "{record}");
        assert_eq!(one(&lint, Code::SpfNoAuthorisedSenders).severity, Severity::Error);
    }
    for record in [
        "v=spf1 +all",
        "v=spf1 include:%{i}.p.test -all",
        "v=spf1 exists:%{i}.p.test ~all",
        "v=spf1 redirect=%{l}.p.test",
    ] {
        assert!(!run(&format!("own.test TXT {record}")).authorises_nobody, "{record}");
    }
}

#[test]
fn a_providers_name_is_reached_through_macros_redirects_and_aliases() {
    let lint = run(
        "own.test TXT v=spf1 redirect=_spf.provider.test\n_spf.provider.test TXT v=spf1 exists:%{i}._ip.Provider.test ~all",
    );
    let names = ["own.test", "_spf.provider.test", "_ip.provider.test"];
    assert_eq!(lint.reached, names.map(|name| Name::parse(name).unwrap()).into());
    assert_eq!(lint.counts.lookups, 2);
    assert_eq!(codes(&lint), Vec::<&str>::new());
}

#[test]
fn size_is_told() {
    let long = format!("own.test TXT TCP v=spf1 {}-all", "ip4:192.0.2.1 ".repeat(40));
    assert_eq!(codes(&run(&long)), ["spf_long", "spf_response_large"]);
}

#[test]
fn one_round_of_questions_is_one_level_of_the_tree() {
    let zone = Zone::read(
        "
        own.test TXT v=spf1 a:h.test mx include:p.test include:q.test exists:e.test -all
        own.test MX 10 h.test
        h.test A 192.0.2.1
        h.test AAAA 2001:db8::1
        e.test A 127.0.0.2
        p.test TXT v=spf1 include:r.test -all
        q.test TXT v=spf1 include:s.test -all
        r.test TXT v=spf1 ip4:192.0.2.1 -all
        s.test TXT v=spf1 ip4:192.0.2.2 -all",
    );
    let (lint, rounds) = zone.rounds(|inquiry| lint(inquiry, &own()));
    assert_eq!(codes(&lint), Vec::<&str>::new());
    assert_eq!(rounds, [1, 6, 2]);
}

#[test]
fn endless_records_are_left_where_enough_is_known() {
    // Every name has a record that includes two others, each a new name.
    struct Endless;
    impl crate::domain::dns::Known for Endless {
        fn reply(&self, question: &crate::domain::dns::Question) -> Option<&crate::domain::dns::Reply> {
            use crate::domain::dns::{Data, Outcome, Reply};
            static REPLY: std::sync::LazyLock<Reply> = std::sync::LazyLock::new(|| {
                let text = b"v=spf1 include:a.%{d} include:b.%{d} -all".as_slice();
                Reply::of(Outcome::Records(vec![Data::Txt(vec![text.into()])]))
            });
            let _ = question;
            Some(&REPLY)
        }
    }
    let mut inquiry = Inquiry::new(&Endless);
    let lint = lint(&mut inquiry, &own()).unwrap();
    assert!(!lint.complete && inquiry.asked().len() <= 201, "{}", inquiry.asked().len());
    assert!(one(&lint, Code::SpfLookupsExceeded).evidence.starts_with("at least 200 lookups"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_ends_and_the_order_of_answers_does_not_matter(
        records in proptest::collection::vec(
            ("[a-d]", "v=spf1( [-~?]?(include:[a-d]%?[.]test|redirect=[a-d][.]test|a:[a-e][.]test|mx:[a-d][.]test|exists:%[{][id][}][.]test|all|ptr|ip4:192[.]0[.]2[.]0/[0-9]|x))?{5}"),
            1..8,
        ),
        hosts in proptest::collection::vec(("[a-d]", "[a-e]"), 0..14),
    ) {
        let mut zone = String::new();
        for (name, record) in &records {
            zone += &format!("{name}.test TXT {record}\n");
        }
        for (i, (name, host)) in hosts.iter().enumerate() {
            zone += &format!("{name}.test MX {i} {host}.test\n{host}.test A 192.0.2.{i}\n");
        }
        let domain = Name::parse("a.test").unwrap();
        let linted = Zone::read(&zone).run(|inquiry| lint(inquiry, &domain));
        let other = Zone::read(&zone).reversed().run(|inquiry| lint(inquiry, &domain));
        prop_assert_eq!(&linted, &other);
        let sender = super::super::Sender {
            ip: "192.0.2.3".parse().unwrap(), mail_from: "x@a.test", helo: "b.test", receiver: "", now_seconds: 0,
        };
        let one = Zone::read(&zone).run(|inquiry| super::super::evaluate(inquiry, &sender));
        let other = Zone::read(&zone).reversed().run(|inquiry| super::super::evaluate(inquiry, &sender));
        prop_assert_eq!(&one, &other);
        // What breaks an evaluation is found by the lint, unless the client decides it.
        if one.result == super::super::SpfResult::Permerror && !zone.contains('%') && !zone.contains("ptr") {
            prop_assert!(linted.findings.iter().any(|finding| finding.severity >= Severity::Warning), "{:?}", one.problem);
        }
    }

    #[test]
    fn any_bytes_as_a_record_return(texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..3), spf in any::<bool>()) {
        use crate::domain::dns::{Data, Kind, Outcome, Question, Reply};
        let prefix: &[u8] = if spf { b"v=spf1 " } else { b"" };
        let texts = texts.into_iter().map(|text| Data::Txt(vec![[prefix, &text].concat().into()])).collect();
        let mut known = std::collections::BTreeMap::from([(
            Question::new(own(), Kind::Txt), Reply::of(Outcome::Records(texts)),
        )]);
        loop {
            let mut inquiry = Inquiry::new(&known);
            if let Ok(lint) = lint(&mut inquiry, &own()) {
                prop_assert!(lint.findings.is_sorted());
                break;
            }
            let missing = inquiry.missing().clone();
            known.extend(missing.into_iter().map(|question| (question, Reply::of(Outcome::NxDomain))));
        }
    }
}
