//! A key record (RFC 6376 section 3.6.1, RFC 8301, RFC 8463): the key in it, and every reason for which receivers do not use it.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::der;
use crate::domain::finding::{Code, printable};
use crate::domain::tags::{Dialect, Fault, Tag, TagList, is_space, items};

/// The shortest RSA key that verifiers may accept (RFC 8301 section 3.2), in bits.
const SHORTEST: usize = 1024;
/// The length that signers should use at least (RFC 8301 section 3.2), in bits.
const RECOMMENDED: usize = 2048;
/// So many faults are told: a record may hold thousands of them.
const MOST_OF_A_KIND: usize = 5;
/// Padded as RFC 6376 section 2.10 has it. Bits after the last octet are no reason to refuse a key.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The key that a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `k=rsa`.
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
    /// `k=ed25519`.
    Ed25519,
}

/// A fact about a record that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which.
    pub code: Code,
    /// The byte of the record at which it stands.
    pub at: usize,
    /// What was seen.
    pub evidence: String,
    /// The record to publish instead, where it follows from this one; else what to do.
    pub remedy: String,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key, where it could be read.
    pub algorithm: Option<Algorithm>,
    /// Whether it says that DKIM is being tested (`t=y`).
    pub testing: bool,
    /// Whether receivers use the key.
    pub accepted: bool,
    /// What is to be said of it.
    pub flaws: Vec<Flaw>,
}

/// Whether the record is meant as a key: it has a `p=`. An SPF record that a wildcard gives for every name has none.
pub fn is_key(record: &[u8]) -> bool {
    TagList::parse(record, Dialect::Dkim).get("p").is_some()
}

/// Reads a record.
pub fn read(record: &[u8]) -> KeyRecord {
    let list = TagList::parse(record, Dialect::Dkim);
    let mut reading = Reading { list, flaws: Vec::new() };
    reading.syntax(record);
    reading.version();
    let listed = [
        reading.list_holds("h", &["sha256"], Code::DkimHashRestricted, "no receiver may verify rsa-sha256 with it"),
        reading.list_holds("s", &["*", "email"], Code::DkimServiceType, "the key is not for email"),
    ];
    let algorithm = reading.key(record);
    let testing = reading.testing();
    let short = matches!(algorithm, Some(Algorithm::Rsa { bits }) if bits < SHORTEST);
    let unreadable = reading.flaws.iter().any(|f| matches!(f.code, Code::DkimSyntax | Code::DkimVersion));
    let accepted = algorithm.is_some() && !short && !unreadable && listed == [true, true];
    KeyRecord { algorithm, testing, accepted, flaws: reading.flaws }
}

struct Reading<'a> {
    list: TagList<'a>,
    flaws: Vec<Flaw>,
}

impl Reading<'_> {
    fn flaw(&mut self, code: Code, at: usize, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.flaws.push(Flaw { code, at, evidence: evidence.into(), remedy: remedy.into() });
    }

    fn syntax(&mut self, record: &[u8]) {
        let remedy = self.mended(None);
        for (at, fault) in self.list.faults.iter().copied().take(MOST_OF_A_KIND).collect::<Vec<_>>() {
            let typed = match record.get(at) {
                Some(b'"') if fault == Fault::Name => ": a quotation mark was typed into the record",
                Some(byte) if !byte.is_ascii() => ": it is not ASCII",
                _ => "",
            };
            self.flaw(Code::DkimSyntax, at, format!("{fault}{typed}"), remedy.clone());
        }
        let repeated: Vec<_> =
            self.list.repeated().map(|tag| (tag.at, printable(tag.name))).take(MOST_OF_A_KIND).collect();
        for (at, name) in repeated {
            let evidence = format!("the tag {name}= stands twice, which makes the whole record invalid");
            self.flaw(Code::DkimSyntax, at, evidence, remedy.clone());
        }
        if self.list.get("p").is_none() {
            self.flaw(
                Code::DkimSyntax,
                record.len(),
                "there is no p=, so there is no key",
                "Publish the record again as the provider gives it, with its p=",
            );
        }
    }

    fn version(&mut self) {
        let Some(&tag) = self.list.get("v") else { return };
        let evidence = if tag.value != b"DKIM1" {
            let why = match tag.value {
                [b'D', b'K', b'I', b'M', b'1', b'\\', ..] => {
                    ": a backslash that was meant for a zone file got into the record"
                }
                value if value.starts_with(b"spf1") => ": this is an SPF record; a wildcard may have put it here",
                _ => "",
            };
            format!("v={} is not DKIM1{why}: receivers must ignore the record", printable(tag.value))
        } else if self.list.tags.first() != Some(&tag) {
            "v=DKIM1 is not the first tag: receivers may ignore the record".to_owned()
        } else {
            return;
        };
        let remedy = self.mended(None);
        self.flaw(Code::DkimVersion, tag.at, evidence, remedy);
    }

    /// Whether a tag that restricts the key's use is missing or lets email be verified.
    fn list_holds(&mut self, name: &str, wanted: &[&str], code: Code, why: &str) -> bool {
        let Some(&tag) = self.list.get(name) else { return true };
        let found = items(&tag, b':', Dialect::Dkim);
        if found.iter().any(|(_, item)| wanted.iter().any(|w| item.eq_ignore_ascii_case(w.as_bytes()))) {
            return true;
        }
        let remedy = self.mended(None);
        self.flaw(
            code,
            tag.at,
            format!("{name}={} leaves out {}: {why}", printable(tag.value), wanted.join(" and ")),
            remedy,
        );
        false
    }

    fn testing(&mut self) -> bool {
        let Some(&tag) = self.list.get("t") else { return false };
        let Some((at, _)) =
            items(&tag, b':', Dialect::Dkim).into_iter().find(|(_, flag)| flag.eq_ignore_ascii_case(b"y"))
        else {
            return false;
        };
        let remedy = self.mended(None);
        self.flaw(Code::DkimTesting, at, "t=y says that DKIM is only being tested", remedy);
        true
    }

    fn key(&mut self, record: &[u8]) -> Option<Algorithm> {
        let kind = self.list.get("k").copied();
        let ed25519 = match kind.map(|tag| tag.value) {
            None => false,
            Some(value) if value.eq_ignore_ascii_case(b"rsa") => false,
            Some(value) if value.eq_ignore_ascii_case(b"ed25519") => true,
            Some(value) => {
                let evidence = format!("k={} is neither rsa nor ed25519", printable(value));
                self.flaw(
                    Code::DkimKeyTypeUnknown,
                    kind?.value_at,
                    evidence,
                    "Publish an RSA key of 2048 bits: v=DKIM1; k=rsa; p=…",
                );
                return None;
            }
        };
        let tag = *self.list.get("p")?;
        if tag.value.is_empty() {
            self.flaw(
                Code::DkimRevoked,
                tag.at,
                "p= is empty: the key was revoked",
                "Sign with another selector, or publish the key that the sender signs with",
            );
            return None;
        }
        let key = self.decoded(record, &tag)?;
        if ed25519 { self.ed25519(&tag, &key) } else { self.rsa(&tag, &key) }
    }

    fn decoded(&mut self, record: &[u8], tag: &Tag<'_>) -> Option<Vec<u8>> {
        let remedy = "Publish the key again as the provider gives it, unbroken";
        let bytes = record[tag.value_at..tag.value_at + tag.value.len()].iter().enumerate();
        let (places, text): (Vec<_>, Vec<_>) =
            bytes.filter(|(_, b)| !is_space(**b, Dialect::Dkim)).map(|(i, b)| (tag.value_at + i, *b)).unzip();
        let (at, why) = match BASE64.decode(&text) {
            Ok(key) => return Some(key),
            Err(base64::DecodeError::InvalidByte(i, byte)) => {
                (places.get(i), format!("{:?} is no byte of base64", printable(&[byte])))
            }
            Err(_) => (
                None,
                format!(
                    "its {} characters are not whole groups of four: it was cut, or its padding is gone",
                    text.len()
                ),
            ),
        };
        self.flaw(
            Code::DkimKeyUndecodable,
            at.copied().unwrap_or(tag.value_at),
            format!("p= cannot be decoded: {why}"),
            remedy,
        );
        None
    }

    fn ed25519(&mut self, tag: &Tag<'_>, key: &[u8]) -> Option<Algorithm> {
        if key.len() == 32 {
            return Some(Algorithm::Ed25519);
        }
        let (evidence, remedy) = match der::unwrapped_ed25519(key) {
            Some(bare) => (
                "the Ed25519 key is wrapped in a SubjectPublicKeyInfo; RFC 8463 wants its bare 32 octets".to_owned(),
                self.mended(Some(bare)),
            ),
            None => (
                format!("an Ed25519 key has 32 octets, this one has {}", key.len()),
                "Publish the 32 octets of the key: v=DKIM1; k=ed25519; p=…".to_owned(),
            ),
        };
        self.flaw(Code::DkimKeyUndecodable, tag.value_at, evidence, remedy);
        None
    }

    fn rsa(&mut self, tag: &Tag<'_>, octets: &[u8]) -> Option<Algorithm> {
        let key = match der::rsa_key(octets) {
            Ok(key) => key,
            Err(why) => {
                let ed25519 = octets.len() == 32 || der::unwrapped_ed25519(octets).is_some();
                let hint = if ed25519 { ": it looks like an Ed25519 key without its k=ed25519" } else { "" };
                let remedy = "Publish the whole key as the provider gives it; beyond 255 characters it is written as several strings";
                self.flaw(Code::DkimKeyUndecodable, tag.value_at, format!("p= is no RSA key: {why}{hint}"), remedy);
                return None;
            }
        };
        let bits = key.bits;
        let longer = "Make a key of 2048 bits under a new selector, publish it, and sign with it: v=DKIM1; k=rsa; p=…";
        if bits < SHORTEST {
            self.flaw(
                Code::DkimKeyTooShort,
                tag.value_at,
                format!("{bits} bits; receivers must not accept fewer than {SHORTEST}"),
                longer,
            );
        } else if bits < RECOMMENDED {
            self.flaw(Code::DkimKeyWeak, tag.value_at, format!("{bits} bits; {RECOMMENDED} are recommended"), longer);
        }
        if key.bare {
            let remedy = self.mended(Some(&der::wrapped(octets)));
            self.flaw(
                Code::DkimKeyPkcs1,
                tag.value_at,
                "the key is a bare RSAPublicKey; most verifiers read only a SubjectPublicKeyInfo",
                remedy,
            );
        }
        Some(Algorithm::Rsa { bits })
    }

    /// The record without what receivers stumble over: the same key, or that one.
    fn mended(&self, key: Option<&[u8]>) -> String {
        let clean = |tag: &Tag<'_>| -> String {
            tag.value
                .iter()
                .filter(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
                .map(|b| char::from(*b))
                .collect()
        };
        let key = match key {
            Some(key) => STANDARD.encode(key),
            None => self.list.get("p").map(clean).filter(|p| !p.is_empty()).unwrap_or_else(|| "…".to_owned()),
        };
        let kind = match self.list.get("k") {
            Some(tag) if tag.value.eq_ignore_ascii_case(b"ed25519") => "ed25519",
            _ => "rsa",
        };
        format!("Publish instead: v=DKIM1; k={kind}; p={key}")
    }
}
