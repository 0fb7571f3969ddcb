//! The conformance tests of RFC 7208, all of them, against `check_host()` on their own zones.
//!
//! The suite is fetched by `tests/suites/rfc7208`, once; `tests/run` does that before it takes the network away.

use std::collections::BTreeMap;
use std::process::Command;

use relaywatch::domain::dns::{Data, Failure, Inquiry, Kind, Name, Outcome, Question, Reply};
use relaywatch::domain::spf::{Evaluation, Sender, evaluate};
use yaml_rust2::{Yaml, YamlLoader};

/// How many tests the suite has.
const TESTS: usize = 203;

/// Where we differ from the suite: the test's name, and why. Any other difference fails.
const DEVIATIONS: &[(&str, &str)] = &[];

fn suite() -> Vec<Yaml> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suites/rfc7208");
    let output = Command::new(script).output().expect("the script can be started");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    let path = String::from_utf8(output.stdout).expect("a path");
    let text = std::fs::read_to_string(path.trim()).expect("the suite can be read");
    YamlLoader::load_from_str(&text).expect("the suite is YAML")
}

/// What one name has: records by type, and whether questions for all else time out.
#[derive(Default)]
struct Entry {
    records: Vec<(Kind, Data)>,
    times_out: bool,
}

struct Zone(BTreeMap<Name, Entry>);

fn text(yaml: &Yaml) -> String {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

/// The names of the suite hold spaces and colons, hence are taken as they are.
fn name(text: &str) -> Name {
    Name::from_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?} {error}"))
}

impl Zone {
    fn read(yaml: &Yaml) -> Self {
        let mut zone = BTreeMap::new();
        for (owner, entries) in yaml.as_hash().expect("zonedata is a map") {
            let read = Entry::read(entries.as_vec().expect("a list of records"));
            assert!(zone.insert(name(&text(owner)), read).is_none(), "{owner:?} stands twice");
        }
        Self(zone)
    }

    fn reply(&self, question: &Question) -> Reply {
        let mut chain = Vec::new();
        let mut at = question.name.clone();
        loop {
            let Some(entry) = self.0.get(&at) else {
                // pyspf's driver lets all names that begin so time out, where they are not listed.
                let error = at.labels().next() == Some(b"error".as_slice());
                let outcome = if error { Outcome::Failed(Failure::Timeout) } else { Outcome::NxDomain };
                return Reply { chain, ..Reply::of(outcome) };
            };
            let of =
                |kind: Kind| entry.records.iter().filter(move |(own, _)| *own == kind).map(|(_, data)| data.clone());
            let records: Vec<_> = of(question.kind).collect();
            if !records.is_empty() {
                return Reply { chain, ..Reply::of(Outcome::Records(records)) };
            }
            if entry.times_out {
                return Reply::of(Outcome::Failed(Failure::Timeout));
            }
            match of(Kind::Cname).next() {
                Some(Data::Cname(next)) if !chain.contains(&next) => {
                    chain.push(next.clone());
                    at = next;
                }
                // A chain that leads back to itself: resolvers answer SERVFAIL.
                Some(_) => return Reply::of(Outcome::Failed(Failure::Servfail)),
                None => return Reply { chain, ..Reply::of(Outcome::NoData) },
            }
        }
    }
}

impl Entry {
    /// Records of type SPF (99) serve as TXT too, unless a TXT record is given; `TXT: NONE` only says that none is to be made of them.
    fn read(entries: &[Yaml]) -> Self {
        let mut entry = Self::default();
        let (mut spf, mut has_txt) = (Vec::new(), false);
        for item in entries {
            if item.as_str() == Some("TIMEOUT") {
                entry.times_out = true;
                continue;
            }
            for (kind, value) in item.as_hash().expect("a map of type and data") {
                let (kind, data) = match kind.as_str().expect("a type") {
                    "TXT" if value.as_str() == Some("NONE") => {
                        has_txt = true;
                        continue;
                    }
                    "TXT" => {
                        has_txt = true;
                        (Kind::Txt, Data::Txt(strings(value)))
                    }
                    "SPF" => {
                        spf.push(Data::Txt(strings(value)));
                        (Kind::Spf, Data::Txt(strings(value)))
                    }
                    "A" => (Kind::A, Data::A(text(value).parse().expect("an IPv4 address"))),
                    "AAAA" => (Kind::Aaaa, Data::Aaaa(text(value).parse().expect("an IPv6 address"))),
                    "MX" => {
                        let preference = value[0].as_i64().and_then(|n| u16::try_from(n).ok()).expect("a preference");
                        (Kind::Mx, Data::Mx { preference, exchange: name(&text(&value[1])) })
                    }
                    "PTR" => (Kind::Ptr, Data::Ptr(name(&text(value)))),
                    "CNAME" => (Kind::Cname, Data::Cname(name(&text(value)))),
                    other => panic!("records of type {other}"),
                };
                entry.records.push((kind, data));
            }
        }
        if !has_txt {
            entry.records.extend(spf.into_iter().map(|data| (Kind::Txt, data)));
        }
        entry
    }
}

fn strings(value: &Yaml) -> Vec<Box<[u8]>> {
    let of = |text: &str| text.as_bytes().into();
    match value {
        Yaml::Array(strings) => strings.iter().map(|string| of(&text(string))).collect(),
        one => vec![of(&text(one))],
    }
}

/// Asks the zone whatever the judge asks, until it ends.
fn check_host(zone: &Zone, sender: &Sender<'_>) -> Evaluation {
    let mut known = BTreeMap::new();
    for _ in 0..100 {
        let mut inquiry = Inquiry::new(&known);
        if let Ok(evaluation) = evaluate(&mut inquiry, sender) {
            assert!(inquiry.missing().is_empty() || evaluation.problem.is_some(), "it ended without all answers");
            return evaluation;
        }
        let missing = inquiry.missing().clone();
        assert!(!missing.is_empty(), "it gave up without a question");
        known.extend(missing.into_iter().map(|question| {
            let reply = zone.reply(&question);
            (question, reply)
        }));
    }
    panic!("it never ends");
}

/// What is different from what the test expects, if anything.
fn difference(zone: &Zone, test: &Yaml) -> Option<String> {
    let [host, mail_from, helo] = ["host", "mailfrom", "helo"].map(|field| text(&test[field]));
    let ip = host.parse().expect("an address");
    let sender =
        Sender { ip, mail_from: &mail_from, helo: &helo, receiver: "mx.example.com", now_seconds: 1_795_176_000 };
    let got = check_host(zone, &sender);
    let accepted: Vec<_> = match &test["result"] {
        Yaml::Array(several) => several.iter().map(text).collect(),
        one => vec![text(one)],
    };
    if !accepted.iter().any(|word| word == got.result.as_str()) {
        return Some(format!("{} instead of {accepted:?} ({:?})", got.result.as_str(), got.problem));
    }
    let explanation = got.explanation.as_deref().unwrap_or("DEFAULT");
    match test["explanation"].as_str() {
        Some(wanted) if wanted != explanation => Some(format!("explained {explanation:?} instead of {wanted:?}")),
        _ => None,
    }
}

#[test]
fn the_rfc_7208_suite_passes() {
    let (mut tests, mut different) = (0, BTreeMap::new());
    for scenario in suite() {
        let zone = Zone::read(&scenario["zonedata"]);
        for (id, test) in scenario["tests"].as_hash().expect("tests") {
            tests += 1;
            if let Some(difference) = difference(&zone, test) {
                different.insert(text(id), difference);
            }
        }
    }
    assert_eq!(tests, TESTS, "the suite is not the one that was looked at");
    for (id, reason) in DEVIATIONS {
        assert!(different.remove(*id).is_some(), "{id} passes; it is listed as a deviation because {reason}");
    }
    assert!(different.is_empty(), "{} differ: {different:#?}", different.len());
}
