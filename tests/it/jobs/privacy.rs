//! Through a whole story with failures, nobody's address or `sub` stands in log, metrics, errors or files: only the destination learns it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use relaywatch::config::retention::Retention;
use relaywatch::jobs::{JobMetrics, OutboxGauges, OutboxWatch, Prune, Scheduler, SettleHolds};

use super::world::{World, at, secs};
use crate::outputs::receiver::{Answer, Receiver};
use crate::privacy::assert_nowhere;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn only_the_destination_learns_who_it_is() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // One thread runs the whole test, so this catches all of it.
    let _guard = tracing::subscriber::set_default(subscriber);

    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "breaker = { share = 0.5, at_least = 3 }\n");
    let world = World::sqlite(vec![to.clone()]).await;
    let gauges = OutboxGauges::register(world.metrics.registry()).unwrap();
    OutboxWatch::new(world.means.clone(), gauges, vec!["crm".to_owned()]).on_scrape(&world.metrics);
    let scheduler = Scheduler::new(world.means.clone(), JobMetrics::register(world.metrics.registry()).unwrap())
        .every(Arc::new(world.deliverer(&to)))
        .every(Arc::new(SettleHolds::new(world.intake.clone())))
        .every(Arc::new(Prune::new(world.means.clone(), Retention::default())));
    world.sign_in(0..6).await;
    world.bounce(5).await;
    world.wait(secs(86_400));
    world.revoke(0..2).await;
    receiver.answer_next(&[Answer::Status(500), Answer::Status(410)]);
    scheduler.run_due_once(world.now()).await;
    world.wait(secs(86_400));
    scheduler.run_due_once(world.now()).await;
    world.revoke(2..6).await;
    world.wait(secs(60));
    scheduler.run_due_once(world.now()).await;

    let sent = receiver.take();
    assert!(sent.len() == 3 && sent.iter().all(|r| String::from_utf8_lossy(&r.body).contains(world.marked.stem())));
    let metrics = world.scrape().await;
    let mut tx = world.store().read().await.unwrap();
    let errors = format!("{:?} {:?}", tx.dead_because("crm", 10).await.unwrap(), tx.halt_of("crm").await.unwrap());
    drop(tx);
    assert!(errors.contains("it answered 410") && errors.contains("known users would change"), "{errors}");
    let log = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&log).contains("a change was given up for crm: gone"));
    let files: Vec<(String, Vec<u8>)> = std::fs::read_dir(world.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    let mut haystacks: Vec<(&str, &[u8])> =
        vec![("log", &log), ("metrics", metrics.as_bytes()), ("errors", errors.as_bytes())];
    haystacks.extend(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    assert!(haystacks.len() >= 5, "the database and its log are among them");
    assert_nowhere(&[world.marked.stem()], &haystacks);
}
