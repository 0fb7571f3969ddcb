//! The real daemon from end to end: a provider posts over HTTP, and the API, the commands and the metrics say what came of it.

mod outage;
mod quarantine;
mod refusals;
mod replicas;
mod start;
mod stop;
mod subscriptions;
mod verdicts;
