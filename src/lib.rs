//! `relaywatch` watches whether mail still reaches people who hide their address behind Apple's private relay.
//!
//! This page is the map of the crate: which room does what, who may use whom, how an event travels, and what must stay true
//! whatever is changed. What the words mean to a user stands in the README.
//!
//! # What it does
//!
//! Email providers report deliveries, bounces and complaints. Apple reports who revoked consent, switched forwarding off or
//! deleted the account. Neither alone answers "may this address be mailed?": a bounce carries an address and an unreliable
//! code, a revocation carries only a `sub`. The daemon takes both, keeps what they prove about each address and each
//! subject, and answers with a verdict that names its reason and its evidence.
//!
//! # The rooms
//!
//! | room | what happens there |
//! |---|---|
//! | [`domain`] | values and judgements: addresses, events, how a bounce is read, the record, the verdict. Pure |
//! | [`sources`] | how events come in. A source proves that bytes are its provider's and translates them |
//! | [`intake`] | the one door: de-duplicates, stores, folds into records, sets what destinations should hold |
//! | [`store`] | SQLite and PostgreSQL behind one concrete `Store`; all SQL is here |
//! | [`index`] | a cache of the store in memory, for the many addresses of whom there is nothing to say |
//! | [`http`] | the listeners: hooks, API, operations |
//! | [`app`] | the wiring: the only room that names every concrete type; the daemon itself |
//! | [`dns`] | asks what the judges want to know of the DNS: one snapshot per look, every question once |
//! | [`mail`] | sends canaries by SMTP, and reads mailboxes by IMAP or from a Maildir |
//! | [`cli`] | one file per command; the demo and its loopback world |
//! | [`config`] | one struct per section; unknown keys are refused, an error names its field |
//! | [`clock`], [`shutdown`], [`metrics`], [`logging`] | services: time, the way to stop, counters, the sealed log |
//!
//! # The arrows
//!
//! ```text
//! main -> cli -> app -> { http, jobs } -> { sources, outputs, dns, mail, intake -> index -> store } -> domain
//! ```
//!
//! A room uses rooms further right, none beside it. The services may be used by all but `domain`. `outputs` says how decisions
//! go out, `jobs` is leased and scheduled work. Three consequences are worth knowing:
//!
//! - `domain` has no input or output, no clock, no async. Time, randomness and facts are arguments, so every judgement can be
//!   tested by giving it facts, and replayed.
//! - `sources` and `outputs` do not know the store: bytes in, values out. What a source has to fetch (a certificate, a key
//!   set) comes through a fetcher that is passed in and has a list of what it may fetch.
//! - Only `intake` writes events, users and holds. `http` and `jobs` may read the store.
//!
//! Tests in `tests/it/architecture` read the sources and fail on an arrow that is not in their table, on a clock in the
//! domain, on SQL that writes outside the store, and on a file that has lost its purpose or grown too long.
//!
//! # How an event travels
//!
//! 1. [`http::hooks`] takes the bytes. The secret of a provider that has one is checked before the body is read; the body is
//!    bounded by its source's cap, and all bodies together by a budget.
//! 2. The [`sources::HookSource`] proves the request (signature and listed topic, secret, Apple's key) and translates every
//!    element on its own into an [`domain::event::Event`]. What is authentic but unreadable goes sealed into quarantine and
//!    costs none of its siblings. What is not authentic is refused, and nothing of it is kept.
//! 3. [`intake`] turns people into keyed hashes, clamps the time to what was signed or received, finds the stream, and queues
//!    the result. A full queue is said at once.
//! 4. One worker gathers what waits into a group and writes it in one transaction. It begins by taking the head of the log, so
//!    that groups follow one another and the numbers it gives are gap-free and commit-ordered on both databases. Identities that
//!    are known already stop here. New events are counted per cell, appended, and joined into the records of their address and
//!    subject. If a group fails it is split, so that one bad row costs nobody else.
//! 5. After the commit the request is answered 200; before, never. No room or no store: 503.
//! 6. A question ([`http::api`]) reads the record from one view of the store, or finds in the index that there is nothing to
//!    read, and [`domain::verdict::decide`] computes the answer from record, surroundings, policy and time.
//!
//! # The record is a join
//!
//! [`domain::record`] keeps, per fact, the latest event or the newest few: revoked, authorized, forwarding on, forwarding off,
//! complaint, accepted, the bounces of the newest days. Adding an event is taking a maximum, so the order in which events
//! come and how often they come cannot matter. Nothing is decided when an event is stored: the verdict is a function of the
//! record and is computed when asked. A hold therefore ends by itself, and a later event can explain an earlier one.
//!
//! # The canaries
//!
//! A provider's "delivered" says that the relay took a message, not that it forwarded it. [`domain::canary`] therefore plans mail of our
//! own to our own relay addresses, in rounds of several ways whose results together name the broken part. [`jobs`] send and look for
//! them (each mailbox by itself, and at once when it tells of news), [`mail`] does the talking, and every fact enters by [`intake`]: a
//! canary is on disk before it is begun and marked before the conversation, so a crash leaves it uncertain and never sends it twice.
//! What providers report of canaries is joined to them, written on no user, and tells nothing of how users' mail is sent. A mailbox
//! that cannot be read makes a canary unknown, never lost.
//!
//! # What must stay true
//!
//! - **No single bounce convicts.** A bounce alone is a hold. `recipient_gone` takes two `user not found`, a day apart, each
//!   with other mail accepted in the same cell around it.
//! - **The words decide, not the code.** Apple answers `550 5.1.1` for a dead address and for a sender it does not know. The
//!   rules of [`domain::bounce`] look at the words and at who is named beside them.
//! - **Faults of the sender, the relay or the ESP are written on no user.**
//! - **Who has gone stays gone**: revoked until a newer authorization, deleted for good, in any order of events. Without a
//!   store to ask the answer is 503, never "go ahead".
//! - **Unknown is not broken.** A question that the DNS does not answer leaves its area unknown and never becomes a finding about
//!   a record ([`domain::posture`]); it changes nothing of what is known of the stream and stops none. A fault that cannot be seen
//!   for the moment is not mended either.
//! - **2xx only after the commit reached the disk.**
//! - **The same events give the same record**, in any order and repetition.
//! - **No address in the clear** in a log, metric, URL, error or database file. An address has no `Display`, its `Debug`
//!   shows nothing, and it leaves its seal only where someone writes [`domain::address::Address::expose`]. The log replaces
//!   whatever still looks like an address before a line is written.
//! - **Bytes from outside never panic**: parsers are bounded in depth and size and fail per element.
//!
//! # Where a new thing goes
//!
//! A source, an output, a job, a metric or a command is one new file, its tests, one line in a registry and, where it has
//! settings, one config section. If it takes more, the seam is wrong, and the seam is to be mended first.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dns;
pub mod domain;
pub mod http;
pub mod index;
pub mod intake;
pub mod jobs;
pub mod logging;
pub mod mail;
pub mod metrics;
pub mod outputs;
pub mod shutdown;
pub mod sources;
pub mod store;
