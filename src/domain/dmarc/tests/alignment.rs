//! Whom a record is for, which domains align, and what a missing answer leaves open.

use super::*;

#[test]
fn a_subdomain_inherits_what_is_meant_for_it() {
    let zone = |record: &str| Zone::of(&[("_dmarc.example.com", record), ("there.example.com", "x")]);
    for (record, there, absent) in [
        ("v=DMARC1; p=reject", Policy::Reject, Policy::Reject),
        ("v=DMARC1; p=reject; sp=quarantine", Policy::Quarantine, Policy::Quarantine),
        ("v=DMARC1; p=none; np=reject", Policy::None, Policy::Reject),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", Policy::Quarantine, Policy::Reject),
        ("v=DMARC1; p=none; sp=quarantine; np=reject; t=y", Policy::None, Policy::Quarantine),
    ] {
        for (from, want) in [("there.example.com", there), ("absent.example.com", absent)] {
            let dmarc = judged(&zone(record), from, &sound(from));
            assert_eq!((dmarc.policy, dmarc.at), (Some(want), Some(name("example.com"))), "{record} {from}");
        }
    }
    let failing = |record: &str| {
        let zone = zone(record).failing("lost.example.com", Kind::Txt, Failure::Servfail);
        judged(&zone, "lost.example.com", &sound("lost.example.com"))
    };
    let dmarc = failing("v=DMARC1; p=none; np=reject; rua=mailto:r@example.com");
    assert_eq!((dmarc.policy, codes(&dmarc)), (None, vec![Code::DnsServfail]));
    let dmarc = failing("v=DMARC1; p=reject; rua=mailto:r@example.com");
    assert_eq!((dmarc.policy, codes(&dmarc)), (Some(Policy::Reject), vec![]));
}

#[test]
fn the_examples_of_appendix_b_align_as_the_rfc_says() {
    let aligned = |zone: &Zone, from: &str, mail_from: &str, d: &str| {
        let ctx = Context { mail_from: Some(name(mail_from)), dkim: vec![(name(d), Usable::Yes)], ..sound(from) };
        let alignment = judged(zone, from, &ctx).alignment;
        (alignment.mail_from.unwrap().aligned, alignment.dkim[0].aligned)
    };
    let org = Zone::of(&[("_dmarc.example.com", "v=DMARC1; p=none")]);
    // B.1.1 and B.1.2.
    assert_eq!(aligned(&org, "example.com", "example.com", "example.com"), (Some(true), Some(true)));
    assert_eq!(aligned(&org, "example.com", "child.example.com", "child.example.com"), (Some(true), Some(true)));
    assert_eq!(aligned(&org, "child.example.com", "example.net", "example.net"), (Some(false), Some(false)));
    // B.4.1 and B.4.2.
    let signing = org.txt("_dmarc.signing.example.com", "v=DMARC1; p=none");
    for from in ["example.com", "a.b.c.d.e.f.g.h.i.j.k.example.com"] {
        assert_eq!(aligned(&signing, from, "example.com", "signing.example.com"), (Some(true), Some(true)));
    }
    // B.4.3.
    let bank = Zone::of(&[
        ("_dmarc.bank.example", "v=DMARC1; p=reject; psd=y"),
        ("_dmarc.giant.bank.example", "v=DMARC1; p=reject"),
    ]);
    let found = aligned(&bank, "giant.bank.example", "mail.giant.bank.example", "mail.mega.bank.example");
    assert_eq!(found, (Some(true), Some(false)));
}

#[test]
fn strict_alignment_wants_the_same_domain() {
    let zone = Zone::of(&[("_dmarc.example.com", "v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:r@example.com")]);
    let ctx = Context {
        mail_from: Some(name("b.example.com")),
        dkim: vec![(name("d.example.com"), Usable::Yes)],
        ..sound("example.com")
    };
    let dmarc = judged(&zone, "example.com", &ctx);
    assert_eq!(codes(&dmarc), [Code::DkimUnaligned, Code::DmarcNoAlignedPath, Code::MailfromUnaligned]);
    assert_eq!(dmarc.alignment.dkim[0].relaxed, Some(true));
    assert_eq!(state_of(Area::Dmarc, &dmarc.findings), State::Fail);
}

#[test]
fn that_no_path_aligns_is_said_only_where_it_is_proven() {
    let zone = Zone::of(&[("_dmarc.example.com", SOUND)]);
    let (own, other) = (name("b.example.com"), name("esp.example"));
    for (mail_from, spf, dkim, path) in [
        (Some(&own), Some(true), vec![], Path::Open),
        (Some(&own), Some(false), vec![], Path::Unknown),
        (Some(&own), Some(false), vec![(&own, Usable::No)], Path::Closed),
        (Some(&own), None, vec![(&own, Usable::No)], Path::Unknown),
        (Some(&other), None, vec![(&own, Usable::No), (&other, Usable::Yes)], Path::Closed),
        (Some(&other), Some(true), vec![(&own, Usable::Unknown), (&other, Usable::Yes)], Path::Unknown),
        (Some(&other), Some(true), vec![(&own, Usable::Yes), (&other, Usable::Unknown)], Path::Open),
        (None, Some(true), vec![(&other, Usable::Yes)], Path::Closed),
        (None, Some(true), vec![], Path::Unknown),
    ] {
        let dkim: Vec<_> = dkim.into_iter().map(|(d, usable)| (d.clone(), usable)).collect();
        let ctx = Context {
            mail_from: mail_from.cloned(),
            spf_can_pass: spf,
            dkim,
            failure: Some(Failure::Timeout),
            bulk: false,
        };
        let dmarc = judged(&zone, "example.com", &ctx);
        assert_eq!(dmarc.alignment.path, path, "{ctx:?}");
        let closed = dmarc.findings.iter().find(|f| f.code == Code::DmarcNoAlignedPath);
        assert_eq!(closed.map(|f| f.severity), (path == Path::Closed).then_some(Severity::Critical), "{ctx:?}");
        assert_eq!(codes(&dmarc).contains(&Code::DnsTimeout), path == Path::Unknown, "{ctx:?}");
    }
}

#[test]
fn an_own_signature_makes_a_provider_s_one_harmless() {
    let zone = Zone::of(&[("_dmarc.example.com", SOUND)]);
    let severity = |own: Usable| {
        let dkim = vec![(name("example.com"), own), (name("esp.example"), Usable::Yes)];
        let dmarc = judged(&zone, "example.com", &Context { dkim, ..sound("example.com") });
        dmarc.findings.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>()
    };
    assert_eq!(severity(Usable::Yes), [(Code::DkimUnaligned, Severity::Info)]);
    assert_eq!(severity(Usable::No), [(Code::DkimUnaligned, Severity::Warning)]);
}

#[test]
fn without_a_record_the_public_suffix_list_tells_who_would_align() {
    let ctx = Context {
        mail_from: Some(name("bounce.example.com")),
        dkim: vec![(name("mail.example.com"), Usable::Yes)],
        ..sound("example.com")
    };
    assert_eq!(codes(&judged(&Zone::default(), "example.com", &ctx)), [Code::DmarcMissing]);
    let foreign = Context { mail_from: None, dkim: vec![(name("esp.example"), Usable::Yes)], ..sound("example.com") };
    let dmarc = judged(&Zone::default(), "example.com", &foreign);
    let closed = dmarc.findings.iter().find(|f| f.code == Code::DmarcNoAlignedPath).unwrap();
    assert_eq!(closed.severity, Severity::Warning);
}

#[test]
fn no_answer_on_the_walk_is_never_a_missing_record() {
    for failure in [Failure::Servfail, Failure::Refused, Failure::Timeout] {
        let zone = Zone::default().failing("_dmarc.example.com", Kind::Txt, failure);
        for from in ["example.com", "news.example.com"] {
            let dmarc = judged(&zone, from, &sound(from));
            assert!(dmarc.findings.iter().all(|f| f.code.leaves_unknown()), "{:?}", dmarc.findings);
            assert_eq!(state_of(Area::Dmarc, &dmarc.findings), State::Unknown);
            assert_eq!((dmarc.record, dmarc.policy, dmarc.alignment.path), (None, None, Path::Open));
        }
    }
    // The record is there, whatever stands above it, and so is a path.
    let above = Zone::of(&[("_dmarc.example.com", SOUND)]).failing("_dmarc.com", Kind::Txt, Failure::Timeout);
    let ctx = Context { mail_from: Some(name("b.example.com")), dkim: vec![], ..sound("example.com") };
    let dmarc = judged(&above, "example.com", &ctx);
    assert_eq!((codes(&dmarc), dmarc.policy, dmarc.alignment.path), (vec![], Some(Policy::Reject), Path::Open));
    assert_eq!(dmarc.organizational_domain, None);
    // Where it decides over the only path it is told.
    let zone = Zone::of(&[("_dmarc.a.example.com", SOUND)]).failing("_dmarc.example.com", Kind::Txt, Failure::Timeout);
    let ctx = Context { mail_from: Some(name("b.example.com")), ..ctx };
    let dmarc = judged(&zone, "a.example.com", &Context { dkim: vec![(name("a.example.com"), Usable::No)], ..ctx });
    assert_eq!(dmarc.alignment.path, Path::Unknown);
    assert!(codes(&dmarc).contains(&Code::DnsTimeout) && !codes(&dmarc).contains(&Code::DmarcNoAlignedPath));
}

#[test]
fn where_the_public_suffix_list_disagrees_is_told() {
    let zone = Zone::of(&[("_dmarc.news.example.com", "v=DMARC1; p=reject; rua=mailto:r@news.example.com")]);
    let ctx = Context { dkim: vec![(name("example.com"), Usable::Yes)], ..sound("news.example.com") };
    let dmarc = judged(&zone, "news.example.com", &ctx);
    assert_eq!(codes(&dmarc), [Code::DkimUnaligned, Code::DmarcOrgDiffersPsl, Code::DmarcOrgDiffersPsl]);
    assert_eq!(dmarc.organizational_domain, Some(name("news.example.com")));
    assert!(
        dmarc.findings[1].evidence.contains("does not align") || dmarc.findings[2].evidence.contains("does not align")
    );
}
