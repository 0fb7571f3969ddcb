//! The erased stay erased: what still comes about them is a bare count, until they authorize again.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::prepare::{Keep, Prepared};
use crate::domain::event::{Kind, Source};
use crate::domain::time::Timestamp;
use crate::store::{AddressAt, AddressRow, Mark, Result, SubjectAt, SubjectRow, Tx};

/// Takes everything personal out of what is about somebody erased.
///
/// Only an authorization newer than the erasure brings a person back, and only as far as it goes: the subject and the address it names.
/// Once the subject is back, what is said of him later brings his other addresses back too; what was said before stays forgotten.
pub(super) async fn forget(tx: &mut Tx, taken: &mut [Prepared]) -> Result<()> {
    let marks: Vec<_> = taken.iter().flat_map(|p| p.marks.iter().cloned()).collect();
    let erased = tx.tombstones(&marks).await?;
    if erased.is_empty() {
        return Ok(());
    }
    let places: BTreeSet<AddressAt> = taken.iter().filter_map(Prepared::place).collect();
    let subjects: BTreeSet<SubjectAt> = taken.iter().filter_map(Prepared::subject_place).collect();
    let back = Back {
        addresses: tx.addresses(&places.into_iter().collect::<Vec<_>>()).await?,
        subjects: tx.subjects(&subjects.into_iter().collect::<Vec<_>>()).await?,
        returning: taken.iter().filter(|p| returns(p, &erased)).flat_map(|p| p.marks.iter().cloned()).collect(),
    };
    for p in taken.iter_mut() {
        if is_gone(p, &erased, &back) {
            p.forget();
            if matches!(p.row.source, Source::Ses | Source::Sparkpost | Source::Braze) {
                p.keep = Keep::Count;
            }
        }
    }
    Ok(())
}

/// Who was erased and is here again.
struct Back {
    /// Erasure removes the record; that there is one again means that its owner came back.
    addresses: HashMap<AddressAt, AddressRow>,
    subjects: HashMap<SubjectAt, SubjectRow>,
    /// Who comes back in this very group.
    returning: HashSet<Mark>,
}

impl Back {
    fn has(&self, p: &Prepared, kind: &str) -> bool {
        let known = match kind {
            "sub" => p.subject_place().is_some_and(|at| self.subjects.contains_key(&at)),
            _ => p.place().is_some_and(|at| self.addresses.contains_key(&at)),
        };
        known || p.marks.iter().any(|mark| mark.1 == kind && self.returning.contains(mark))
    }
}

/// Whether the event brings everybody back whom it names.
fn returns(p: &Prepared, erased: &HashMap<Mark, Timestamp>) -> bool {
    p.row.kind == Kind::Authorized
        && p.marks.iter().filter_map(|mark| erased.get(mark)).all(|erased_at| p.row.occurred_at > *erased_at)
}

fn is_gone(p: &Prepared, erased: &HashMap<Mark, Timestamp>, back: &Back) -> bool {
    let was_erased = |kind: &str| p.marks.iter().any(|mark| mark.1 == kind && erased.contains_key(mark));
    let subject_back = was_erased("sub") && back.has(p, "sub");
    let lets_in = |mark: &Mark, erased_at: &Timestamp| {
        let brought_along = mark.1 == "address" && subject_back && p.row.occurred_at > *erased_at;
        brought_along || back.has(p, mark.1)
    };
    p.marks.iter().any(|mark| erased.get(mark).is_some_and(|erased_at| !lets_in(mark, erased_at)))
}
