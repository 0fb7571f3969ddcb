//! Asks one question of the configured servers until one of them answers, and says what came of it.
//!
//! The servers are recursive resolvers; each question says whole names, no search list and no hosts file takes part, and
//! nothing is cached here. hickory's own resolver is not used: it cannot ask with CD=1, which alone tells broken signatures
//! from a broken server, it loses the chain of an alias that leads nowhere, takes a referral for "there is none", and does
//! not say that an answer took TCP. Its reader and writer of messages are used, and its reading of the system's configuration.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::answer::{Step, Way};
use super::exchange::{Response, exchange};
use super::message::Manner;
use super::places::Places;
use super::system;
use crate::clock::Stopwatch;
use crate::domain::dns::{Failure, Outcome, Question, Reply};
use crate::metrics::{SECONDS, declare};

/// How often a server that knows only the start of a chain of aliases is asked for the rest.
const MOST_LEGS: usize = 8;

declare! {
    /// What is asked of the DNS.
    pub struct DnsMetrics {
        /// Questions asked of resolvers, by outcome (records, nodata, nxdomain, servfail, bogus, refused, timeout, other).
        dns_queries_total: Counter(outcome),
        /// Time from a question to its outcome, tries included, in seconds.
        dns_query_seconds: Histogram[SECONDS](),
    }
}

/// What bounds a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one try may take; one over TCP as long again.
    pub timeout: Duration,
    /// How often a question is tried. Each configured server is tried at least once.
    pub attempts: usize,
}

/// The servers that answer questions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resolver {
    servers: Arc<[SocketAddr]>,
    /// Which server answered last: a dead first one then costs its timeout only once.
    preferred: Arc<AtomicUsize>,
    limits: Limits,
    places: Places,
    metrics: Option<DnsMetrics>,
}

impl Resolver {
    /// Asks these servers; the system's, if there are none.
    ///
    /// # Errors
    /// When the system's resolvers cannot be read.
    pub fn new(servers: &[SocketAddr], limits: Limits, places: Places) -> io::Result<Self> {
        let servers = if servers.is_empty() { system::resolvers()? } else { servers.to_vec() };
        let preferred = Arc::default();
        Ok(Self { servers: servers.into(), preferred, limits, places, metrics: None })
    }

    /// Counts what is asked.
    pub fn counted(self, metrics: DnsMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The servers that are asked.
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Asks the question. Always returns: within the tries' timeouts there is an answer or a failure.
    pub async fn ask(&self, question: &Question) -> Reply {
        let reply = self
            .places
            .hold(async {
                let watch = Stopwatch::start();
                (self.resolve(question).await, watch.elapsed())
            })
            .await;
        let (reply, took) = reply;
        if let Some(metrics) = &self.metrics {
            metrics.dns_queries_total.inc([&outcome_word(&reply)]);
            metrics.dns_query_seconds.observe_span([], took);
        }
        reply
    }

    /// Follows the way of aliases as far as it takes several questions.
    async fn resolve(&self, question: &Question) -> Reply {
        let mut way = Way::from(question.name.clone());
        let mut over_tcp = false;
        for _ in 0..MOST_LEGS {
            let leg = Question::new(way.end().clone(), question.kind);
            let (step, tcp) = self.leg(&leg, &mut way).await;
            over_tcp |= tcp;
            if let Step::Done(outcome) = step {
                let ttl = if matches!(outcome, Outcome::Failed(_)) { None } else { way.ttl };
                return Reply { outcome, chain: way.chain, ttl, over_tcp };
            }
        }
        // It may end somewhere; nobody can be expected to follow it there.
        Reply { chain: way.chain, over_tcp, ..Reply::of(Outcome::Failed(Failure::Other)) }
    }

    /// One question, tried at one server after the other until one answers.
    async fn leg(&self, question: &Question, way: &mut Way) -> (Step, bool) {
        let mut worst: Option<(Failure, SocketAddr)> = None;
        let first = self.preferred.load(Ordering::Relaxed);
        for attempt in 0..self.limits.attempts.max(self.servers.len()) {
            let at = (first + attempt) % self.servers.len();
            let server = self.servers[at];
            let failure = match self.try_at(server, question, Manner::PLAIN).await {
                Ok(response) => {
                    let mut tried = way.clone();
                    match tried.read(&response.message, question.kind) {
                        Step::Done(Outcome::Failed(failure)) => failure,
                        step => {
                            *way = tried;
                            self.preferred.store(at, Ordering::Relaxed);
                            return (step, response.over_tcp);
                        }
                    }
                }
                Err(failure) => failure,
            };
            if worst.is_none_or(|(known, _)| weight(failure) > weight(known)) {
                worst = Some((failure, server));
            }
        }
        let failure = match worst {
            Some((Failure::Servfail, server)) if self.answers_unchecked(server, question).await => Failure::Bogus,
            Some((failure, _)) => failure,
            None => Failure::Other,
        };
        (Step::Done(Outcome::Failed(failure)), false)
    }

    /// Whether the server that says SERVFAIL answers once it need not check signatures.
    async fn answers_unchecked(&self, server: SocketAddr, question: &Question) -> bool {
        let manner = Manner { checking_disabled: true, ..Manner::PLAIN };
        let response = self.try_at(server, question, manner).await;
        response
            .is_ok_and(|r| matches!(r.message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain))
    }

    /// One try at one server; a second without EDNS at one that is too old for it (RFC 6891 section 7).
    async fn try_at(&self, server: SocketAddr, question: &Question, manner: Manner) -> Result<Response, Failure> {
        let response = exchange(server, question, manner, self.limits.timeout).await?;
        match response.message.metadata.response_code {
            ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS if manner.edns => {
                exchange(server, question, Manner { edns: false, ..manner }, self.limits.timeout).await
            }
            _ => Ok(response),
        }
    }
}

/// Which of several failures is told: what a server said before what it did not say.
fn weight(failure: Failure) -> u8 {
    match failure {
        Failure::Servfail | Failure::Bogus => 3,
        Failure::Refused => 2,
        Failure::Other | Failure::Disputed => 1,
        Failure::Timeout => 0,
    }
}

fn outcome_word(reply: &Reply) -> &'static str {
    match &reply.outcome {
        Outcome::Records(_) => "records",
        Outcome::NoData => "nodata",
        Outcome::NxDomain => "nxdomain",
        Outcome::Failed(failure) => match failure {
            Failure::Servfail => "servfail",
            Failure::Bogus => "bogus",
            Failure::Refused => "refused",
            Failure::Timeout => "timeout",
            Failure::Disputed => "disputed",
            Failure::Other => "other",
        },
    }
}
