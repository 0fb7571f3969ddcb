//! Runs judges: asks what one is missing until it ends, and many of them at once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};

use super::sweep::Sweep;
use crate::clock::Stopwatch;
use crate::domain::dns::{Failure, Inquiry, Known, Outcome, Question, Reply, Unanswered};

/// What a judge said, and on what.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Its word.
    pub value: T,
    /// How many questions it needed, known ones included.
    pub queries: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Everything it was told.
    pub replies: Replies,
}

/// Replies by question.
#[derive(Debug, Clone, Default)]
pub struct Replies(BTreeMap<Question, Arc<Reply>>);

impl Replies {
    /// All, in the order of the questions.
    pub fn iter(&self) -> impl Iterator<Item = (&Question, &Reply)> {
        self.0.iter().map(|(question, reply)| (question, reply.as_ref()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Known for Replies {
    fn reply(&self, question: &Question) -> Option<&Reply> {
        self.0.get(question).map(AsRef::as_ref)
    }
}

/// Runs a judge on a sweep until it ends: what it misses is asked, all at once, and it is run again.
///
/// What has not come by the deadline is answered with a timeout, for this judge alone, so that it ends in any case. A judge
/// must end when everything it asks is answered; it asks by `Inquiry::ask` and gives up only with what that returned.
///
/// # Panics
/// When the judge gives up although nothing is missing: it could never be finished.
pub async fn gather<T>(
    sweep: &Sweep,
    deadline: Duration,
    mut judge: impl FnMut(&mut Inquiry<'_>) -> Result<T, Unanswered>,
) -> Gathered<T> {
    let watch = Stopwatch::start();
    let mut end = pin!(tokio::time::sleep(deadline));
    let mut replies = Replies::default();
    loop {
        // Gone before anything is waited for: what it borrows may not move to another thread.
        let (judged, missing, queries) = {
            let mut inquiry = Inquiry::new(&replies);
            let judged = judge(&mut inquiry);
            (judged, inquiry.missing().clone(), inquiry.asked().len())
        };
        if let Ok(value) = judged {
            return Gathered { value, queries, elapsed: watch.elapsed(), replies };
        }
        assert!(!missing.is_empty(), "a judge gave up although nothing is missing");
        if end.is_elapsed() {
            replies.0.extend(missing.iter().filter_map(|q| Some((q.clone(), sweep.known(q)?))));
        } else {
            let mut coming: FuturesUnordered<_> =
                missing.iter().map(async |question| (question.clone(), sweep.ask(question).await)).collect();
            loop {
                tokio::select! {
                    // An answer that is there counts, even in the last moment.
                    biased;
                    next = coming.next() => match next {
                        Some((question, reply)) => { replies.0.insert(question, reply); }
                        None => break,
                    },
                    () = &mut end => break,
                }
            }
        }
        for question in missing {
            replies.0.entry(question).or_insert_with(|| Arc::new(Reply::of(Outcome::Failed(Failure::Timeout))));
        }
    }
}

/// Runs something for each of many, so many at once, and passes on what comes of it as it comes.
///
/// What bounds the load on resolvers is the room for questions ([`super::Places`]); here only the memory of unfinished judges
/// is bounded, so `at_once` may be large: those that wait for a silent domain then keep nobody back.
pub fn for_each<I, F, Fut>(items: I, at_once: usize, run: F) -> impl Stream<Item = Fut::Output>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future,
{
    stream::iter(items).map(run).buffer_unordered(at_once.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiled, never run: a job of the daemon is moved between threads.
    #[expect(dead_code, reason = "compiling it is the test")]
    fn gathering_may_move_between_threads(sweep: &Sweep) -> impl Send {
        let judge = |_: &mut Inquiry<'_>| Err::<u8, _>(Unanswered);
        (gather(sweep, Duration::ZERO, judge), for_each(0..2, 1, move |_| gather(sweep, Duration::ZERO, judge)))
    }
}
