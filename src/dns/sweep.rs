//! One look at the DNS by many judges: each question is asked once, and what two of them see is the same.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::SetOnce;
use tokio::task::JoinSet;

use super::memo::{Kept, Memo};
use super::places::Places;
use super::resolver::{DnsMetrics, Limits, Resolver};
use crate::config::dns::Dns;
use crate::domain::dns::{Failure, Outcome, Question, Reply};
use crate::domain::time::Timestamp;

/// Who is asked first, and who confirms that something has gone.
#[derive(Debug, Clone)]
pub struct Resolvers {
    /// Answers all questions.
    pub first: Resolver,
    /// Confirms. Without one, the first is asked a second time.
    pub second: Option<Resolver>,
}

/// Whether a question had records when it was last asked.
type Expected = Box<dyn Fn(&Question) -> bool + Send + Sync>;

/// A snapshot in the making. What is still being asked when it is dropped is given up.
pub struct Sweep {
    core: Arc<Core>,
    asking: Mutex<JoinSet<()>>,
}

struct Core {
    resolvers: Resolvers,
    expected: Expected,
    at: Timestamp,
    memo: Mutex<HashMap<Question, Entry>>,
    queries: AtomicU64,
}

#[derive(Clone)]
enum Entry {
    /// From an earlier sweep.
    Carried(Kept),
    /// Asked in this one, or being asked.
    Asked(Arc<SetOnce<Arc<Reply>>>),
}

impl Resolvers {
    /// As the configuration says.
    ///
    /// # Errors
    /// When the system's resolvers are to be asked and cannot be read.
    pub fn new(dns: &Dns) -> io::Result<Self> {
        let limits = Limits { timeout: dns.timeout.get(), attempts: dns.attempts };
        let places = Places::new(dns.in_flight);
        let second = match dns.second_resolvers.as_slice() {
            [] => None,
            servers => Some(Resolver::new(servers, limits, places.clone())?),
        };
        Ok(Self { first: Resolver::new(&dns.resolvers, limits, places)?, second })
    }

    /// Counts what is asked.
    pub fn counted(self, metrics: &DnsMetrics) -> Self {
        let count = |resolver: Resolver| resolver.counted(metrics.clone());
        Self { first: count(self.first), second: self.second.map(count) }
    }
}

impl Sweep {
    /// A look at the DNS that begins at `now`.
    pub fn new(resolvers: Resolvers, now: Timestamp) -> Self {
        Self::with(resolvers, now, Box::new(|_| false), Memo::default())
    }

    /// The same, knowing what came before: `expected` says whether a question had records at the last look, so that their
    /// absence is believed only when confirmed; `memo` holds answers that may live still.
    pub fn after(
        resolvers: Resolvers,
        now: Timestamp,
        expected: impl Fn(&Question) -> bool + Send + Sync + 'static,
        memo: Memo,
    ) -> Self {
        Self::with(resolvers, now, Box::new(expected), memo)
    }

    fn with(resolvers: Resolvers, at: Timestamp, expected: Expected, memo: Memo) -> Self {
        let memo = memo.living(at).map(|(question, kept)| (question, Entry::Carried(kept))).collect();
        let core = Core { resolvers, expected, at, memo: Mutex::new(memo), queries: AtomicU64::new(0) };
        Self { core: Arc::new(core), asking: Mutex::default() }
    }

    /// The reply to a question: known already, or as soon as it comes. To be called within tokio's runtime.
    ///
    /// The question goes on being asked when the caller gives up waiting, for whoever else wants to know.
    pub async fn ask(&self, question: &Question) -> Arc<Reply> {
        match self.entry(question) {
            Entry::Carried(kept) => kept.reply,
            Entry::Asked(slot) => Arc::clone(slot.wait().await),
        }
    }

    /// The reply, if it has come.
    pub fn known(&self, question: &Question) -> Option<Arc<Reply>> {
        match self.core.memo().get(question)? {
            Entry::Carried(kept) => Some(Arc::clone(&kept.reply)),
            Entry::Asked(slot) => slot.get().cloned(),
        }
    }

    /// The memo's entry; a new one is asked by a task of its own, which no caller's deadline stops.
    fn entry(&self, question: &Question) -> Entry {
        let mut memo = self.core.memo();
        if let Some(entry) = memo.get(question) {
            return entry.clone();
        }
        let slot = Arc::new(SetOnce::new());
        let entry = Entry::Asked(Arc::clone(&slot));
        memo.insert(question.clone(), entry.clone());
        drop(memo);
        let (core, question) = (Arc::clone(&self.core), question.clone());
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            let reply = core.resolve(&question).await;
            // Only this task sets it.
            let _ = slot.set(Arc::new(reply));
        });
        entry
    }

    /// How many questions resolvers were asked so far, confirmations included.
    pub fn queries(&self) -> u64 {
        self.core.queries.load(Ordering::Relaxed)
    }

    /// When it began.
    pub fn at(&self) -> Timestamp {
        self.core.at
    }

    /// What may be carried over to the next sweep. Lifetimes count from the beginning of the sweep that asked.
    pub fn memo(&self) -> Memo {
        let mut memo = Memo::default();
        for (question, entry) in self.core.memo().iter() {
            match entry {
                Entry::Carried(kept) => memo.pass_on(question.clone(), kept.clone()),
                Entry::Asked(slot) => {
                    if let Some(reply) = slot.get() {
                        memo.keep(question.clone(), Arc::clone(reply), self.core.at);
                    }
                }
            }
        }
        memo
    }
}

impl Core {
    fn memo(&self) -> MutexGuard<'_, HashMap<Question, Entry>> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks. That records have gone is believed only on the word of two.
    async fn resolve(&self, question: &Question) -> Reply {
        let reply = self.count(&self.resolvers.first, question).await;
        if !reply.is_void() || !(self.expected)(question) {
            return reply;
        }
        let second = self.resolvers.second.as_ref().unwrap_or(&self.resolvers.first);
        match self.count(second, question).await.outcome {
            Outcome::NoData | Outcome::NxDomain => reply,
            Outcome::Records(_) => Reply::of(Outcome::Failed(Failure::Disputed)),
            failed @ Outcome::Failed(_) => Reply::of(failed),
        }
    }

    async fn count(&self, resolver: &Resolver, question: &Question) -> Reply {
        self.queries.fetch_add(1, Ordering::Relaxed);
        resolver.ask(question).await
    }
}
