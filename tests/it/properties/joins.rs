//! Records are joins: commutative, associative, idempotent, and the same after a stay in the store.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use relaywatch::domain::cell::Cell;
use relaywatch::domain::ids::{AddressKey, AppId, Esp, EventKey, StreamName, SubKey};
use relaywatch::domain::record::{
    AddressRecord, Bounce, Bounces, Claim, Consent, DAYS_KEPT, Fact, Join, Override, OverrideAction, SubjectRecord,
};
use relaywatch::domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cases;

/// Few times and few events, so that ties are common.
fn fact() -> impl Strategy<Value = Fact> {
    (0..40_i64, 0..4_u8).prop_map(|(quarter_days, event)| Fact {
        at: Timestamp::from_secs(1_750_000_000 + quarter_days * 21_600),
        event: EventKey([event; 16]),
    })
}

fn facts<K: Ord + Debug + Clone + 'static>(keys: Vec<K>) -> impl Strategy<Value = BTreeMap<K, Fact>> {
    btree_map(proptest::sample::select(keys), fact(), 0..3)
}

fn claim() -> impl Strategy<Value = Claim> {
    (any::<bool>(), fact()).prop_map(|(present, fact)| Claim { present, fact })
}

fn bounces() -> impl Strategy<Value = Bounces> {
    let cell = |stream: String| Cell {
        relay_domain: "privaterelay.appleid.com".into(),
        sending_domain: "shop.example".into(),
        esp: Esp::new("ses"),
        stream: StreamName::new(stream),
    };
    let bounce = (fact(), any::<bool>(), any::<bool>(), option::of("[ab]".prop_map(cell)));
    let bounce =
        bounce.prop_map(|(fact, not_found, of_recipient, cell)| Bounce { fact, not_found, of_recipient, cell });
    vec(bounce, 0..25).prop_map(|all| {
        let mut bounces = Bounces::default();
        all.into_iter().for_each(|bounce| {
            bounces.join(&Bounces::of(bounce));
        });
        bounces
    })
}

fn address() -> impl Strategy<Value = AddressRecord> {
    let streams = || facts(["*", "news", "receipts"].map(StreamName::new).to_vec());
    let esps = || facts(["ses", "sparkpost"].map(Esp::new).to_vec());
    let subjects = btree_map((0..3_u8).prop_map(|n| SubKey([n; 16])), claim(), 0..3);
    let overriding = (fact(), option::of(0..9_i64)).prop_map(|(fact, until_micros)| Override { fact, until_micros });
    let overrides =
        btree_map(proptest::sample::select(vec![OverrideAction::Lift, OverrideAction::Suppress]), overriding, 0..3);
    let domain = option::of(Just("privaterelay.appleid.com".to_owned()));
    let said = (option::of(fact()), option::of(fact()), option::of(fact()), option::of(fact()));
    let maps = (streams(), streams(), esps(), esps());
    (domain, said, maps, bounces(), subjects, overrides).prop_map(
        |(
            relay_domain,
            (on, off, complaint, accepted),
            (out, back, listed, unlisted),
            bounces,
            subjects,
            overrides,
        )| {
            AddressRecord {
                relay_domain,
                forwarding_on: on,
                forwarding_off: off,
                complaint,
                unsubscribed: out,
                opted_in: back,
                listed,
                unlisted,
                accepted,
                bounces,
                subjects,
                overrides,
            }
        },
    )
}

fn subject() -> impl Strategy<Value = SubjectRecord> {
    let consent =
        (option::of(fact()), option::of(fact())).prop_map(|(authorized, revoked)| Consent { authorized, revoked });
    let apps = btree_map("[ab]".prop_map(AppId::new), consent, 0..3);
    let addresses = btree_map((0..3_u8).prop_map(|n| AddressKey([n; 16])), claim(), 0..4);
    (apps, option::of(fact()), addresses).prop_map(|(apps, deleted, addresses)| SubjectRecord {
        apps,
        deleted,
        addresses,
    })
}

fn joined<T: Join + Clone>(a: &T, b: &T) -> T {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

fn laws<T>(a: &T, b: &T, c: &T) -> Result<(), TestCaseError>
where
    T: Join + Clone + PartialEq + Debug + Default + Serialize + DeserializeOwned,
{
    prop_assert_eq!(&joined(a, b), &joined(b, a));
    prop_assert_eq!(&joined(&joined(a, b), c), &joined(a, &joined(b, c)));
    prop_assert_eq!(&joined(a, a), a);
    prop_assert_eq!(&joined(&joined(a, b), b), &joined(a, b));
    prop_assert_eq!(&joined(&T::default(), a), a);
    let stored = serde_json::to_string(a).unwrap();
    prop_assert_eq!(&serde_json::from_str::<T>(&stored).unwrap(), a, "{}", stored);
    Ok(())
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn records_of_addresses_are_joins(a in address(), b in address(), c in address()) {
        laws(&a, &b, &c)?;
    }

    #[test]
    fn records_of_subjects_are_joins(a in subject(), b in subject(), c in subject()) {
        laws(&a, &b, &c)?;
    }

    #[test]
    fn bounces_are_joins_and_bounded(a in bounces(), b in bounces(), c in bounces()) {
        laws(&a, &b, &c)?;
        prop_assert!(joined(&a, &b).after(None).len() <= 2 * 2 * DAYS_KEPT, "two a day of each kind");
    }
}
