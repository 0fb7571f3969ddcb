//! What is published at a name: no SPF record, one, or several (RFC 7208 section 4.5).

use crate::domain::dns::{Failure, Inquiry, Kind, Name, Question, Reply, Unanswered};

use super::record::is_spf;

/// The SPF records at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// The DNS answered, and there is none.
    None,
    /// The one record.
    One(Vec<u8>),
    /// Two or more, sorted: a permanent error.
    Several(Vec<Vec<u8>>),
    /// No answer came.
    Failed(Failure),
}

impl Publication {
    /// Asks for the TXT records of the name, with the reply itself.
    pub fn ask<'k>(inquiry: &mut Inquiry<'k>, name: &Name) -> Result<(Self, &'k Reply), Unanswered> {
        let reply = inquiry.ask(Question::new(name.clone(), Kind::Txt))?;
        Ok((Self::of(reply), reply))
    }

    fn of(reply: &Reply) -> Self {
        if let Some(failure) = reply.failure() {
            return Self::Failed(failure);
        }
        let mut records: Vec<_> = reply.texts().into_iter().filter(|text| is_spf(text)).collect();
        match records.len() {
            0 | 1 => records.pop().map_or(Self::None, Self::One),
            _ => Self::Several(records),
        }
    }
}

/// The name that a macro string expanded to (RFC 7208 section 7.3): cut from the left, label by label, to 253 characters. `None` where
/// the DNS has no such name.
pub fn target_name(expanded: &[u8]) -> Option<Name> {
    const LONGEST: usize = 253;
    let mut name = expanded.strip_suffix(b".").unwrap_or(expanded);
    while name.len() > LONGEST {
        let dot = name.iter().position(|&b| b == b'.')?;
        name = &name[dot + 1..];
    }
    Name::from_bytes(name).ok().filter(|name| name.depth() > 0)
}

/// The bytes of a name without the trailing dot, as macros take it.
pub fn bytes_of(name: &Name) -> Vec<u8> {
    name.labels().collect::<Vec<_>>().join(&b'.')
}
