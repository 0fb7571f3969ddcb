//! The scheduler: one replica at a time, woken by the head of the log, finishing what is in hand when told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relaywatch::clock::{Clock, Stopwatch};
use relaywatch::jobs::{Done, Job, JobMetrics, Scheduler, Turn, Turned, Turning};
use relaywatch::shutdown::Shutdown;
use tokio::sync::{Notify, mpsc};

use super::world::{World, at, secs};
use crate::outputs::receiver::Receiver;

/// Counts its turns, and can be made to wait or fail.
#[derive(Default)]
struct Counting {
    leased: bool,
    turns: AtomicUsize,
    begun: Notify,
    go_on: Option<Notify>,
    fails: bool,
    more: AtomicUsize,
}

impl Job for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn period(&self) -> Duration {
        secs(600)
    }

    fn lease(&self) -> Option<Duration> {
        self.leased.then_some(secs(60))
    }

    fn turn<'a>(&'a self, _: Turn<'a>) -> Turning<'a> {
        Box::pin(async move {
            self.begun.notify_one();
            if let Some(go_on) = &self.go_on {
                go_on.notified().await;
            }
            self.turns.fetch_add(1, Ordering::SeqCst);
            anyhow::ensure!(!self.fails, "it did not work");
            let more = self.more.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            Ok(Done { counts: vec![("thing", 2)], more })
        })
    }
}

fn scheduler(world: &World, job: &Arc<Counting>) -> Scheduler {
    let metrics = JobMetrics::register(&prometheus::Registry::new()).unwrap();
    Scheduler::new(world.means.clone(), metrics).every(Arc::clone(job) as Arc<dyn Job>)
}

fn was_done(turned: &[(&'static str, Turned)]) -> bool {
    matches!(turned[0].1, Turned::Done(_))
}

async fn one_replica_at_a_time(world: World) {
    let job = Arc::new(Counting { leased: true, ..Counting::default() });
    let (one, two) = (scheduler(&world, &job), scheduler(&world, &job));
    assert!(was_done(&one.run_due_once(world.now()).await));
    assert_eq!(two.run_due_once(world.now()).await, [("counting", Turned::NotOurs)], "done for both");
    world.wait(secs(661));
    assert!(was_done(&two.run_due_once(world.now()).await), "after the period, whoever asks first");
    assert_eq!(one.run_due_once(world.now()).await, [("counting", Turned::NotOurs)]);
    assert_eq!(job.turns.load(Ordering::SeqCst), 2);
}

/// A replica that died in its turn holds the job until its lease runs out; what it finishes after that does not count.
async fn a_dead_replica_gives_its_lease_back(world: World) {
    let slow = Arc::new(Counting { leased: true, go_on: Some(Notify::new()), ..Counting::default() });
    let quick = Arc::new(Counting { leased: true, ..Counting::default() });
    let (one, two) = (scheduler(&world, &slow), scheduler(&world, &quick));
    let now = world.now();
    let meanwhile = async {
        slow.begun.notified().await;
        world.wait(secs(59));
        assert_eq!(two.run_due_once(world.now()).await, [("counting", Turned::NotOurs)]);
        // A second look is due only after the period; by then the lease is long over.
        world.wait(secs(661));
        assert!(was_done(&two.run_due_once(world.now()).await));
        slow.go_on.as_ref().unwrap().notify_one();
    };
    let (_, ()) = tokio::join!(one.run_due_once(now), meanwhile);
    // Had the slow one's finish counted, the job would be due by its time, which has passed.
    let third = Arc::new(Counting { leased: true, ..Counting::default() });
    assert_eq!(scheduler(&world, &third).run_due_once(world.now()).await, [("counting", Turned::NotOurs)]);
}

#[tokio::test]
async fn one_replica_at_a_time_on_sqlite() {
    one_replica_at_a_time(World::sqlite(vec![]).await).await;
}

#[tokio::test]
async fn one_replica_at_a_time_on_postgres() {
    one_replica_at_a_time(World::postgres(vec![]).await).await;
}

#[tokio::test]
async fn a_dead_replica_gives_its_lease_back_on_sqlite() {
    a_dead_replica_gives_its_lease_back(World::sqlite(vec![]).await).await;
}

#[tokio::test]
async fn a_dead_replica_gives_its_lease_back_on_postgres() {
    a_dead_replica_gives_its_lease_back(World::postgres(vec![]).await).await;
}

#[tokio::test]
async fn a_failure_is_told_and_the_next_turn_comes() {
    let world = World::sqlite(vec![]).await;
    let job = Arc::new(Counting { leased: true, fails: true, ..Counting::default() });
    let metrics = JobMetrics::register(world.metrics.registry()).unwrap();
    let scheduler = Scheduler::new(world.means.clone(), metrics).every(Arc::clone(&job) as Arc<dyn Job>);
    let failed = [("counting", Turned::Failed("it did not work".to_owned()))];
    assert_eq!(scheduler.run_due_once(world.now()).await, failed);
    world.wait(secs(661));
    assert_eq!(scheduler.run_due_once(world.now()).await, failed);
    let text = world.scrape().await;
    assert!(text.contains(r#"relaywatch_job_turns_total{job="counting",outcome="error"} 2"#), "{text}");
}

/// On the real clock, through the whole way: Apple's word in, the webhook out.
#[tokio::test]
async fn apples_word_reaches_the_webhook_within_five_seconds_and_a_stop_ends_it() {
    let receiver = Receiver::start().await;
    let to = at(&receiver.origin, "");
    let mut world = World::sqlite(vec![to.clone()]).await;
    world.means.clock = Clock::system();
    // A period that never comes, so that only the head can wake it.
    let job = Arc::new(Slowly(world.deliverer(&to)));
    let metrics = JobMetrics::register(world.metrics.registry()).unwrap();
    let scheduler = Scheduler::new(world.means.clone(), metrics).woken_by(world.intake.head(), job);
    let shutdown = Shutdown::new();
    shutdown.spawn_essential("jobs", scheduler.run(shutdown.work().clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let watch = Stopwatch::start();
    world.revoke(0..1).await;
    receiver.wait_for(1).await;
    assert!(watch.elapsed() < secs(5), "{:?}", watch.elapsed());

    shutdown.begin();
    let (_give, orders) = mpsc::channel(1);
    assert_eq!(shutdown.run(orders, secs(10)).await, relaywatch::shutdown::Ended::Drained);
}

/// The same job with a period of a day.
struct Slowly(relaywatch::jobs::DeliverOutbox);

impl Job for Slowly {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn period(&self) -> Duration {
        secs(86_400)
    }

    fn lease(&self) -> Option<Duration> {
        self.0.lease()
    }

    fn turn<'a>(&'a self, turn: Turn<'a>) -> Turning<'a> {
        self.0.turn(turn)
    }
}

#[tokio::test]
async fn what_is_left_is_done_at_once_and_a_turn_in_hand_is_finished() {
    let world = World::sqlite(vec![]).await;
    let job = Arc::new(Counting { leased: true, go_on: Some(Notify::new()), more: 2.into(), ..Counting::default() });
    let shutdown = Shutdown::new();
    shutdown.spawn_essential("jobs", scheduler(&world, &job).run(shutdown.work().clone()));
    for _ in 0..2 {
        job.begun.notified().await;
        job.go_on.as_ref().unwrap().notify_one();
    }
    job.begun.notified().await;
    shutdown.begin();
    job.go_on.as_ref().unwrap().notify_one();
    let (_give, orders) = mpsc::channel(1);
    assert_eq!(shutdown.run(orders, secs(10)).await, relaywatch::shutdown::Ended::Drained);
    assert_eq!(job.turns.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_job_that_panics_ends_the_process_in_order() {
    struct Broken;
    impl Job for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn period(&self) -> Duration {
            secs(1)
        }
        fn lease(&self) -> Option<Duration> {
            None
        }
        fn turn<'a>(&'a self, _: Turn<'a>) -> Turning<'a> {
            Box::pin(async { panic!("a bug") })
        }
    }
    let world = World::sqlite(vec![]).await;
    let metrics = JobMetrics::register(world.metrics.registry()).unwrap();
    let scheduler = Scheduler::new(world.means.clone(), metrics).every(Arc::new(Broken));
    let shutdown = Shutdown::new();
    shutdown.spawn_essential("jobs", scheduler.run(shutdown.work().clone()));
    let (_give, orders) = mpsc::channel(1);
    assert_eq!(shutdown.run(orders, secs(10)).await, relaywatch::shutdown::Ended::Failed("jobs"));
}
