//! The checks of streams' records: a DNS that changes, a clock moved by hand, replicas, standstills.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use relaywatch::config::checks::Checks;
use relaywatch::dns::{Limits, Places, Resolver, Resolvers};
use relaywatch::domain::dns::Name;
use relaywatch::domain::event::Kind;
use relaywatch::domain::finding::{Code, Finding};
use relaywatch::domain::ids::StreamName;
use relaywatch::domain::posture::{CheckReport, Posture};
use relaywatch::domain::stream::{Stream, StreamBook};
use relaywatch::domain::verdict::{Gate, Reason, gate};
use relaywatch::intake::{Intake, registration_hash};
use relaywatch::jobs::{CheckDomains, CheckGauges, Done, Job as _, Turn, watch_checks};
use relaywatch::store::{CheckDone, CheckRow};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::world::{TEAM, World, secs};
use crate::scripted_dns::{Answer, ScriptedDns};

const SPF: &str = "v=spf1 ip4:192.0.2.1 -all";

/// What the DNS says of SPF at the envelope domains.
const SOUND: usize = 0;
const SERVFAIL: usize = 1;
const GONE: usize = 2;
const OTHER: usize = 3;

/// A DNS whose SPF records can be switched. No DKIM key is there at all, so that SPF alone keeps Apple's door open.
async fn dns(mode: &Arc<AtomicUsize>) -> ScriptedDns {
    let mode = Arc::clone(mode);
    ScriptedDns::start(move |question, _| {
        let (name, kind) = question.rsplit_once(' ').unwrap();
        match (kind, mode.load(Ordering::SeqCst)) {
            ("TXT", SERVFAIL) if name.starts_with("bounce.") => Answer::code(ResponseCode::ServFail),
            ("TXT", GONE) if name.starts_with("bounce.") => Answer::code(ResponseCode::NXDomain),
            ("TXT", OTHER) if name.starts_with("bounce.") => Answer::texts(name, ["v=spf1 ip4:192.0.2.0/24 -all"]),
            ("TXT", _) if name.starts_with("bounce.") => Answer::texts(name, [SPF]),
            ("TXT", _) if name.starts_with("_dmarc.") => Answer::texts(name, ["v=DMARC1; p=reject"]),
            _ if name.contains("_domainkey") => Answer::code(ResponseCode::NXDomain),
            ("TXT", _) if !name.starts_with('_') => Answer::texts(name, [SPF]),
            _ => Answer::code(ResponseCode::NoError),
        }
    })
    .await
}

fn resolver(server: &ScriptedDns) -> Resolver {
    let limits = Limits { timeout: Duration::from_secs(5), attempts: 1 };
    Resolver::new(&[server.address()], limits, Places::new(64)).unwrap()
}

pub fn resolvers(first: &ScriptedDns, second: Option<&ScriptedDns>) -> Resolvers {
    Resolvers { first: resolver(first), second: second.map(resolver) }
}

fn stream(name: &str) -> Stream {
    serde_json::from_value(json!({
        "name": name, "team": TEAM, "from_domain": format!("{name}.test"), "mail_from_domain": format!("bounce.{name}.test"),
        "dkim": [{"domain": format!("{name}.test"), "selector": "s1"}], "sending_ips": ["192.0.2.1"],
        "apple_sources": [format!("{name}.test"), format!("bounce.{name}.test")],
    }))
    .unwrap()
}

fn register(intake: &Intake, streams: Vec<Stream>) {
    intake.context().streams.store(Arc::new(StreamBook::new(streams)));
}

fn job(world: &World, intake: &Intake, resolvers: Resolvers) -> CheckDomains {
    CheckDomains::new(world.means.clone(), intake.clone(), resolvers, Checks::default(), Duration::from_secs(20))
}

/// Half past, so that no slot of the schedule falls into what a test looks at.
async fn begin(world: World) -> World {
    world.wait(secs(1_800));
    world
}

/// Two hours on. To the job that is a standstill, after which it makes up for what was missed within ten minutes.
async fn later(world: &World, jobs: &[CheckDomains]) -> Done {
    world.wait(secs(2 * 3_600 - 600));
    let mut done = Done::default();
    for step in 0..=6 {
        if step > 0 {
            world.wait(secs(100));
        }
        let turns = jobs.iter().map(|job| world.turn(job));
        done.counts.extend(futures_util::future::join_all(turns).await.into_iter().flat_map(|done| done.counts));
    }
    done
}

async fn row(world: &World, name: &str) -> CheckRow {
    world.store().read().await.unwrap().check(&StreamName::new(name)).await.unwrap().unwrap()
}

/// The changes of posture in the log, as they are told.
async fn told(world: &World) -> Vec<(String, String)> {
    let events = world.store().read().await.unwrap().events_after(0, 1_000).await.unwrap();
    let word = |detail: &Value, field: &str| detail[field].as_str().unwrap().to_owned();
    let of = events.iter().filter(|event| event.kind == Kind::PostureChanged).map(|event| {
        assert!(event.stream.is_some() && event.address_key.is_none() && event.subject_key.is_none());
        let detail: Value = serde_json::from_str(event.detail.as_deref().unwrap()).unwrap();
        (word(&detail, "from"), word(&detail, "to"))
    });
    of.collect()
}

fn pair(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::begin(super::World::sqlite(vec![]).await).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::begin(super::World::postgres(vec![]).await).await).await;
            })+
        }
    };
}

on_both!(a_record_that_goes_stops_the_stream_and_one_that_is_not_answered_does_not, replicas_share_the_streams);

async fn a_record_that_goes_stops_the_stream_and_one_that_is_not_answered_does_not(world: World) {
    let mode = Arc::new(AtomicUsize::new(SOUND));
    let server = dns(&mode).await;
    let job = job(&world, &world.intake, resolvers(&server, None));
    register(&world.intake, vec![stream("news")]);
    let news = StreamName::new("news");
    let gate_now = || gate(&news, &world.intake.context().in_force(&news));
    let turn = async |to: usize| {
        mode.store(to, Ordering::SeqCst);
        later(&world, std::slice::from_ref(&job)).await
    };

    let done = turn(SOUND).await;
    assert_eq!((done.count("checked"), done.count("told"), done.more), (1, 1, false));
    let first = row(&world, "news").await;
    assert_eq!((first.memory.posture, first.memory.since), (Posture::AtRisk, first.checked_at), "{:?}", first.report);
    assert!(first.due_at > world.now() && first.due_at <= world.now().plus(secs(3_600)), "the next hour");
    assert_eq!(world.turn(&job).await.count("checked"), 0, "it is not due");

    // What is not answered is not gone: nothing changes but what is known of the last look.
    let done = turn(SERVFAIL).await;
    assert_eq!((done.count("unknown"), done.count("told")), (1, 0));
    let silent = row(&world, "news").await;
    assert_eq!((silent.memory.posture, silent.memory.since), (Posture::AtRisk, first.memory.since));
    assert_eq!((silent.memory.unknown_since, silent.checked_at > first.checked_at), (silent.checked_at, true));
    assert_eq!(silent.memory.last_known["spf_path"].at, first.memory.since.unwrap(), "with its age");
    let report: CheckReport = serde_json::from_str(silent.report.as_deref().unwrap()).unwrap();
    assert_eq!(report.posture, Posture::Unknown);
    assert_eq!(gate_now().gate, Gate::Open);

    // Gone, and confirmed.
    turn(GONE).await;
    let gone = row(&world, "news").await;
    assert_eq!((gone.memory.posture, gone.memory.unknown_since), (Posture::Failing, None), "{:?}", gone.report);
    assert_eq!((gate_now().gate, gate_now().because), (Gate::Closed, Some(Reason::SenderFault)));
    assert_eq!(gate_now().since, gone.checked_at);
    turn(SERVFAIL).await;
    assert_eq!(gate_now().gate, Gate::Closed, "a fault that cannot be seen is not mended");
    turn(SOUND).await;
    assert_eq!((gate_now().gate, row(&world, "news").await.memory.posture), (Gate::Open, Posture::AtRisk));
    turn(OTHER).await;

    assert_eq!(
        told(&world).await,
        [pair("unknown", "at_risk"), pair("at_risk", "failing"), pair("failing", "at_risk")]
    );
    let mut tx = world.store().read().await.unwrap();
    let changes = tx.changes_of(&news, None, 100).await.unwrap().unwrap();
    let of_spf: Vec<_> = changes
        .iter()
        .filter(|change| change.name == "bounce.news.test." && change.kind == "TXT")
        .map(|change| (change.old.join("|"), change.new.join("|")))
        .collect();
    let wide = "v=spf1 ip4:192.0.2.0/24 -all";
    assert_eq!(of_spf, [pair(SPF, wide), pair("", SPF), pair(SPF, "")], "also when both are valid");
}

async fn replicas_share_the_streams(world: World) {
    let mode = Arc::new(AtomicUsize::new(SOUND));
    let server = dns(&mode).await;
    let streams: Vec<Stream> = (0..40).map(|n| stream(&format!("s{n:02}"))).collect();
    let doors: Vec<Intake> = (0..3).map(|_| world.replica()).collect();
    let jobs: Vec<CheckDomains> = doors.iter().map(|door| job(&world, door, resolvers(&server, None))).collect();
    doors.iter().for_each(|door| register(door, streams.clone()));
    for round in 1..=3 {
        let done = later(&world, &jobs).await;
        let counts = ["checked", "unknown", "lease_lost"].map(|word| done.count(word));
        assert_eq!(counts, [40, 0, 0], "round {round}");
    }
    assert_eq!(told(&world).await.len(), 40, "each changed once");
    // Each replica knows what the others found once it reads the store.
    mode.store(GONE, Ordering::SeqCst);
    later(&world, &jobs[..1]).await;
    let other = doors[1].context();
    assert!(!other.is_any_failing());
    other.failing.refresh(world.store()).await.unwrap();
    assert!(other.is_any_failing());
}

#[tokio::test]
async fn who_is_not_confirmed_to_be_gone_is_not_gone() {
    let world = begin(World::sqlite(vec![]).await).await;
    let (mode, sound) = (Arc::new(AtomicUsize::new(SOUND)), Arc::new(AtomicUsize::new(SOUND)));
    let (first, second) = (dns(&mode).await, dns(&sound).await);
    let job = job(&world, &world.intake, resolvers(&first, Some(&second)));
    register(&world.intake, vec![stream("news")]);
    world.turn(&job).await;
    mode.store(GONE, Ordering::SeqCst);
    assert_eq!(later(&world, std::slice::from_ref(&job)).await.count("unknown"), 1);
    assert!(second.asked("bounce.news.test. TXT") > 0);
    assert_eq!(row(&world, "news").await.memory.posture, Posture::AtRisk);
    let mut tx = world.store().read().await.unwrap();
    assert!(tx.changes_of(&StreamName::new("news"), None, 10).await.unwrap().unwrap().is_empty());
    drop(tx);
    sound.store(GONE, Ordering::SeqCst);
    later(&world, std::slice::from_ref(&job)).await;
    assert_eq!(row(&world, "news").await.memory.posture, Posture::Failing);
}

#[tokio::test]
async fn after_a_standstill_each_stream_is_checked_once_and_not_all_at_once() {
    let world = begin(World::sqlite(vec![]).await).await;
    let server = dns(&Arc::default()).await;
    let streams: Vec<Stream> = (0..40).map(|n| stream(&format!("s{n:02}"))).collect();
    register(&world.intake, streams);
    let before = job(&world, &world.intake, resolvers(&server, None));
    assert_eq!(world.turn(&before).await.count("checked"), 40);
    // Three days without a daemon: 72 slots are missed.
    world.wait(secs(3 * 86_400 + 300));
    let after = job(&world, &world.intake, resolvers(&server, None));
    let mut at_once = Vec::new();
    let mut checked = BTreeMap::new();
    for _ in 0..=20 {
        at_once.push(world.turn(&after).await.count("checked"));
        for row in world.store().read().await.unwrap().checks().await.unwrap() {
            if row.checked_at == Some(world.now()) {
                *checked.entry(row.stream).or_insert(0) += 1;
            }
        }
        world.wait(secs(30));
    }
    assert_eq!(at_once[0], 0, "nothing at once");
    assert!(at_once.iter().all(|n| *n < 20), "{at_once:?}");
    assert!(checked.len() == 40 && checked.values().all(|n| *n == 1), "{checked:?}");
}

#[tokio::test]
async fn another_registration_is_checked_at_once_and_owes_nothing_to_the_old_one() {
    let world = begin(World::sqlite(vec![]).await).await;
    let mode = Arc::new(AtomicUsize::new(GONE));
    let server = dns(&mode).await;
    let job = job(&world, &world.intake, resolvers(&server, None));
    register(&world.intake, vec![stream("news")]);
    world.turn(&job).await;
    assert_eq!(row(&world, "news").await.memory.posture, Posture::Failing);
    let done = world.turn(&job).await;
    let shouted = Stream { from_domain: "NEWS.test".to_owned(), ..stream("news") };
    assert_eq!(registration_hash(&shouted), registration_hash(&stream("news")), "the same names");
    assert_eq!(done.count("checked"), 0, "the same registration is not due again");
    let moved = Stream { name: StreamName::new("news"), ..stream("shop") };
    register(&world.intake, vec![moved]);
    mode.store(SERVFAIL, Ordering::SeqCst);
    world.wait(secs(10));
    assert_eq!(world.turn(&job).await.count("unknown"), 1);
    let row = row(&world, "news").await;
    assert_eq!((row.memory.posture, row.memory.since), (Posture::Unknown, None), "nobody knows anything of it");
    assert!(!world.intake.context().is_any_failing());
}

#[tokio::test]
async fn a_change_that_could_not_be_told_is_told_later_and_once() {
    let world = begin(World::sqlite(vec![]).await).await;
    let server = dns(&Arc::default()).await;
    let (stopped, job) = (world.replica(), job(&world, &world.intake, resolvers(&server, None)));
    register(&world.intake, vec![stream("news")]);
    world.turn(&job).await;
    assert_eq!(told(&world).await.len(), 1);
    // Another process remembered a change and ended before the log heard of it.
    let mut tx = world.store().write().await.unwrap();
    let news = StreamName::new("news");
    tx.claim_check(&news, "ended", world.now(), secs(60)).await.unwrap();
    let row = tx.check(&news).await.unwrap().unwrap();
    let at = world.now();
    let change = json!({"from": "at_risk", "to": "failing", "findings": ["spf_missing"]});
    let untold = json!([{"at": at, "micros": at.micros(), "team": TEAM, "from_domain": "news.test", "change": change}]);
    let untold = untold.to_string();
    let done = CheckDone {
        stream: &news,
        token: "ended",
        registration: &row.registration,
        checked_at: at,
        due_at: None,
        memory: &row.memory,
        report: "{}",
        untold: Some(&untold),
    };
    assert!(tx.finish_check(&done).await.unwrap());
    tx.commit().await.unwrap();
    let (one, two) = tokio::join!(world.intake.tell_postures(), stopped.tell_postures());
    assert!(one.unwrap() + two.unwrap() >= 1);
    assert_eq!(world.turn(&job).await.count("told"), 0);
    assert_eq!(told(&world).await, [pair("unknown", "at_risk"), pair("at_risk", "failing")]);
}

#[tokio::test]
async fn a_stop_leaves_what_was_claimed_to_others() {
    let world = begin(World::sqlite(vec![]).await).await;
    let server = dns(&Arc::default()).await;
    let job = job(&world, &world.intake, resolvers(&server, None));
    register(&world.intake, vec![stream("news")]);
    let stop = CancellationToken::new();
    stop.cancel();
    let done = job.turn(Turn { now: world.now(), stop: &stop }).await.unwrap();
    assert_eq!((done.count("checked"), server.total()), (0, 0));
    assert_eq!(world.turn(&job).await.count("checked"), 1, "its lease was given back");
}

#[tokio::test]
async fn a_stream_has_at_most_forty_series_and_a_mended_fault_none() {
    let world = begin(World::sqlite(vec![]).await).await;
    let server = dns(&Arc::default()).await;
    let job = job(&world, &world.intake, resolvers(&server, None));
    register(&world.intake, vec![stream("news"), stream("other")]);
    let gauges = CheckGauges::register(world.metrics.registry()).unwrap();
    watch_checks(world.means.clone(), &world.intake, gauges, &world.metrics);
    let of = |text: &str, stream: &str| {
        let label = format!("stream=\"{stream}\"");
        text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect::<Vec<_>>()
    };
    let text = world.scrape().await;
    assert!(text.contains(r#"relaywatch_dns_posture{posture="unknown",stream="news"} 1"#), "{text}");
    world.turn(&job).await;
    let text = world.scrape().await;
    for line in [
        r#"relaywatch_dns_posture{posture="at_risk",stream="news"} 1"#,
        r#"relaywatch_dns_posture{posture="unknown",stream="news"} 0"#,
        r#"relaywatch_dns_status{area="spf",stream="news"} 0"#,
        r#"relaywatch_dns_apple_path{path="dkim",stream="news"} 2"#,
        r#"relaywatch_dns_finding{code="dkim_selector_missing",stream="news"} 1"#,
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    assert!(of(&text, "news").len() <= 40, "{text}");

    // Every fault there is, at once.
    let mut tx = world.store().write().await.unwrap();
    let news = StreamName::new("news");
    let row = tx.check(&news).await.unwrap().unwrap();
    let mut report: CheckReport = serde_json::from_str(row.report.as_deref().unwrap()).unwrap();
    let name = Name::parse("news.test").unwrap();
    report.findings = Code::ALL.iter().map(|code| Finding::new(*code, &name, "", "")).collect();
    assert!(report.codes().len() > 40);
    let report = serde_json::to_string(&report).unwrap();
    tx.claim_check(&news, "t", world.now(), secs(60)).await.unwrap();
    let done = CheckDone {
        stream: &news,
        token: "t",
        registration: &row.registration,
        checked_at: world.now(),
        due_at: None,
        memory: &row.memory,
        report: &report,
        untold: None,
    };
    assert!(tx.finish_check(&done).await.unwrap());
    tx.commit().await.unwrap();
    let text = world.scrape().await;
    let most = of(&text, "news").len();
    assert!(most > 30 && most <= 40, "{most}: {text}");

    // Mended, and the other is not registered any more.
    register(&world.intake, vec![stream("news")]);
    later(&world, std::slice::from_ref(&job)).await;
    let text = world.scrape().await;
    let codes = of(&text, "news").iter().filter(|line| line.starts_with("relaywatch_dns_finding{")).count();
    assert!(codes < 5, "{text}");
    assert!(of(&text, "other").iter().all(|line| line.contains("_total")), "{text}");
}
