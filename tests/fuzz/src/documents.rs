//! Documents that are fetched, configured, imported or asked with: certificates, key sets, configuration, rows, questions.

use bytes::Bytes;
use libfuzzer_sys::Corpus;
use relaywatch::config::Config;
use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::event::Event;
use relaywatch::domain::record::{AddressRecord, Join, SubjectRecord};
use relaywatch::domain::stream::{Stream, StreamBook};
use relaywatch::domain::time::Timestamp;
use relaywatch::http::api::question::Written;
use relaywatch::sources::apple::KeySet;
use relaywatch::sources::import::{Defaults, Directory, History, LONGEST_ROW, Rows, Users};
use relaywatch::sources::lines::{Line, Lines};
use relaywatch::sources::sns::{Certificate, Roots, Version};
use relaywatch::sources::written::{Wrong, read};

use crate::hooks::{expect_no_address, expect_sound};

/// A PEM file, as a certificate and as roots.
pub fn certificate(input: &[u8]) -> Corpus {
    let mut roots = Roots::default();
    let _ = roots.add_pem(input);
    if let Ok(certificate) = Certificate::from_pem(input) {
        let at = Timestamp::from_secs(1_795_176_000);
        let _ = certificate.check(&["sns.amazonaws.com"], at, &roots);
        assert!(!certificate.has_signed(Version::Two, b"message", input), "a signature out of nothing");
    }
    Corpus::Keep
}

/// A JWK Set.
pub fn key_set(input: &[u8]) -> Corpus {
    if let Err(error) = KeySet::fixed(input) {
        expect_no_address(&error.to_string());
    }
    Corpus::Keep
}

/// A configuration. One that names files is left out: reading them is what a configuration may do.
pub fn configuration(input: &[u8]) -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    if text.contains("file") || text.contains('\\') {
        return Corpus::Reject;
    }
    if let Ok(config) = toml::from_str::<Config>(text) {
        let _ = config.validate();
    }
    Corpus::Keep
}

/// A question to the API, and a stream to be registered: what is wrong is told without the value.
pub fn question(input: &[u8]) -> Corpus {
    let wrong = [read::<Written>(input).err(), read::<Stream>(input).err()];
    for Wrong { field, detail } in wrong.into_iter().flatten() {
        expect_no_address(&format!("{} {detail}", field.unwrap_or_default()));
    }
    Corpus::Keep
}

/// An import, of users and of history: cut into lines in any pieces, and each line read as a row.
pub fn rows(input: &[u8]) -> Corpus {
    let lines = cut(input, input.len().max(1));
    assert_eq!(lines, cut(input, 7), "the pieces in which a body arrives change its lines");
    let (directory, defaults) = (Directory::default(), Defaults { team: Some("TEAM1".into()), app: None });
    let (streams, rules) = (StreamBook::default(), RuleBook::default());
    let received_at = Timestamp::from_secs(1_795_176_000);
    let users = Users { directory: &directory, defaults: &defaults, received_at };
    let history = History { directory: &directory, defaults: &defaults, streams: &streams, rules: &rules, received_at };
    read_rows(&lines, &Users::FIELDS, |rows, line| users.event(rows.row(line)?));
    read_rows(&lines, &History::FIELDS, |rows, line| history.event(rows.row(line)?));
    Corpus::Keep
}

fn cut(input: &[u8], piece: usize) -> Vec<(u64, Line)> {
    let mut lines = Lines::new(LONGEST_ROW);
    let mut found = Vec::new();
    for piece in input.chunks(piece) {
        lines.give(Bytes::copy_from_slice(piece));
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    found.extend(lines.last_line());
    found
}

fn read_rows(lines: &[(u64, Line)], known: &[&str], event: impl Fn(&Rows, &[u8]) -> Result<Event, Wrong>) {
    let text = lines.iter().filter_map(|(_, line)| if let Line::Text(text) = line { Some(text) } else { None });
    let mut rows = None;
    for line in text {
        let read = match &rows {
            None => Rows::begin(line, known).map(|begun| rows = Some(begun)),
            Some(rows) => event(rows, line).map(|event| expect_sound(&event)),
        };
        if let Err(Wrong { field, detail }) = read {
            expect_no_address(&format!("{} {detail}", field.unwrap_or_default()));
        }
    }
}

/// The records as the store holds them: what can be read is written back the same.
pub fn data(input: &[u8]) -> Corpus {
    if let Ok(record) = serde_json::from_slice::<AddressRecord>(input) {
        let text = serde_json::to_string(&record).expect("a record can be written");
        assert_eq!(serde_json::from_str::<AddressRecord>(&text).expect("and read"), record);
        let mut twice = record.clone();
        twice.join(&record);
        assert_eq!(twice, record);
    }
    if let Ok(record) = serde_json::from_slice::<SubjectRecord>(input) {
        let text = serde_json::to_string(&record).expect("a record can be written");
        assert_eq!(serde_json::from_str::<SubjectRecord>(&text).expect("and read"), record);
    }
    Corpus::Keep
}
