//! Alignment (RFC 9989 section 4.4), decided without any mail: which of the stream's domains can give DMARC a pass.

use crate::domain::dkim::Usable;
use crate::domain::dns::Name;

use super::Context;
use super::record::Mode;
use super::suffix::registrable;
use super::walk::{Walks, discover};

/// A domain that SPF or DKIM may authenticate, held against the From domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The envelope domain, or a `d=`.
    pub domain: Name,
    /// Its organizational domain; none where an answer is missing.
    pub organizational_domain: Option<Name>,
    /// Whether it is the From domain itself, which strict alignment asks for.
    pub strict: bool,
    /// Whether it has the From domain's organizational domain; none where an answer is missing.
    pub relaxed: Option<bool>,
    /// Whether it aligns in the mode of the record that applies; none where an answer is missing.
    pub aligned: Option<bool>,
}

/// Whether DMARC can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// At least one aligned domain authenticates.
    Open,
    /// None does, and that is proven.
    Closed,
    /// None is known to, and something is not known: no answer, or nothing registered.
    Unknown,
}

/// How the stream's domains stand to the From domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// Whether DMARC can pass on either way.
    pub path: Path,
    /// The way by SPF.
    pub spf_path: Path,
    /// The way by DKIM.
    pub dkim_path: Path,
    /// The envelope domain; none where the provider's own is used.
    pub mail_from: Option<Identifier>,
    /// One for each `d=`, in the order in which they were given.
    pub dkim: Vec<Identifier>,
}

/// What the record that applies says of alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// A record applies.
    Modes {
        /// `aspf`.
        spf: Mode,
        /// `adkim`.
        dkim: Mode,
    },
    /// No record applies. What would align if there were one at the organization's domain is told by the public suffix list.
    NoRecord,
    /// Not known.
    Unknown,
}

/// Holds the stream's domains against the From domain.
pub fn align(walks: &Walks, from: &Name, ctx: &Context, rules: Rules) -> Alignment {
    let (spf, dkim) = match rules {
        Rules::Modes { spf, dkim } => (Some(spf), Some(dkim)),
        Rules::NoRecord => (Some(Mode::Relaxed), Some(Mode::Relaxed)),
        Rules::Unknown => (None, None),
    };
    let identifier = |domain: &Name, mode| identifier(walks, from, domain, mode, rules);
    let mail_from = ctx.mail_from.as_ref().map(|domain| identifier(domain, spf));
    let signers: Vec<Identifier> = ctx.dkim.iter().map(|(domain, _)| identifier(domain, dkim)).collect();
    let spf_path = match &mail_from {
        // The provider's own domain is not the sender's.
        None => Path::Closed,
        Some(identifier) => path(identifier.aligned, ctx.spf_can_pass),
    };
    let passes = ctx.dkim.iter().map(|(_, usable)| match usable {
        Usable::Yes => Some(true),
        Usable::No => Some(false),
        Usable::Unknown => None,
    });
    let paths = signers.iter().zip(passes).map(|(identifier, passes)| path(identifier.aligned, passes));
    // Without a selector nothing is known of DKIM.
    let dkim_path = paths.reduce(best).unwrap_or(Path::Unknown);
    Alignment { path: best(spf_path, dkim_path), spf_path, dkim_path, mail_from, dkim: signers }
}

fn path(aligned: Option<bool>, passes: Option<bool>) -> Path {
    match (aligned, passes) {
        (Some(false), _) | (_, Some(false)) => Path::Closed,
        (Some(true), Some(true)) => Path::Open,
        _ => Path::Unknown,
    }
}

fn best(one: Path, other: Path) -> Path {
    match (one, other) {
        (Path::Open, _) | (_, Path::Open) => Path::Open,
        (Path::Unknown, _) | (_, Path::Unknown) => Path::Unknown,
        (Path::Closed, Path::Closed) => Path::Closed,
    }
}

fn identifier(walks: &Walks, from: &Name, domain: &Name, mode: Option<Mode>, rules: Rules) -> Identifier {
    let strict = domain == from;
    let relaxed = if strict {
        Some(true)
    } else if rules == Rules::NoRecord {
        Some(same_registrable(from, domain))
    } else {
        let same =
            |seen: &dyn Fn(&Name) -> _| discover(from, seen).organizational == discover(domain, seen).organizational;
        walks.sure(&[from, domain], same)
    };
    let aligned = match mode {
        Some(Mode::Strict) => Some(strict),
        Some(Mode::Relaxed) => relaxed,
        // The same domain aligns in either mode, and another organization's in neither.
        None => relaxed.filter(|relaxed| strict || !relaxed),
    };
    let organizational_domain = walks.sure(&[domain], |seen| discover(domain, seen).organizational);
    Identifier { domain: domain.clone(), organizational_domain, strict, relaxed, aligned }
}

/// Whether receivers with a public suffix list take both for one organization's.
pub fn same_registrable(one: &Name, other: &Name) -> bool {
    one == other || registrable(one).is_some_and(|domain| registrable(other) == Some(domain))
}
