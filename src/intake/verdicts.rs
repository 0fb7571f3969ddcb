//! What the store says of addresses now, for whoever reads on from the log or lists everything: no index stands between.

use super::Context;
use crate::domain::ids::TeamId;
use crate::domain::verdict::{Moment, Question, Verdict, View, decide};
use crate::store::{AddressAt, Result, SubjectAt, Tx};

impl Context {
    /// The verdicts on these addresses, in their order, each as fresh as the transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verdicts(&self, tx: &mut Tx, at: &[AddressAt], question: &Question) -> Result<Vec<Verdict>> {
        let (head, views) = tx.views_at_head(at, &self.policy).await?;
        let cursor = head.to_string();
        let judged = at.iter().zip(views).map(|((team, _), mut view)| {
            view.on_relay_domain |= view.address.is_none();
            self.judge(team, view, question, &cursor)
        });
        Ok(judged.collect())
    }

    /// The verdicts on subjects of whom no address is known: that they left is known all the same.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verdicts_on_subjects(
        &self,
        tx: &mut Tx,
        at: &[SubjectAt],
        question: &Question,
    ) -> Result<Vec<(SubjectAt, Verdict)>> {
        let cursor = tx.head().await?.to_string();
        let views = tx.subject_views(at).await?;
        let judged = views.into_iter().map(|(place, mut view)| {
            view.on_relay_domain = true;
            let verdict = self.judge(&place.0, view, question, &cursor);
            (place, verdict)
        });
        Ok(judged.collect())
    }

    /// The verdict on a view that stands at `cursor` of the log, now.
    pub fn judge(&self, team: &TeamId, mut view: View, question: &Question, cursor: &str) -> Verdict {
        self.surround(team, &mut view);
        let now = self.clock.now();
        let moment = Moment { now, as_of: now, cursor, policy_version: &self.policy_version };
        decide(question, &view, &self.policy, moment)
    }
}
