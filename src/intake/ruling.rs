//! An operator's decision about one address: an event like any other, and a line of the audit trail.

use super::{Intake, IntakeError, Submission};
use crate::domain::address::Address;
use crate::domain::event::{Decision, Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{AddressKey, TeamId};
use crate::domain::record::OverrideAction;
use crate::domain::time::Timestamp;
use crate::store::{AuditRow, StoreError};

/// How long the words of a decision may be, in bytes.
const LONGEST_WHO: usize = 200;
const LONGEST_WHY: usize = 2_000;

/// A decision and whom it is about.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// The team.
    pub team: TeamId,
    /// The address.
    pub address: Address,
    /// What was decided.
    pub decision: Decision,
    /// What brought it: `api` or `cli`.
    pub endpoint: &'static str,
    /// Whose token or account it came with; stands in the audit trail beside who decided.
    pub by: String,
}

/// A decision that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// The public id of its event.
    pub event: String,
    /// The address.
    pub key: AddressKey,
    /// The head of the log after it.
    pub head: i64,
}

/// What is wrong with the words of a decision: the field, and why. They are kept for years and shown in clear, so they may name nobody.
pub fn wrong_words(
    who: &str,
    why: &str,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Option<(&'static str, &'static str)> {
    for (field, text, longest) in [("who", who, LONGEST_WHO), ("why", why, LONGEST_WHY)] {
        if text.trim().is_empty() {
            return Some((field, "is empty"));
        }
        if text.len() > longest {
            return Some((field, "is too long"));
        }
        if names_somebody(text) {
            return Some((field, "holds a mail address or a subject: it is kept in the clear, so name people by key"));
        }
    }
    until.filter(|until| *until <= now).map(|_| ("until", "is not in the future"))
}

/// Whether a text holds what looks like an address or like Apple's `sub` (digits, 32 hexadecimal digits, digits).
fn names_somebody(text: &str) -> bool {
    let is_sub = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.windows(2).any(|pair| pair[1].len() >= 32 && pair[1].bytes().all(|b| b.is_ascii_hexdigit()))
    };
    text.contains('@') || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').any(is_sub)
}

impl Intake {
    /// Brings a decision into force. Returns when it is on disk.
    ///
    /// # Errors
    /// [`IntakeError`]; the decision may be in force all the same when only the audit trail could not be written, and deciding again
    /// does no harm.
    pub async fn rule(&self, ruling: Ruling) -> Result<Ruled, IntakeError> {
        let context = self.context();
        let now = context.clock.now();
        let Ruling { team, address, decision, endpoint, by } = ruling;
        let key = context.keyring.address(&address);
        let mut once = [0; 16];
        (context.random)(&mut once);
        let identity = Identity::new("operator", &[&uuid::Uuid::from_bytes(once).to_string()]);
        let event = context.keyring.event(&identity).public();
        let audit = AuditRow {
            id: uuid::Uuid::now_v7().to_string(),
            at: now,
            who: decision.who.clone(),
            action: "override".to_owned(),
            detail: serde_json::json!({
                "team": team, "key": key, "action": decision.action, "why": decision.why, "until": decision.until,
                "event": event, "by": by, "policy_version": context.policy_version,
            })
            .to_string(),
        };
        let events = vec![Event {
            identity,
            source: Source::Operator,
            kind: Kind::OperatorOverride,
            scope: Scope::Recipient,
            fresh: true,
            rule: match decision.action {
                OverrideAction::Lift => "operator.lift".into(),
                OverrideAction::Suppress => "operator.suppress".into(),
            },
            who: Who { address: Some(address), sub: None, is_private: None, named: 1 },
            origin: Origin::of_team(team),
            evidence: Evidence::default(),
            occurred_at: now,
            decision: Some(decision),
        }];
        let submission =
            Submission { endpoint: endpoint.to_owned(), received_at: now, events, ..Submission::default() };
        let receipt = self.submit(submission).await?;
        let written = async {
            let mut tx = self.store().write().await?;
            tx.put_audit(&audit).await?;
            tx.commit().await
        };
        written.await.map_err(|e: StoreError| IntakeError::Unavailable(e.to_string()))?;
        Ok(Ruled { event, key, head: receipt.head })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_name_somebody_are_refused() {
        let now = Timestamp::from_secs(1_760_000_000);
        assert_eq!(wrong_words("Anna", "asked by phone, ticket 4711.2", None, now), None);
        for (who, why, until, field) in [
            ("", "x", None, "who"),
            ("anna@a.example", "x", None, "who"),
            ("Anna", " ", None, "why"),
            ("Anna", "for x@private.icloud.com", None, "why"),
            ("Anna", "sub 001234.0123456789abcdef0123456789abcdef.0456, as asked", None, "why"),
            ("Anna", "x", Some(now), "until"),
        ] {
            assert_eq!(wrong_words(who, why, until, now).map(|(field, _)| field), Some(field), "{who} {why}");
        }
    }
}
