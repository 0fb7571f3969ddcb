//! One transaction for many requests: the steps of the door, in order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::observe::Memory;
use super::prepare::{Keep, Prepared};
use super::touched::Touched;
use super::worker::Part;
use super::{Context, Receipt, canaries, desired, erased, reveal, subjects};
use crate::domain::address::Address;
use crate::domain::event::Kind;
use crate::domain::ids::{AddressKey, EventKey, Sub, TeamId};
use crate::domain::record::{Join, SubjectRecord};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Glance;
use crate::index::Commit;
use crate::store::{AddressAt, CellCount, Entered, Result, SealedRow, Store, SubjectAt, SubjectRow, Tx, bucket};

/// Writes the whole group in one transaction and commits it.
pub(super) async fn write(
    context: &Context,
    store: &Store,
    group: &[Part<'_>],
    memory: &mut Memory,
    now: Timestamp,
) -> Result<Vec<Receipt>> {
    let mut tx = store.write().await?;
    let mut ids = identities(group);
    let Entered { mut head, any_erased, new } = tx.enter(&ids).await?;
    let mut receipts = Vec::with_capacity(group.len());
    let mut given = HashSet::new();
    let mut taken: Vec<Cow<'_, Prepared>> = Vec::new();
    for part in group {
        let mut receipt = Receipt::default();
        for prepared in part.work {
            // Once per group too: the same event may stand twice in one body.
            if new.contains(&prepared.row.id) && given.insert(prepared.row.id) {
                receipt.new += 1;
                taken.push(Cow::Borrowed(prepared));
            } else {
                receipt.repeated += 1;
            }
        }
        receipts.push(receipt);
    }
    let told: Vec<_> = taken.iter().map(|p| (p.row.source, p.row.kind, p.row.scope)).collect();
    if any_erased {
        erased::forget(context, &mut tx, &mut taken).await?;
    }
    unname(&mut tx, &mut taken).await?;
    // Before the records: what a bounce proves depends on the deliveries around it, and those of its own group are among them.
    tx.add_counts(&counts(&taken)).await?;
    let news = memory.news(&taken, now);
    taken.retain(|p| p.keep != Keep::Count);
    let numbered: Vec<(i64, &Prepared)> = (head + 1..).zip(taken.iter().map(Cow::as_ref)).collect();
    let mut commit = Commit { before: head, after: head, glances: Vec::new() };
    if !taken.is_empty() {
        head = tx.advance_head(head, taken.len()).await?;
        commit.after = head;
        commit.glances = fold_in(context, &mut tx, &numbered, now).await?;
        canaries::join_reports(&mut tx, numbered.iter().map(|(_, p)| *p), &context.keyring).await?;
        tx.append_numbered(numbered.iter().map(|(n, p)| (*n, &p.row))).await?;
    }
    // Last, with all that is only written: reading in between would send each on its way alone.
    tx.put_observed(&news.rows).await?;
    ids.retain(|id| new.contains(id));
    tx.mark_seen(&ids, now).await?;
    for part in group {
        for row in part.quarantined {
            tx.put_quarantine(row).await?;
        }
        tx.put_tee(part.tee).await?;
    }
    tx.commit().await?;
    memory.learn(news.rows, now);
    let left_out = u64::try_from(news.left_out).unwrap_or(u64::MAX);
    context.metrics.intake.observations_left_out_total.add([], left_out);
    // Before anybody is answered: who asks after his 200 gets an answer that knows of it.
    context.index.apply(&commit, now);
    count_daily(context, numbered.iter().map(|(_, p)| *p));
    for (source, kind, scope) in told {
        context.metrics.intake.events_total.inc([&source, &kind, &scope]);
    }
    for receipt in &mut receipts {
        receipt.head = head;
    }
    Ok(receipts)
}

/// Counts what the relay took, against what it takes in a day. By the reports: whoever else mails an address is not seen.
fn count_daily<'a>(context: &Context, taken: impl Iterator<Item = &'a Prepared>) {
    let mut daily = context.daily.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Canaries have a budget of their own.
    for p in taken.filter(|p| p.row.kind == Kind::Delivered && !p.row.stale && p.canary.is_none()) {
        let relayed = p.address.as_ref().filter(|(_, address)| address.on_relay_domain());
        if relayed.is_some_and(|(key, _)| daily.add(*key, p.row.occurred_at)) {
            context.metrics.intake.relay_addresses_near_daily_limit_total.inc([]);
        }
    }
}

/// The identities of the group, each once.
fn identities(group: &[Part<'_>]) -> Vec<EventKey> {
    let mut ids: Vec<EventKey> = Vec::new();
    for part in group {
        // The batch's own mark goes in with its last events: a known batch is then known whole.
        ids.extend(part.work.iter().map(|p| p.row.id).chain(part.batch));
    }
    // In one order everywhere, so that two writers never wait for each other's rows.
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// An address that nobody flagged keeps its key as long as its record, seven days. An event that adds nothing to a record would keep
/// it as long as the log, so it gets none.
async fn unname(tx: &mut Tx, taken: &mut [Cow<'_, Prepared>]) -> Result<()> {
    let idle = |p: &Prepared| p.keep == Keep::Unflagged && p.delta.address.is_none();
    let places: BTreeSet<AddressAt> = taken.iter().filter(|p| idle(p)).filter_map(|p| p.place()).collect();
    if places.is_empty() {
        return Ok(());
    }
    let known = tx.addresses(&places.into_iter().collect::<Vec<_>>()).await?;
    for p in taken.iter_mut().filter(|p| idle(p)) {
        let ours = p.place().and_then(|at| known.get(&at)).is_some_and(|row| row.keep_until.is_none());
        if !ours {
            let p = p.to_mut();
            p.row.address_key = None;
            p.row.subject_key = None;
        }
    }
    Ok(())
}

fn counts(taken: &[Cow<'_, Prepared>]) -> Vec<CellCount> {
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

/// Joins the events into the records, seals who is new, and sets what destinations should hold. Returns the glances that may have
/// changed.
async fn fold_in(
    context: &Context,
    tx: &mut Tx,
    taken: &[(i64, &Prepared)],
    now: Timestamp,
) -> Result<Vec<(TeamId, AddressKey, Glance)>> {
    let at: BTreeSet<AddressAt> =
        taken.iter().filter(|(_, p)| p.delta.address.is_some()).filter_map(|(_, p)| p.place()).collect();
    let of: BTreeSet<SubjectAt> =
        taken.iter().filter(|(_, p)| p.delta.subject.is_some()).filter_map(|(_, p)| p.subject_place()).collect();
    let mut addresses = Touched::new(tx.addresses(&at.into_iter().collect::<Vec<_>>()).await?);
    let known_subjects = tx.subjects(&of.into_iter().collect::<Vec<_>>()).await?;
    let mut subjects = known_subjects.clone();
    let mut sealed = Vec::new();
    for (n, p) in taken {
        if let (Some((_, delta)), Some(at)) = (&p.delta.address, p.place())
            && addresses.touch(at, delta, *n, p, &context.policy, now)
        {
            sealed.extend(p.address.as_ref().map(|(key, a)| seal(context, p, "address", key, Address::expose(a))));
        }
        if let (Some((_, delta)), Some(at)) = (&p.delta.subject, p.subject_place()) {
            let is_new = !subjects.contains_key(&at);
            let row = subjects.entry(at).or_insert_with(|| SubjectRow { record: SubjectRecord::default(), version: 0 });
            if row.record.join(delta) {
                row.version = *n;
            }
            if is_new {
                sealed.extend(p.sub.as_ref().map(|(key, sub)| seal(context, p, "sub", key, Sub::expose(sub))));
            }
        }
    }
    subjects::spread(context, tx, &mut addresses, &known_subjects, &subjects).await?;
    let changed_addresses = addresses.into_changed();
    let changed_subjects: HashMap<SubjectAt, SubjectRow> =
        subjects.into_iter().filter(|(at, row)| known_subjects.get(at) != Some(row)).collect();
    tx.put_sealed(&sealed).await?;
    tx.put_addresses(changed_addresses.iter()).await?;
    tx.put_subjects(changed_subjects.iter()).await?;
    desired::settle(context, tx, &changed_addresses, &changed_subjects, &known_subjects, now).await?;
    Ok(changed_addresses.iter().map(|((team, key), row)| (team.clone(), *key, row.glance())).collect())
}

fn seal(context: &Context, p: &Prepared, kind: &'static str, key: &impl fmt::Display, text: &str) -> SealedRow {
    let team = p.row.team.clone();
    let key = key.to_string();
    let mut nonce = [0; 12];
    (context.random)(&mut nonce);
    let value = context.keyring.seal(&reveal::place(&team, kind, &key), text.as_bytes(), nonce);
    SealedRow { team, kind, key, value }
}
