//! Every statement of the store by name, so that a test can prepare each on the databases it is for.

use super::{
    canaries, canary_rounds, cells, checks, deliveries, dns_history, events, glances, health, leases, listing, log,
    mailboxes, migrate, observed, one_strike, outbox, people, quarantine, records, registry, retention, tee,
};

/// One statement, as each database gets it; `None` where it is only for the other.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// Its place in the store, e.g. `log::LOCK_HEAD`.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: Option<&'static str>,
    /// For PostgreSQL.
    pub postgres: Option<&'static str>,
}

macro_rules! statements {
    ($($kind:ident $module:ident [$($name:ident),+ $(,)?])+) => {
        &[$($(statements!(@ $kind $module $name)),+),+]
    };
    (@ one $module:ident $name:ident) => {
        statements!(@@ $module $name Some($module::$name), Some($module::$name))
    };
    (@ twin $module:ident $name:ident) => {
        statements!(@@ $module $name Some($module::$name.sqlite), Some($module::$name.postgres))
    };
    (@ sqlite $module:ident $name:ident) => {
        statements!(@@ $module $name Some($module::$name), None)
    };
    (@ postgres $module:ident $name:ident) => {
        statements!(@@ $module $name None, Some($module::$name))
    };
    (@@ $module:ident $name:ident $sqlite:expr, $postgres:expr) => {
        Statement { name: concat!(stringify!($module), "::", stringify!($name)), sqlite: $sqlite, postgres: $postgres }
    };
}

/// All of them: `one` text for both databases, a `twin` text for each, or only for `sqlite` or `postgres`. A new constant is a new word here. Only
/// [`VACUUMS`] stand apart, a list themselves.
pub const STATEMENTS: &[Statement] = statements! {
    one canaries [
        PUT, UPDATE, ONE, OF_ROUNDS, LAST_OF_ROUTE, OPEN, UNKNOWN_OF_MAILBOX, NOT_BEGUN, BY_PROVIDER_ID, OF_ADDRESS, PLANNED_FOR,
    ]
    one canary_rounds [NEXT_SEQUENCE, ROUND, TRY_ROUND, ASK_ROUND]
    one cells [SUM, SENDERS, COUNT]
    twin cells [ADD]
    one checks [
        DECLARE, SLOTS, MOVE, CLAIM_NOW, RELEASE, HOLD, FINISH, ALL, ONE, UNTOLD, TOLD, FAILING,
    ]
    twin checks [CLAIM]
    one deliveries [PUT, DROP_WHO, SINCE, REVERSE, RESTATE, COUNT_REVERSED, DEAD_BECAUSE]
    one dns_history [
        CURRENT, EXPECTED, RETIRE, SEEN, PUT_CHANGE, RECORDS, CHANGES, CHANGES_BEFORE, CHANGE_AT,
    ]
    one events [AFTER, OLDEST, OF_ADDRESS]
    twin events [INSERT]
    one glances [TEAMS, ERASED]
    twin glances [PACKED]
    one health [NEWEST, LAST_OF_FEED, ONE_SEALED]
    sqlite health [JOURNAL_MODE, SYNCHRONOUS]
    postgres health [SETTING]
    one leases [DECLARE, CLAIM, FINISH]
    one listing [KEYS, MENTIONED, SIGHTINGS]
    one log [LOCK_HEAD, READ_HEAD, IS_SEEN]
    twin log [ADVANCE_HEAD, ALREADY_SEEN, MARK_SEEN]
    one mailboxes [ALL, READ, READ_IN_PART, UNREADABLE, TIDIED, LEARNED, LEARN]
    one migrate [APPLIED]
    one observed [DOMAINS, COUNT]
    twin observed [PUT, OF_STREAMS]
    one one_strike [FIRST_BOUNCES]
    twin one_strike [BOUNCED]
    one outbox [
        DROP_WHO, IS_DUE, DELIVERED, FAILED, UNTRIED, SUMMARY, CHANGED_SINCE, HALT, RESUME, HALTED, OF_DESTINATION,
        REVIVE, START,
    ]
    twin outbox [STATES, PUT, CLAIM]
    one people [
        ERASE_SEALED, ERASE_ADDRESS, ERASE_SUBJECT, ERASE_EVENTS_OF_ADDRESS, ERASE_EVENTS_OF_SUBJECT,
    ]
    twin people [PUT_SEALED, SEALED, TOMBSTONES, PUT_TOMBSTONES]
    sqlite people [CHECKPOINT]
    one quarantine [PUT, LIST, GET, MARK_RERUN, COUNT]
    one records [TO_SETTLE, COUNT_RECORDS, COUNT_OF_TEAM]
    twin records [ADDRESSES, SUBJECTS, PUT_ADDRESSES, PUT_SUBJECTS]
    one registry [STREAMS, PUT_STREAM, TOKENS, PUT_TOKEN, REVOKE_TOKEN, PUT_AUDIT]
    one retention [
        PRUNE_EVENTS, PRUNE_SEEN, PRUNE_QUARANTINE, PRUNE_AUDIT, PRUNE_CELLS, PRUNE_DELIVERIES, PRUNE_TEE,
        PRUNE_DNS_RECORDS, PRUNE_DNS_CHANGES, PRUNE_OBSERVED, PRUNE_CANARIES, PRUNE_UNFLAGGED, UNNAME_EVENTS,
    ]
    one tee [PUT, CLAIM, DELIVERED, FAILED, UNTRIED, SUMMARY, COUNT]
};

/// What makes freed rows unreadable on PostgreSQL.
pub const VACUUMS: &[&str] = &people::VACUUM;
