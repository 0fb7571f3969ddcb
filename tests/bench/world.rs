//! A store full of addresses.

use relaywatch::app::Core;
use relaywatch::clock::Clock;
use relaywatch::config::Config;
use relaywatch::domain::address::Address;
use relaywatch::domain::ids::{EventKey, TeamId};
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
    for chunk in 0..addresses.div_ceil(20_000) {
        let rows: Vec<_> = (chunk * 20_000..((chunk + 1) * 20_000).min(addresses))
            .map(|n| {
                let address = Address::parse(&address(n)).expect("an address");
                let fact = Fact { at: now, event: EventKey(u128::from(n).to_be_bytes()) };
                let record = AddressRecord {
                    relay_domain: Some(address.domain().to_owned()),
                    accepted: Some(fact),
                    complaint: n.is_multiple_of(100).then_some(fact),
                    ..AddressRecord::default()
                };
                let row = AddressRow { record, version: 1, settle_at: None, keep_until: None, subject_asks: false };
                ((team.clone(), keyring.address(&address)), row)
            })
            .collect();
        let mut tx = core.store.write().await.expect("a transaction");
        tx.put_addresses(rows.iter().map(|(at, row)| (at, row))).await.expect("rows");
        tx.commit().await.expect("committed");
    }
    core.close().await;
}
