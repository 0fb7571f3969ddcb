//! The address records a group touches: what they are now, and which of them must be written back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::prepare::{Keep, Prepared};
use super::settle::settle_at;
use crate::domain::policy::Policy;
use crate::domain::record::{AddressRecord, Join};
use crate::domain::time::Timestamp;
use crate::store::{AddressAt, AddressRow};

/// How long an `icloud.com` address stays that nobody flagged as a relay address.
const UNFLAGGED_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Address records in the making.
pub(super) struct Touched {
    rows: HashMap<AddressAt, AddressRow>,
    changed: HashSet<AddressAt>,
    relinked: HashSet<AddressAt>,
}

impl Touched {
    /// Begins with what the store has.
    pub(super) fn new(known: HashMap<AddressAt, AddressRow>) -> Self {
        Self { rows: known, changed: HashSet::new(), relinked: HashSet::new() }
    }

    /// Joins the `n`-th event's part into the record at `at`; tells whether that is a new one.
    pub(super) fn touch(
        &mut self,
        at: AddressAt,
        delta: &AddressRecord,
        n: i64,
        p: &Prepared,
        policy: &Policy,
        now: Timestamp,
    ) -> bool {
        let is_new = !self.rows.contains_key(&at);
        let unflagged_until = p.row.received_at.plus(UNFLAGGED_KEPT);
        let row = self.rows.entry(at.clone()).or_insert_with(|| AddressRow {
            record: AddressRecord::default(),
            version: 0,
            settle_at: None,
            keep_until: (p.keep == Keep::Unflagged).then_some(unflagged_until),
            subject_asks: false,
        });
        let before = (row.settle_at, row.keep_until);
        let joined = row.record.join(delta);
        if joined {
            row.version = n;
            row.settle_at = settle_at(&row.record, policy, now);
        }
        // A flag, an import or Apple's word makes it ours for good.
        row.keep_until = match p.keep {
            Keep::All => None,
            _ => row.keep_until.map(|until| until.max(unflagged_until)),
        };
        if joined || is_new || before != (row.settle_at, row.keep_until) {
            if joined && !delta.subjects.is_empty() {
                self.relinked.insert(at.clone());
            }
            self.changed.insert(at);
        }
        is_new
    }

    /// The record at a place.
    pub(super) fn get(&self, at: &AddressAt) -> Option<&AddressRow> {
        self.rows.get(at)
    }

    /// Takes in a record that no event of the group speaks of.
    pub(super) fn add(&mut self, at: AddressAt, row: AddressRow) {
        self.rows.entry(at).or_insert(row);
    }

    /// The places whose subjects changed.
    pub(super) fn relinked(&self) -> impl Iterator<Item = &AddressAt> {
        self.relinked.iter()
    }

    /// Sets whether the subject's facts make the store to be asked.
    pub(super) fn set_subject_asks(&mut self, at: &AddressAt, asks: bool) {
        if let Some(row) = self.rows.get_mut(at).filter(|row| row.subject_asks != asks) {
            row.subject_asks = asks;
            self.changed.insert(at.clone());
        }
    }

    /// The records that must be written back.
    pub(super) fn into_changed(self) -> HashMap<AddressAt, AddressRow> {
        let Self { mut rows, changed, .. } = self;
        rows.retain(|at, _| changed.contains(at));
        rows
    }
}
