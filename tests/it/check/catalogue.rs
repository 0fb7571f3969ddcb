//! The registrations that stand in the zone files beside the records they are about: which finding each raises, or is spared.

use std::path::Path;

use relaywatch::domain::finding::Code;
use relaywatch::domain::ids::{Esp, StreamName, UNREGISTERED};
use relaywatch::domain::observed::{Observation, Observed, ObservedKind, Seen};
use relaywatch::domain::stream::Stream;
use relaywatch::domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{NOW, stream};

/// One line of a zone file.
pub struct Case {
    /// Where it stands.
    pub line: String,
    /// Whether the finding must be there; if not, it must not.
    pub raises: bool,
    /// The finding.
    pub code: Code,
    /// What is checked.
    pub fields: Value,
    /// What ESPs reported of its sending: kind and value.
    observed: Vec<(ObservedKind, String)>,
}

impl Case {
    /// The registration.
    pub fn stream(&self) -> Stream {
        stream(self.fields.clone())
    }

    /// What ESPs reported of its sending.
    pub fn seen(&self) -> Seen {
        let stream = self.stream();
        let rows: Vec<Observed> = self
            .observed
            .iter()
            .map(|(kind, value)| {
                let name = if *kind == ObservedKind::Envelope { UNREGISTERED } else { stream.name.as_str() };
                let (team, from_domain) = (stream.team.clone(), stream.from_domain.clone());
                let (stream, esp, at) = (StreamName::new(name), Esp::new("sparkpost"), Timestamp::from_secs(NOW));
                let what = Observation { team, stream, esp, from_domain, kind: *kind, value: value.clone() };
                Observed { what, first_seen: at, last_seen: at }
            })
            .collect();
        Seen::of(&rows, &[stream])
    }

    /// Whether only the daemon can know what it is about: the program is not told of the sending.
    pub fn is_observed(&self) -> bool {
        !self.observed.is_empty()
    }

    /// Whether a name in it is none, which `--stream-file` refuses before anything is asked.
    pub fn is_malformed(&self) -> bool {
        self.fields.to_string().contains("bad..test")
    }
}

/// All of them, in the order of the files.
pub fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dns");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let origin = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let (raises, rest) = match (line.strip_prefix(";raises "), line.strip_prefix(";spares ")) {
                (Some(rest), _) => (true, rest),
                (_, Some(rest)) => (false, rest),
                _ => continue,
            };
            let line = format!("{origin}.zone:{}: {line}", number + 1);
            let (code, registration) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}: names no domain"));
            let code = serde_json::from_value(json!(code)).unwrap_or_else(|_| panic!("{line}: no such code"));
            let (fields, observed) = fields(&origin, registration, cases.len());
            cases.push(Case { fields, observed, line, raises, code });
        }
    }
    cases
}

/// `DOMAIN [d=DOMAIN] [s=SELECTOR,…] [seen=KIND:VALUE]… [JSON]`, as the heads of the zone files explain.
fn fields(origin: &str, text: &str, number: usize) -> (Value, Vec<(ObservedKind, String)>) {
    let (words, more) = text.split_at(text.find('{').unwrap_or(text.len()));
    let mut words = words.split_whitespace();
    let domain = words.next().expect("a domain");
    let (mut signer, mut selectors, mut observed) = (None, None, Vec::new());
    for word in words {
        match word.split_once('=') {
            Some(("d", domain)) => signer = Some(domain),
            Some(("s", names)) => selectors = Some(names),
            Some(("seen", seen)) => {
                let (kind, value) = seen.split_once(':').expect("a kind and a value");
                observed.push((ObservedKind::parse(kind).expect("a kind"), value.to_owned()));
            }
            _ => panic!("{word} in {text}"),
        }
    }
    let at = signer.unwrap_or(if selectors.is_some() { domain } else { origin });
    let dkim: Vec<Value> =
        selectors.unwrap_or("k").split(',').map(|selector| json!({"domain": at, "selector": selector})).collect();
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(format!("case-{number}")));
    fields.insert("from_domain".to_owned(), json!(domain));
    fields.insert("mail_from_domain".to_owned(), json!(domain));
    fields.insert("dkim".to_owned(), json!(dkim));
    if !more.is_empty() {
        let more: Map<String, Value> = serde_json::from_str(more).unwrap_or_else(|error| panic!("{text}: {error}"));
        fields.extend(more);
    }
    (Value::Object(fields), observed)
}
