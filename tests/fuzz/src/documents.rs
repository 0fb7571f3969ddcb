//! Documents that are fetched, configured or asked with: certificates, key sets, configuration, questions, the store's own JSON.

use libfuzzer_sys::Corpus;
use relaywatch::config::Config;
use relaywatch::domain::record::{AddressRecord, Join, SubjectRecord};
use relaywatch::domain::stream::Stream;
use relaywatch::domain::time::Timestamp;
use relaywatch::http::api::question::Written;
use relaywatch::http::api::sendability::parse;
use relaywatch::sources::apple::KeySet;
use relaywatch::sources::sns::{Certificate, Roots, Version};

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
        super::hooks::expect_no_address(&error.to_string());
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
    if let Err(problem) = parse::<Written>(input) {
        super::hooks::expect_no_address(&format!("{} {}", problem.field.unwrap_or_default(), problem.detail));
    }
    if let Err(problem) = parse::<Stream>(input) {
        super::hooks::expect_no_address(&problem.detail);
    }
    Corpus::Keep
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
