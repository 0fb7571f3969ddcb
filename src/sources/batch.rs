//! One webhook batch being translated: events beside what was counted, unknown or unreadable.

use super::shared_secret::SharedSecret;
use super::{Quarantined, Translation, kind_name};
use crate::domain::event::Event;

/// Collects what the elements of a batch mean.
#[derive(Default)]
pub(super) struct Batch {
    events: Vec<Event>,
    quarantined: Vec<Quarantined>,
    unknown: Vec<String>,
    no_effect: usize,
    samples: usize,
}

impl Batch {
    /// With room for this many events.
    pub(super) fn with_capacity(events: usize) -> Self {
        Self { events: Vec::with_capacity(events), ..Self::default() }
    }

    /// Something happened.
    pub(super) fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// A kind the provider documents and that means nothing here.
    pub(super) fn no_effect(&mut self) {
        self.no_effect += 1;
    }

    /// One of the provider's own examples.
    pub(super) fn sample(&mut self) {
        self.samples += 1;
    }

    /// A kind this version does not know. The name is foreign text: one that is not made of the letters of a name is not
    /// repeated, for it could be an address.
    pub(super) fn unknown(&mut self, kind: &str) {
        self.unknown.push(kind_name(kind));
    }

    /// A part that could not be read.
    pub(super) fn quarantine(&mut self, at: String, because: impl Into<String>, body: &[u8]) {
        self.quarantined.push(Quarantined { at, because: because.into(), body: body.to_vec() });
    }

    /// The whole, after the secret was checked.
    pub(super) fn finish(self, secret: &SharedSecret, batch: Option<String>) -> Translation {
        let mut because = secret.because().to_owned();
        for (count, what) in [
            (self.events.len(), "read as events"),
            (self.samples, "samples of the provider"),
            (self.no_effect, "of no effect here"),
            (self.unknown.len(), "of unknown kind"),
            (self.quarantined.len(), "unreadable"),
        ] {
            if count > 0 {
                because.push_str(&format!("; {count} {what}"));
            }
        }
        if self.events.len() + self.samples + self.no_effect + self.unknown.len() + self.quarantined.len() == 0 {
            because.push_str("; a test without events");
        }
        Translation {
            authentic: secret.proves(),
            because: because.into(),
            events: self.events,
            quarantined: self.quarantined,
            actions: Vec::new(),
            unknown: self.unknown,
            batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hook_auth::HookAuth;

    #[test]
    fn a_foreign_kind_name_is_cut_and_holds_no_address() {
        let mut batch = Batch::default();
        batch.unknown("new.Kind_1-x");
        batch.unknown("who@example.org\n\"");
        batch.unknown(&"x".repeat(300));
        batch.unknown(&"é".repeat(300));
        let read = batch.finish(&SharedSecret::new(&HookAuth::None), None);
        assert_eq!(read.unknown, ["new.Kind_1-x", "(not a name)", &"x".repeat(64), "(not a name)"]);
    }

    #[test]
    fn the_sentence_counts_what_was_found() {
        let secret = SharedSecret::new(&HookAuth::None);
        let mut batch = Batch::with_capacity(1);
        batch.sample();
        batch.no_effect();
        batch.quarantine("/2".into(), "not JSON", b"x");
        let read = batch.finish(&secret, Some("b1".into()));
        assert!(
            read.because.ends_with("; 1 samples of the provider; 1 of no effect here; 1 unreadable"),
            "{}",
            read.because
        );
        assert_eq!((read.authentic, read.batch.as_deref()), (None, Some("b1")));
        assert!(Batch::default().finish(&secret, None).because.ends_with("; a test without events"));
    }
}
