//! One transaction for many requests: the steps of the door, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::prepare::{Keep, Prepared};
use super::settle::settle_at;
use super::worker::Part;
use super::{Context, Receipt, desired, erased};
use crate::domain::address::Address;
use crate::domain::ids::{EventKey, Sub, TeamId};
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, Join, SubjectRecord};
use crate::domain::time::Timestamp;
use crate::store::{
    AddressAt, AddressRow, CellCount, EventRow, Result, SealedRow, Store, SubjectAt, SubjectRow, Tx, bucket,
};

/// How long an `icloud.com` address stays that nobody flagged as a relay address.
const UNFLAGGED_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Writes the whole group in one transaction and commits it.
pub(super) async fn write(
    context: &Context,
    store: &Store,
    group: &[Part<'_>],
    now: Timestamp,
) -> Result<Vec<Receipt>> {
    let mut tx = store.write().await?;
    let mut head = tx.lock_head().await?;
    let fresh = new_events(&mut tx, group, now).await?;
    let mut receipts = Vec::with_capacity(group.len());
    let mut given = HashSet::new();
    let mut taken: Vec<Prepared> = Vec::new();
    for part in group {
        let mut receipt = Receipt::default();
        for prepared in part.work {
            // Once per group too: the same event may stand twice in one body.
            if fresh.contains(&prepared.row.id) && given.insert(prepared.row.id) {
                receipt.new += 1;
                taken.push(prepared.clone());
            } else {
                receipt.repeated += 1;
            }
        }
        receipts.push(receipt);
    }
    let told: Vec<_> = taken.iter().map(|p| (p.row.source, p.row.kind, p.row.scope)).collect();
    erased::forget(&mut tx, &mut taken).await?;
    unname(&mut tx, &mut taken).await?;
    tx.add_counts(&counts(&taken)).await?;
    taken.retain(|p| p.keep != Keep::Count);
    let first = head + 1;
    for (prepared, n) in taken.iter_mut().zip(first..) {
        prepared.row.n = n;
    }
    if !taken.is_empty() {
        head = tx.advance_head(i64::try_from(taken.len()).unwrap_or(i64::MAX)).await?;
        fold_in(context, &mut tx, &taken, now).await?;
        let rows: Vec<EventRow> = taken.iter().map(|p| p.row.clone()).collect();
        tx.append_events(&rows).await?;
    }
    for part in group {
        for row in part.quarantined {
            tx.put_quarantine(row).await?;
        }
        tx.put_tee(part.tee).await?;
    }
    tx.commit().await?;
    for (source, kind, scope) in told {
        context.metrics.intake.events_total.inc([&source, &kind, &scope]);
    }
    for receipt in &mut receipts {
        receipt.head = head;
    }
    Ok(receipts)
}

/// The identities of the group nobody has sent before.
async fn new_events(tx: &mut Tx, group: &[Part<'_>], now: Timestamp) -> Result<HashSet<EventKey>> {
    let mut ids: Vec<EventKey> = Vec::new();
    let mut asked = HashSet::new();
    for part in group {
        // The batch's own mark goes in with its last events: a known batch is then known whole.
        let all = part.work.iter().map(|p| p.row.id).chain(part.batch);
        ids.extend(all.filter(|id| asked.insert(*id)));
    }
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    // In one order everywhere, so that two writers never wait for each other's rows.
    ids.sort_unstable();
    tx.mark_seen(&ids, now).await
}

/// An address that nobody flagged keeps its key as long as its record, seven days. An event that adds nothing to a record would keep
/// it as long as the log, so it gets none.
async fn unname(tx: &mut Tx, taken: &mut [Prepared]) -> Result<()> {
    let idle = |p: &Prepared| p.keep == Keep::Unflagged && p.delta.address.is_none();
    let places: BTreeSet<AddressAt> = taken.iter().filter(|p| idle(p)).filter_map(Prepared::place).collect();
    let known = tx.addresses(&places.into_iter().collect::<Vec<_>>()).await?;
    for p in taken.iter_mut().filter(|p| idle(p)) {
        let ours = p.place().and_then(|at| known.get(&at)).is_some_and(|row| row.keep_until.is_none());
        if !ours {
            p.row.address_key = None;
            p.row.subject_key = None;
        }
    }
    Ok(())
}

fn counts(taken: &[Prepared]) -> Vec<CellCount> {
    let mut sums: BTreeMap<(Timestamp, &TeamId, &crate::domain::cell::Cell, &'static str), i64> = BTreeMap::new();
    for p in taken {
        if let Some(cell) = p.cell.as_ref().filter(|_| !p.row.stale) {
            *sums.entry((bucket(p.row.occurred_at), &p.row.team, cell, p.counted_as())).or_default() += 1;
        }
    }
    sums.into_iter()
        .map(|((bucket, team, cell, kind), n)| CellCount { bucket, team: team.clone(), cell: cell.clone(), kind, n })
        .collect()
}

/// Joins the events into the records, seals who is new, and sets what destinations should hold.
async fn fold_in(context: &Context, tx: &mut Tx, taken: &[Prepared], now: Timestamp) -> Result<()> {
    let at: BTreeSet<AddressAt> =
        taken.iter().filter(|p| p.delta.address.is_some()).filter_map(Prepared::place).collect();
    let of: BTreeSet<SubjectAt> =
        taken.iter().filter(|p| p.delta.subject.is_some()).filter_map(Prepared::subject_place).collect();
    let known = tx.addresses(&at.into_iter().collect::<Vec<_>>()).await?;
    let known_subjects = tx.subjects(&of.into_iter().collect::<Vec<_>>()).await?;
    let (mut addresses, mut subjects) = (known.clone(), known_subjects.clone());
    let mut sealed = Vec::new();
    for p in taken {
        if let (Some((_, delta)), Some(at)) = (&p.delta.address, p.place()) {
            let row = addresses.entry(at).or_insert_with(|| blank(p));
            join_address(row, delta, p, &context.policy, now);
        }
        if let (Some((_, delta)), Some(at)) = (&p.delta.subject, p.subject_place()) {
            let row = subjects.entry(at).or_insert_with(|| SubjectRow { record: SubjectRecord::default(), version: 0 });
            let before = row.record.clone();
            row.record.join(delta);
            if row.record != before {
                row.version = p.row.n;
            }
        }
        seal_new(context, p, &known, &known_subjects, &mut sealed);
    }
    let changed_addresses: HashMap<AddressAt, AddressRow> =
        addresses.into_iter().filter(|(at, row)| known.get(at) != Some(row)).collect();
    let changed_subjects: HashMap<SubjectAt, SubjectRow> =
        subjects.into_iter().filter(|(at, row)| known_subjects.get(at) != Some(row)).collect();
    tx.put_sealed(&sealed).await?;
    tx.put_addresses(changed_addresses.iter()).await?;
    tx.put_subjects(changed_subjects.iter()).await?;
    desired::settle(context, tx, &changed_addresses, &changed_subjects, &known_subjects, now).await
}

fn blank(p: &Prepared) -> AddressRow {
    let keep_until = (p.keep == Keep::Unflagged).then(|| p.row.received_at.plus(UNFLAGGED_KEPT));
    AddressRow { record: AddressRecord::default(), version: 0, settle_at: None, keep_until }
}

fn join_address(row: &mut AddressRow, delta: &AddressRecord, p: &Prepared, policy: &Policy, now: Timestamp) {
    let before = row.record.clone();
    row.record.join(delta);
    if row.record != before {
        row.version = p.row.n;
    }
    // A flag, an import or Apple's word makes it ours for good.
    if p.keep == Keep::All {
        row.keep_until = None;
    } else if let Some(until) = row.keep_until {
        row.keep_until = Some(until.max(p.row.received_at.plus(UNFLAGGED_KEPT)));
    }
    row.settle_at = settle_at(&row.record, policy, now);
}

fn seal_new(
    context: &Context,
    p: &Prepared,
    known: &HashMap<AddressAt, AddressRow>,
    known_subjects: &HashMap<SubjectAt, SubjectRow>,
    sealed: &mut Vec<SealedRow>,
) {
    if let (Some((key, address)), Some(at), true) = (&p.address, p.place(), p.delta.address.is_some())
        && !known.contains_key(&at)
    {
        sealed.push(seal(context, &p.row.team, "address", &key.to_string(), Address::expose(address)));
    }
    if let (Some((key, sub)), Some(at), true) = (&p.sub, p.subject_place(), p.delta.subject.is_some())
        && !known_subjects.contains_key(&at)
    {
        sealed.push(seal(context, &p.row.team, "sub", &key.to_string(), Sub::expose(sub)));
    }
}

fn seal(context: &Context, team: &TeamId, kind: &'static str, key: &str, text: &str) -> SealedRow {
    let mut nonce = [0; 12];
    (context.random)(&mut nonce);
    let value = context.keyring.seal(format!("{team}/{kind}/{key}").as_bytes(), text.as_bytes(), nonce);
    SealedRow { team: team.clone(), kind, key: key.to_owned(), value }
}
