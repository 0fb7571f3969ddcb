//! A DMARC Policy Record (RFC 9989 sections 4.7 and 4.8): what it says, and what receivers make of it.

use crate::domain::finding::{Code, Severity, printable};
use crate::domain::tags::{Dialect, Fault, Tag, TagList, items};

use super::report_address::{self, ReportAddress};

/// What a domain owner wants done with mail that fails. The weaker is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// `none`.
    None,
    /// `quarantine`.
    Quarantine,
    /// `reject`.
    Reject,
}

/// `psd=`: whether the domain is a public suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Psd {
    /// `y`: it is one; organizations begin one label below.
    Yes,
    /// `n`: it is not; the organization begins here.
    No,
    /// `u`, or nothing said.
    Unsaid,
}

/// How a domain has to match (RFC 9989 section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `r`: the same organizational domain.
    Relaxed,
    /// `s`: the same domain.
    Strict,
}

/// To whom a record is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// The domain at which it stands: `p`.
    Own,
    /// A domain below that exists: `sp`.
    Subdomain,
    /// A domain below that does not exist: `np`.
    Nonexistent,
}

/// A fact about a record that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which.
    pub code: Code,
    /// How much it matters here.
    pub severity: Severity,
    /// The byte of the record at which it stands.
    pub at: usize,
    /// What was seen.
    pub evidence: String,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As published, its strings joined.
    pub raw: Vec<u8>,
    /// `p=`, where it is one.
    pub p: Option<Policy>,
    /// `sp=`, where it is one.
    pub sp: Option<Policy>,
    /// `np=`, where it is one.
    pub np: Option<Policy>,
    /// `psd=`.
    pub psd: Psd,
    /// `t=y`: every policy counts one step lower.
    pub test: bool,
    /// `adkim=`.
    pub adkim: Mode,
    /// `aspf=`.
    pub aspf: Mode,
    /// `rua=`: where aggregate reports go.
    pub rua: Vec<ReportAddress>,
    /// `ruf=`: where failure reports go.
    pub ruf: Vec<ReportAddress>,
    /// Whether `sp` or `np` is there and is none.
    pub(super) subdomains_wrong: bool,
    /// What is to be said of it.
    pub flaws: Vec<Flaw>,
}

/// So many flaws of a kind are told: a record may hold thousands of them.
const MOST_OF_A_KIND: usize = 5;
/// The tags that RFC 9989 has removed (appendix C.5.2), and what became of them.
const REMOVED: [(&str, &str); 3] = [
    ("pct", "receivers of today apply the policy to all mail, older ones to that share; t=y is what is left of it"),
    ("rf", "there is one format"),
    ("ri", "receivers report daily"),
];
const KNOWN: [&str; 11] = ["v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo"];

/// Whether a text is a DMARC record: its first tag is `v=DMARC1`, nothing before it. Others are ignored (RFC 9989 section 4.7).
pub fn is_dmarc(text: &[u8]) -> bool {
    let list = TagList::parse(text, Dialect::Dmarc);
    list.tags.first().is_some_and(|tag| tag.at == 0 && tag.name.eq_ignore_ascii_case(b"v") && tag.value == b"DMARC1")
}

/// Whether a text was meant as a DMARC record and is none.
pub fn is_near_miss(text: &[u8]) -> bool {
    !is_dmarc(text) && text.windows(6).any(|word| word.eq_ignore_ascii_case(b"dmarc1"))
}

impl Record {
    /// Reads a text that is one.
    pub fn read(text: &[u8]) -> Option<Self> {
        is_dmarc(text).then(|| Reading::new(text).record(text))
    }

    /// The policy for an author, with test mode counted in. None where receivers do nothing with the record: it has no valid policy
    /// and says nowhere to report to (RFC 9989 section 4.10.1).
    pub fn policy(&self, author: Author) -> Option<Policy> {
        let written = self.written(author)?;
        Some(if self.test { written.lowered() } else { written })
    }

    /// Whether receivers do anything with the record (RFC 9989 section 4.10.1).
    pub fn is_effective(&self) -> bool {
        self.written(Author::Own).is_some()
    }

    /// The policy for an author before test mode is counted in.
    pub fn written(&self, author: Author) -> Option<Policy> {
        match self.p {
            Some(p) if !self.subdomains_wrong => Some(match author {
                Author::Own => p,
                Author::Subdomain => self.sp.unwrap_or(p),
                Author::Nonexistent => self.np.or(self.sp).unwrap_or(p),
            }),
            _ => (!self.rua.is_empty()).then_some(Policy::None),
        }
    }

    /// The record without what receivers stumble over or ignore.
    pub fn mended(&self) -> String {
        let mut text = format!("v=DMARC1; p={}", self.p.unwrap_or(Policy::None).as_str());
        for (name, policy) in [("sp", self.sp), ("np", self.np)] {
            if let Some(policy) = policy {
                text.push_str(&format!("; {name}={}", policy.as_str()));
            }
        }
        if self.psd == Psd::No {
            text.push_str("; psd=n");
        }
        for (name, mode) in [("adkim", self.adkim), ("aspf", self.aspf)] {
            if mode == Mode::Strict {
                text.push_str(&format!("; {name}=s"));
            }
        }
        for (name, addresses) in [("rua", &self.rua), ("ruf", &self.ruf)] {
            let uris: Vec<&str> = addresses.iter().filter(|a| a.host.is_some()).map(|a| a.uri.as_str()).collect();
            if !uris.is_empty() {
                text.push_str(&format!("; {name}={}", uris.join(",")));
            }
        }
        text
    }
}

impl Policy {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn lowered(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }
}

struct Reading<'a> {
    list: TagList<'a>,
    flaws: Vec<Flaw>,
}

impl<'a> Reading<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { list: TagList::parse(text, Dialect::Dmarc), flaws: Vec::new() }
    }

    fn flaw(&mut self, code: Code, at: usize, evidence: impl Into<String>) {
        self.flaw_of(code, code.severity(), at, evidence);
    }

    fn flaw_of(&mut self, code: Code, severity: Severity, at: usize, evidence: impl Into<String>) {
        if self.flaws.iter().filter(|flaw| flaw.code == code).count() < MOST_OF_A_KIND {
            self.flaws.push(Flaw { code, severity, at, evidence: evidence.into() });
        }
    }

    fn record(mut self, text: &[u8]) -> Record {
        self.list_of_tags();
        let policy = [("none", Policy::None), ("quarantine", Policy::Quarantine), ("reject", Policy::Reject)];
        let mode = [("r", Mode::Relaxed), ("s", Mode::Strict)];
        let (rua, ruf) = (self.addresses("rua"), self.addresses("ruf"));
        let p = self.word("p", &policy, Code::DmarcPInvalid);
        let sp = self.word("sp", &policy, Code::DmarcSpInvalid);
        let np = self.word("np", &policy, Code::DmarcSpInvalid);
        let psd = [("y", Psd::Yes), ("n", Psd::No), ("u", Psd::Unsaid)];
        let psd = self.word("psd", &psd, Code::DmarcTagInvalid).unwrap_or(Psd::Unsaid);
        let test = self.word("t", &[("y", true), ("n", false)], Code::DmarcTagInvalid).unwrap_or(false);
        let [adkim, aspf] =
            ["adkim", "aspf"].map(|name| self.word(name, &mode, Code::DmarcTagInvalid).unwrap_or(Mode::Relaxed));
        self.failure_options();
        if test {
            let at = self.list.get("t").map_or(0, |tag| tag.at);
            self.flaw(
                Code::DmarcTestMode,
                at,
                "t=y: every policy counts one step lower, reject as quarantine and quarantine as none",
            );
        }
        if self.list.get("p").is_none() {
            let (severity, evidence) = if rua.is_empty() {
                (Severity::Error, "there is no p= and nowhere to report to: receivers ignore the record")
            } else {
                (Severity::Warning, "there is no p=: receivers take the record as p=none")
            };
            self.flaw_of(Code::DmarcPMissing, severity, text.len(), evidence);
        }
        let wrong = |name, policy: Option<Policy>| self.list.get(name).is_some() && policy.is_none();
        let subdomains_wrong = wrong("sp", sp) || wrong("np", np);
        Record { raw: text.to_vec(), p, sp, np, psd, test, adkim, aspf, rua, ruf, subdomains_wrong, flaws: self.flaws }
    }

    fn list_of_tags(&mut self) {
        for (at, fault) in self.list.faults.clone() {
            let severity = match fault {
                Fault::NoEquals | Fault::Name => Severity::Warning,
                Fault::Empty => Severity::Info,
                // Each known tag says for itself that its value is none.
                Fault::Value | Fault::NoValue => continue,
            };
            let evidence = format!("{fault}: receivers ignore this piece");
            self.flaw_of(Code::DmarcTagInvalid, severity, at, evidence);
        }
        let twice: Vec<_> = self.list.repeated().map(|tag| (tag.at, printable(tag.name))).collect();
        for (at, name) in twice {
            self.flaw(
                Code::DmarcDuplicateTag,
                at,
                format!("{name}= stands twice: receivers take the first, the last, or ignore the record"),
            );
        }
        for tag in self.list.tags.clone() {
            let name = printable(tag.name);
            let lower = name.to_ascii_lowercase();
            if let Some((_, why)) = REMOVED.iter().find(|(removed, _)| *removed == lower) {
                self.flaw(
                    Code::DmarcTagRemoved,
                    tag.at,
                    format!("{name}={} is no longer DMARC: {why}", printable(tag.value)),
                );
            } else if !KNOWN.contains(&lower.as_str()) {
                // A name that cannot be one has been told already.
                if tag.name.iter().all(u8::is_ascii_alphabetic) && !tag.name.is_empty() {
                    let evidence = format!("{name}= is no tag of DMARC: receivers ignore it");
                    self.flaw_of(Code::DmarcTagInvalid, Severity::Info, tag.at, evidence);
                }
            } else if name != lower {
                self.flaw(
                    Code::DmarcTagInvalid,
                    tag.at,
                    format!("{name}= is written {lower}=; some receivers ignore it"),
                );
            }
        }
    }

    /// The value of a tag that is one of a few words, of either case.
    fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)], code: Code) -> Option<T> {
        let tag = *self.list.get(name)?;
        let found = words.iter().find(|(word, _)| tag.value.eq_ignore_ascii_case(word.as_bytes()));
        if found.is_none() {
            let wanted: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.flaw(code, tag.value_at, format!("{name}={} is none of {}", printable(tag.value), wanted.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    fn failure_options(&mut self) {
        let Some(tag) = self.list.get("fo").copied() else { return };
        let options = items(&tag, b':', Dialect::Dmarc);
        let words: Vec<Vec<u8>> = options.iter().map(|(_, option)| option.to_ascii_lowercase()).collect();
        let wrong = words.iter().enumerate().position(|(i, word)| {
            let excluded = |other: &Vec<u8>| other == word || (word[0].is_ascii_digit() && other[0].is_ascii_digit());
            !matches!(word.as_slice(), b"0" | b"1" | b"d" | b"s") || words[..i].iter().any(excluded)
        });
        if let Some(wrong) = wrong {
            let evidence =
                format!("fo={} is no list of 0 or 1, d and s: receivers take it as fo=0", printable(tag.value));
            self.flaw(Code::DmarcTagInvalid, options[wrong].0, evidence);
        }
    }

    fn addresses(&mut self, name: &str) -> Vec<ReportAddress> {
        let Some(tag) = self.list.get(name).copied() else { return Vec::new() };
        let (addresses, wrong) = report_address::read(&tag);
        for (at, why) in wrong {
            self.flaw(Code::DmarcRuaInvalid, at, format!("an address of {name}= {why}"));
        }
        for address in &addresses {
            if address.host.is_none() {
                self.flaw(
                    Code::DmarcRuaInvalid,
                    address.at,
                    format!("{name}={} is no mailto: address; receivers send to no other", address.uri),
                );
            }
            if address.sized {
                self.flaw(
                    Code::DmarcTagRemoved,
                    address.at,
                    format!("the size after {} is no longer DMARC", address.uri),
                );
            }
        }
        addresses
    }
}

/// Where a tag of the record stands; its start where it has none of that name.
pub fn place(raw: &[u8], name: &str) -> usize {
    TagList::parse(raw, Dialect::Dmarc).get(name).map_or(0, |tag: &Tag<'_>| tag.at)
}
