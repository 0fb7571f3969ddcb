//! Name servers that do not answer: nothing is said about the record, and the area is unknown.

use std::net::SocketAddr;
use std::time::Duration;

use relaywatch::clock::Stopwatch;
use relaywatch::domain::finding::{Area, Code, State};
use relaywatch::domain::posture::{AppleVerdict, Checked, Posture};
use serde_json::json;

use super::{checked, codes, document, stream};
use crate::dns_server::{recursive, shared, zones};

async fn at(server: SocketAddr, domain: &str) -> Checked {
    let dkim = json!([{"domain": domain, "selector": "k"}]);
    checked(server, stream(json!({"from_domain": domain, "mail_from_domain": domain, "dkim": dkim}))).await
}

/// Nothing but that no answer came, in every area.
fn assert_unknown(checked: &Checked, word: &str) {
    let judged = &checked.judged;
    let told: Vec<_> = judged.findings.iter().filter(|finding| !finding.code.is_unanswered()).collect();
    assert!(told.is_empty(), "{word}: {told:#?}");
    for area in [Area::Spf, Area::Dkim, Area::Dmarc, Area::Mailfrom] {
        assert!(judged.findings.iter().any(|finding| finding.area == area), "{word}: nothing on {area:?}");
    }
    let status = &judged.status;
    assert_eq!([status.spf, status.dkim, status.dmarc], [State::Unknown; 3], "{word}");
    let apple = &judged.apple;
    assert_eq!(
        (apple.verdict, apple.spf_path, apple.dkim_path),
        (AppleVerdict::Unknown, State::Unknown, State::Unknown)
    );
    assert_eq!(judged.posture, Posture::Unknown, "{word}");
    // What was not answered is not written down as gone.
    assert!(judged.published.iter().all(|published| !published.name.relative().starts_with(word)), "{word}");
}

#[tokio::test]
async fn without_answers_everything_is_unknown_and_nothing_is_broken() {
    for (word, code) in [
        ("servfail", Code::DnsServfail),
        ("bogus", Code::DnsServfail),
        ("lame", Code::DnsServfail),
        ("refused", Code::DnsRefused),
        ("drop", Code::DnsTimeout),
    ] {
        let watch = Stopwatch::start();
        let checked = at(shared(), &format!("{word}.domain.test")).await;
        assert_unknown(&checked, word);
        assert_eq!(codes(&checked), [code.as_str()], "{word}");
        assert!(watch.elapsed() < Duration::from_secs(25), "{word}: {:?}", watch.elapsed());
    }
    let bogus = at(shared(), "bogus.domain.test").await;
    assert!(bogus.judged.findings.iter().all(|finding| finding.evidence.contains("DNSSEC")), "{bogus:#?}");
}

/// A resolver that validates says SERVFAIL of a zone whose signatures are broken, even of names that are not there.
#[tokio::test]
async fn broken_signatures_are_no_missing_record() {
    let checked = at(recursive(), "below.bogus.test").await;
    let judged = &checked.judged;
    assert_eq!(codes(&checked), ["dns_servfail"]);
    assert!(judged.findings.iter().any(|finding| finding.remedy.contains("DS record")));
    assert_eq!(judged.posture, Posture::Unknown);
}

#[tokio::test]
async fn what_comes_late_or_over_tcp_is_an_answer_like_any() {
    let sound = at(shared(), "domain.test").await;
    assert_eq!((codes(&sound), sound.judged.posture), (vec![], Posture::Pass));
    for word in ["slow", "truncated"] {
        let checked = at(shared(), &format!("{word}.domain.test")).await;
        // That it takes TCP is worth a word, and no fault.
        let told: Vec<_> = codes(&checked).into_iter().filter(|code| *code != "spf_response_large").collect();
        assert_eq!((told, checked.judged.posture), (vec![], Posture::Pass), "{word}");
    }
}

#[tokio::test]
async fn what_fails_now_and_then_is_never_called_broken() {
    for _ in 0..8 {
        let checked = at(shared(), "flaky.domain.test").await;
        let told: Vec<_> = checked.judged.findings.iter().filter(|finding| !finding.code.is_unanswered()).collect();
        assert!(told.is_empty(), "{told:#?}");
        assert!(matches!(checked.judged.posture, Posture::Pass | Posture::Unknown));
    }
}

/// One record out of reach leaves its own area unknown, and the others are judged.
#[tokio::test]
async fn one_silence_is_about_one_area() {
    let fixture = include_str!("../../fixtures/dns/domain.test.zone");
    let key = fixture.lines().find(|line| line.starts_with("k._domainkey ")).expect("a key");
    let records = format!(
        "\
@             TXT \"v=spf1 include:esp.one.test -all\"\n@ MX 10 mx\nmx A 192.0.2.1\nesp TXT \"v=spf1 ip4:192.0.2.0/28 -all\"\n\
_dmarc        TXT \"v=DMARC1; p=reject; rua=mailto:d@one.test\"\n{key}\n"
    );
    for (fault, area, status) in [
        ("esp.one.test", Area::Spf, [State::Unknown, State::Pass, State::Pass]),
        ("k._domainkey.one.test", Area::Dkim, [State::Pass, State::Unknown, State::Pass]),
        ("_dmarc.one.test", Area::Dmarc, [State::Pass, State::Pass, State::Unknown]),
    ] {
        let server = zones(&[("one.test", &format!("{records};fault {fault}. servfail\n"))]);
        let checked = at(server.address(), "one.test").await;
        let got = &checked.judged.status;
        assert_eq!([got.spf, got.dkim, got.dmarc], status, "{fault}: {:?}", codes(&checked));
        let unanswered: Vec<_> =
            checked.judged.findings.iter().filter(|finding| finding.code.is_unanswered()).collect();
        assert!(unanswered.iter().all(|finding| finding.area == area), "{unanswered:#?}");
    }
}

#[test]
fn unknown_ends_2_and_nobody_at_the_port_is_unknown() {
    let server = shared().to_string();
    let (exit, said) = document(&["check", "servfail.domain.test", "--resolver", &server]);
    assert_eq!((exit, &said["posture"]), (2, &json!("unknown")));
    assert_eq!(said["status"], json!({"spf": "unknown", "dkim": "unknown", "dmarc": "unknown"}));
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (exit, said) = document(&["check", "domain.test", "--resolver", &free]);
    assert_eq!((exit, &said["posture"]), (2, &json!("unknown")));
}
