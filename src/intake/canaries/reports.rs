//! What providers report of our own canaries: joined to the canary in the transaction that writes the report.
//!
//! So that "delivered at the provider, never arrived" can be seen. A report finds its canary by the provider's id of the message; where the
//! submission server told none, by the address, if only one canary to it can be meant.

use std::time::Duration;

use crate::domain::canary::{Facts, Refusal};
use crate::domain::event::Kind;
use crate::domain::record::Join;
use crate::intake::Prepared;
use crate::store::{CanaryRow, Result, Tx};

/// How long after a canary was planned a report may still speak of it, when nothing but the address tells.
const REPORTED_WITHIN: Duration = Duration::from_secs(6 * 3_600);

/// Joins what the events report to the canaries they are about.
pub(in crate::intake) async fn join(tx: &mut Tx, events: impl Iterator<Item = &Prepared>) -> Result<()> {
    for event in events.filter(|event| event.canary.is_some()) {
        let Some(report) = facts(event) else { continue };
        let Some(mut row) = meant(tx, event, &report).await? else { continue };
        // The state is told by the next settling, which looks at every open canary.
        if row.facts.join(&report) {
            row.is_open = true;
            tx.update_canary(&row).await?;
        }
    }
    Ok(())
}

/// What the event says of its canary, if anything.
fn facts(event: &Prepared) -> Option<Facts> {
    let row = &event.row;
    let at = Some(row.occurred_at.into());
    match row.kind {
        Kind::Sent => Some(Facts { accepted: at, ..Facts::default() }),
        Kind::Delivered => Some(Facts { delivered: at, ..Facts::default() }),
        Kind::HardBounce | Kind::SoftBounce => {
            let refusal = Refusal {
                at: row.occurred_at.into(),
                rule: row.rule.clone(),
                kind: row.kind,
                scope: row.scope,
                code: row.code,
                status: row.status.clone(),
                text: row.diagnostic.clone(),
            };
            Some(Facts { refused: Some(refusal), ..Facts::default() })
        }
        _ => None,
    }
}

async fn meant(tx: &mut Tx, event: &Prepared, report: &Facts) -> Result<Option<CanaryRow>> {
    let Some((address, message)) = &event.canary else { return Ok(None) };
    if let Some(id) = message
        && let Some(row) = tx.canary_by_provider_id(id, *address).await?
    {
        return Ok(Some(row));
    }
    let until = event.row.occurred_at;
    let mut rows = tx.canaries_of_address(*address, until.minus(REPORTED_WITHIN), until).await?;
    let same_stream = |row: &CanaryRow| event.row.esp.as_ref() == Some(&row.esp);
    let unheard = |row: &CanaryRow| {
        let mut facts = row.facts.clone();
        row.provider_id.is_none() && row.facts.sending.is_some() && facts.join(report)
    };
    rows.retain(|row| same_stream(row) && unheard(row) && row.facts.refused.is_none());
    Ok(if rows.len() == 1 { rows.pop() } else { None })
}
