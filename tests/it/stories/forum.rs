//! What people asked on Apple's forum when mail to the relay did not arrive, and what the report tells each of them.

use relaywatch::domain::finding::{Code, Finding, Severity, State};
use relaywatch::domain::posture::{AppleVerdict, Checked, Posture};
use serde_json::{Value, json};

use crate::check::{checked, codes, stream};
use crate::dns_server::{ZoneServer, zones};

/// The sender's zone beside those of the providers.
fn published(records: &str) -> ZoneServer {
    let ses = include_str!("../../fixtures/dns/amazonses.com.zone");
    let sparkpost = include_str!("../../fixtures/dns/sparkpostmail.com.zone");
    zones(&[("example.com", records), ("amazonses.com", ses), ("sparkpostmail.com", sparkpost)])
}

/// Easy DKIM as SES gives it, and a policy.
const SOUND: &str = "\
_dmarc              TXT    \"v=DMARC1; p=quarantine; rua=mailto:dmarc@example.com\"\n\
token1._domainkey   CNAME  token1.dkim.amazonses.com.\n\
token2._domainkey   CNAME  token2.dkim.amazonses.com.\n\
token3._domainkey   CNAME  token3.dkim.amazonses.com.\n";

/// A custom MAIL FROM domain as SES prescribes it.
const MAIL_FROM: &str = "\
mail  MX   10 feedback-smtp.eu-west-1.amazonses.com.\n\
mail  TXT  \"v=spf1 include:amazonses.com ~all\"\n";

/// A stream over SES in Ireland, with its three tokens; `more` says what else is registered.
async fn over_ses(server: &ZoneServer, more: Value) -> Checked {
    let token = |n: u8| json!({"domain": "example.com", "selector": format!("token{n}")});
    let mut fields = json!({"from_domain": "example.com", "provider": "ses", "region": "eu-west-1",
        "dkim": [token(1), token(2), token(3)], "sending_ips": ["198.51.100.7"], "apple_sources": ["example.com"]});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    checked(server.address(), stream(fields)).await
}

fn one(checked: &Checked, code: Code) -> &Finding {
    let found: Vec<_> = checked.judged.findings.iter().filter(|finding| finding.code == code).collect();
    assert_eq!(found.len(), 1, "{code}: {:?}", codes(checked));
    found[0]
}

fn worst(checked: &Checked) -> Option<Severity> {
    checked.judged.findings.iter().map(|finding| finding.severity).max()
}

/// "SPF is failed long day": the record that he shows passes nobody, and the TXT that he added has nothing to do with it.
#[tokio::test]
async fn spf_failed_for_a_long_day_read_literally() {
    let records = "@ TXT \"v=spf1 ~all\"\n@ TXT \"apple-domain-verification=RaNdOmLeTtErSaNdNuMbErS\"\n@ MX 10 mx\nmx A 192.0.2.1\n";
    let checked = checked(
        published(records).address(),
        stream(json!({"from_domain": "example.com", "mail_from_domain": "example.com"})),
    )
    .await;
    let nobody = one(&checked, Code::SpfNoAuthorisedSenders);
    assert_eq!((nobody.record.as_deref(), nobody.severity), (Some("v=spf1 ~all"), Severity::Error));
    assert!(nobody.remedy.contains("include:"), "{nobody:?}");
    assert_eq!(one(&checked, Code::DmarcMissing).severity, Severity::Warning);
    let leftover = one(&checked, Code::RelayTxtIrrelevant);
    assert_eq!(leftover.severity, Severity::Info);
    assert!(leftover.evidence.contains("placeholder"), "{leftover:?}");
    assert_eq!(checked.judged.apple.spf_path, State::Fail);
}

/// The same, had the forum swallowed his include: SES uses its own envelope, and SPF passes there for nobody's benefit.
#[tokio::test]
async fn spf_failed_for_a_long_day_without_a_mail_from_domain() {
    let records = "@ TXT \"v=spf1 include:amazonses.com ~all\"\n";
    let server = published(&format!("{records}{SOUND}"));
    let alive = over_ses(&server, json!({"mail_from_domain": "provider_default"})).await;
    let envelope = one(&alive, Code::MailfromNotOwnDomain);
    assert!(envelope.evidence.contains("eu-west-1.amazonses.com."), "{envelope:?}");
    assert!(envelope.remedy.contains("MX 10 feedback-smtp.eu-west-1.amazonses.com."), "{envelope:?}");
    assert_eq!(one(&alive, Code::RelaySpfPathBroken).severity, Severity::Warning);
    // Three live keys: mail passes by DKIM all the same.
    assert_eq!((alive.judged.apple.verdict, alive.judged.posture), (AppleVerdict::Accept, Posture::AtRisk));
    // Without them it does not.
    let dead = over_ses(&published(records), json!({"mail_from_domain": "provider_default"})).await;
    assert_eq!(one(&dead, Code::RelayNoPath).severity, Severity::Critical);
    assert_eq!((dead.judged.apple.verdict, dead.judged.posture), (AppleVerdict::Reject, Posture::Failing));
}

/// The same, had all four values stood in one record set.
#[tokio::test]
async fn spf_failed_for_a_long_day_with_several_records() {
    let records = "@ TXT \"v=spf1 include:amazonses.com ~all\"\n@ TXT \"v=spf1 ~all\"\n";
    let checked = over_ses(&published(&format!("{records}{SOUND}")), json!({"mail_from_domain": "example.com"})).await;
    let several = one(&checked, Code::SpfMultiple);
    assert!(several.remedy.contains("v=spf1 include:amazonses.com ~all"), "one record out of both: {several:?}");
    assert_eq!(checked.judged.status.spf, State::Fail);
}

/// "Some questions of custom domain": `MX value > 10 10`. SES falls back to its own envelope, and nobody says so.
#[tokio::test]
async fn some_questions_of_custom_domain_two_mx() {
    let records =
        format!("@ TXT \"v=spf1 -all\"\n{SOUND}{MAIL_FROM}mail MX 10 inbound-smtp.eu-west-1.amazonaws.com.\n");
    let mail_from =
        json!({"mail_from_domain": "mail.example.com", "apple_sources": ["example.com", "mail.example.com"]});
    let checked = over_ses(&published(&records), mail_from.clone()).await;
    let multiple = one(&checked, Code::MailfromMxMultiple);
    assert_eq!(multiple.severity, Severity::Error);
    assert!(multiple.evidence.contains("exactly one") && multiple.record.as_deref().unwrap().contains("inbound-smtp"));
    assert!(multiple.remedy.contains("as the only MX: mail.example.com. MX 10 feedback-smtp.eu-west-1.amazonses.com."));
    assert_eq!(checked.judged.posture, Posture::AtRisk);
    // An inbound host alone is the wrong one.
    let records = format!(
        "@ TXT \"v=spf1 -all\"\n{SOUND}mail TXT \"v=spf1 include:amazonses.com ~all\"\nmail MX 10 inbound-smtp.eu-west-1.amazonaws.com.\n"
    );
    let inbound = over_ses(&published(&records), mail_from).await;
    assert!(codes(&inbound).contains(&"mailfrom_mx_wrong") && !codes(&inbound).contains(&"mailfrom_mx_multiple"));
}

/// The same: Easy DKIM's names typed with the domain appended, in a zone that appends it by itself.
#[tokio::test]
async fn some_questions_of_custom_domain_doubled_name() {
    let typed = SOUND.replace("_domainkey ", "_domainkey.example.com ");
    let records = format!("@ TXT \"v=spf1 -all\"\n{typed}{MAIL_FROM}");
    let checked = over_ses(&published(&records), json!({"mail_from_domain": "mail.example.com"})).await;
    let findings = &checked.judged.findings;
    let missing = findings.iter().filter(|finding| finding.code == Code::DkimSelectorMissing).count();
    let doubled: Vec<_> = findings.iter().filter(|finding| finding.code == Code::DkimNameDoubled).collect();
    assert_eq!((missing, doubled.len()), (3, 3), "{:?}", codes(&checked));
    assert_eq!(doubled[0].name, "token1._domainkey.example.com.example.com.");
    assert_eq!(doubled[0].remedy, "Publish it at token1._domainkey.example.com");
    // The envelope domain is not registered either: nothing is left.
    assert_eq!(checked.judged.posture, Posture::Failing);
}

/// SPF verified, DKIM verified, SES says delivered, nothing arrives: the DNS is sound, and the envelope domain is not registered.
#[tokio::test]
async fn delivered_and_never_seen() {
    let records = format!("@ TXT \"v=spf1 -all\"\n{SOUND}{MAIL_FROM}");
    let server = published(&records);
    let checked = over_ses(&server, json!({"mail_from_domain": "mail.example.com"})).await;
    let gap = one(&checked, Code::RelayMailfromUnregistered);
    assert_eq!(gap.name, "mail.example.com.");
    assert!(gap.evidence.contains("example.com. is, and Apple does not count it for names below"), "{gap:?}");
    assert!(gap.remedy.starts_with("Add mail.example.com under"), "{gap:?}");
    assert_eq!((checked.judged.apple.verdict, checked.judged.posture), (AppleVerdict::Accept, Posture::AtRisk));
    // With both registered the answer is: it is not the DNS.
    let both = json!({"mail_from_domain": "mail.example.com", "apple_sources": ["example.com", "mail.example.com"]});
    let checked = over_ses(&server, both).await;
    assert_eq!((checked.judged.posture, checked.judged.apple.verdict), (Posture::Pass, AppleVerdict::Accept));
    assert_eq!([checked.judged.apple.spf_path, checked.judged.apple.dkim_path], [State::Pass; 2]);
    // That the From domain lets nobody send is as it should be: it stands in no envelope.
    assert_eq!((codes(&checked), worst(&checked)), (vec!["spf_no_authorised_senders"], Some(Severity::Info)));
}

/// Braze over SparkPost, twenty thousand hard bounces in an hour: the record is a macro, so it is evaluated and not listed.
#[tokio::test]
async fn twenty_thousand_bounces_at_one_hour() {
    let fixture = include_str!("../../fixtures/dns/domain.test.zone");
    let key = fixture.lines().find(|line| line.starts_with("k._domainkey ")).expect("a key");
    let base = format!("{key}\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:dmarc@example.com\"\n");
    let fields = json!({"from_domain": "example.com", "mail_from_domain": "bounce.example.com", "provider": "sparkpost",
        "dkim": [{"domain": "example.com", "selector": "k"}], "sending_ips": ["198.51.100.70"],
        "apple_sources": ["bounce.example.com", "example.com"]});
    let apex = "@ TXT \"v=spf1 redirect=_spf.sparkpostmail.com\"\n";
    // Both forms that the providers document are right.
    let alias = published(&format!("{base}{apex}bounce CNAME sparkpostmail.com.\n"));
    let redirect = "bounce TXT \"v=spf1 redirect=_spf.sparkpostmail.com\"\nbounce MX 10 smtp.sparkpostmail.com.\n";
    let braze = published(&format!("{base}{apex}{redirect}"));
    for server in [&alias, &braze] {
        let before = checked(server.address(), stream(fields.clone())).await;
        assert_eq!(
            (before.judged.posture, worst(&before).filter(|worst| *worst > Severity::Info)),
            (Posture::Pass, None)
        );
        // An hour later the same records say the same: look elsewhere than at the DNS.
        let after = checked(server.address(), stream(fields.clone())).await;
        assert_eq!(before.judged.published, after.judged.published);
        assert_eq!(before.judged.findings, after.judged.findings);
    }
    // Had somebody touched the record, its term would be named.
    let broken = redirect.replace("_spf.sparkpostmail", "spf.sparkpostmail");
    let server = published(&format!("{base}{apex}{broken}"));
    let after = checked(server.address(), stream(fields)).await;
    let wrong = one(&after, Code::SpfRedirectNoRecord);
    assert!(wrong.evidence.contains("redirect=spf.sparkpostmail.com"), "{wrong:?}");
    assert_eq!(after.judged.posture, Posture::AtRisk);
}
