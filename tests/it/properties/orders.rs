//! The same set of events, in any order and repetition, gives the same records, verdicts and desired states.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::sample::Index;
use relaywatch::domain::address::Address;
use relaywatch::domain::ids::{AddressKey, EventKey, Sub, SubKey, TeamId};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::policy::{Class, Policy};
use relaywatch::domain::record::{AddressRecord, Join, Keys, SubjectRecord, event_time, fold};
use relaywatch::domain::stream::StreamBook;
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{
    Desired, Glance, Reason, Surroundings, Verdict, View, decide, desired, glance, subject_asks,
};

use super::cases;
use super::sets::{ADDRESSES, APPS, SPAN, SUBS, Said, end, quiet_set, set};
use crate::world::*;

/// Records folded without a store.
#[derive(Debug, Default, PartialEq)]
pub struct Folded {
    addresses: BTreeMap<AddressKey, AddressRecord>,
    subjects: BTreeMap<SubKey, SubjectRecord>,
}

pub fn keyring() -> Keyring {
    Keyring::new(&[Root { id: 1, secret: [1; 32] }]).unwrap()
}

impl Folded {
    /// Folds a set in this order.
    pub fn of<'a>(said: impl IntoIterator<Item = &'a (usize, Said)>) -> Self {
        let (keyring, streams, mut folded) = (keyring(), StreamBook::new(streams()), Self::default());
        for told in said.into_iter().flat_map(|(place, said)| said.told(*place)) {
            let event = told.event(end());
            let keys = Keys {
                event: keyring.event(&event.identity),
                address: event.who.address.as_ref().map(|a| keyring.address(a)),
                sub: event.who.sub.as_ref().map(|s| keyring.sub(s)),
            };
            let at = event_time(event.occurred_at, end());
            let delta = fold(&event, keys, at, &streams.name(&event.origin));
            if let Some((key, record)) = delta.address {
                folded.addresses.entry(key).or_default().join(&record);
            }
            if let Some((key, record)) = delta.subject {
                folded.subjects.entry(key).or_default().join(&record);
            }
        }
        folded
    }

    /// What is known of an address, every bounce having a control for which `controlled` says so.
    pub fn view(&self, address: &str, controlled: impl Fn(&EventKey) -> bool) -> View {
        let address = Address::parse(address).unwrap();
        let record = self.addresses.get(&keyring().address(&address)).cloned();
        let owner = record.as_ref().and_then(AddressRecord::subject);
        let bounces = record.iter().flat_map(|r| r.bounces.after(None)).map(|b| b.fact.event);
        View {
            subject: owner.and_then(|sub| Some((sub, self.subjects.get(&sub)?.clone()))),
            on_relay_domain: address.on_relay_domain(),
            erased_at: None,
            around: Surroundings { controlled: bounces.filter(controlled).collect(), ..Surroundings::default() },
            address: record,
        }
    }
}

/// Every question about every address, at a few times.
pub fn questions() -> Vec<(&'static str, Asked)> {
    let mut all = Vec::new();
    for address in ADDRESSES {
        for class in [Class::Security, Class::Marketing] {
            let asked = || may(address).class(class);
            all.push((address, asked()));
            all.extend(APPS.map(|app| (address, asked().app(app))));
            all.extend([NEWS, RECEIPTS].map(|way| (address, asked().on(way))));
        }
    }
    all
}

fn answers(folded: &Folded, now: Timestamp) -> (Vec<Verdict>, Vec<Desired>) {
    let policy = Policy::default();
    let view = |address: &str| folded.view(address, |event| event.0[0] % 4 != 0);
    let verdict = |(address, asked): (&str, Asked)| decide(asked.question(), &view(address), &policy, moment(now));
    let held = ADDRESSES.map(|address| desired(&view(address), None, &policy, now));
    (questions().into_iter().map(verdict).collect(), held.to_vec())
}

/// A set whose members keep their number, and so their identity, wherever they stand.
type Numbered = Vec<(usize, Said)>;

fn numbered(said: Vec<Said>) -> Numbered {
    said.into_iter().enumerate().collect()
}

/// The set, the same shuffled, and some of it again.
fn shuffled(most: usize) -> impl Strategy<Value = (Numbered, Numbered)> {
    let set = set(most).prop_map(numbered);
    (set, proptest::collection::vec(any::<Index>(), 0..10)).prop_flat_map(|(set, again)| {
        let mut more = set.clone();
        more.extend(again.into_iter().map(|which| set[which.index(set.len())]));
        (Just(set), Just(more).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn folding_knows_no_order((set, other) in shuffled(60)) {
        let (one, two) = (Folded::of(&set), Folded::of(&other));
        prop_assert_eq!(&one, &two);
        for days in [0, 2, 40] {
            let now = end().plus(days * DAY);
            prop_assert_eq!(answers(&one, now), answers(&two, now));
        }
    }

    /// A destination is told what the question without a stream is answered.
    #[test]
    fn what_destinations_hold_agrees_with_the_verdict((set, _) in shuffled(40)) {
        use relaywatch::domain::verdict::{Answer, DesiredState};
        let folded = Folded::of(&set);
        for address in ADDRESSES {
            for app in [None, Some("shop")] {
                let view = folded.view(address, |_| true);
                let asked = app.map_or(may(address), |app| may(address).app(app));
                let verdict = decide(asked.question(), &view, &Policy::default(), moment(end()));
                let held = desired(&view, asked.question().app.as_ref(), &Policy::default(), end());
                prop_assert_eq!(held.state == DesiredState::Suppressed, verdict.verdict == Answer::Suppressed);
                if held.state == DesiredState::Suppressed {
                    prop_assert_eq!((held.reason, held.evidence), (verdict.reason, verdict.evidence));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// The index answers by one look; it may ask the store too often, but never say what the verdict does not.
    #[test]
    fn a_glance_never_says_more_than_the_verdict(set in quiet_set(8)) {
        let (folded, policy) = (Folded::of(&numbered(set)), Policy::default());
        for (address, asked) in questions() {
            let view = folded.view(address, |_| true);
            let Some(record) = &view.address else { continue };
            let key = keyring().address(&Address::parse(address).unwrap());
            let asks = view.subject.as_ref().is_some_and(|(_, subject)| subject_asks(subject, key, &policy));
            let verdict = decide(asked.question(), &view, &policy, moment(end()));
            prop_assert!(agrees(glance(record, asks), &verdict), "{} {:?}: {:?}", address, asked.question(), verdict);
        }
    }
}

/// One way of telling a set: requests that arrive together, and then others.
type Telling = Vec<Vec<Vec<Told>>>;

/// Cuts a telling at random: into moments, and each into requests that share a group or not as it happens.
fn telling(most: usize) -> impl Strategy<Value = (Numbered, Telling)> {
    (shuffled(most), any::<u64>()).prop_map(|((set, other), seed)| {
        let mut cuts = seed | 1;
        let mut cut = |of: u64| {
            cuts = cuts.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (cuts >> 33) % of == 0
        };
        let mut moments: Telling = vec![vec![vec![]]];
        for (place, said) in other {
            if cut(6) {
                moments.push(vec![vec![]]);
            } else if cut(3) {
                moments.last_mut().unwrap().push(vec![]);
            }
            moments.last_mut().unwrap().last_mut().unwrap().extend(said.told(place));
        }
        (set, moments)
    })
}

/// All that a world answers at one time after a telling, and its records.
type Outcome = (Vec<Verdict>, Vec<BTreeMap<String, Desired>>, BTreeMap<String, (AddressRecord, Option<SubjectRecord>)>);

async fn after(moments: Telling) -> Vec<Outcome> {
    let world = World::new().await;
    world.pass(SPAN);
    for requests in moments {
        let submit = requests.iter().map(|told| world.submit(told));
        for receipt in join_all(submit).await {
            receipt.unwrap();
        }
    }
    let mut all = Vec::new();
    for span in [Duration::ZERO, 7 * HOUR, 2 * DAY, 40 * DAY] {
        world.pass(span);
        world.settle().await;
        let mut verdicts = Vec::new();
        for (_, asked) in questions() {
            verdicts.push(world.verdict(asked).await);
        }
        assert_glances(&world, &verdicts).await;
        let held = vec![world.desired(CRM).await, world.desired(SHOP).await];
        all.push((verdicts, held, records(&world).await));
    }
    all
}

/// What the store lets the index say without asking is what the verdict says.
async fn assert_glances(world: &World, verdicts: &[Verdict]) {
    let places = ADDRESSES.map(|address| (TeamId::new(TEAM), world.key(address)));
    let found = world.read().await.addresses(&places).await.unwrap();
    for ((address, _), verdict) in questions().iter().zip(verdicts) {
        if let Some(row) = found.get(&(TeamId::new(TEAM), world.key(address))) {
            assert!(agrees(row.glance(), verdict), "{address}: {:?}, but {verdict:?}", row.glance());
        }
    }
}

/// Whether a verdict says what a glance lets be said of it.
fn agrees(glance: Glance, verdict: &Verdict) -> bool {
    let quiet = verdict.send && verdict.limits.is_empty() && verdict.evidence.is_empty();
    match glance {
        Glance::Ask => true,
        Glance::Ok => quiet && verdict.reason == Reason::Ok,
        Glance::NotRelay => quiet && verdict.reason == Reason::NotRelay,
    }
}

async fn records(world: &World) -> BTreeMap<String, (AddressRecord, Option<SubjectRecord>)> {
    let team = || TeamId::new(TEAM);
    let mut tx = world.read().await;
    let subs = SUBS.map(|sub| (team(), keyring().sub(&Sub::parse(sub).unwrap())));
    let subjects = tx.subjects(&subs).await.unwrap();
    let places = ADDRESSES.map(|address| (team(), world.key(address)));
    let found = tx.addresses(&places).await.unwrap();
    let mut records = BTreeMap::new();
    for (place, row) in found {
        let owner = row.record.subject().and_then(|sub| subjects.get(&(team(), sub)));
        records.insert(place.1.to_string(), (row.record, owner.map(|row| row.record.clone())));
    }
    records
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn the_door_knows_no_order((set, moments) in telling(40)) {
        let in_turn: Telling = set.iter().map(|(place, said)| vec![said.told(*place)]).collect();
        let (one, two) = runtime().block_on(async { (after(in_turn).await, after(moments).await) });
        for (one, two) in one.into_iter().zip(two) {
            prop_assert_eq!(one.0, two.0);
            prop_assert_eq!(one.1, two.1);
            prop_assert_eq!(one.2, two.2);
        }
    }

    /// Folding through the door is folding: the two ways to a record agree.
    #[test]
    fn the_door_folds_as_the_domain_does((set, moments) in telling(30)) {
        let ours: Vec<_> = set.into_iter().filter(|(_, said)| !said.is_of_ordinary_recipient()).collect();
        let folded = Folded::of(&ours);
        let stored = runtime().block_on(after(moments)).remove(0).2;
        for address in ADDRESSES {
            let key = keyring().address(&Address::parse(address).unwrap());
            let own = stored.get(&key.to_string()).map(|(record, _)| record);
            prop_assert_eq!(own, folded.addresses.get(&key), "{}", address);
        }
    }
}
