//! What ESPs report of the sending, on its way through intake into the scheduled check, and out again when it is old.

use std::sync::Arc;

use relaywatch::config::retention::Retention;
use relaywatch::domain::event::{Event, Kind, Source};
use relaywatch::domain::finding::Code;
use relaywatch::domain::ids::Esp;
use relaywatch::domain::posture::{CheckReport, Posture};
use relaywatch::domain::stream::{Stream, StreamBook};
use relaywatch::domain::time::Timestamp;
use relaywatch::jobs::{CheckDomains, Prune};
use relaywatch::store::Cutoffs;
use serde_json::json;

use super::checks::resolvers;
use super::world::{TEAM, World, secs};
use crate::scripted_dns::{Answer, ScriptedDns};

const DAY: u64 = 86_400;

fn shop() -> Stream {
    serde_json::from_value(json!({
        "name": "shop", "team": TEAM, "from_domain": "example.com", "mail_from_domain": "bounce.example.com",
        "provider": "sparkpost", "sending_ips": ["192.0.2.1"],
    }))
    .unwrap()
}

/// A delivery to person `n` from this address.
fn delivered(world: &World, n: usize, ip: &str) -> Event {
    let mut event = world.event(Kind::Delivered, Source::Sparkpost, world.address_only(n));
    event.origin.esp = Some(Esp::new("sparkpost"));
    event.origin.from_domain = Some("example.com".to_owned());
    event.origin.mail_from_domain = Some("bounce.example.com".to_owned());
    event.origin.sending_ip = Some(ip.parse().unwrap());
    event
}

async fn observed(world: &World) -> i64 {
    world.store().read().await.unwrap().count_observed().await.unwrap()
}

/// Everything observed is taken out of the store, past the daemon.
async fn forget(world: &World) {
    let (never, all) = (Timestamp::from_secs(0), world.now().plus(secs(1)));
    let cutoffs = Cutoffs {
        events: never,
        seen: never,
        quarantine: never,
        audit: never,
        cells: never,
        deliveries: never,
        tee: never,
        dns: never,
        observed: all,
    };
    let mut tx = world.store().write().await.unwrap();
    tx.prune(&cutoffs, world.now(), 1_000).await.unwrap();
    tx.commit().await.unwrap();
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::World::sqlite(vec![]).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::World::postgres(vec![]).await).await;
            })+
        }
    };
}

on_both!(
    what_was_seen_decides_the_check_for_a_week,
    an_ordinary_group_writes_nothing_of_it,
    nothing_is_kept_beyond_its_time
);

async fn what_was_seen_decides_the_check_for_a_week(world: World) {
    world.intake.context().streams.store(Arc::new(StreamBook::new(vec![shop()])));
    let dns = ScriptedDns::start(|question, _| match question.strip_suffix(" TXT") {
        Some(name) if name.starts_with("bounce.") => Answer::texts(name, ["v=spf1 ip4:192.0.2.0/24 -all"]),
        _ => Answer::code(hickory_proto::op::ResponseCode::NoError),
    })
    .await;
    let checks = relaywatch::config::checks::Checks::default();
    let job = CheckDomains::new(world.means.clone(), world.intake.clone(), resolvers(&dns, None), checks, secs(20));
    let look = async || {
        // After a standstill what was missed is spread over ten minutes.
        for _ in 0..8 {
            world.turn(&job).await;
            world.wait(secs(100));
        }
        let row = world.store().read().await.unwrap().check(&shop().name).await.unwrap().unwrap();
        let report: CheckReport = serde_json::from_str(row.report.as_deref().unwrap()).unwrap();
        (row.memory.posture, report.findings.iter().filter(|f| f.code == Code::SpfIpNotAuthorised).count())
    };
    world.submit(vec![delivered(&world, 1, "192.0.2.9")]).await;
    let (sound, refused) = look().await;
    assert_eq!(refused, 0);
    world.wait(secs(2 * 3_600));
    world.submit(vec![delivered(&world, 2, "198.51.100.7"), delivered(&world, 3, "192.0.2.9")]).await;
    assert_eq!(look().await, (Posture::AtRisk, 1));
    // The record has not changed; nobody has sent from there since.
    world.wait(secs(5 * DAY));
    assert_eq!(look().await, (Posture::AtRisk, 1));
    world.wait(secs(2 * DAY));
    assert_eq!(look().await, (sound, 0));
}

async fn an_ordinary_group_writes_nothing_of_it(world: World) {
    let group = || (0..1_000).map(|n| delivered(&world, n, "192.0.2.9")).collect::<Vec<_>>();
    world.submit(group()).await;
    assert_eq!(observed(&world).await, 3, "From, envelope, address");
    forget(&world).await;
    for _ in 0..5 {
        world.wait(secs(600));
        world.submit(group()).await;
    }
    assert_eq!(observed(&world).await, 0, "it was all written within the hour, as far as intake knows");
    world.submit(vec![delivered(&world, 1, "192.0.2.10")]).await;
    assert_eq!(observed(&world).await, 1, "what is new is written");
    world.wait(secs(3_600));
    world.submit(group()).await;
    assert_eq!(observed(&world).await, 4, "and what is known, once an hour");
}

async fn nothing_is_kept_beyond_its_time(world: World) {
    let job = Prune::new(world.means.clone(), Retention::default());
    world.submit(vec![delivered(&world, 1, "192.0.2.9")]).await;
    world.wait(secs(60 * DAY));
    world.submit(vec![delivered(&world, 2, "192.0.2.10")]).await;
    world.wait(secs(30 * DAY + 1));
    world.turn(&job).await;
    assert_eq!(observed(&world).await, 3, "the first address was last seen 90 days ago; the domains were seen since");
    world.wait(secs(60 * DAY));
    world.turn(&job).await;
    assert_eq!(observed(&world).await, 0);
}
