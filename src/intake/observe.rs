//! What a group's events tell of the sending, as far as it is news: what was written within the hour is not written again.
//!
//! The memory is this process's own and is lost with it: then everything is written once more, which changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::prepare::Prepared;
use crate::domain::ids::{Esp, StreamName, TeamId};
use crate::domain::observed::{Observation, Observed, ObservedKind};
use crate::domain::time::Timestamp;

/// How exact the times of an observation are.
const GRAIN: Duration = Duration::from_secs(3_600);

/// Observations remembered: those of a large sender are some thousands. What goes beyond is not learned until others have aged.
const MOST: usize = 16_384;

/// What an event of an ESP tells of the sending, beside the domains that stand in its row.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    /// The stream that it found.
    pub(super) stream: StreamName,
    /// The `d=` of its signatures.
    pub(super) dkim_domains: Vec<String>,
    /// Where it was sent from.
    pub(super) sending_ip: Option<IpAddr>,
}

/// What was written of late.
#[derive(Debug)]
pub(super) struct Memory {
    written: HashMap<Observation, Written>,
    most: usize,
    /// Before this nothing in it has aged.
    ages_at: Timestamp,
}

/// What was written of an observation, and when.
#[derive(Debug)]
struct Written {
    span: Span,
    at: Timestamp,
}

/// What is new in a group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// To be written, in one order everywhere.
    pub(super) rows: Vec<Observed>,
    /// How many were left out because the memory is full.
    pub(super) left_out: usize,
}

/// From the first to the last time that something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: Timestamp,
    last: Timestamp,
}

/// An observation that nothing was copied for: a group of a thousand events holds a handful of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Glimpse<'a> {
    team: &'a TeamId,
    stream: &'a StreamName,
    esp: &'a Esp,
    from_domain: &'a str,
    what: What<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What<'a> {
    Domain(ObservedKind, &'a str),
    SendingIp(IpAddr),
}

impl Default for Memory {
    fn default() -> Self {
        Self { written: HashMap::new(), most: MOST, ages_at: Timestamp::default() }
    }
}

impl Memory {
    /// What of these events is worth a row.
    pub(super) fn news(&mut self, taken: &[Cow<'_, Prepared>], now: Timestamp) -> News {
        let mut seen: HashMap<Glimpse<'_>, Span> = HashMap::new();
        for p in taken {
            let at = p.row.occurred_at;
            for glimpse in glimpses(p) {
                seen.entry(glimpse).or_insert(Span { first: at, last: at }).add(at);
            }
        }
        let mut news = News::default();
        let mut added = 0;
        for (glimpse, span) in seen {
            let what = glimpse.observation();
            match self.written.get(&what) {
                Some(known) if known.span.covers(span) => continue,
                Some(_) => {}
                None => {
                    if !self.has_room(added, now) {
                        news.left_out += 1;
                        continue;
                    }
                    added += 1;
                }
            }
            news.rows.push(Observed { what, first_seen: span.first, last_seen: span.last });
        }
        news.rows.sort_unstable();
        news
    }

    /// Remembers what has reached the disk at `now`.
    pub(super) fn learn(&mut self, rows: Vec<Observed>, now: Timestamp) {
        for Observed { what, first_seen, last_seen } in rows {
            let span = Span { first: first_seen, last: last_seen };
            let written = self.written.entry(what).or_insert(Written { span, at: now });
            written.span.add(first_seen);
            written.span.add(last_seen);
            written.at = now;
        }
    }

    /// Whether one more can be remembered. What was written longer ago than an hour makes room: at its next sight it is written anyway.
    /// It is looked for only when there is some, not for every stranger that finds the memory full.
    fn has_room(&mut self, added: usize, now: Timestamp) -> bool {
        if self.written.len() + added >= self.most && now >= self.ages_at {
            self.written.retain(|_, written| written.at > now.minus(GRAIN));
            let oldest = self.written.values().map(|written| written.at).min();
            // Later than now, also when nothing is left or the clock was set back.
            self.ages_at = oldest.unwrap_or(now).min(now).plus(GRAIN);
        }
        self.written.len() + added < self.most
    }
}

impl Span {
    fn add(&mut self, at: Timestamp) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// Whether a later sight says nothing that is not known to the hour. Events out of order widen what is known by an hour at a time, so
    /// they do not cost a write each either.
    fn covers(self, sight: Self) -> bool {
        sight.first > self.first.minus(GRAIN) && sight.last < self.last.plus(GRAIN)
    }
}

impl Glimpse<'_> {
    fn observation(self) -> Observation {
        let (kind, value) = match self.what {
            What::Domain(kind, domain) => (kind, domain.to_owned()),
            What::SendingIp(ip) => (ObservedKind::SendingIp, ip.to_string()),
        };
        let (team, stream, esp) = (self.team.clone(), self.stream.clone(), self.esp.clone());
        Observation { team, stream, esp, from_domain: self.from_domain.to_owned(), kind, value }
    }
}

fn glimpses(p: &Prepared) -> impl Iterator<Item = Glimpse<'_>> {
    let told = p.sending.as_ref().zip(p.row.esp.as_ref());
    told.into_iter().flat_map(|(sending, esp)| {
        let (from, envelope) = (p.row.sending_domain.as_deref(), p.row.mail_from_domain.as_deref());
        let domain = |kind: ObservedKind| move |domain| What::Domain(kind, domain);
        let signers = sending.dkim_domains.iter().map(String::as_str).map(domain(ObservedKind::Dkim));
        let all = from.map(domain(ObservedKind::From)).into_iter().chain(envelope.map(domain(ObservedKind::Envelope)));
        let all = all.chain(signers).chain(sending.sending_ip.map(What::SendingIp));
        let (team, stream, from_domain) = (&p.row.team, &sending.stream, from.unwrap_or_default());
        all.map(move |what| Glimpse { team, stream, esp, from_domain, what })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Kind, Scope, Source};
    use crate::domain::ids::EventKey;
    use crate::domain::record::Delta;
    use crate::intake::prepare::Keep;
    use crate::store::EventRow;

    const HOUR: i64 = 3_600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_750_000_000 + seconds)
    }

    fn event(seconds: i64, envelope: &str, ip: &str) -> Prepared {
        let row = EventRow {
            n: 0,
            id: EventKey([0; 16]),
            received_at: at(seconds),
            occurred_at: at(seconds),
            source: Source::Sparkpost,
            endpoint: "main".into(),
            kind: Kind::Delivered,
            scope: Scope::Recipient,
            fresh: true,
            stale: false,
            rule: "test".into(),
            team: TeamId::new("T1"),
            app: None,
            stream: None,
            esp: Some(Esp::new("sparkpost")),
            relay_domain: None,
            sending_domain: Some("shop.test".into()),
            mail_from_domain: Some(envelope.into()),
            address_key: None,
            subject_key: None,
            status: None,
            code: None,
            diagnostic: None,
            provider_id: None,
            detail: None,
        };
        let sending = Sending {
            stream: StreamName::new("news"),
            dkim_domains: vec!["shop.test".into()],
            sending_ip: Some(ip.parse().unwrap()),
        };
        let (delta, keep) = (Delta::default(), Keep::Count);
        Prepared { row, delta, address: None, sub: None, cell: None, keep, sending: Some(sending), canary: None }
    }

    fn news(memory: &mut Memory, events: &[Prepared], now: i64) -> News {
        let taken: Vec<Cow<'_, Prepared>> = events.iter().map(Cow::Borrowed).collect();
        memory.news(&taken, at(now))
    }

    fn values(news: &News) -> Vec<(&'static str, &str)> {
        news.rows.iter().map(|row| (row.what.kind.as_str(), row.what.value.as_str())).collect()
    }

    #[test]
    fn a_thousand_events_are_a_handful_of_rows_and_then_none() {
        let mut memory = Memory::default();
        let group: Vec<Prepared> = (0..1_000).map(|n| event(n, "b.shop.test", "192.0.2.1")).collect();
        let first = news(&mut memory, &group, 1_000);
        let all =
            [("from", "shop.test"), ("envelope", "b.shop.test"), ("dkim", "shop.test"), ("sending_ip", "192.0.2.1")];
        assert_eq!(values(&first), all);
        assert!(first.rows.iter().all(|row| (row.first_seen, row.last_seen) == (at(0), at(999))));
        assert_eq!(news(&mut memory, &group, 1_000), first, "what did not reach the disk is not remembered");
        memory.learn(first.rows, at(1_000));
        for seconds in [0, 999, 999 + HOUR - 1, 1 - HOUR] {
            assert_eq!(
                news(&mut memory, &[event(seconds, "b.shop.test", "192.0.2.1")], 1_000),
                News::default(),
                "{seconds}"
            );
        }
        let other = news(&mut memory, &[event(5, "b.shop.test", "192.0.2.2")], 1_000);
        assert_eq!(values(&other), [("sending_ip", "192.0.2.2")]);
        let hour_on = news(&mut memory, &[event(999 + HOUR, "b.shop.test", "192.0.2.1")], 1_000);
        assert_eq!(values(&hour_on), all);
        let earlier = news(&mut memory, &[event(-HOUR, "b.shop.test", "192.0.2.1")], 1_000);
        assert_eq!((values(&earlier).len(), earlier.rows[0].first_seen), (4, at(-HOUR)));
    }

    #[test]
    fn the_memory_is_bounded_and_makes_room_for_what_is_new() {
        let mut memory = Memory { most: 5, ..Memory::default() };
        let many: Vec<Prepared> = (0..10).map(|n| event(0, "b.shop.test", &format!("192.0.2.{n}"))).collect();
        let full = news(&mut memory, &many, 10);
        assert_eq!((full.rows.len(), full.left_out), (5, 8), "13 things were seen");
        memory.learn(full.rows, at(10));
        assert_eq!(memory.written.len(), 5);
        let late = news(&mut memory, &[event(2 * HOUR, "c.shop.test", "192.0.2.77")], 2 * HOUR);
        assert_eq!((late.left_out, values(&late).contains(&("envelope", "c.shop.test"))), (0, true));
        memory.learn(late.rows, at(2 * HOUR));
        assert!(memory.written.len() <= 5, "what was not seen for an hour has gone");
    }

    #[test]
    fn what_was_written_of_late_keeps_its_place_however_long_ago_it_happened() {
        let mut memory = Memory { most: 5, ..Memory::default() };
        let old: Vec<Prepared> = (0..2).map(|n| event(-9 * HOUR, "b.shop.test", &format!("192.0.2.{n}"))).collect();
        let told = news(&mut memory, &old, 0);
        memory.learn(told.rows, at(0));
        let stranger = [event(0, "c.shop.test", "192.0.2.77")];
        let full = news(&mut memory, &stranger, 60);
        assert_eq!(
            (memory.written.len(), full.left_out),
            (5, 2),
            "an old report is no reason to write it with every group"
        );
        assert_eq!(news(&mut memory, &old, 60), News::default());
        assert_eq!(memory.ages_at, at(HOUR), "until then it is not gone through again");
        assert_eq!(news(&mut memory, &stranger, HOUR).left_out, 0);
        assert!(memory.ages_at > at(HOUR));
    }

    #[test]
    fn what_tells_nothing_of_the_sending_is_passed_over() {
        let mut silent = event(0, "b.shop.test", "192.0.2.1");
        silent.sending = None;
        let mut nobody = event(0, "b.shop.test", "192.0.2.1");
        nobody.row.esp = None;
        assert_eq!(news(&mut Memory::default(), &[silent, nobody], 0), News::default());
    }
}
