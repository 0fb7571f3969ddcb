//! A finding: one coded fact about a DNS record, in words an operator can act on.

mod code;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use code::Code;

use super::dns::{Failure, Name};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// The SPF records of the envelope domain and of the registered domains.
    Spf,
    /// The DKIM keys.
    Dkim,
    /// The DMARC policy and alignment.
    Dmarc,
    /// The envelope (MAIL FROM) domain itself.
    Mailfrom,
    /// Apple's two paths.
    Relay,
    /// The domain and its name servers.
    Dns,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Works; fragile or weak.
    Warning,
    /// Receivers ignore or reject the record.
    Error,
    /// Mail to the relay bounces, or DMARC cannot pass.
    Critical,
}

/// What the findings of an area come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to do.
    Pass,
    /// It works, and something should be mended.
    Warn,
    /// A deciding answer is missing. Says nothing about the record.
    Unknown,
    /// Broken.
    Fail,
}

/// One coded fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// Which fact. Never renamed.
    pub code: Code,
    /// How much it matters, here.
    pub severity: Severity,
    /// The name that was asked, with its trailing dot.
    pub name: String,
    /// The record as published, also where it is invalid; bytes that are not text as `\DDD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Where in `record` the fault stands, in bytes from its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// What was seen: counts, response codes, the chain of names.
    pub evidence: String,
    /// What to do, with the record to publish.
    pub remedy: String,
    /// The section that says so: `7208 4.5`.
    pub rfc: String,
}

impl Finding {
    /// The finding of that code at that name, with the area, severity and section that the code has.
    pub fn new(code: Code, name: &Name, evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            area: code.area(),
            code,
            severity: code.severity(),
            name: name.to_string(),
            record: None,
            offset: None,
            evidence: evidence.into(),
            remedy: remedy.into(),
            rfc: code.rfc().to_owned(),
        }
    }

    /// That no answer came, which leaves the area unknown.
    pub fn unanswered(area: Area, name: &Name, failure: Failure, what: impl fmt::Display) -> Self {
        let code = match failure {
            Failure::Servfail | Failure::Bogus | Failure::Disputed | Failure::Other => Code::DnsServfail,
            Failure::Refused => Code::DnsRefused,
            Failure::Timeout => Code::DnsTimeout,
        };
        let remedy = match failure {
            Failure::Bogus => {
                "The zone's DNSSEC signatures do not validate: sign it anew, or take its DS record out of the parent"
            }
            _ => "Nothing to publish: look at the name servers and at the resolver; the last known state stays",
        };
        Self { area, ..Self::new(code, name, format!("{what}: {}", failure.as_str()), remedy) }
    }

    /// With the raw record.
    pub fn record(mut self, record: &[u8]) -> Self {
        self.record = Some(printable(record));
        self
    }

    /// With the byte in the raw record at which the fault stands. Counted in what `record` shows.
    pub fn offset(mut self, record: &[u8], offset: usize) -> Self {
        self.offset = Some(printable(&record[..offset.min(record.len())]).len());
        self.record(record)
    }

    /// With another severity than the code's own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// In another area than the code's own.
    pub fn area(mut self, area: Area) -> Self {
        self.area = area;
        self
    }
}

/// What the findings of one area come to: proven faults first, then what is not known.
pub fn state_of(area: Area, findings: &[Finding]) -> State {
    let own = || findings.iter().filter(|f| f.area == area);
    match own().map(|f| f.severity).max() {
        Some(Severity::Critical | Severity::Error) => State::Fail,
        _ if own().any(|f| f.code.leaves_unknown()) => State::Unknown,
        Some(Severity::Warning) => State::Warn,
        Some(Severity::Info) | None => State::Pass,
    }
}

/// The bytes of a record as text: what is not UTF-8 or not printable, and a backslash, as `\DDD`.
pub fn printable(record: &[u8]) -> String {
    let is_odd = |char: char| char.is_control() || char == '\\';
    if let Ok(plain) = str::from_utf8(record)
        && !plain.contains(is_odd)
    {
        // As nearly every record is.
        return plain.to_owned();
    }
    let mut text = String::with_capacity(record.len());
    for chunk in record.utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_odd(char) {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    text.push_str(&format!("\\{byte:03}"));
                }
            } else {
                text.push(char);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\{byte:03}"));
        }
    }
    text
}

impl Area {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Mailfrom => "mailfrom",
            Self::Relay => "relay",
            Self::Dns => "dns",
        }
    }
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_question_hides_no_proven_fault_and_no_fault_is_made_of_it() {
        let name = Name::parse("example.com").unwrap();
        let silent = Finding::unanswered(Area::Spf, &name, Failure::Timeout, "TXT");
        let weak = Finding::new(Code::SpfPtr, &name, "", "");
        let broken = Finding::new(Code::SpfMultiple, &name, "", "");
        assert_eq!(state_of(Area::Spf, &[]), State::Pass);
        assert_eq!(state_of(Area::Spf, std::slice::from_ref(&weak)), State::Warn);
        assert_eq!(state_of(Area::Spf, &[weak.clone(), silent.clone()]), State::Unknown);
        assert_eq!(state_of(Area::Dkim, std::slice::from_ref(&silent)), State::Pass);
        assert_eq!(state_of(Area::Spf, &[silent, weak, broken]), State::Fail);
    }

    #[test]
    fn a_raw_record_is_shown_whatever_its_bytes() {
        assert_eq!(printable(b"v=spf1\t-all\xff\\ \xc3\xbc"), "v=spf1\\009-all\\255\\092 \u{fc}");
        let name = Name::parse("example.com").unwrap();
        let finding = Finding::new(Code::SpfSyntax, &name, "", "").offset(b"v=spf1\t\xffx", 8);
        assert_eq!(finding.offset, Some("v=spf1\\009\\255".len()));
    }
}
