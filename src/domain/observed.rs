//! What ESPs' events tell of the sending itself: the domains in From, envelope and DKIM signatures, and the addresses it was sent from.
//!
//! A registration is what somebody wrote down once; this is what goes out. Nothing here is about a recipient: a value is a domain or an
//! IP address of the sender's, never a mail address.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::ids::{Esp, StreamName, TeamId, UNREGISTERED};
use super::stream::{PROVIDER_DEFAULT, Provider, Stream};
use super::time::Timestamp;

/// How far back a check looks: what was last seen before that says little of how mail is sent now.
pub const OF_LATE: Duration = Duration::from_secs(7 * 86_400);

/// How many observed addresses of a stream are tried at one check, those seen last. A record with `exists:%{i}` costs a question for each.
pub const MOST_ADDRESSES: usize = 32;

/// What kind of thing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedKind {
    /// The domain of the header From.
    From,
    /// The domain of the envelope sender, as the ESP reports it.
    Envelope,
    /// The `d=` of a DKIM signature.
    Dkim,
    /// The address that the mail was sent from.
    SendingIp,
}

impl ObservedKind {
    /// The kinds that a registration can name or leave out.
    pub const DOMAINS: [Self; 3] = [Self::From, Self::Envelope, Self::Dkim];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Envelope => "envelope",
            Self::Dkim => "dkim",
            Self::SendingIp => "sending_ip",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::From, Self::Envelope, Self::Dkim, Self::SendingIp].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One thing that was seen of one way of sending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Observation {
    /// The team of the endpoint that the report came to.
    pub team: TeamId,
    /// The stream that the event found; `unregistered` when it found none.
    pub stream: StreamName,
    /// The ESP that sent.
    pub esp: Esp,
    /// Domain of the header From; empty where the report did not say.
    pub from_domain: String,
    /// What kind of thing it is.
    pub kind: ObservedKind,
    /// The domain in lower-case ASCII, or the IP address.
    pub value: String,
}

/// An observation, and when it was made. Both times are true to an hour: what is seen all the time is not written down all the time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Observed {
    /// What was seen.
    #[serde(flatten)]
    pub what: Observation,
    /// When the first of the events happened.
    pub first_seen: Timestamp,
    /// When the last of them happened.
    pub last_seen: Timestamp,
}

/// What was seen of late of one stream, as far as its check has a use for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The addresses it was sent from, those seen last first, at most [`MOST_ADDRESSES`]; each with the time it was last seen.
    pub addresses: Vec<(IpAddr, Timestamp)>,
    /// Envelope domains and `d=` that no stream of the team registers.
    pub strangers: Vec<Observed>,
}

impl Seen {
    /// Sorts out what was seen: `seen` under the stream's own name, and under nobody's with its From domain; `streams` are all that are
    /// registered.
    pub fn of(seen: &[Observed], streams: &[Stream]) -> Self {
        let own =
            |seen: &&Observed| seen.what.kind == ObservedKind::SendingIp && seen.what.stream.as_str() != UNREGISTERED;
        let mut addresses: Vec<(IpAddr, Timestamp)> =
            seen.iter().filter(own).filter_map(|seen| Some((seen.what.value.parse().ok()?, seen.last_seen))).collect();
        addresses.sort_by_key(|(ip, last_seen)| (std::cmp::Reverse(*last_seen), *ip));
        // One that two ESPs report is one address.
        let mut known = BTreeSet::new();
        addresses.retain(|(ip, _)| known.insert(*ip));
        addresses.truncate(MOST_ADDRESSES);
        Self {
            addresses,
            strangers: strangers(seen, streams).filter(|seen| seen.what.kind != ObservedKind::From).cloned().collect(),
        }
    }
}

/// Those of the domains seen that no stream of their team registers, in their order.
pub fn strangers<'a>(seen: &'a [Observed], streams: &'a [Stream]) -> impl Iterator<Item = &'a Observed> {
    seen.iter().filter(|seen| {
        let of_team = || streams.iter().filter(|stream| stream.team == seen.what.team);
        seen.what.kind != ObservedKind::SendingIp && !of_team().any(|stream| names(stream, &seen.what))
    })
}

/// Whether a registration names what was seen.
fn names(stream: &Stream, seen: &Observation) -> bool {
    let is = |domain: &str| domain.trim().trim_end_matches('.').eq_ignore_ascii_case(&seen.value);
    match seen.kind {
        ObservedKind::From => is(&stream.from_domain),
        ObservedKind::Dkim => stream.dkim.iter().any(|identity| is(&identity.domain)),
        ObservedKind::Envelope => match stream.mail_from_domain.trim() {
            "" | PROVIDER_DEFAULT => seen.stream == stream.name && is_providers_own(stream.provider, &seen.value),
            own => is(own),
        },
        ObservedKind::SendingIp => false,
    }
}

/// Whether an envelope may be the one that a provider uses for senders who have none of their own.
///
/// SparkPost reports the envelope as it went out. SES reports the sender it was given and puts its own domain in its place, so what it
/// reports contradicts nothing. Of any other provider it is not known what its own envelope is.
fn is_providers_own(provider: Provider, envelope: &str) -> bool {
    let within =
        |domain: &str| envelope.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'));
    match provider {
        Provider::Sparkpost => ["sparkpostmail.com", "e.sparkpost.com"].into_iter().any(within),
        Provider::Ses | Provider::Other => true,
    }
}

/// Whether mail can come from an address, as a receiver sees it: reports also hold the address of a machine in the ESP's own network.
fn may_send(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let inside = ip.is_unspecified() || ip.is_loopback() || ip.is_private() || ip.is_link_local();
            !inside && !ip.is_multicast() && !ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            let inside = ip.is_unspecified() || ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
            !inside && !ip.is_multicast()
        }
    }
}

/// The address that a report names as the sending one, in the form in which a receiver meets it. `None` for what is no such address.
pub fn sending_ip(written: &str) -> Option<IpAddr> {
    written.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical()).filter(|ip| may_send(*ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, more: &str) -> Stream {
        let text = format!(r#"{{"name":"{name}","team":"T1","from_domain":"Shop.test"{more}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn seen(stream: &str, kind: ObservedKind, value: &str, last_seen: i64) -> Observed {
        let (team, esp) = (TeamId::new("T1"), Esp::new("sparkpost"));
        let (stream, from_domain) = (StreamName::new(stream), "shop.test".to_owned());
        let last_seen = Timestamp::from_secs(last_seen);
        let what = Observation { team, stream, esp, from_domain, kind, value: value.to_owned() };
        Observed { what, first_seen: Timestamp::from_secs(0), last_seen }
    }

    fn values<'a>(all: impl IntoIterator<Item = &'a Observed>) -> Vec<&'a str> {
        all.into_iter().map(|seen| seen.what.value.as_str()).collect()
    }

    #[test]
    fn what_any_stream_of_the_team_registers_is_no_stranger() {
        use ObservedKind::{Dkim, Envelope, From};
        let own = r#","mail_from_domain":"Bounce.shop.test","dkim":[{"domain":"SHOP.test","selector":"k"}]"#;
        let streams = [stream("news", own), stream("other", "")];
        let all = [
            seen("news", From, "shop.test", 1),
            seen(UNREGISTERED, From, "else.test", 1),
            seen(UNREGISTERED, Envelope, "bounce.shop.test", 1),
            seen(UNREGISTERED, Envelope, "b.else.test", 1),
            seen("news", Dkim, "shop.test", 1),
            seen("news", Dkim, "else.test", 1),
            seen("news", ObservedKind::SendingIp, "192.0.2.1", 1),
        ];
        assert_eq!(values(strangers(&all, &streams)), ["else.test", "b.else.test", "else.test"]);
        let of_another_team = [Stream { team: TeamId::new("T2"), ..streams[0].clone() }];
        assert_eq!(strangers(&all, &of_another_team).count(), 6);
        assert_eq!(values(&Seen::of(&all, &streams).strangers), ["b.else.test", "else.test"], "of the sending of one");
    }

    #[test]
    fn an_envelope_that_may_be_the_providers_own_is_none_either() {
        let of = |provider: &str, value: &str| {
            let streams = [stream("news", &format!(r#","provider":"{provider}""#))];
            strangers(&[seen("news", ObservedKind::Envelope, value, 1)], &streams).count() == 1
        };
        assert!(!of("sparkpost", "eu.sparkpostmail.com") && !of("sparkpost", "sparkpostmail.com"));
        assert!(of("sparkpost", "notsparkpostmail.com") && of("sparkpost", "bounce.shop.test"));
        // What was given to SES is not what it wrote.
        assert!(!of("ses", "bounce.shop.test") && !of("other", "bounce.shop.test"));
        let streams = [stream("news", r#","provider":"ses""#)];
        assert_eq!(strangers(&[seen(UNREGISTERED, ObservedKind::Envelope, "x.test", 1)], &streams).count(), 1);
    }

    #[test]
    fn the_addresses_seen_last_are_tried_and_no_more_than_is_bounded() {
        use ObservedKind::SendingIp;
        let many: Vec<Observed> = (0..100).map(|n| seen("news", SendingIp, &format!("192.0.2.{n}"), n)).collect();
        let tried = Seen::of(&many, &[]).addresses;
        assert_eq!(tried.len(), MOST_ADDRESSES);
        assert_eq!(tried[0], ("192.0.2.99".parse().unwrap(), Timestamp::from_secs(99)));
        assert!(tried.windows(2).all(|pair| pair[0].1 > pair[1].1));
        let twice = [seen("news", SendingIp, "192.0.2.1", 1), seen("news", SendingIp, "192.0.2.1", 5)];
        assert_eq!(Seen::of(&twice, &[]).addresses, [("192.0.2.1".parse().unwrap(), Timestamp::from_secs(5))]);
        let nobodys = [seen(UNREGISTERED, SendingIp, "192.0.2.1", 1)];
        assert_eq!(Seen::of(&nobodys, &[]), Seen::default(), "with another envelope it was another way of sending");
    }

    #[test]
    fn only_what_a_receiver_can_meet_is_a_sending_address() {
        for (written, want) in [
            ("198.51.100.7", Some("198.51.100.7")),
            (" 2001:DB8::1 ", Some("2001:db8::1")),
            ("::ffff:198.51.100.7", Some("198.51.100.7")),
            // What SparkPost's example events name.
            ("127.0.0.1", None),
            ("10.1.2.3", None),
            ("::1", None),
            ("fe80::1", None),
            ("fd00::1", None),
            ("0.0.0.0", None),
            ("224.0.0.1", None),
            ("a@b.test", None),
            ("198.51.100.7:25", None),
            ("", None),
        ] {
            assert_eq!(sending_ip(written).map(|ip| ip.to_string()).as_deref(), want, "{written}");
        }
    }
}
