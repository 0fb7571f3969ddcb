//! What one sweep leaves to the next: answers whose lifetime has not run out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::dns::{Question, Reply};
use crate::domain::time::Timestamp;

/// The longest that an answer is kept, whatever its lifetime: who has mended a record should not wait a day to be believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// Answers, each until its lifetime ends. A failure is never among them: the next sweep asks again.
#[derive(Debug, Clone, Default)]
pub struct Memo(HashMap<Question, Kept>);

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) reply: Arc<Reply>,
    /// From then on it is asked again.
    pub(super) until: Timestamp,
}

impl Memo {
    /// Keeps an answer that came at `at`, unless it is none or says nothing of its lifetime.
    pub(super) fn keep(&mut self, question: Question, reply: Arc<Reply>, at: Timestamp) {
        if let Some(ttl) = reply.ttl
            && reply.failure().is_none()
        {
            let until = at.plus(Duration::from_secs(ttl.into()).min(LONGEST));
            self.0.insert(question, Kept { reply, until });
        }
    }

    /// Keeps what an earlier sweep had kept, for as long as then.
    pub(super) fn pass_on(&mut self, question: Question, kept: Kept) {
        self.0.insert(question, kept);
    }

    /// Those that still live at `now`.
    pub(super) fn living(self, now: Timestamp) -> impl Iterator<Item = (Question, Kept)> {
        self.0.into_iter().filter(move |(_, kept)| kept.until > now)
    }

    /// How many answers it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::{Failure, Kind, Name, Outcome};

    #[test]
    fn answers_live_as_long_as_they_say_and_failures_not_at_all() {
        let at = Timestamp::from_secs(1_700_000_000);
        let mut memo = Memo::default();
        for (name, outcome, ttl) in [
            ("short.test", Outcome::NoData, Some(60)),
            ("long.test", Outcome::NxDomain, Some(86_400)),
            ("none.test", Outcome::NoData, None),
            ("zero.test", Outcome::NoData, Some(0)),
            ("failed.test", Outcome::Failed(Failure::Servfail), Some(60)),
        ] {
            let question = Question::new(Name::parse(name).unwrap(), Kind::Txt);
            memo.keep(question, Arc::new(Reply { ttl, ..Reply::of(outcome) }), at);
        }
        let living = |seconds: i64| {
            let now = Timestamp::from_secs(at.secs() + seconds);
            let mut names: Vec<_> = memo.clone().living(now).map(|(q, _)| q.name.relative()).collect();
            names.sort();
            names
        };
        assert_eq!(living(0), ["long.test", "short.test"]);
        assert_eq!(living(59), ["long.test", "short.test"]);
        assert_eq!(living(60), ["long.test"]);
        assert_eq!(living(3600), [""; 0]);
    }
}
