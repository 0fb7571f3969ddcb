//! Everything a verdict needs of an address, read in bulk from one transaction.

use std::collections::{BTreeSet, HashMap};

use super::people::Mark;
use super::records::{AddressAt, LookedUp, SubjectAt};
use super::{Result, Tx};
use crate::domain::address::RELAY_DOMAINS;
use crate::domain::ids::{EventKey, TeamId};
use crate::domain::policy::Policy;
use crate::domain::record::AddressRecord;
use crate::domain::verdict::{Surroundings, View, candidates};

impl Tx {
    /// The views of these addresses, in the order asked; an address nobody knows has an empty one.
    ///
    /// # Errors
    /// When the store fails or a record is corrupt.
    pub async fn views(&mut self, at: &[AddressAt], policy: &Policy) -> Result<Vec<View>> {
        if at.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.views_at_head(at, policy).await?.1)
    }

    /// The same, and where the log stands in that view.
    ///
    /// # Errors
    /// When the store fails or a record is corrupt.
    pub async fn views_at_head(&mut self, at: &[AddressAt], policy: &Policy) -> Result<(i64, Vec<View>)> {
        let LookedUp { head, any_erased, rows: addresses } = self.look_up(at).await?;
        let wanted: BTreeSet<SubjectAt> = addresses
            .iter()
            .filter_map(|((team, _), row)| row.record.subject().map(|sub| (team.clone(), sub)))
            .collect();
        let subjects = self.subjects(&wanted.into_iter().collect::<Vec<_>>()).await?;
        let mut marks: Vec<Mark> = at.iter().map(|(team, key)| (team.clone(), "address", key.to_string())).collect();
        marks.extend(subjects.keys().map(|(team, key)| (team.clone(), "sub", key.to_string())));
        let erased = if any_erased { self.tombstones(&marks).await? } else { HashMap::new() };
        let mut views = Vec::with_capacity(at.len());
        for place in at {
            let (team, key) = place;
            let record = addresses.get(place).map(|row| row.record.clone());
            let subject = record
                .as_ref()
                .and_then(AddressRecord::subject)
                .and_then(|sub| subjects.get(&(team.clone(), sub)).map(|row| (sub, row.record.clone())));
            let of = |kind, key: String| erased.get(&(team.clone(), kind, key)).copied();
            let erased_at =
                of("address", key.to_string()).max(subject.as_ref().and_then(|(sub, _)| of("sub", sub.to_string())));
            let controlled = match &record {
                Some(record) => self.controlled(team, record, policy).await?,
                None => BTreeSet::new(),
            };
            let on_relay_domain = record
                .as_ref()
                .and_then(|r| r.relay_domain.as_deref())
                .is_some_and(|domain| RELAY_DOMAINS.contains(&domain));
            let around = Surroundings { controlled, ..Surroundings::default() };
            views.push(View { address: record, subject, on_relay_domain, erased_at, around });
        }
        Ok((head, views))
    }

    /// The view of subjects of whom no address is known.
    ///
    /// # Errors
    /// When the store fails or a record is corrupt.
    pub async fn subject_views(&mut self, at: &[SubjectAt]) -> Result<HashMap<SubjectAt, View>> {
        let subjects = self.subjects(at).await?;
        Ok(subjects
            .into_iter()
            .map(|(place, row)| {
                let view = View { subject: Some((place.1, row.record)), ..View::default() };
                (place, view)
            })
            .collect())
    }

    /// Which of the bounces that could convict have a control: enough mail accepted in their cell around them. Waves, once there are
    /// any, take theirs out here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn controlled(
        &mut self,
        team: &TeamId,
        record: &AddressRecord,
        policy: &Policy,
    ) -> Result<BTreeSet<EventKey>> {
        let mut controlled = BTreeSet::new();
        for bounce in candidates(record, policy) {
            let Some(cell) = &bounce.cell else { continue };
            let at = bounce.fact.at;
            let (from, to) = (at.minus(policy.control_window), at.plus(policy.control_window));
            let accepted = self.count_in_cell(team, cell, "delivered", from, to).await?;
            if accepted >= i64::from(policy.control_count) {
                controlled.insert(bounce.fact.event);
            }
        }
        Ok(controlled)
    }
}
