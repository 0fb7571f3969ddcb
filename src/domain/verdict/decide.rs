//! The table of verdicts, row by row: the first that applies.

use std::collections::BTreeMap;

use super::hold::{Standing, standing};
use super::{Answer, Limit, Proof, Question, Reach, Reason, Verdict, View};
use crate::domain::event::Kind;
use crate::domain::ids::{AppId, Esp, StreamName};
use crate::domain::policy::{Class, Policy};
use crate::domain::record::{AddressRecord, EVERY_STREAM, Fact, OverrideAction, SubjectRecord};
use crate::domain::time::Timestamp;

/// A row that applied.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub answer: Answer,
    pub reason: Reason,
    pub scope: Reach,
    pub evidence: Vec<(Fact, Kind)>,
    /// When time alone may change it.
    pub changes_at: Option<Timestamp>,
}

/// When and from where an answer is given.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time of the question.
    pub now: Timestamp,
    /// How fresh the view is.
    pub as_of: Timestamp,
    /// Where in the log it stands.
    pub cursor: &'a str,
    /// The version of the policy, [`Policy::version`].
    pub policy_version: &'a str,
}

/// Answers the question about one address.
pub fn decide(question: &Question, view: &View, policy: &Policy, moment: Moment<'_>) -> Verdict {
    let now = moment.now;
    let mut row = user_row(question, view, policy, now);
    let mut limits = limits(question, view, policy, now);
    if row.reason == Reason::NotRelay {
        // What Apple refuses concerns nobody who does not hide behind Apple.
        limits.retain(|limit| limit.reason != Reason::SenderFault);
    }
    let mut send = match row.answer {
        Answer::Sendable => true,
        Answer::Hold => question.class == Class::Security,
        Answer::Suppressed => false,
        Answer::Unknown => policy.send_unseen(question.class),
    };
    if row.answer != Answer::Suppressed
        && let Some(limit) = deciding_limit(question, view, &limits)
    {
        send = false;
        if row.answer != Answer::Hold {
            let evidence = limit.esp.as_ref().and_then(|esp| listed(view.address.as_ref()?, esp));
            row = Row {
                answer: Answer::Hold,
                reason: limit.reason,
                scope: limit.scope,
                evidence: evidence.map(|f| (f, Kind::HardBounce)).into_iter().collect(),
                changes_at: None,
            };
        }
    }
    let usable = now.plus(policy.staleness(question.class));
    Verdict {
        verdict: row.answer,
        send,
        reason: row.reason,
        scope: row.scope,
        limits,
        as_of: moment.as_of,
        valid_until: row.changes_at.into_iter().chain(decision_end(view, now)).fold(usable, Timestamp::min),
        evidence: row
            .evidence
            .iter()
            .map(|(f, kind)| Proof { event: f.event.public(), kind: *kind, at: f.at })
            .collect(),
        cursor: moment.cursor.to_owned(),
        policy_version: moment.policy_version.to_owned(),
    }
}

/// When the first of the operator's decisions in force runs out.
fn decision_end(view: &View, now: Timestamp) -> Option<Timestamp> {
    let overrides = view.address.iter().flat_map(|record| record.overrides.values());
    overrides.filter(|o| o.holds(now)).filter_map(|o| o.until_micros).min().map(Timestamp::from_micros)
}

/// The rows that speak of the user alone.
pub(super) fn user_row(question: &Question, view: &View, policy: &Policy, now: Timestamp) -> Row {
    let subject = view.subject.as_ref().map(|(_, s)| s);
    if let Some(row) = left(question, view, subject, policy) {
        return row;
    }
    let Some(record) = &view.address else {
        return if view.on_relay_domain {
            row(Answer::Unknown, Reason::NotSeen, vec![])
        } else {
            row(Answer::Sendable, Reason::NotRelay, vec![])
        };
    };
    if let Some(off) = record.forwarding_off.filter(|off| off.stands(record.forwarding_on)) {
        return row(Answer::Suppressed, Reason::ForwardingDisabled, vec![(off, Kind::ForwardingDisabled)]);
    }
    let lifted = decision(record, OverrideAction::Lift, now);
    if let Some(row) = unwanted(question, record, lifted, now) {
        return row;
    }
    bounced(view, record, policy, now, lifted)
}

/// Erased, deleted, superseded, revoked: who has gone.
fn left(question: &Question, view: &View, subject: Option<&SubjectRecord>, policy: &Policy) -> Option<Row> {
    if let Some(erased) = view.erased_at
        && subject.and_then(SubjectRecord::authorized).is_none_or(|a| a <= erased)
    {
        return Some(row(Answer::Suppressed, Reason::Erased, vec![]));
    }
    let subject = subject?;
    if let Some(deleted) = subject.deleted {
        return Some(row(Answer::Suppressed, Reason::AccountDeleted, vec![(deleted, Kind::AccountDeleted)]));
    }
    if let Some(record) = &view.address {
        // The same event makes the claim on both sides, so the present address has the very claim that the subject has.
        let own = view.subject.as_ref().and_then(|(key, _)| record.subjects.get(key));
        if let Some(newer) = own.and_then(|own| subject.replaced(*own)) {
            return Some(row(Answer::Suppressed, Reason::Superseded, vec![(newer, Kind::Linked)]));
        }
    }
    let revoked = revocation(question.app.as_ref(), subject, policy)?;
    Some(row(Answer::Suppressed, Reason::ConsentRevoked, vec![(revoked, Kind::ConsentRevoked)]))
}

/// The revocation that counts for the asked app; without an app, one that leaves no known app consented.
fn revocation(app: Option<&AppId>, subject: &SubjectRecord, policy: &Policy) -> Option<Fact> {
    let standing = |app: &AppId| subject.apps.get(app)?.standing_revocation(policy.revocation_margin);
    match app {
        Some(app) => standing(app),
        None => {
            let all: Option<Vec<Fact>> = subject.apps.keys().map(standing).collect();
            all?.into_iter().max()
        }
    }
}

/// Complaint and unsubscription: the user's own word about mail.
fn unwanted(question: &Question, record: &AddressRecord, lifted: Option<Fact>, now: Timestamp) -> Option<Row> {
    if let Some(complaint) = record.complaint.filter(|c| c.stands(everywhere(&record.opted_in).max(lifted))) {
        return Some(row(Answer::Suppressed, Reason::Complaint, vec![(complaint, Kind::Complaint)]));
    }
    if question.class == Class::Security {
        return None;
    }
    if let Some(said) = decision(record, OverrideAction::Suppress, now).filter(|s| s.stands(lifted)) {
        return Some(row(Answer::Suppressed, Reason::Unsubscribed, vec![(said, Kind::OperatorOverride)]));
    }
    let stream = question.stream.as_ref().map(|(name, _)| name);
    let back_in = opted_in(record, stream).max(lifted);
    let from_all = everywhere(&record.unsubscribed).map(|u| (u, Reach::User));
    let from_this = stream.and_then(|s| record.unsubscribed.get(s)).map(|u| (*u, Reach::Stream));
    let (out, scope) = [from_all, from_this].into_iter().flatten().find(|(u, _)| u.stands(back_in))?;
    Some(Row { scope, ..row(Answer::Suppressed, Reason::Unsubscribed, vec![(out, Kind::Unsubscribed)]) })
}

/// The streams the user left and did not come back to.
pub(super) fn streams_left(record: &AddressRecord, now: Timestamp) -> impl Iterator<Item = &StreamName> {
    let lifted = decision(record, OverrideAction::Lift, now);
    let named = record.unsubscribed.iter().filter(|(stream, _)| stream.as_str() != EVERY_STREAM);
    named.filter(move |(stream, out)| out.stands(opted_in(record, Some(stream)).max(lifted))).map(|(stream, _)| stream)
}

/// The latest opt-in that reaches the stream.
fn opted_in(record: &AddressRecord, stream: Option<&StreamName>) -> Option<Fact> {
    stream.and_then(|s| record.opted_in.get(s)).copied().max(everywhere(&record.opted_in))
}

fn everywhere(said: &BTreeMap<StreamName, Fact>) -> Option<Fact> {
    said.get(&StreamName::new(EVERY_STREAM)).copied()
}

/// What bounces, acceptances and Apple's forwarding-on say.
fn bounced(view: &View, record: &AddressRecord, policy: &Policy, now: Timestamp, lifted: Option<Fact>) -> Row {
    let judged = standing(record, &view.around, policy, now);
    let newest = match judged {
        Standing::Clean => None,
        Standing::Held { by, .. } | Standing::Lapsed { by, .. } => Some(by),
        Standing::Gone { second, .. } => Some(second),
    };
    if let (Some(lifted), Some(newest)) = (lifted, newest)
        && !newest.stands(Some(lifted))
    {
        return row(Answer::Sendable, Reason::Released, vec![(lifted, Kind::OperatorOverride)]);
    }
    match judged {
        Standing::Gone { first, second } => {
            row(Answer::Suppressed, Reason::RecipientGone, vec![(second, Kind::HardBounce), (first, Kind::HardBounce)])
        }
        Standing::Held { until, by, of_recipient } => {
            let reason = if of_recipient { Reason::RecentBounce } else { Reason::AmbiguousBounce };
            Row { changes_at: Some(until), ..row(Answer::Hold, reason, vec![(by, Kind::HardBounce)]) }
        }
        Standing::Lapsed { by, .. } => row(Answer::Sendable, Reason::Released, vec![(by, Kind::HardBounce)]),
        Standing::Clean => clean(record),
    }
}

fn clean(record: &AddressRecord) -> Row {
    if record.relay_domain.is_none() {
        return row(Answer::Sendable, Reason::NotRelay, vec![]);
    }
    let accepted = record.accepted.map(|f| (f, Kind::Delivered));
    match record.forwarding_on.filter(|on| record.forwarding_off.is_some() || accepted.is_none_or(|(a, _)| a <= *on)) {
        Some(on) => row(Answer::Sendable, Reason::ForwardingEnabled, vec![(on, Kind::ForwardingEnabled)]),
        // The normal state of things rests on no single event.
        None => row(Answer::Sendable, Reason::Ok, vec![]),
    }
}

fn decision(record: &AddressRecord, action: OverrideAction, now: Timestamp) -> Option<Fact> {
    record.overrides.get(&action).filter(|o| o.holds(now)).map(|o| o.fact)
}

fn row(answer: Answer, reason: Reason, evidence: Vec<(Fact, Kind)>) -> Row {
    Row { answer, reason, scope: Reach::User, evidence, changes_at: None }
}

/// Everything that limits one way of sending, whether asked about or not.
fn limits(question: &Question, view: &View, policy: &Policy, now: Timestamp) -> Vec<Limit> {
    let mut limits = view.around.limits.clone();
    let blank = |scope, reason| Limit { scope, esp: None, stream: None, app: None, reason, wave: None };
    if let Some(record) = &view.address {
        for esp in record.listed.keys().filter(|esp| listed(record, esp).is_some()) {
            limits.push(Limit { esp: Some(esp.clone()), ..blank(Reach::Esp, Reason::EspSuppressed) });
        }
        for stream in streams_left(record, now) {
            limits.push(Limit { stream: Some(stream.clone()), ..blank(Reach::Stream, Reason::Unsubscribed) });
        }
    }
    if let (None, Some((_, subject))) = (&question.app, &view.subject) {
        for (app, consent) in &subject.apps {
            if consent.standing_revocation(policy.revocation_margin).is_some() {
                limits.push(Limit { app: Some(app.clone()), ..blank(Reach::User, Reason::ConsentRevoked) });
            }
        }
    }
    limits
}

/// The limit that stops the asked stream; without a stream, one only when every way of sending that the team has is limited.
fn deciding_limit(question: &Question, view: &View, limits: &[Limit]) -> Option<Limit> {
    let on = |limit: &&Limit, name: &StreamName, esp: &Esp| match limit.scope {
        Reach::Esp => limit.esp.as_ref() == Some(esp),
        Reach::Cell => limit.stream.as_ref() == Some(name),
        // Security mail is sent all the same: the check may be wrong, and a lost password reset does more harm than a bounce.
        Reach::Stream if limit.reason == Reason::SenderFault => {
            question.class != Class::Security && limit.stream.as_ref() == Some(name)
        }
        // An unsubscription is the user's word and has a row of its own; a revoked other app concerns no stream.
        Reach::Stream | Reach::User => false,
    };
    if let Some((name, esp)) = &question.stream {
        return limits.iter().find(|l| on(l, name, esp)).cloned();
    }
    let stops = |l: &&Limit, name: &StreamName, esp: &Esp| l.scope != Reach::Cell && on(l, name, esp);
    let mut deciding = None;
    for (name, esp) in &view.around.ways {
        let found = limits.iter().find(|l| stops(l, name, esp))?;
        // Of several, the one of which more is known: an ESP's list rests on an event.
        if deciding.is_none_or(|known: &Limit| known.scope != Reach::Esp) {
            deciding = Some(found);
        }
    }
    deciding.cloned()
}

/// The ESP's listing that stands: not answered by a removal or an acceptance since.
fn listed(record: &AddressRecord, esp: &Esp) -> Option<Fact> {
    record.listed.get(esp).copied().filter(|listed| listed.stands(record.unlisted.get(esp).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(stream: &str) -> Limit {
        let stream = Some(StreamName::new(stream));
        Limit { scope: Reach::Stream, esp: None, stream, app: None, reason: Reason::SenderFault, wave: None }
    }

    fn view(relay: bool, ways: &[&str], limits: &[&str]) -> View {
        let relay_domain = relay.then(|| "privaterelay.appleid.com".to_owned());
        let mut view = View { address: Some(AddressRecord { relay_domain, ..Default::default() }), ..View::default() };
        view.around.ways = ways.iter().map(|name| (StreamName::new(*name), Esp::new("ses"))).collect();
        view.around.limits = limits.iter().map(|name| refused(name)).collect();
        view
    }

    fn says(view: &View, stream: Option<&str>, class: Class) -> (Answer, bool, Reason, usize) {
        let stream = stream.map(|name| (StreamName::new(name), Esp::new("ses")));
        let now = Timestamp::from_secs(1_750_000_000);
        let moment = Moment { now, as_of: now, cursor: "1", policy_version: "x" };
        let verdict = decide(&Question { app: None, stream, class }, view, &Policy::default(), moment);
        (verdict.verdict, verdict.send, verdict.reason, verdict.limits.len())
    }

    #[test]
    fn a_stream_that_apple_refuses_is_stopped_and_no_other() {
        let view = view(true, &["news", "receipts"], &["news"]);
        let stopped = (Answer::Hold, false, Reason::SenderFault, 1);
        let open = (Answer::Sendable, true, Reason::Ok, 1);
        assert_eq!(says(&view, Some("news"), Class::Marketing), stopped);
        assert_eq!(says(&view, Some("news"), Class::Transactional), stopped);
        assert_eq!(says(&view, Some("news"), Class::Security), open);
        assert_eq!(says(&view, Some("receipts"), Class::Marketing), open);
        assert_eq!(says(&view, None, Class::Marketing), open, "there is another way");
    }

    #[test]
    fn without_a_stream_it_takes_every_way_of_sending() {
        let both = view(true, &["news", "receipts"], &["news", "receipts"]);
        assert_eq!(says(&both, None, Class::Marketing), (Answer::Hold, false, Reason::SenderFault, 2));
        assert_eq!(says(&both, None, Class::Security), (Answer::Sendable, true, Reason::Ok, 2));
        let none = view(true, &[], &["news"]);
        assert_eq!(says(&none, None, Class::Marketing), (Answer::Sendable, true, Reason::Ok, 1));
        // One way by its ESP's list, the other by its records.
        let mut mixed = view(true, &["news", "receipts"], &["news"]);
        mixed.around.ways.insert(StreamName::new("receipts"), Esp::new("sparkpost"));
        let listed = Limit { scope: Reach::Esp, esp: Some(Esp::new("sparkpost")), stream: None, ..refused("") };
        mixed.around.limits.push(Limit { reason: Reason::EspSuppressed, ..listed });
        let (answer, send, reason, _) = says(&mixed, None, Class::Marketing);
        assert_eq!((answer, send, reason), (Answer::Hold, false, Reason::EspSuppressed));
    }

    #[test]
    fn what_apple_refuses_stops_nobody_else_and_lifts_nothing() {
        let ordinary = view(false, &["news"], &["news"]);
        let open = (Answer::Sendable, true, Reason::NotRelay, 0);
        assert_eq!(says(&ordinary, Some("news"), Class::Marketing), open);
        assert_eq!(says(&View { address: None, ..ordinary }, None, Class::Marketing), open);
        let mut gone = view(true, &["news"], &["news"]);
        gone.erased_at = Some(Timestamp::from_secs(1));
        assert_eq!(says(&gone, Some("news"), Class::Security), (Answer::Suppressed, false, Reason::Erased, 1));
        let unseen = View { address: None, on_relay_domain: true, ..view(true, &["news"], &["news"]) };
        assert_eq!(says(&unseen, Some("news"), Class::Transactional), (Answer::Hold, false, Reason::SenderFault, 1));
        assert_eq!(says(&unseen, Some("news"), Class::Security), (Answer::Unknown, true, Reason::NotSeen, 1));
    }
}
