//! DMARC (RFC 9989): the record that applies to a From domain, what receivers make of it, and whether DMARC can pass.

mod alignment;
mod external;
mod findings;
mod record;
mod report_address;
mod suffix;
mod walk;

pub use alignment::{Alignment, Identifier, Path};
pub use record::{Author, Flaw, Mode, Policy, Psd, Record, is_dmarc};
pub use report_address::ReportAddress;

use std::collections::BTreeSet;

use super::dkim::Usable;
use super::dns::{Failure, Inquiry, Kind, Name, Question, Unanswered};
use super::finding::Finding;
use alignment::{Rules, align};
use walk::{Walks, discover};

/// What else is known of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The envelope domain; none where the provider's own is used, which aligns with nothing of the sender's.
    pub mail_from: Option<Name>,
    /// Whether SPF can pass for the envelope domain; none where that is not known.
    pub spf_can_pass: Option<bool>,
    /// Every `d=` that signs, and whether its key works. Empty where no selector is registered: then nothing is known of DKIM.
    pub dkim: Vec<(Name, Usable)>,
    /// Why something of the above is not known, where a reply failed.
    pub failure: Option<Failure>,
    /// Whether the stream sends in bulk: large receivers then insist on a record.
    pub bulk: bool,
}

/// What is to be said of a From domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// The record that applies; none where there is none or that is not known.
    pub record: Option<Record>,
    /// The domain at whose `_dmarc` it stands.
    pub at: Option<Name>,
    /// The organizational domain of the From domain; none where an answer is missing.
    pub organizational_domain: Option<Name>,
    /// The policy for the From domain, with `sp`, `np` and test mode counted in; none where DMARC does not apply or that is not known.
    pub policy: Option<Policy>,
    /// How the stream's domains stand to the From domain.
    pub alignment: Alignment,
    /// What was found, sorted.
    pub findings: Vec<Finding>,
}

/// Asks ahead what [`lint`] will ask first of these domains, so that it goes out together with other judges' questions.
pub fn ask_ahead(inquiry: &mut Inquiry<'_>, domains: &[&Name]) {
    // What is missing is noted in the inquiry; nobody waits for it here.
    let _ = Walks::ask(inquiry, domains);
}

/// Judges the DMARC record that applies to `from_domain`, and the alignment of the stream's domains with it.
pub fn lint(inquiry: &mut Inquiry<'_>, from_domain: &Name, ctx: &Context) -> Result<Dmarc, Unanswered> {
    let signers = ctx.dkim.iter().map(|(domain, _)| domain);
    let starts: Vec<&Name> = [from_domain].into_iter().chain(&ctx.mail_from).chain(signers).collect();
    let walks = Walks::ask(inquiry, &starts)?;
    let discovery = |seen: &dyn Fn(&Name) -> _| discover(from_domain, seen);
    let policy_at = walks.sure(&[from_domain], |seen| discovery(seen).policy_at);
    let organizational_domain = walks.sure(&[from_domain], |seen| discovery(seen).organizational);
    let at = policy_at.clone().flatten();
    let record = at.as_ref().and_then(|at| walks.record(at));

    // Both tell something only where the From domain has no record of its own.
    let own = walks.answer(from_domain).is_some_and(|answer| !answer.records.is_empty() || answer.failure.is_some());
    let apex = (!own).then(|| inquiry.ask(Question::new(from_domain.clone(), Kind::Txt)));
    let external = match (&record, &at) {
        (Some(record), Some(at)) => external::check(inquiry, record, at),
        _ => Ok(Vec::new()),
    };
    let (apex, external) = (apex.transpose()?, external?);

    let (author, policy) = match &record {
        None => (None, None),
        Some(record) if at.as_ref() == Some(from_domain) => (Some(Author::Own), record.policy(Author::Own)),
        Some(record) => {
            let both = [Author::Subdomain, Author::Nonexistent];
            let [exists, absent] = both.map(|author| record.policy(author));
            match apex {
                Some(reply) if reply.is_nxdomain() => (Some(Author::Nonexistent), absent),
                Some(reply) if reply.failure().is_some() => (None, exists.filter(|_| exists == absent)),
                _ => (Some(Author::Subdomain), exists),
            }
        }
    };
    let rules = match (&policy_at, &record) {
        (None, _) => Rules::Unknown,
        (Some(_), Some(record)) if record.is_effective() => Rules::Modes { spf: record.aspf, dkim: record.adkim },
        (Some(_), _) => Rules::NoRecord,
    };
    let alignment = align(&walks, from_domain, ctx, rules);
    let view = findings::View {
        from: from_domain,
        ctx,
        walks: &walks,
        starts: &starts,
        policy_at: policy_at.as_ref().map(Option::as_ref),
        record: record.as_ref(),
        author,
        policy,
        organizational_domain: organizational_domain.as_ref(),
        alignment: &alignment,
        apex,
    };
    let mut found: BTreeSet<Finding> = view.all().into_iter().collect();
    found.extend(external);
    Ok(Dmarc { record, at, organizational_domain, policy, alignment, findings: found.into_iter().collect() })
}

#[cfg(test)]
mod tests;
