//! SPF over a small DNS of arbitrary replies.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::Corpus;
use relaywatch::domain::dns::{Data, Failure, Inquiry, Kind, Name, Outcome, Question, Reply, Unanswered};
use relaywatch::domain::finding::Severity;
use relaywatch::domain::spf::{Sender, SpfResult, evaluate, lint};

type Zone = BTreeMap<Question, Reply>;

/// Each line is a name, a type and data: the records of `own.test` and of whatever they lead to. The rest is NXDOMAIN.
pub fn records(input: &[u8]) -> Corpus {
    let mut zone = Zone::new();
    for line in input.split(|&b| b == b'\n') {
        let mut parts = line.splitn(3, |&b| b == b' ');
        if let [Some(name), Some(kind), Some(data)] = [(); 3].map(|()| parts.next()) {
            add(&mut zone, name, kind, data);
        }
    }
    let domain = Name::parse("own.test").expect("a name");
    let linted = run(&zone, |inquiry| lint(inquiry, &domain));
    assert!(linted.findings.is_sorted(), "findings in no order");
    for finding in &linted.findings {
        let shown = finding.record.as_ref().map_or(0, String::len);
        assert!(finding.offset.is_none_or(|offset| offset <= shown), "{finding:?}");
    }
    let reversed = reversed(&zone);
    assert_eq!(linted, run(&reversed, |inquiry| lint(inquiry, &domain)), "the order of the answers matters");

    // Without macros and `ptr` the client decides nothing about what is asked.
    let plain = !input.contains(&b'%') && !input.to_ascii_lowercase().windows(3).any(|word| word == b"ptr");
    let warned = linted.findings.iter().any(|finding| finding.severity >= Severity::Warning);
    let clients: [IpAddr; 2] =
        [Ipv4Addr::new(192, 0, 2, 1).into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()];
    for ip in clients {
        let sender = Sender { ip, mail_from: "a+b@own.test", helo: "h.test", receiver: "r.test", now_seconds: 7 };
        let evaluated = run(&zone, |inquiry| evaluate(inquiry, &sender));
        assert_eq!(evaluated, run(&reversed, |inquiry| evaluate(inquiry, &sender)), "the order of the answers matters");
        assert!(evaluated.counts.lookups <= 11 && evaluated.counts.voids <= 3, "{:?}", evaluated.counts);
        let broken = evaluated.result == SpfResult::Permerror && plain && linted.complete;
        assert!(!broken || warned, "{:?}, and the lint says nothing", evaluated.problem);
    }
    Corpus::Keep
}

fn add(zone: &mut Zone, name: &[u8], kind: &[u8], data: &[u8]) {
    let Ok(name) = Name::from_bytes(name) else { return };
    let number = data.first().copied().unwrap_or_default();
    let host = || Name::from_bytes(data).ok();
    let (kind, data) = match kind {
        b"TXT" => (Kind::Txt, Some(Data::Txt(data.chunks(255).map(Into::into).collect()))),
        b"SPF" => (Kind::Spf, Some(Data::Txt(vec![data.into()]))),
        b"A" => (Kind::A, Some(Data::A(Ipv4Addr::new(192, 0, 2, number)))),
        b"AAAA" => (Kind::Aaaa, Some(Data::Aaaa(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number))))),
        b"MX" => (Kind::Mx, host().map(|exchange| Data::Mx { preference: u16::from(number), exchange })),
        b"PTR" => (Kind::Ptr, host().map(Data::Ptr)),
        _ => return,
    };
    let reply = zone.entry(Question::new(name, kind)).or_insert_with(|| Reply::of(Outcome::NoData));
    match (data, &mut reply.outcome) {
        (Some(Data::Txt(strings)), _) if strings.concat() == b"TIMEOUT" => {
            reply.outcome = Outcome::Failed(Failure::Timeout);
        }
        (Some(data), Outcome::Records(records)) => records.push(data),
        (Some(data), Outcome::NoData) => reply.outcome = Outcome::Records(vec![data]),
        _ => {}
    }
}

fn reversed(zone: &Zone) -> Zone {
    let mut reversed = zone.clone();
    for reply in reversed.values_mut() {
        if let Outcome::Records(records) = &mut reply.outcome {
            records.reverse();
        }
    }
    reversed
}

/// Runs a judge until it ends. The depth of what it can ask is bounded, and so are its rounds.
fn run<T>(zone: &Zone, mut judge: impl FnMut(&mut Inquiry<'_>) -> Result<T, Unanswered>) -> T {
    let mut known = Zone::new();
    for _ in 0..100 {
        let mut inquiry = Inquiry::new(&known);
        if let Ok(judged) = judge(&mut inquiry) {
            return judged;
        }
        let missing = inquiry.missing().clone();
        assert!(!missing.is_empty(), "it gave up without a question");
        known.extend(missing.into_iter().map(|question| {
            let reply = zone.get(&question).cloned().unwrap_or_else(|| Reply::of(Outcome::NxDomain));
            (question, reply)
        }));
    }
    panic!("it never ends");
}
