//! The erased stay erased: what still comes about them is a bare count, until they authorize again.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::Context;
use super::prepare::{Keep, Prepared};
use crate::domain::event::{Kind, Source};
use crate::domain::time::Timestamp;
use crate::store::{AddressAt, AddressRow, Mark, Result, SubjectAt, SubjectRow, Tx};

/// Takes everything personal out of what is about somebody erased.
///
/// Only an authorization newer than the erasure brings a person back, and only as far as it goes: the subject and the address it names.
/// Once the subject is back, what is said of him later brings his other addresses back too; what was said before stays forgotten.
pub(super) async fn forget(context: &Context, tx: &mut Tx, taken: &mut [Cow<'_, Prepared>]) -> Result<()> {
    let marks: Vec<Vec<Mark>> = taken.iter().map(|p| p.marks(&context.keyring)).collect();
    let erased = tx.tombstones(&marks.concat()).await?;
    if erased.is_empty() {
        return Ok(());
    }
    let places: BTreeSet<AddressAt> = taken.iter().filter_map(|p| p.place()).collect();
    let subjects: BTreeSet<SubjectAt> = taken.iter().filter_map(|p| p.subject_place()).collect();
    let returning = taken.iter().zip(&marks).filter(|(p, marks)| returns(p, marks, &erased));
    let back = Back {
        returning: returning.flat_map(|(_, marks)| marks.iter().cloned()).collect(),
        addresses: tx.addresses(&places.into_iter().collect::<Vec<_>>()).await?,
        subjects: tx.subjects(&subjects.into_iter().collect::<Vec<_>>()).await?,
    };
    for (taken, marks) in taken.iter_mut().zip(&marks) {
        if is_gone(taken, marks, &erased, &back) {
            let p = taken.to_mut();
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
    fn has(&self, p: &Prepared, marks: &[Mark], kind: &str) -> bool {
        let known = match kind {
            "sub" => p.subject_place().is_some_and(|at| self.subjects.contains_key(&at)),
            _ => p.place().is_some_and(|at| self.addresses.contains_key(&at)),
        };
        known || marks.iter().any(|mark| mark.1 == kind && self.returning.contains(mark))
    }
}

/// Whether the event brings everybody back whom it names.
fn returns(p: &Prepared, marks: &[Mark], erased: &HashMap<Mark, Timestamp>) -> bool {
    p.row.kind == Kind::Authorized
        && marks.iter().filter_map(|mark| erased.get(mark)).all(|erased_at| p.row.occurred_at > *erased_at)
}

fn is_gone(p: &Prepared, marks: &[Mark], erased: &HashMap<Mark, Timestamp>, back: &Back) -> bool {
    let was_erased = |kind: &str| marks.iter().any(|mark| mark.1 == kind && erased.contains_key(mark));
    let subject_back = was_erased("sub") && back.has(p, marks, "sub");
    marks.iter().any(|mark| {
        let later = |erased_at: &Timestamp| p.row.occurred_at > *erased_at;
        let forgiven = |at: &Timestamp| mark.1 == "address" && subject_back && later(at);
        erased.get(mark).is_some_and(|at| !back.has(p, marks, mark.1) && !forgiven(at))
    })
}
