//! Configured destinations for tests, and changes to tell them.

use std::net::IpAddr;
use std::sync::Arc;

use relaywatch::config::destinations::Destination;
use relaywatch::domain::address::Address;
use relaywatch::domain::delivery::Mode;
use relaywatch::domain::event::Kind;
use relaywatch::domain::ids::{AppId, Sub, TeamId};
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Desired, DesiredState, Proof, Reason};
use relaywatch::outputs::{Change, Lookup, Subject, SubjectKind};

use super::receiver::SECRET;

/// 2026-01-01T00:00:00Z.
pub const NOW: i64 = 1_767_225_600;

/// A destination at this URL; `more` are further lines of its section.
pub fn destination(url: &str, more: &str) -> Destination {
    let secrets = if more.contains("secrets") { String::new() } else { format!("secrets = ['{SECRET}']\n") };
    let text = format!("name = 'crm'\nkind = 'webhook'\nteam = 'team'\nurl = '{url}'\n{secrets}{more}");
    toml::from_str(&text).expect("a destination")
}

/// A resolver by which every name leads to these addresses.
pub fn leads_to(addresses: &[&str]) -> Lookup {
    let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

/// A revocation to be told.
pub fn change(address: &str, sub: &str) -> Change {
    let at = Timestamp::from_secs(NOW - 60);
    Change {
        idempotency_key: "upd_00112233445566778899aabbccddeeff".to_owned(),
        mode: Mode::Enforce,
        team: TeamId::new("team"),
        app: Some(AppId::new("com.example.shop")),
        subject: Subject {
            kind: SubjectKind::Address,
            key: "0123456789abcdef0123456789abcdef".to_owned(),
            sub: Sub::parse(sub),
            address: Address::parse(address),
        },
        desired: Desired {
            state: DesiredState::Suppressed,
            reason: Reason::ConsentRevoked,
            since: Some(at),
            unsubscribed: vec!["news".to_owned()],
            evidence: vec![Proof { event: "evt_1".to_owned(), kind: Kind::ConsentRevoked, at }],
        },
        previous: None,
        version: 42,
        changed_at: at,
        reversal: false,
    }
}
