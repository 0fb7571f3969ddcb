//! What providers report of our own canaries: joined to the canary in the transaction that writes the report.
//!
//! So that "delivered at the provider, never arrived" can be seen. A report finds its canary by the token in the subject, where it repeats
//! that, or by the provider's id of the message. Where it holds neither, it is about the newest canary to the address that was on its way by
//! then and of which nothing else is known: reports may come in any order, as long as each has its time.

use std::time::Duration;

use crate::domain::canary::{Facts, Refusal, State, Token};
use crate::domain::event::{Kind, Source};
use crate::domain::keyring::Keyring;
use crate::domain::record::Join;
use crate::intake::Prepared;
use crate::store::{CanaryRow, Result, Tx};

/// How long after a canary was planned a report may still speak of it, when nothing but the address tells.
const REPORTED_WITHIN: Duration = Duration::from_secs(6 * 3_600);

/// Joins what the events report to the canaries they are about.
pub(in crate::intake) async fn join(
    tx: &mut Tx,
    events: impl Iterator<Item = &Prepared>,
    keyring: &Keyring,
) -> Result<()> {
    for event in events.filter(|event| event.canary.is_some()) {
        let Some(report) = facts(event) else { continue };
        let Some(mut row) = meant(tx, event, &report, keyring).await? else { continue };
        // The state is told by the next settling, which looks at every open canary.
        if row.facts.join(&report) {
            row.is_open = true;
            // What was told to be unknown waits for its mailbox, and this is news of another kind.
            if row.told == State::Unknown.as_str() && (row.mailbox.is_none() || row.facts.refused.is_some()) {
                row.told = State::Accepted.as_str().to_owned();
            }
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
        // An automatic answer says that it arrived; where, the mailbox tells.
        Kind::SoftBounce if !row.fresh => None,
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

async fn meant(tx: &mut Tx, event: &Prepared, report: &Facts, keyring: &Keyring) -> Result<Option<CanaryRow>> {
    let Some((address, message)) = &event.canary else { return Ok(None) };
    if let Some(Ok(token)) = message.as_ref().map(|text| Token::read(text, keyring)) {
        let was_sent = |row: &CanaryRow| row.address_key == *address && row.facts.sending.is_some();
        return Ok(tx.canary(token.route, token.sequence).await?.filter(was_sent));
    }
    if let Some(id) = message
        && let Some(row) = tx.canary_by_provider_id(id, *address).await?
    {
        return Ok(Some(row));
    }
    let until = event.row.occurred_at;
    let rows = tx.canaries_of_address(*address, until.minus(REPORTED_WITHIN), until).await?;
    let same_stream = |row: &CanaryRow| event.row.esp.as_ref() == Some(&row.esp);
    Ok(rows.into_iter().find(|row| same_stream(row) && may_be_about(row, report, event.row.source)))
}

/// Whether a report that names no canary may be about this one. SES tells the id of a message when it takes it: what it reports of another
/// id is about a canary only while that one is still being handed over.
fn may_be_about(row: &CanaryRow, report: &Facts, source: Source) -> bool {
    let facts = &row.facts;
    let is_on_its_way = facts.sending.is_some() && facts.not_sent.is_none() && facts.arrived.is_none();
    let is_heard_of = facts.refused.is_some() || facts.delivered.is_some();
    let is_handed_over = facts.accepted.is_some() || facts.uncertain.is_some();
    row.provider_id.is_none()
        && is_on_its_way
        && !is_heard_of
        && !(source == Source::Ses && is_handed_over)
        && facts.clone().join(report)
}
