//! What was observed of the sending: written once with its first and last time, and found by the stream it concerns.

use relaywatch::domain::ids::{Esp, StreamName, TeamId, UNREGISTERED};
use relaywatch::domain::observed::{MOST_ADDRESSES, Observation, Observed, ObservedKind, Seen};
use relaywatch::domain::stream::Stream;
use serde_json::json;

use super::{at, on_both, team};
use crate::world::World;

on_both! {
    the_first_and_the_last_time_stand_whatever_comes_in_between,
    a_stream_finds_its_own_and_what_nobody_registers_of_its_from_domain,
    the_addresses_seen_last_are_given_and_no_more_than_are_tried,
    domains_are_listed_from_the_newest_and_addresses_are_not,
}

/// Seen at one instant, of mail from `shop.test`.
pub fn seen(stream: &str, kind: ObservedKind, value: &str, seconds: i64) -> Observed {
    let (stream, esp, from_domain) = (StreamName::new(stream), Esp::new("ses"), "shop.test".to_owned());
    let what = Observation { team: team(), stream, esp, from_domain, kind, value: value.to_owned() };
    Observed { what, first_seen: at(seconds), last_seen: at(seconds) }
}

fn stream(name: &str, from: &str) -> Stream {
    let envelope = format!("bounce.{from}");
    let fields = json!({"name": name, "team": team(), "from_domain": from, "mail_from_domain": envelope});
    serde_json::from_value(fields).unwrap()
}

async fn put(world: &World, rows: &[Observed]) {
    let mut tx = world.store.write().await.unwrap();
    tx.put_observed(rows).await.unwrap();
    tx.commit().await.unwrap();
}

async fn the_first_and_the_last_time_stand_whatever_comes_in_between(world: World) {
    for seconds in [50, 10, 90, 20] {
        put(&world, &[seen("news", ObservedKind::From, "shop.test", seconds)]).await;
    }
    let mut tx = world.store.read().await.unwrap();
    let rows = tx.observed_domains(at(0)).await.unwrap();
    let mut want = seen("news", ObservedKind::From, "shop.test", 10);
    want.last_seen = at(90);
    assert_eq!(rows, [want]);
    assert_eq!(tx.observed_domains(at(91)).await.unwrap(), []);
}

async fn a_stream_finds_its_own_and_what_nobody_registers_of_its_from_domain(world: World) {
    use ObservedKind::{Dkim, Envelope, SendingIp};
    let elsewhere = |mut row: Observed| {
        row.what.from_domain = "else.test".to_owned();
        row
    };
    let foreign = |mut row: Observed| {
        row.what.team = TeamId::new("another");
        row
    };
    put(
        &world,
        &[
            seen("news", SendingIp, "192.0.2.1", 10),
            seen("news", Dkim, "sign.test", 10),
            seen(UNREGISTERED, Envelope, "odd.test", 10),
            seen(UNREGISTERED, Envelope, "bounce.shop.test", 10),
            seen(UNREGISTERED, SendingIp, "192.0.2.2", 10),
            elsewhere(seen("news", SendingIp, "192.0.2.3", 10)),
            elsewhere(seen(UNREGISTERED, Envelope, "odder.test", 10)),
            foreign(seen("news", SendingIp, "192.0.2.4", 10)),
            seen("late", SendingIp, "192.0.2.5", 10 - 8 * 86_400),
        ],
    )
    .await;
    let all = [stream("news", "Shop.test"), stream("late", "shop.test"), stream("other", "quiet.test")];
    let mut tx = world.store.read().await.unwrap();
    let found = tx.seen_of_streams(&all, &all, at(20)).await.unwrap();
    let names: Vec<_> = found.keys().map(StreamName::as_str).collect();
    assert_eq!(names, ["late", "news"], "of the third nothing was seen");
    let values = |seen: &Seen| seen.strangers.iter().map(|row| row.what.value.clone()).collect::<Vec<_>>();
    let news = &found[&StreamName::new("news")];
    assert_eq!(news.addresses, [("192.0.2.1".parse().unwrap(), at(10))]);
    assert_eq!(values(news), ["sign.test", "odd.test"]);
    let late = &found[&StreamName::new("late")];
    assert_eq!((late.addresses.len(), values(late)), (0, vec!["odd.test".to_owned()]), "too long ago");
    assert!(tx.seen_of_streams([], &all, at(20)).await.unwrap().is_empty());
}

async fn the_addresses_seen_last_are_given_and_no_more_than_are_tried(world: World) {
    let rows: Vec<_> =
        (0..200).map(|n| seen("news", ObservedKind::SendingIp, &format!("192.0.2.{n}"), i64::from(n))).collect();
    put(&world, &rows).await;
    let all = [stream("news", "shop.test")];
    let found = world.store.read().await.unwrap().seen_of_streams(&all, &all, at(300)).await.unwrap();
    let addresses = &found[&StreamName::new("news")].addresses;
    assert_eq!((addresses.len(), addresses[0].1), (MOST_ADDRESSES, at(199)));
}

async fn domains_are_listed_from_the_newest_and_addresses_are_not(world: World) {
    use ObservedKind::{Dkim, Envelope, From, SendingIp};
    put(
        &world,
        &[
            seen("news", From, "shop.test", 1),
            seen("news", Envelope, "b.shop.test", 3),
            seen("news", Dkim, "shop.test", 2),
            seen("news", SendingIp, "192.0.2.1", 9),
        ],
    )
    .await;
    let mut tx = world.store.read().await.unwrap();
    let rows = tx.observed_domains(at(0)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.what.kind).collect::<Vec<_>>(), [Envelope, Dkim, From]);
    assert_eq!(tx.count_observed().await.unwrap(), 4);
}
