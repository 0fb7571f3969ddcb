//! Leases: of jobs, and of bodies to pass on.

use std::collections::HashSet;
use std::time::Duration;

use relaywatch::domain::keyring::Sealed;
use relaywatch::store::{Attempt, Store, TeeRow};

use super::{at, on_both};
use crate::world::World;

on_both! {
    a_job_is_claimed_by_one_and_given_back_with_its_next_time,
    a_lease_that_ran_out_goes_to_another,
    of_many_claimants_one_gets_the_job,
    a_body_is_passed_on_once_or_again_or_never,
    two_claimants_never_hold_the_same_body,
}

const LEASE: Duration = Duration::from_secs(60);

async fn a_job_is_claimed_by_one_and_given_back_with_its_next_time(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let lease = tx.claim_job("prune", "one", at(0), LEASE).await.unwrap().unwrap();
    assert_eq!((lease.job.as_str(), lease.token.as_str()), ("prune", "one"));
    assert_eq!(tx.claim_job("prune", "two", at(1), LEASE).await.unwrap(), None);
    assert!(tx.claim_job("settle", "two", at(1), LEASE).await.unwrap().is_some(), "another job");
    assert!(tx.finish_job(&lease, at(2), at(100), Some("it failed")).await.unwrap());
    assert!(!tx.finish_job(&lease, at(2), at(100), None).await.unwrap(), "a lease is given back once");
    assert_eq!(tx.claim_job("prune", "two", at(99), LEASE).await.unwrap(), None, "not due yet");
    assert!(tx.claim_job("prune", "two", at(100), LEASE).await.unwrap().is_some());
}

async fn a_lease_that_ran_out_goes_to_another(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let dead = tx.claim_job("prune", "one", at(0), LEASE).await.unwrap().unwrap();
    assert_eq!(tx.claim_job("prune", "two", at(59), LEASE).await.unwrap(), None);
    let alive = tx.claim_job("prune", "two", at(60), LEASE).await.unwrap().unwrap();
    assert!(!tx.finish_job(&dead, at(61), at(100), None).await.unwrap(), "its token is not good any more");
    assert!(tx.finish_job(&alive, at(61), at(100), None).await.unwrap());
}

async fn of_many_claimants_one_gets_the_job(world: World) {
    let claimants = (0..16).map(|n| {
        let store = world.store.clone();
        tokio::spawn(async move {
            let mut tx = store.write().await.unwrap();
            let lease = tx.claim_job("prune", &format!("token{n}"), at(0), LEASE).await.unwrap();
            tx.commit().await.unwrap();
            lease.is_some()
        })
    });
    let mut won = 0;
    for claimant in claimants.collect::<Vec<_>>() {
        won += usize::from(claimant.await.unwrap());
    }
    assert_eq!(won, 1);
}

fn body(id: &str) -> TeeRow {
    let body = Sealed { key_id: 3, bytes: vec![0, 255, 7] };
    TeeRow { id: id.into(), target: "identity".into(), received_at: at(0), body, attempts: 0 }
}

async fn claim(store: &Store, token: &str, seconds: i64, limit: i64) -> Vec<TeeRow> {
    let mut tx = store.write().await.unwrap();
    let rows = tx.claim_tee("identity", token, at(seconds), LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    rows
}

async fn a_body_is_passed_on_once_or_again_or_never(world: World) {
    let store = &world.store;
    let mut tx = store.write().await.unwrap();
    tx.put_tee(&[body("tee_1"), body("tee_2"), body("tee_3")]).await.unwrap();
    tx.put_tee(&[body("tee_1")]).await.unwrap();
    tx.put_tee(&[]).await.unwrap();
    assert_eq!(tx.count_tee().await.unwrap(), (3, 0));
    tx.commit().await.unwrap();
    let rows = claim(store, "one", 5, 10).await;
    assert_eq!(rows.len(), 3, "the same body twice is passed on once");
    assert_eq!((&rows[0].body, rows[0].attempts, rows[0].received_at), (&body("").body, 1, at(0)));
    assert!(claim(store, "two", 6, 10).await.is_empty());
    let mut tx = store.write().await.unwrap();
    let of = |id: &str| rows.iter().find(|row| row.id == id).unwrap();
    let retry = Attempt::Retry { at: at(30), error: "503".into() };
    tx.finish_tee(of("tee_1"), "one", &Attempt::Delivered, at(7)).await.unwrap();
    tx.finish_tee(of("tee_2"), "one", &retry, at(7)).await.unwrap();
    tx.finish_tee(of("tee_3"), "somebody", &Attempt::Delivered, at(7)).await.unwrap();
    assert_eq!(tx.count_tee().await.unwrap(), (2, 0), "a foreign token finishes nothing");
    tx.finish_tee(of("tee_3"), "one", &Attempt::Dead { error: "410".into() }, at(7)).await.unwrap();
    assert_eq!(tx.count_tee().await.unwrap(), (1, 1));
    tx.commit().await.unwrap();
    assert!(claim(store, "two", 29, 10).await.is_empty());
    let rows = claim(store, "two", 1_000, 10).await;
    assert_eq!(rows.iter().map(|r| (r.id.as_str(), r.attempts)).collect::<Vec<_>>(), [("tee_2", 2)]);
}

async fn two_claimants_never_hold_the_same_body(world: World) {
    let mut tx = world.store.write().await.unwrap();
    tx.put_tee(&(0..100).map(|n| body(&format!("tee_{n}"))).collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    let claimants = (0..8).map(|n| {
        let store = world.store.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for _ in 0..8 {
                held.extend(claim(&store, &format!("token{n}"), 5, 10).await);
            }
            held
        })
    });
    let mut held = Vec::new();
    for claimant in claimants.collect::<Vec<_>>() {
        held.extend(claimant.await.unwrap());
    }
    held.extend(claim(&world.store, "last", 5, 100).await);
    assert_eq!(held.len(), 100);
    assert_eq!(held.into_iter().map(|row| row.id).collect::<HashSet<_>>().len(), 100);
}
