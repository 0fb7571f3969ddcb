//! The certificate: where it may come from, when and in whose name it speaks, and how it is kept.

use std::path::PathBuf;

use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::config::ses::SnsSection;
use relaywatch::sources::sns::Trust;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, TOPIC, at, fixture, now};

fn notification(signer: &SnsSigner) -> Vec<u8> {
    signer.notification(TOPIC, &fixture("bounce_identity.json"), None, now(), "m")
}

fn at_url(body: &[u8], url: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    body["SigningCertURL"] = json!(url);
    body.to_string().into_bytes()
}

#[test]
fn name_and_validity_are_judged_at_the_time_of_the_message() {
    for (name, from, to, want) in [
        ("sns.amazonaws.com", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", None),
        ("sns.amazonaws.com", "2025-01-01T00:00:00Z", "2026-05-01T10:00:04Z", Some("had expired")),
        ("sns.amazonaws.com", "2026-05-01T10:00:06Z", "2027-01-01T00:00:00Z", Some("not yet valid")),
        ("sns.example.com", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", Some("name of SNS")),
        ("s3.amazonaws.com", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", Some("name of SNS")),
        ("sns-signing.eu-west-1.amazonaws.com", "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", Some("name of SNS")),
    ] {
        let signer = SnsSigner::with(name, at(from), at(to));
        let result = Endpoint::with_certificate_of(&signer).receive(&notification(&signer));
        match (want, result) {
            (None, result) => assert!(result.is_ok(), "{name} {from}"),
            (Some(want), Err(refusal)) => {
                assert_eq!((refusal.answer, refusal.reason), (403, "bad_certificate"));
                assert!(refusal.because.contains(want), "{}", refusal.because);
            }
            (Some(_), Ok(_)) => panic!("{name} {from} {to} was taken"),
        }
    }
}

#[test]
fn a_message_may_be_older_than_the_end_of_its_certificate() {
    let signer = SnsSigner::with("sns.amazonaws.com", at("2026-01-01T00:00:00Z"), at("2026-06-01T00:00:00Z"));
    let endpoint = Endpoint::with_certificate_of(&signer);
    assert!(endpoint.receive_at(&notification(&signer), &[], at("2026-09-01T00:00:00Z")).is_ok());
}

#[test]
fn opt_in_regions_sign_under_their_own_name() {
    let url = "https://sns.eu-south-2.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem";
    for (name, taken) in [("sns-signing.eu-south-2.amazonaws.com", true), ("sns.amazonaws.com", false)] {
        let signer = SnsSigner::with(name, at("2026-01-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let mut trust = Trust::default();
        trust.add_certificate(url, signer.certificate_pem().as_bytes()).unwrap();
        let result = Endpoint::new(trust, None).receive(&at_url(&notification(&signer), url));
        assert_eq!(result.is_ok(), taken, "{name}");
    }
}

#[test]
fn with_roots_the_chain_must_end_at_one_of_them() {
    let (signer, other) = (SnsSigner::new(now()), SnsSigner::new(now()));
    for (root, taken) in [(signer.root_pem(), true), (other.root_pem(), false), (signer.certificate_pem(), false)] {
        let mut trust = Trust::default();
        trust.add_certificate(signer.certificate_url(), signer.certificate_pem().as_bytes()).unwrap();
        let added = trust.roots.add_pem(root.as_bytes());
        assert_eq!(added.is_ok(), root != signer.certificate_pem(), "a signing certificate is no root");
        if added.is_ok() {
            let endpoint = Endpoint::new(trust, None);
            for _ in 0..2 {
                let result = endpoint.receive(&notification(&signer));
                assert_eq!(result.is_ok(), taken);
                assert!(result.map_or_else(|r| r.because.contains("configured root"), |_| true));
            }
        }
    }
}

#[test]
fn roots_hold_for_fetched_certificates_too() {
    let (signer, impostor) = (SnsSigner::new(now()), SnsSigner::new(now()));
    let mut trust = Trust::default();
    trust.roots.add_pem(signer.root_pem().as_bytes()).unwrap();
    let endpoint = Endpoint::new(trust, None);
    endpoint.web.put(impostor.certificate_url(), impostor.certificate_pem());
    assert_eq!(endpoint.refusal(&notification(&impostor)), (403, "bad_certificate"));
}

#[test]
fn a_certificate_is_fetched_once() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::fetching();
    endpoint.web.put(signer.certificate_url(), signer.certificate_pem());
    for _ in 0..3 {
        assert!(endpoint.receive(&notification(&signer)).is_ok());
    }
    assert_eq!(endpoint.web.asked(), 1);
}

#[test]
fn a_failed_fetch_is_503_and_is_forgotten_soon() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::fetching();
    let body = notification(&signer);
    for (received_at, asked) in
        [("10:00:05Z", 1), ("10:00:06Z", 1), ("10:00:14Z", 1), ("10:00:16Z", 2), ("10:00:25Z", 2)]
    {
        let refusal = endpoint.receive_at(&body, &[], at(&format!("2026-05-01T{received_at}"))).unwrap_err();
        assert_eq!((refusal.answer, refusal.reason), (503, "certificate_fetch"));
        assert!(refusal.because.ends_with("the host answered 404"), "{}", refusal.because);
        assert_eq!(endpoint.web.asked(), asked, "{received_at}");
    }
    endpoint.web.put(signer.certificate_url(), signer.certificate_pem());
    assert!(endpoint.receive_at(&body, &[], at("2026-05-01T10:00:27Z")).is_ok(), "a failure is not for ever");
}

#[test]
fn a_clock_set_back_does_not_prolong_a_failure() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::fetching();
    let body = notification(&signer);
    assert!(endpoint.receive_at(&body, &[], at("2026-05-01T12:00:00Z")).is_err());
    endpoint.web.put(signer.certificate_url(), signer.certificate_pem());
    assert!(endpoint.receive(&body).is_ok());
}

#[test]
fn what_is_served_in_place_of_a_certificate_is_a_failed_fetch() {
    let signer = SnsSigner::new(now());
    let damaged = signer.certificate_pem().replacen("MII", "AAA", 1);
    let many = signer.certificate_pem().repeat(9);
    for served in [
        "<html>log in first</html>",
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &damaged,
        &many,
    ] {
        let endpoint = Endpoint::fetching();
        endpoint.web.put(signer.certificate_url(), served);
        assert_eq!(endpoint.refusal(&notification(&signer)), (503, "certificate_fetch"));
    }
}

#[test]
fn a_stranger_causes_no_fetch() {
    let signer = SnsSigner::new(now());
    let endpoint = Endpoint::fetching();
    let file = "SimpleNotificationService-00000000000000000000000000000000.pem";
    for url in [
        format!("https://sns.s3-ap-southeast-2.amazonaws.com/{file}"),
        format!("http://sns.eu-west-1.amazonaws.com/{file}"),
        format!("https://user@sns.eu-west-1.amazonaws.com/{file}"),
        format!("https://sns.eu-west-1.amazonaws.com:443/{file}"),
        format!("https://sns.eu-west-1.amazonaws.com/{file}?a"),
        format!("https://sns.eu-west-1.amazonaws.com/{file}#a"),
        format!("https://sns.eu-west-1.amazonaws.com./{file}"),
        format!("https://SNS.eu-west-1.amazonaws.com/{file}"),
        format!("https://sns.eu-west-1.amazonaws.com/other/{file}"),
        format!("https://evil.example/{file}"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        endpoint.web.put(&url, signer.certificate_pem());
        assert_eq!(endpoint.refusal(&at_url(&notification(&signer), &url)), (403, "certificate_url"), "{url}");
    }
    let foreign = signer.notification("arn:aws:sns:eu-west-1:999999999999:x", "{}", None, now(), "m");
    assert_eq!(endpoint.refusal(&foreign), (403, "foreign_topic"));
    assert_eq!(endpoint.web.asked(), 0);
}

#[test]
fn settings_are_checked_at_the_start_and_name_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let signer = SnsSigner::new(now());
    let (leaf, root) = (file("leaf.pem", signer.certificate_pem()), file("root.pem", signer.root_pem()));
    let junk = file("junk.pem", "junk");
    let url = signer.certificate_url().to_owned();

    let sound = SnsSection {
        certificates: [(url.clone(), leaf.clone())].into(),
        trust_roots: vec![root],
        ..SnsSection::default()
    };
    let endpoint = Endpoint::new(Trust::from_config(&sound).unwrap(), None);
    assert!(endpoint.receive(&notification(&signer)).is_ok());

    let wrong = |change: &dyn Fn(&mut SnsSection)| {
        let mut section = sound.clone();
        change(&mut section);
        Trust::from_config(&section).map(|_| ()).unwrap_err().to_string()
    };
    assert!(wrong(&|s| s.regions = Some(vec!["s3-eu-west-1".into()])).starts_with("sns.regions: "));
    assert!(wrong(&|s| s.regions = Some(vec!["us-east-1".into()])).starts_with("sns.certificates."));
    assert!(wrong(&|s| s.certificates = [(url.clone(), junk.clone())].into()).contains("junk.pem"));
    assert!(wrong(&|s| s.trust_roots = vec![leaf.clone()]).starts_with("sns.trust_roots: "));
    assert!(wrong(&|s| s.trust_roots = vec![folder.path().join("none.pem")]).contains("none.pem"));
}
