//! A store full of addresses.

use relaywatch::app::Core;
use relaywatch::clock::Clock;
use relaywatch::config::Config;
use relaywatch::domain::address::Address;
use relaywatch::domain::ids::{AddressKey, EventKey, TeamId};
use relaywatch::domain::record::{AddressRecord, Fact};
use relaywatch::store::AddressRow;

/// The team of everybody.
pub const TEAM: &str = "BENCHTEAM1";

/// The `n`-th address.
pub fn address(n: u64) -> String {
    format!("user{n:09x}@privaterelay.appleid.com")
}

/// Fills the store with addresses that took mail; every hundredth was complained from.
pub async fn fill(config: &Config, addresses: u64) {
    let core = Core::open(config.clone(), Clock::system(), true).await.expect("the store opens");
    let (team, now) = (TeamId::new(TEAM), core.clock.now());
    let keyring = std::sync::Arc::clone(&core.intake.context().keyring);
    // In the order of their keys: a store grows into this order over months, and filling it at random would take as long.
    let mut keys: Vec<(AddressKey, u64)> =
        (0..addresses).map(|n| (keyring.address(&Address::parse(&address(n)).expect("an address")), n)).collect();
    keys.sort_unstable();
    for chunk in keys.chunks(20_000) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|(key, n)| {
                let fact = Fact { at: now, event: EventKey(u128::from(*n).to_be_bytes()) };
                let record = AddressRecord {
                    relay_domain: Some("privaterelay.appleid.com".to_owned()),
                    accepted: Some(fact),
                    complaint: n.is_multiple_of(100).then_some(fact),
                    ..AddressRecord::default()
                };
                let row = AddressRow { record, version: 1, settle_at: None, keep_until: None, subject_asks: false };
                ((team.clone(), *key), row)
            })
            .collect();
        let mut tx = core.store.write().await.expect("a transaction");
        tx.put_addresses(rows.iter().map(|(at, row)| (at, row))).await.expect("rows");
        tx.commit().await.expect("committed");
    }
    core.close().await;
}
