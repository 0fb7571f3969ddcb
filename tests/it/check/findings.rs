//! Every finding: a zone that has it, and a near neighbour that must not.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use relaywatch::dns::for_each;
use relaywatch::domain::finding::{Area, Code, State, state_of};
use serde_json::Value;

use super::catalogue::cases;
use super::{checked, checked_with, codes, codes_in, document, documents, has};
use crate::dns_server::shared;

/// A finding that no zone shows is not proved; one without a neighbour may be raised by anything.
#[test]
fn every_code_is_shown_and_has_a_near_neighbour() {
    let of = |raises: bool| -> BTreeSet<Code> {
        cases().iter().filter(|case| case.raises == raises).map(|case| case.code).collect()
    };
    let (raised, spared) = (of(true), of(false));
    let missing = |from: &BTreeSet<Code>, but: &[Code]| -> Vec<&Code> {
        Code::ALL.iter().filter(|code| !from.contains(code) && !but.contains(code)).collect()
    };
    assert_eq!(missing(&raised, &[]), [&Code::SpfMissing; 0], "no zone raises these");
    assert_eq!(missing(&spared, &[]), [&Code::SpfMissing; 0], "no near neighbour is spared these");
}

#[tokio::test]
async fn each_registration_raises_what_it_says_and_its_neighbour_does_not() {
    let cases = cases();
    let wrong: Vec<String> = for_each(&cases, 64, async |case| {
        let checked = checked_with(shared(), case.stream(), &case.seen()).await;
        let mut complaints = Vec::new();
        if has(&checked, case.code) != case.raises {
            complaints.push(format!("{}\n    finds {:?}", case.line, codes(&checked)));
        }
        let judged = &checked.judged;
        let status = &judged.status;
        for (area, state) in [(Area::Spf, status.spf), (Area::Dkim, status.dkim), (Area::Dmarc, status.dmarc)] {
            let is_read = judged.dmarc.is_some();
            if is_read && state != state_of(area, &judged.findings) {
                complaints.push(format!("{}\n    status of {area:?} is {state:?}", case.line));
            }
        }
        for finding in &judged.findings {
            if finding.evidence.is_empty() || finding.remedy.is_empty() || finding.rfc.is_empty() {
                complaints.push(format!("{}\n    says too little: {finding:?}", case.line));
            }
            let record = finding.record.as_deref();
            if finding.offset.is_some_and(|at| record.is_none_or(|record| !record.is_char_boundary(at))) {
                complaints.push(format!("{}\n    points nowhere: {finding:?}", case.line));
            }
        }
        complaints
    })
    .flat_map(futures_util::stream::iter)
    .collect()
    .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The program says the same: all registrations in one run, a document for each, in their order.
#[tokio::test]
async fn the_program_finds_the_same() {
    let server = shared().to_string();
    let cases: Vec<_> = cases().into_iter().filter(|case| !case.is_malformed() && !case.is_observed()).collect();
    let lines: Vec<String> = cases.iter().map(|case| case.fields.to_string()).collect();
    let arguments = ["check", "--stream-file", "-", "--resolver", &server];
    let (exit, documents) = documents(&arguments, &lines.join("\n"));
    assert_eq!((exit, documents.len()), (1, cases.len()), "some are failing");
    let mut wrong = Vec::new();
    for (case, document) in cases.iter().zip(&documents) {
        assert_eq!(document["stream"], case.fields["name"], "in their order");
        let found = codes_in(document);
        if found.contains(&case.code.as_str()) != case.raises {
            wrong.push(format!("{}\n    finds {found:?}", case.line));
        }
        for field in ["posture", "status", "apple", "checked_at", "queries", "seconds"] {
            assert_ne!(document[field], Value::Null, "{field}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A word that is no name is refused as a registration, and told as a finding where nobody registered it.
#[test]
fn what_is_no_name_is_said() {
    let (exit, said) = document(&["check", "bad..test", "--resolver", "127.0.0.1:9"]);
    assert_eq!((exit, codes_in(&said)), (2, vec!["domain_invalid"]));
    assert_eq!((&said["posture"], &said["queries"]), (&"unknown".into(), &0.into()));
    assert_eq!(said["findings"][0]["name"], "bad..test");
}

#[tokio::test]
async fn severities_are_those_of_the_case() {
    use super::stream;
    use relaywatch::domain::finding::Severity;
    use serde_json::json;
    let key = |selector: &str| json!({"domain": "dkim.test", "selector": selector});
    let of = async |fields: Value, code: Code| {
        let checked = checked(shared(), stream(fields)).await;
        checked.judged.findings.iter().find(|finding| finding.code == code).map(|finding| finding.severity)
    };
    let eleven = |ips: &[&str]| json!({"from_domain": "eleven.spf.test", "mail_from_domain": "eleven.spf.test", "sending_ips": ips});
    for (fields, code, want) in [
        // The sending address matches before the limit.
        (eleven(&["192.0.2.1"]), Code::SpfLookupsExceeded, Severity::Warning),
        (eleven(&[]), Code::SpfLookupsExceeded, Severity::Error),
        // Another selector works.
        (
            json!({"from_domain": "dkim.test", "dkim": [key("k"), key("none")]}),
            Code::DkimSelectorMissing,
            Severity::Warning,
        ),
        (json!({"from_domain": "dkim.test", "dkim": [key("none")]}), Code::DkimSelectorMissing, Severity::Error),
        (json!({"from_domain": "missing.dmarc.test"}), Code::DmarcMissing, Severity::Warning),
        (json!({"from_domain": "missing.dmarc.test", "bulk": true}), Code::DmarcMissing, Severity::Error),
    ] {
        assert_eq!(of(fields.clone(), code).await, Some(want), "{code} of {fields}");
    }
    assert_eq!(state_of(Area::Spf, &[]), State::Pass);
}
