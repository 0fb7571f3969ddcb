//! Many writers at once: the log keeps no gap, no update is lost, an event counts once.

use std::collections::BTreeSet;
use std::sync::Arc;

use relaywatch::domain::ids::StreamName;
use relaywatch::intake::Intake;
use relaywatch::store::Store;
use tokio::sync::Barrier;

use super::{on_both, team};
use crate::world::{ANN, NEWS, Told, World, delivered, door, start, unsubscribed, user_not_found};

on_both! {
    forty_writers_through_four_doors_leave_no_gap,
    forty_writers_fold_one_address_and_lose_nothing,
    the_same_event_through_every_door_counts_once,
    a_group_numbers_each_event_once,
}

/// Four doors before stores of their own on one database: replicas on PostgreSQL; on SQLite a command beside the daemon.
async fn doors(world: &World) -> Vec<Intake> {
    let mut doors = Vec::new();
    for _ in 0..4 {
        let store = Store::open(&world.url()).await.unwrap();
        doors.push(door(&store, &world.clock, &[1]));
    }
    doors
}

/// Submits each of `requests` in a task of its own, all at once, to the doors in turn; returns how many events were new.
async fn submit_at_once(world: &World, requests: Vec<Vec<Told>>) -> usize {
    let doors = doors(world).await;
    let barrier = Arc::new(Barrier::new(requests.len()));
    let tasks: Vec<_> = requests
        .into_iter()
        .enumerate()
        .map(|(n, told)| {
            let (door, barrier) = (doors[n % doors.len()].clone(), Arc::clone(&barrier));
            let submission = world.submission(&told);
            tokio::spawn(async move {
                barrier.wait().await;
                door.submit(submission).await
            })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += task.await.unwrap().expect("no writer fails").new;
    }
    new
}

async fn forty_writers_through_four_doors_leave_no_gap(world: World) {
    let request = |n| (0..5).map(|m| delivered(&format!("p{n}x{m}@privaterelay.appleid.com"))).collect();
    assert_eq!(submit_at_once(&world, (0..40).map(request).collect()).await, 200);
    let mut tx = world.read().await;
    assert_eq!(tx.head().await.unwrap(), 200);
    let numbers: Vec<_> = tx.events_after(0, 1_000).await.unwrap().into_iter().map(|e| e.n).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
}

async fn forty_writers_fold_one_address_and_lose_nothing(world: World) {
    let request = |n| vec![unsubscribed(ANN).stream(&format!("stream{n}"))];
    assert_eq!(submit_at_once(&world, (0..40).map(request).collect()).await, 40);
    let place = (team(), world.key(ANN));
    let row = world.read().await.addresses(std::slice::from_ref(&place)).await.unwrap().remove(&place).unwrap();
    let want: BTreeSet<_> = (0..40).map(|n| StreamName::new(format!("stream{n}"))).collect();
    assert_eq!(row.record.unsubscribed.into_keys().collect::<BTreeSet<_>>(), want);
    assert_eq!(row.version, 40, "the number of the last change");
}

async fn the_same_event_through_every_door_counts_once(world: World) {
    let told = user_not_found(ANN).by(NEWS).at(start());
    let request = |n: u64| vec![told.clone(), delivered(&format!("q{n}@privaterelay.appleid.com"))];
    assert_eq!(submit_at_once(&world, (0..40).map(request).collect()).await, 41);
    let events = world.read().await.events_after(0, 1_000).await.unwrap();
    assert_eq!(events.len(), 41);
    assert_eq!(events.iter().filter(|e| e.address_key == Some(world.key(ANN))).count(), 1);
    assert_eq!(world.read().await.head().await.unwrap(), 41, "a repetition takes no number");
}

async fn a_group_numbers_each_event_once(world: World) {
    let twice = delivered(ANN).at(start());
    let receipt = world.receive_all(&[twice.clone(), user_not_found(ANN), twice.clone()]).await;
    assert_eq!((receipt.new, receipt.repeated, receipt.head), (2, 1, 2));
    let receipt = world.receive(twice).await;
    assert_eq!((receipt.new, receipt.repeated, receipt.head), (0, 1, 2));
    let receipt = world.receive_all(&[]).await;
    assert_eq!((receipt.new, receipt.repeated, receipt.head), (0, 0, 2));
}
