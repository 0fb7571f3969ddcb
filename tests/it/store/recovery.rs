//! What the door does when the database fails it: an event at fault is put aside alone, any other fault is the sender's to wait for.

use relaywatch::domain::event::Identity;
use relaywatch::domain::ids::Esp;
use relaywatch::domain::keyring::Sealed;
use relaywatch::intake::{IntakeError, Submission, UnreadPart};
use relaywatch::store::{Store, TeeRow};
use sqlx::{Connection, Executor, PgConnection};

use super::{execute, on_both, team};
use crate::world::{ANN, ANN_SUB, BEN, Told, World, authorized, delivered, user_not_found};

on_both! {
    a_poison_event_is_put_aside_and_costs_nobody_else,
    what_came_with_a_poison_event_is_stored_all_the_same,
    a_request_that_is_taken_in_part_is_not_known_as_a_batch,
    a_corrupt_record_costs_only_its_own_events,
    a_database_that_is_not_right_is_no_fault_of_the_events,
}

/// Makes the database refuse every event with the endpoint's own id `poison`.
async fn refuse_poison(store: &Store) {
    let sqlite = "CREATE TRIGGER poison BEFORE INSERT ON events WHEN NEW.provider_id = 'poison' BEGIN \
                   SELECT RAISE(ABORT, 'poison'); END";
    let postgres = "ALTER TABLE events ADD CONSTRAINT poison CHECK (provider_id <> 'poison')";
    match store {
        Store::Sqlite { .. } => execute(store, sqlite).await,
        Store::Postgres(_) => execute(store, postgres).await,
    }
}

fn poison(told: Told) -> Told {
    told.but(|event| event.evidence.provider_id = Some("poison".into()))
}

fn person(n: usize) -> String {
    format!("p{n}@privaterelay.appleid.com")
}

async fn a_poison_event_is_put_aside_and_costs_nobody_else(world: World) {
    refuse_poison(&world.store).await;
    let mut told: Vec<_> = (0..9).map(|n| delivered(&person(n))).collect();
    told.insert(4, poison(authorized(ANN_SUB, ANN)));
    let (first, second) = (world.submission(&told), world.submission(&[delivered(BEN)]));
    let (first, second) = tokio::join!(world.intake.submit(first), world.intake.submit(second));
    assert_eq!((first.unwrap().new, second.unwrap().new), (9, 1));

    let mut tx = world.read().await;
    let numbers: Vec<_> = tx.events_after(0, 100).await.unwrap().into_iter().map(|e| e.n).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>(), "the refused leave no gap");
    assert!(tx.addresses(&[(team(), world.key(ANN))]).await.unwrap().is_empty(), "nothing of it is folded");
    let parts = tx.quarantined(10).await.unwrap();
    assert_eq!(parts.len(), 1);
    let part = &parts[0].summary;
    assert!(part.because.starts_with("the store refused the event: code "), "{}", part.because);
    assert!(!part.because.contains("poison"), "the database's words may quote the row: {}", part.because);
    let body = world.intake.context().keyring.open(part.id.as_bytes(), &parts[0].body).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((body["recipient"].as_str(), body["sub"].as_str()), (Some(ANN), Some(ANN_SUB)));
    drop(tx);

    // The provider sends the whole request again.
    let again = world.receive_all(&told).await;
    assert_eq!((again.new, again.repeated), (0, 9));
    assert_eq!(world.read().await.count_quarantined().await.unwrap(), 1, "put aside once");
}

async fn what_came_with_a_poison_event_is_stored_all_the_same(world: World) {
    refuse_poison(&world.store).await;
    let context = world.intake.context();
    let batch = context.keyring.event(&Identity::new("batch", &["b1"]));
    let unread = UnreadPart { source: "sparkpost", endpoint: "main", at: "/0\0", because: "odd\0", body: b"{" };
    let quarantined = vec![context.quarantine(&unread, world.now())];
    let body = Sealed { key_id: 1, bytes: vec![1] };
    let tee = vec![TeeRow { id: "tee_1".into(), target: "id".into(), received_at: world.now(), body, attempts: 0 }];
    let submission = Submission { quarantined, batch: Some(batch), tee, ..world.submission(&[poison(delivered(ANN))]) };
    assert_eq!(world.intake.submit(submission).await.unwrap().new, 0);
    assert!(world.intake.knows(batch).await.unwrap());
    let mut tx = world.read().await;
    assert_eq!((tx.count_quarantined().await.unwrap(), tx.count_tee().await.unwrap()), (2, (1, 0)));
}

async fn a_request_that_is_taken_in_part_is_not_known_as_a_batch(world: World) {
    refuse_poison(&world.store).await;
    let batch = world.intake.context().keyring.event(&Identity::new("batch", &["b1"]));
    let told = [poison(delivered(ANN).at(world.now())), delivered(BEN).at(world.now())];
    let submission = || Submission { batch: Some(batch), ..world.submission(&told) };
    // The first half can neither be stored nor put aside; the second is stored.
    execute(&world.store, "ALTER TABLE quarantine RENAME TO elsewhere").await;
    let refused = world.intake.submit(submission()).await.unwrap_err();
    assert!(matches!(refused, IntakeError::Unavailable(_)), "{refused}");
    assert!(
        !world.intake.knows(batch).await.unwrap(),
        "or the sender's next try is answered 200 and the first half lost"
    );
    assert_eq!(world.read().await.head().await.unwrap(), 1);
    execute(&world.store, "ALTER TABLE elsewhere RENAME TO quarantine").await;
    let again = world.intake.submit(submission()).await.unwrap();
    assert_eq!((again.new, again.repeated), (0, 1));
    assert!(world.intake.knows(batch).await.unwrap());
    assert_eq!(world.read().await.count_quarantined().await.unwrap(), 1);
}

async fn a_corrupt_record_costs_only_its_own_events(world: World) {
    world.receive_all(&[delivered(ANN), delivered(BEN)]).await;
    execute(&world.store, "UPDATE address_records SET facts = '{\"ok\":7}' WHERE version = 1").await;
    let receipt = world.receive_all(&[delivered(ANN), delivered(BEN), delivered(&person(1))]).await;
    assert_eq!(receipt.new, 2);
    let parts = world.read().await.quarantined(10).await.unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].summary.because, "the store refused the event: corrupt row in address_records, column facts");
}

async fn a_database_that_is_not_right_is_no_fault_of_the_events(world: World) {
    execute(&world.store, "ALTER TABLE events RENAME TO elsewhere").await;
    let told = delivered(ANN);
    let refused = world.submit(std::slice::from_ref(&told)).await.unwrap_err();
    assert!(matches!(refused, IntakeError::Unavailable(_)), "{refused}");
    assert_eq!(world.read().await.count_quarantined().await.unwrap(), 0, "nothing was put aside for good");
    execute(&world.store, "ALTER TABLE elsewhere RENAME TO events").await;
    assert_eq!(world.receive(told).await.new, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_refuses_a_nul_and_the_event_alone_is_put_aside() {
    let world = World::on_postgres().await;
    let nul = user_not_found(ANN).but(|event| event.origin.esp = Some(Esp::new("spark\0post")));
    let receipt = world.receive_all(&[delivered(&person(1)), nul, delivered(&person(2))]).await;
    assert_eq!((receipt.new, receipt.head), (2, 2));
    let parts = world.read().await.quarantined(10).await.unwrap();
    assert_eq!(parts[0].summary.because, "the store refused the event: code 22P05");
}

/// Returns when a statement waits for a lock in this database.
pub(super) async fn until_somebody_waits(url: &str) {
    let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut watcher = PgConnection::connect(url).await.unwrap();
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut watcher).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}

/// Ends every connection of the daemon, as a restart or a failover of the server does.
async fn kill_backends(url: &str) -> i64 {
    let mut admin = PgConnection::connect(url).await.unwrap();
    let killed = sqlx::query_scalar(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND \
         application_name = 'relaywatch'",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    admin.close().await.unwrap();
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_killed_in_mid_flight_is_an_unavailable_store_and_the_door_recovers() {
    let world = World::on_postgres().await;
    world.receive(delivered(BEN)).await;
    // Somebody holds the head, so that the group is under way and waits.
    let mut holder = PgConnection::connect(&world.url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    held.execute("UPDATE log_head SET n = n").await.unwrap();
    let told = delivered(ANN);
    let submission = world.submission(std::slice::from_ref(&told));
    let under_way = tokio::spawn({
        let intake = world.intake.clone();
        async move { intake.submit(submission).await }
    });
    until_somebody_waits(&world.url()).await;
    assert!(kill_backends(&world.url()).await >= 1);
    let refused = under_way.await.unwrap().unwrap_err();
    assert!(matches!(refused, IntakeError::Unavailable(_)), "{refused}");
    held.rollback().await.unwrap();
    assert_eq!(world.receive(told).await.new, 1, "the next request finds the store again");
    let numbers: Vec<_> = world.read().await.events_after(0, 10).await.unwrap().into_iter().map(|e| e.n).collect();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_backends_died_is_there() {
    let world = World::on_postgres().await;
    let mut acknowledged = Vec::new();
    for n in 0..30 {
        if n % 10 == 5 {
            kill_backends(&world.url()).await;
        }
        let told = delivered(&person(n));
        // As a provider does: again until it is taken.
        while world.submit(std::slice::from_ref(&told)).await.is_err() {}
        acknowledged.push(world.key(&person(n)));
    }
    let events = world.read().await.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().map(|e| e.n).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    assert_eq!(events.into_iter().filter_map(|e| e.address_key).collect::<Vec<_>>(), acknowledged);
}
