//! `relaywatch spf`: one evaluation in RFC 7208's words.

use serde_json::{Value, json};

use super::{document, run};
use crate::dns_server::shared;

fn evaluated(ip: &str, mail_from: &str, more: &[&str]) -> (i32, Value) {
    let server = shared().to_string();
    document(&[&["spf", "--ip", ip, "--mail-from", mail_from, "--resolver", &server], more].concat())
}

#[test]
fn results_have_the_words_of_the_rfc() {
    for (ip, domain, want) in [
        ("192.0.2.1", "sound.spf.test", "pass"),
        ("2001:db8::1", "sound.spf.test", "pass"),
        ("198.51.100.1", "sound.spf.test", "fail"),
        ("198.51.100.1", "tilde.spf.test", "softfail"),
        ("198.51.100.1", "neutral.spf.test", "neutral"),
        ("192.0.2.1", "missing.spf.test", "none"),
        ("192.0.2.1", "gone.spf.test", "none"),
        ("192.0.2.1", "several.spf.test", "permerror"),
        ("192.0.2.1", "syntax.spf.test", "permerror"),
        // SparkPost's record is a macro: it can be evaluated and not listed.
        ("198.51.100.70", "braze.mailfrom.test", "pass"),
        ("198.51.100.71", "braze.mailfrom.test", "softfail"),
        // Eleven lookups: the address that matches first passes, any other is a permanent error.
        ("192.0.2.1", "eleven.spf.test", "pass"),
        ("192.0.2.99", "eleven.spf.test", "permerror"),
    ] {
        let (exit, said) = evaluated(ip, &format!("news@{domain}"), &[]);
        assert_eq!((exit, &said["result"]), (0, &json!(want)), "{ip} {domain}: {said}");
        assert!(said["counts"]["lookups"].is_u64() && said["queries"].is_u64() && said["seconds"].is_f64());
    }
}

#[test]
fn an_answer_that_is_missing_is_temperror_and_ends_2() {
    let (exit, said) = evaluated("192.0.2.1", "servfail.domain.test", &[]);
    assert_eq!((exit, &said["result"]), (2, &json!("temperror")));
    assert!(said["problem"].as_str().unwrap().contains("SERVFAIL"), "{said}");
}

#[test]
fn it_says_what_matched_and_what_it_cost() {
    let (_, said) = evaluated("192.0.2.1", "news@diamond.spf.test", &[]);
    assert_eq!(
        (&said["matched"], &said["counts"]),
        (&json!("include:left.spf.test"), &json!({"lookups": 2, "voids": 0}))
    );
    let left = &said["tree"]["children"][0];
    assert_eq!(
        (&left["domain"], &left["children"][0]["matched"]),
        (&json!("left.spf.test."), &json!("ip4:192.0.2.0/28"))
    );
    let (_, said) = evaluated("198.51.100.1", "news@explained.spf.test", &[]);
    assert_eq!((&said["result"], &said["explanation"]), (&json!("fail"), &json!("not from 198.51.100.1")));
    let (_, said) = evaluated("198.51.100.1", "<>", &["--helo", "tilde.spf.test"]);
    assert_eq!((&said["result"], &said["domain"]), (&json!("softfail"), &json!("tilde.spf.test")));
}

#[test]
fn people_get_a_tree() {
    let server = shared().to_string();
    let output = run(&["spf", "--ip", "192.0.2.1", "--mail-from", "diamond.spf.test", "--resolver", &server], "");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    for part in [
        "pass: 192.0.2.1 for mail from diamond.spf.test\n",
        "SPF records (2 of 10 lookups, 0 of 2 empty answers)\n",
        "  └─ include:left.spf.test -> left.spf.test.",
        "matched: ip4:192.0.2.0/28",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains('\x1b'), "no colour where nobody looks");
}

#[test]
fn wrong_usage_ends_64() {
    for arguments in [
        &["spf"][..],
        &["spf", "--ip", "192.0.2.1"],
        &["spf", "--ip", "192.0.2.300", "--mail-from", "a@example.com"],
        &["spf", "--ip", "192.0.2.1", "--mail-from", "<>"],
        &["spf", "--ip", "192.0.2.1", "--mail-from", "a@example.com", "--resolver", "dns.example"],
        &["spf", "--ip", "192.0.2.1", "--mail-from", "a@example.com", "--format", "xml"],
    ] {
        let output = run(arguments, "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}
