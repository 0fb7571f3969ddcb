//! What only other sections can tell of `[canaries]`: that what its routes name is there, and that their numbers go together.
//!
//! The mailboxes and submissions that no route uses are left alone.

use super::canaries::{Canaries, RouteSection};
use super::findings::Findings;
use super::mailboxes::{MailboxSection, Mailboxes};
use super::streams::Streams;
use super::submissions::{SubmissionSection, Submissions};

impl Canaries {
    /// Adds what does not fit these sections.
    pub(super) fn check_surroundings(
        &self,
        streams: &Streams,
        submissions: &Submissions,
        mailboxes: &Mailboxes,
        findings: &mut Findings,
    ) {
        for (i, route) in self.routes.iter().enumerate() {
            let taken = submissions.0.iter().any(|submission| submission.name == route.submission);
            findings.expect(taken, &format!("canaries.routes.{i}.submission"), "is not among [[submissions]]");
            let named = |name: &String| mailboxes.0.iter().any(|mailbox| mailbox.name == *name);
            let found = route.mailbox.as_ref().is_none_or(named);
            findings.expect(found, &format!("canaries.routes.{i}.mailbox"), "is not among [[mailboxes]]");
            check_stream(i, route, streams, findings);
        }
        for (i, mailbox) in mailboxes.0.iter().enumerate() {
            if self.routes.iter().any(|route| route.mailbox.as_ref() == Some(&mailbox.name)) {
                self.check_mailbox(i, mailbox, findings);
            }
        }
        for (i, submission) in submissions.0.iter().enumerate() {
            if self.routes.iter().any(|route| route.submission == submission.name) {
                self.check_submission(i, submission, findings);
            }
        }
    }

    fn check_mailbox(&self, i: usize, mailbox: &MailboxSection, findings: &mut Findings) {
        let (keep, ceiling, look_back, poll) = (self.keep, self.ceiling, mailbox.look_back, mailbox.poll);
        let message = format!(
            "{keep} is not shorter than mailboxes.{i}.look_back, {look_back}: what is older than that is never looked at, so it would not be deleted"
        );
        findings.expect(keep < look_back, "canaries.keep", message);
        let message = format!(
            "{ceiling} is not shorter than mailboxes.{i}.look_back, {look_back}: what is still waited for would not be looked for"
        );
        findings.expect(ceiling < look_back, "canaries.ceiling", message);
        let message = format!(
            "{ceiling} is not longer than mailboxes.{i}.poll, {poll}: a canary would be overdue before anybody looks for it"
        );
        findings.expect(ceiling > poll, "canaries.ceiling", message);
    }

    fn check_submission(&self, i: usize, submission: &SubmissionSection, findings: &mut Findings) {
        let (ceiling, timeout) = (self.ceiling, submission.timeout);
        let message = format!(
            "{ceiling} is not longer than submissions.{i}.timeout, {timeout}: a canary would be overdue while it is being sent"
        );
        findings.expect(ceiling > timeout, "canaries.ceiling", message);
    }
}

fn check_stream(i: usize, route: &RouteSection, streams: &Streams, findings: &mut Findings) {
    let stream = streams.0.iter().find(|stream| stream.name == route.stream);
    findings.expect(stream.is_some(), &format!("canaries.routes.{i}.stream"), "is not among [[streams]]");
    let from = route.from.as_ref().map(|from| from.0.domain());
    let fits = from.is_none_or(|domain| stream.is_none_or(|s| s.from_domain.eq_ignore_ascii_case(domain)));
    findings.expect(fits, &format!("canaries.routes.{i}.from"), "is not at the stream's from_domain");
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Section as _};

    /// A route with everything it names. The numbers of the defaults.
    const SOUND: &str = r#"
        [[streams]]
        name = "news"
        team = "T"
        from_domain = "news.example.com"
        [[submissions]]
        name = "ses"
        host = "smtp.example"
        hello = "probe.example"
        envelope_from = "canary@bounce.example"
        timeout = "2m"
        [[mailboxes]]
        name = "unused"
        kind = "maildir"
        path = "/var/mail/unused"
        look_back = "1h"
        poll = "1h"
        [[mailboxes]]
        name = "behind"
        kind = "maildir"
        path = "/var/mail/canary"
        look_back = "7d"
        poll = "30s"
        [canaries]
        keep = "2d"
        ceiling = "30m"
        [[canaries.addresses]]
        name = "one"
        address = "canary-one@privaterelay.appleid.com"
        [[canaries.routes]]
        name = "news"
        round = "news"
        role = "production"
        stream = "news"
        submission = "ses"
        mailbox = "behind"
        from = "no-reply@news.example.com"
        addresses = ["one"]
    "#;

    fn found(from: &str, to: &str) -> Vec<String> {
        assert!(SOUND.contains(from), "{from}");
        let config: Config = toml::from_str(&SOUND.replace(from, to)).unwrap();
        let mut alone = super::Findings::default();
        config.check(&mut alone);
        assert_eq!(alone.into_result(), Ok(()), "each number by itself is allowed");
        config.validate().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn numbers_that_contradict_each_other_are_told_with_their_fields() {
        assert_eq!(found("30m", "30m"), [""; 0]);
        for (from, to, want) in [
            ("keep = \"2d\"", "keep = \"7d\"", "canaries.keep: 7d is not shorter than mailboxes.1.look_back, 7d: "),
            ("\"7d\"", "\"1d\"", "canaries.keep: 2d is not shorter than mailboxes.1.look_back, 1d: "),
            ("\"30s\"", "\"30m\"", "canaries.ceiling: 30m is not longer than mailboxes.1.poll, 30m: "),
            ("\"30m\"", "\"2m\"", "canaries.ceiling: 2m is not longer than submissions.0.timeout, 2m: "),
        ] {
            let told = found(from, to);
            assert!(matches!(&told[..], [only] if only.starts_with(want)), "{want}: {told:?}");
        }
        let told = found("look_back = \"7d\"", "look_back = \"1h\"\ntimeout = \"1m\"");
        assert_eq!(told.len(), 1, "the ceiling is still shorter: {told:?}");
        let told = found("ceiling = \"30m\"", "ceiling = \"1d\"");
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn what_a_route_names_must_be_there() {
        for (from, to, want) in [
            ("stream = \"news\"", "stream = \"olds\"", "canaries.routes.0.stream: is not among"),
            ("submission = \"ses\"", "submission = \"six\"", "canaries.routes.0.submission: is not among"),
            ("mailbox = \"behind\"", "mailbox = \"before\"", "canaries.routes.0.mailbox: is not among"),
            ("no-reply@news.", "no-reply@olds.", "canaries.routes.0.from: is not at the stream's from_domain"),
        ] {
            let told = found(from, to);
            assert!(matches!(&told[..], [only] if only.starts_with(want)), "{want}: {told:?}");
        }
    }
}
