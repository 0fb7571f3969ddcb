//! What strangers publish in the DNS: DKIM keys and DMARC records, the judges that ask for them, and the check of a whole stream.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use libfuzzer_sys::Corpus;
use relaywatch::domain::dkim::{self, Usable};
use relaywatch::domain::dmarc::{self, Context, Record};
use relaywatch::domain::dns::{Data, Failure, Inquiry, Name, Outcome, Question, Reply, Unanswered};
use relaywatch::domain::finding::Finding;
use relaywatch::domain::ids::{StreamName, TeamId};
use relaywatch::domain::posture::examine;
use relaywatch::domain::stream::{AppleAccount, DkimIdentity, Provider, Stream};
use relaywatch::domain::tags::{Dialect, TagList, items};

/// A record on its own, as a list of tags, a key and a policy.
pub fn record(input: &[u8]) -> Corpus {
    for dialect in [Dialect::Dkim, Dialect::Dmarc] {
        let list = TagList::parse(input, dialect);
        for tag in &list.tags {
            assert_eq!(&input[tag.value_at..tag.value_at + tag.value.len()], tag.value);
            for (at, item) in items(tag, b':', dialect) {
                assert_eq!(&input[at..at + item.len()], item);
            }
        }
    }
    let key = dkim::read(input);
    assert!(key.accepted || !key.flaws.is_empty(), "a key is refused without a word");
    if let Some(policy) = Record::read(input) {
        let mended = Record::read(policy.mended().as_bytes()).expect("what is proposed is a record");
        assert!(mended.p.is_some());
    }
    Corpus::Keep
}

/// The judges over replies: one line of the input for each question, in the order in which they are asked.
pub fn judges(input: &[u8]) -> Corpus {
    let [from, other] = ["news.example.com", "mail.example.net"].map(|name| Name::parse(name).expect("a name"));
    let selectors = [("s1".to_owned(), from.clone()), ("s2".to_owned(), other.clone())];
    let mut lines = input.split(|&b| b == b'\n');
    let mut known = BTreeMap::new();
    let keys = ended(&mut known, &mut lines, |inquiry| dkim::lint(inquiry, &selectors, &from));
    expect_sorted(&keys.findings);
    let signers = keys.keys.into_iter().map(|key| (key.domain, key.usable)).collect();
    let ctx = Context { mail_from: Some(other), spf_can_pass: Some(false), dkim: signers, ..Context::default() };
    let policy = ended(&mut known, &mut lines, |inquiry| dmarc::lint(inquiry, &from, &ctx));
    expect_sorted(&policy.findings);
    let works = ctx.dkim.iter().any(|(_, usable)| *usable == Usable::Yes);
    assert!(works || policy.alignment.path != dmarc::Path::Open, "a pass out of nothing");
    Corpus::Keep
}

/// The whole check of a stream over replies, a line of the input for each question.
pub fn check(input: &[u8]) -> Corpus {
    let signer = |selector: &str| DkimIdentity { domain: "news.example.com".to_owned(), selector: selector.to_owned() };
    let stream = Stream {
        name: StreamName::new("s"),
        team: TeamId::new("t"),
        from_domain: "news.example.com".to_owned(),
        mail_from_domain: "b.example.com".to_owned(),
        dkim: vec![signer("s1"), signer("s2")],
        provider: Provider::Ses,
        region: None,
        sending_ips: vec![IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])],
        apple_sources: Some(vec!["news.example.com".to_owned()]),
        apple_account: AppleAccount::default(),
        sends_mail: true,
        bulk: false,
    };
    let mut lines = input.split(|&b| b == b'\n');
    let judged = ended(&mut BTreeMap::new(), &mut lines, |inquiry| examine(&stream, inquiry, 0));
    assert!(judged.findings.is_sorted_by_key(|finding| Reverse(finding.severity)));
    for finding in &judged.findings {
        let record = finding.record.as_deref().unwrap_or_default();
        assert!(finding.offset.is_none_or(|at| record.is_char_boundary(at)), "it points nowhere");
    }
    Corpus::Keep
}

fn expect_sorted(findings: &[Finding]) {
    assert!(findings.is_sorted());
}

fn ended<'a, T>(
    known: &mut BTreeMap<Question, Reply>,
    lines: &mut impl Iterator<Item = &'a [u8]>,
    judge: impl Fn(&mut Inquiry<'_>) -> Result<T, Unanswered>,
) -> T {
    for _ in 0..64 {
        let mut inquiry = Inquiry::new(known);
        let judged = judge(&mut inquiry);
        let missing = inquiry.missing().clone();
        if let Ok(judgement) = judged {
            return judgement;
        }
        assert!(!missing.is_empty(), "a judge gives up and misses nothing");
        known.extend(missing.into_iter().map(|question| (question, reply(lines.next().unwrap_or(b"-")))));
    }
    panic!("a judge does not end");
}

/// A line as a reply; several records are parted by a NUL.
fn reply(line: &[u8]) -> Reply {
    Reply::of(match line {
        b"-" => Outcome::NxDomain,
        b"" => Outcome::NoData,
        b"?" => Outcome::Failed(Failure::Timeout),
        [b'>', target @ ..] => match Name::from_bytes(target) {
            Ok(target) => Outcome::Records(vec![Data::Cname(target)]),
            Err(_) => Outcome::Failed(Failure::Other),
        },
        texts => Outcome::Records(texts.split(|&b| b == 0).map(|text| Data::Txt(vec![text.into()])).collect()),
    })
}
