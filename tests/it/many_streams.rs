//! A world of many streams of one sender, for tests and the bench: each with records of its own, all including the same provider.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, MX, TXT};
use hickory_proto::rr::{Name, RData, Record};

use crate::scripted_dns::Answer;

/// An RSA key of 2048 bits.
const KEY: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0SA2bhBOuioZOsT+ahA6yzcZtT28sW876GiC8xtVSTwe35zks48U170mWB9hiC5AW2t77qbek0OXt0e1cUDGXYyQC5FFl0pTIQzwW5/VYEzhQg0Lhoqk9RZOZ0qvqk/FbhzSi0c5LlV+z/8XpyVTicO3qyHX8ll08vXIXiGP2k5Qs6H4x+7uxHn735QV6Gz6Ex09S0dUPL4dHaioIZlT6QLZ+Hnt1uPoh7lNX/48hlImR41jIu0ZOVSXu6OIe5Mki+WtR/DnsbwZcF5HakULFO86lqYGxNdyYJb5Bmnau60dnrz4bWdCXP2cLl6xuA3sF0j2DmXvl8DxVuruJYp7YwIDAQAB";

/// The registration of one of them, as a line of `--stream-file`.
pub fn registration(number: usize) -> String {
    let from = format!("s{number}.shop{number}.test");
    format!(
        "{{\"name\":\"s{number}\",\"from_domain\":\"{from}\",\"mail_from_domain\":\"bounce.{from}\",\"provider\":\"other\",\
         \"dkim\":[{{\"domain\":\"{from}\",\"selector\":\"k1\"}},{{\"domain\":\"{from}\",\"selector\":\"k2\"}}],\
         \"sending_ips\":[\"192.0.2.1\"],\"apple_sources\":[\"{from}\",\"bounce.{from}\"]}}"
    )
}

/// What their name servers say, so long after they were asked. `question` is `name. TYPE`.
pub fn answer(question: &str, after: Duration) -> Answer {
    let (name, kind) = question.split_once(' ').unwrap_or_default();
    let text = |text: &str| Some(RData::TXT(TXT::new(vec![text.to_owned()])));
    let host = || Name::from_ascii("mx.esp.test.").expect("a name");
    let data = match kind {
        "TXT" if name.contains("._domainkey.") => {
            let (first, rest) = KEY.split_at(250);
            Some(RData::TXT(TXT::new(vec![first.to_owned(), rest.to_owned()])))
        }
        "TXT" if name.starts_with("_dmarc.shop") => text("v=DMARC1; p=reject; rua=mailto:dmarc@esp.test"),
        "TXT" if name.contains("._report._dmarc.esp.test") => text("v=DMARC1"),
        "TXT" if name.starts_with("_dmarc.") => None,
        "TXT" if name == "_spf.esp.test." => text("v=spf1 include:_spf1.esp.test include:_spf2.esp.test ~all"),
        "TXT" if name == "_spf1.esp.test." => text("v=spf1 ip4:198.51.100.0/24 ~all"),
        "TXT" if name == "_spf2.esp.test." => text("v=spf1 ip4:192.0.2.0/24 ~all"),
        "TXT" => text("v=spf1 include:_spf.esp.test -all"),
        "MX" => Some(RData::MX(MX::new(10, host()))),
        "A" => Some(RData::A(A::new(192, 0, 2, 1))),
        _ => None,
    };
    let asked = Name::from_ascii(name).expect("a name");
    match data {
        Some(data) => Answer::records(vec![Record::from_rdata(asked, 60, data)]),
        None => Answer::code(ResponseCode::NoError),
    }
    .after(after)
}
