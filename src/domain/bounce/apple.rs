//! Apple's reply texts as data: what its relay and its consumer mail servers say, and whose fault that is.
//!
//! The first rule that fits decides. Faults of the sender and of the relay stand first, so that a reply that names several
//! reasons convicts no recipient. The relay answers `550 5.1.1` for a dead address and for an unregistered sender alike,
//! hence no rule looks at the status.

use super::Party;
use crate::domain::event::{Kind, Scope};

/// One built-in text rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct BuiltIn {
    /// Its name in events, metrics and answers.
    pub name: &'static str,
    /// Texts that must all occur, in lower case with single spaces.
    pub all: &'static [&'static str],
    /// Who must be named beside the first text.
    pub party: Party,
    /// First digit of the SMTP reply.
    pub code_class: Option<u8>,
    /// Hard or soft bounce.
    pub kind: Kind,
    /// Whose fault. `Esp` means that Apple was not asked.
    pub scope: Scope,
}

/// A hard bounce, whoever is named.
const fn hard(name: &'static str, all: &'static [&'static str], scope: Scope) -> BuiltIn {
    BuiltIn { name, all, party: Party::Any, code_class: None, kind: Kind::HardBounce, scope }
}

/// A soft bounce, whoever is named.
const fn soft(name: &'static str, all: &'static [&'static str], scope: Scope) -> BuiltIn {
    BuiltIn { name, all, party: Party::Any, code_class: None, kind: Kind::SoftBounce, scope }
}

/// A hard bounce that speaks of the recipient, unless somebody else is named beside it. Where an ESP masked the address
/// (`<...@...>`), the words alone decide: they are only known beside a recipient.
const fn of_recipient(name: &'static str, all: &'static [&'static str]) -> BuiltIn {
    BuiltIn { party: Party::RecipientOrNone, ..hard(name, all, Scope::Recipient) }
}

/// The same words beside somebody else's address: a fault, but not known to be the recipient's.
const fn of_another(all: &'static [&'static str]) -> BuiltIn {
    hard("apple.not_the_recipient", all, Scope::Ambiguous)
}

/// The rules, in the order in which they are tried. A name may stand for several wordings of one thing.
pub(super) const RULES: [BuiltIn; 32] = [
    // The sender is not registered with Apple, not authenticated, or the address belongs to another team.
    hard("apple.unauthorized_sender", &["unauthorized sender"], Scope::Sender),
    // The older wording of the same (2019).
    hard("apple.bad_mailbox_name", &["bad mailbox name"], Scope::Sender),
    // The relay could not rewrite the message: a wave over nearly all recipients in July 2022.
    hard("apple.transformation_error", &["transformation error"], Scope::Relay),
    // Apple's outage of 2021-04-26: said of living users.
    hard("apple.lookup_without_record", &["user lookup success but no user record found"], Scope::Relay),
    // Reported by one weak source as "the user disabled the address": held, never believed.
    hard("apple.relay_not_permitted", &["relay not permitted for user"], Scope::Ambiguous),
    // The consumer servers, which also answer for Hide My Email on icloud.com.
    hard("apple.spf_and_dkim_failed", &["[hme1]"], Scope::Sender),
    hard("apple.spf_and_dkim_failed", &["blocked for failing both spf and dkim"], Scope::Sender),
    hard("apple.local_policy", &["[cs01]"], Scope::Content),
    hard("apple.local_policy", &["message rejected due to local policy"], Scope::Content),
    hard("apple.ip_reputation", &["[ab01]"], Scope::Sender),
    hard("apple.dmarc_policy", &["rejected due to", "dmarc policy"], Scope::Sender),
    hard("apple.spamhaus_dbl", &["having a domain present in the spamhaus dbl"], Scope::Sender),
    hard("apple.spamhaus_sbl", &["rejected due to listing in spamhaus"], Scope::Sender),
    hard("apple.proofpoint_block", &["support.proofpoint.com/dnsbl-lookup"], Scope::Sender),
    soft("apple.sender_domain_not_found", &["sender address rejected"], Scope::Sender),
    soft("apple.too_many_errors", &["error: too many errors"], Scope::Sender),
    hard("apple.relay_access_denied", &["relay access denied"], Scope::Relay),
    hard("apple.not_accepting_connections", &["not accepting connections"], Scope::Relay),
    BuiltIn {
        code_class: Some(4),
        ..soft("apple.service_unavailable", &["service unavailable", "try again later"], Scope::Relay)
    },
    soft("apple.excessive_volume", &["deferred due to excessive volume"], Scope::Recipient),
    // A full mailbox empties: soft whatever the code (552 5.2.2 and 450 4.2.2 are both seen).
    soft("apple.over_quota", &["user is over quota"], Scope::Recipient),
    soft("apple.over_quota", &["overquota"], Scope::Recipient),
    // The recipient.
    of_recipient("apple.user_not_found", &["user not found"]),
    of_another(&["user not found"]),
    of_recipient("apple.user_does_not_exist", &["user does not exist"]),
    of_another(&["user does not exist"]),
    of_recipient("apple.unknown_alias", &["unknown or illegal alias"]),
    of_another(&["unknown or illegal alias"]),
    of_recipient("apple.no_longer_on_server", &["recipient no longer on server"]),
    of_another(&["recipient no longer on server"]),
    // The user paused a Hide My Email address and may take it up again.
    of_recipient("apple.inactive_address", &["inactive email address"]),
    of_another(&["inactive email address"]),
];

/// The rules whose words say that the mailbox does not exist. Not among them: an address that is only paused.
pub(super) const GONE: [&str; 4] =
    ["apple.user_not_found", "apple.user_does_not_exist", "apple.unknown_alias", "apple.no_longer_on_server"];
