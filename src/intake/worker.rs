//! The group commit: takes whatever waits, writes it as one transaction, answers everybody.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::observe::Memory;
use super::prepare::Prepared;
use super::{Bounds, Context, IntakeError, Receipt, Waiting, group, quarantine};
use crate::clock::Stopwatch;
use crate::domain::ids::EventKey;
use crate::store::{QuarantineRow, Store, StoreError, TeeRow};

/// A request, or a piece of one, as one transaction sees it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// Which waiting request it belongs to.
    request: usize,
    pub(super) work: &'a [Prepared],
    pub(super) batch: Option<EventKey>,
    pub(super) quarantined: &'a [QuarantineRow],
    pub(super) tee: &'a [TeeRow],
}

/// Runs until every door is closed and the queue is empty.
pub(super) async fn run(
    context: Arc<Context>,
    store: Store,
    bounds: Bounds,
    mut queue: mpsc::Receiver<Waiting>,
    announce: watch::Sender<i64>,
) {
    let mut memory = Memory::default();
    while let Some(first) = queue.recv().await {
        let mut size = first.work.len();
        let mut waiting = vec![first];
        let deadline = tokio::time::Instant::now() + bounds.linger;
        while size < bounds.group_events {
            let next = match queue.try_recv() {
                Ok(next) => Some(next),
                Err(_) if bounds.linger.is_zero() => None,
                Err(_) => tokio::time::timeout_at(deadline, queue.recv()).await.ok().flatten(),
            };
            let Some(next) = next else { break };
            size += next.work.len();
            waiting.push(next);
        }
        let watch = Stopwatch::start();
        let results = settle(&context, &store, bounds, &waiting, &mut memory).await;
        let metrics = &context.metrics.intake;
        metrics.intake_commit_seconds.observe_span([], watch.elapsed());
        metrics.intake_group_events.observe([], size as f64);
        for (waiting, result) in waiting.into_iter().zip(results) {
            if let Ok(receipt) = &result {
                announce.send_if_modified(|head| {
                    let moved = receipt.head > *head;
                    *head = receipt.head.max(*head);
                    moved
                });
            }
            // Who no longer waits will send again, and meet its own identities.
            let _ = waiting.done.send(result);
        }
    }
}

/// Writes the group; when the store refuses it, halves it until what is refused stands alone. A single event that is refused goes to
/// quarantine, so that it costs nobody else and is not sent again for ever.
async fn settle(
    context: &Context,
    store: &Store,
    bounds: Bounds,
    waiting: &[Waiting],
    memory: &mut Memory,
) -> Vec<Result<Receipt, IntakeError>> {
    let whole: Vec<Part<'_>> = waiting
        .iter()
        .enumerate()
        .map(|(request, w)| Part { request, work: &w.work, batch: w.batch, quarantined: &w.quarantined, tee: &w.tee })
        .collect();
    let mut results: Vec<Result<Receipt, IntakeError>> = waiting.iter().map(|_| Ok(Receipt::default())).collect();
    let mut pending = vec![whole];
    while let Some(mut parts) = pending.pop() {
        // A request is marked as known with its last part, and only when none before it failed: whoever is told to send it again must
        // not find it known.
        for part in parts.iter_mut().filter(|part| results[part.request].is_err()) {
            part.batch = None;
        }
        let writing = group::write(context, store, &parts, memory, context.clock.now());
        let written = tokio::time::timeout(bounds.patience, writing).await;
        // Given up, it may be on disk all the same; whoever sends it again meets his own identities.
        let error = match written.unwrap_or_else(|_| Err(StoreError::silent())) {
            Ok(receipts) => {
                for (part, receipt) in parts.iter().zip(receipts) {
                    add(&mut results[part.request], receipt);
                }
                continue;
            }
            Err(error) => error,
        };
        match parts.as_slice() {
            _ if error.is_unavailable() => fail(&mut results, &parts, &error),
            [] => {}
            [part] if part.work.len() > 1 => {
                let (first, last) = part.work.split_at(part.work.len() / 2);
                pending.push(vec![Part { work: last, ..*part }]);
                pending.push(vec![Part { work: first, batch: None, quarantined: &[], tee: &[], ..*part }]);
            }
            [part] => match part.work {
                [poison] => {
                    if let Err(error) = quarantine::put_refused(context, store, poison, &error).await {
                        fail(&mut results, &parts, &error);
                        continue;
                    }
                    pending.push(vec![Part { work: &[], ..*part }]);
                }
                _ => fail(&mut results, &parts, &error),
            },
            many => {
                let (first, last) = many.split_at(many.len() / 2);
                pending.push(last.to_vec());
                pending.push(first.to_vec());
            }
        }
    }
    results
}

fn add(result: &mut Result<Receipt, IntakeError>, part: Receipt) {
    if let Ok(whole) = result {
        whole.new += part.new;
        whole.repeated += part.repeated;
        whole.head = whole.head.max(part.head);
    }
}

fn fail(results: &mut [Result<Receipt, IntakeError>], parts: &[Part<'_>], error: &StoreError) {
    tracing::error!(error = %error, requests = parts.len(), "events were not written");
    for part in parts {
        results[part.request] = Err(IntakeError::Unavailable(match error {
            StoreError::Unavailable(_) => "it cannot be reached or is full".to_owned(),
            other => other.to_string(),
        }));
    }
}
