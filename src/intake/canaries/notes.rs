//! The events that tell the log of a canary.

use crate::domain::event::{Identity, Kind, Scope, Source};
use crate::domain::time::Timestamp;
use crate::intake::Intake;
use crate::store::{CanaryRow, EventRow};

impl Intake {
    /// The event that a canary came to `kind` at `at`. `more`: in words, or JSON of its own.
    ///
    /// Its identity is made of the canary, the kind and the time, so that no repetition writes it twice.
    pub(super) fn note(
        &self,
        row: &CanaryRow,
        kind: Kind,
        at: Timestamp,
        now: Timestamp,
        more: Option<&str>,
    ) -> EventRow {
        let context = self.context();
        let parts = [&row.route_key.to_string(), &row.sequence.to_string(), kind.as_str(), &at.micros().to_string()];
        let refusal = row.facts.refused.as_ref().filter(|_| kind == Kind::CanaryRefused);
        let delivered = kind == Kind::CanaryLost && row.facts.delivered.is_some();
        let rule = match refusal {
            Some(refusal) => refusal.rule.clone(),
            None if delivered => "canary.delivered_never_arrived".to_owned(),
            None => kind.as_str().replacen('_', ".", 1),
        };
        // What the mailbox showed is JSON already.
        let more = more.map(|text| serde_json::from_str(text).unwrap_or_else(|_| serde_json::json!({"because": text})));
        let detail = serde_json::json!({
            "route": row.route, "role": row.role, "round": row.round, "round_n": row.round_n, "sequence": row.sequence, "more": more,
        });
        let route = context.canaries.routes().iter().find(|route| route.key() == row.route_key);
        EventRow {
            n: 0,
            id: context.keyring.event(&Identity::new("canary", &parts)),
            received_at: now,
            occurred_at: at.min(now),
            source: Source::Relaywatch,
            endpoint: "canaries".to_owned(),
            kind,
            scope: refusal.map_or(Scope::Ambiguous, |refusal| refusal.scope),
            fresh: true,
            stale: false,
            rule,
            team: row.team.clone(),
            app: None,
            stream: Some(row.stream.clone()),
            esp: Some(row.esp.clone()),
            relay_domain: None,
            sending_domain: route.map(|route| route.from_domain.clone()),
            mail_from_domain: None,
            address_key: None,
            subject_key: None,
            status: refusal.and_then(|refusal| refusal.status.clone()),
            code: refusal.and_then(|refusal| refusal.code),
            diagnostic: refusal.and_then(|refusal| refusal.text.clone()),
            provider_id: row.provider_id.clone(),
            detail: Some(crate::intake::prepare::clean(detail.to_string())),
        }
    }
}
