//! What providers report of canaries: joined to them, and written on nobody.

use relaywatch::domain::ids::UNREGISTERED;
use relaywatch::domain::verdict::{Answer, Reason};
use relaywatch::intake::Handover;

use super::{BEHIND, FIRST, PLAIN, begin, count, door, found, log, plan, read_mailbox, section, send, told};
use crate::store::on_both;
use crate::world::{ANN, HOUR, MINUTE, NEWS, World, delivered, user_not_found};

on_both! {
    delivered_at_the_provider_and_never_arrived_is_a_state_of_its_own,
    a_bounce_of_a_canary_is_its_refusal_and_nobodys_hold,
    a_report_by_message_id_finds_its_canary_among_many,
    a_report_that_could_be_about_two_is_about_none,
    a_report_of_a_canary_tells_nothing_of_how_users_mail_is_sent,
}

async fn delivered_at_the_provider_and_never_arrived_is_a_state_of_its_own(mut world: World) {
    world.intake = door(&world, &section(""));
    let rows = plan(&world.intake).await;
    let token = send(&world.intake, &rows[0]).await;
    world.pass(MINUTE);
    world.receive(delivered(FIRST).by(NEWS)).await;
    world.pass(HOUR);
    read_mailbox(&world).await;
    world.intake.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "delivered_never_arrived");
    let events = log(&world).await;
    assert!(events.iter().any(|event| event.rule == "canary.delivered_never_arrived"));
    world.intake.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "late", "it may still come");
}

async fn a_bounce_of_a_canary_is_its_refusal_and_nobodys_hold(mut world: World) {
    world.intake = door(&world, &section(""));
    let rows = plan(&world.intake).await;
    send(&world.intake, &rows[0]).await;
    world.pass(MINUTE);
    world.receive(user_not_found(FIRST).by(NEWS)).await;
    world.intake.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "refused");
    assert_eq!(count(&world, "canary_refused").await, 1);
    assert_eq!(world.says(FIRST).await, (Answer::Unknown, Reason::NotSeen), "no record");
    assert!(world.desired_rows(crate::world::CRM).await.is_empty(), "no destination hears of it");
    // A plain mailbox's report is kept as well, and names nobody.
    world.receive(delivered(PLAIN).by(NEWS)).await;
    assert!(log(&world).await.iter().all(|event| event.address_key.is_none()));
}

async fn a_report_by_message_id_finds_its_canary_among_many(mut world: World) {
    world.intake = door(&world, &section("burst = '2m'\nidle = '2m'\ndaily = 80"));
    let mut rounds = Vec::new();
    for n in 0..3 {
        let row = plan(&world.intake).await.remove(0);
        begin(&world.intake, &row).await.unwrap();
        let id = Some(format!("message-{n}"));
        world.intake.canary_was_handed_over(row.route_key, row.sequence, Handover::Accepted(id)).await.unwrap();
        rounds.push(row);
        world.pass(2 * MINUTE);
    }
    let mut submission = world.submission(&[user_not_found(FIRST).by(NEWS)]);
    submission.events[0].evidence.message_id = Some("message-1".to_owned());
    world.intake.submit(submission).await.unwrap();
    world.intake.settle_canaries(100).await.unwrap();
    for (n, want) in [(1, "accepted"), (2, "refused"), (3, "accepted")] {
        assert_eq!(told(&world, n).await[0].1, want, "round {n}");
    }
}

async fn a_report_that_could_be_about_two_is_about_none(mut world: World) {
    world.intake = door(&world, &section("burst = '2m'\nidle = '2m'\ndaily = 80"));
    for _ in 0..2 {
        let rows = plan(&world.intake).await;
        send(&world.intake, &rows[0]).await;
        world.pass(2 * MINUTE);
    }
    world.receive(user_not_found(FIRST).by(NEWS)).await;
    world.intake.settle_canaries(100).await.unwrap();
    for n in 1..=2 {
        assert_eq!(told(&world, n).await[0].1, "accepted");
    }
}

/// Neither among the observations that the domain checks go by, nor among the senders that are registered nowhere.
async fn a_report_of_a_canary_tells_nothing_of_how_users_mail_is_sent(mut world: World) {
    world.intake = door(&world, &section(""));
    let rows = plan(&world.intake).await;
    send(&world.intake, &rows[0]).await;
    world.pass(MINUTE);
    for (recipient, tells) in [(FIRST, false), (PLAIN, false), (ANN, true)] {
        let mut submission = world.submission(&[delivered(recipient).by(NEWS)]);
        let origin = &mut submission.events[0].origin;
        origin.from_domain = Some("stranger.example".to_owned());
        origin.mail_from_domain = Some("bounce.stranger.example".to_owned());
        origin.dkim_domains = vec!["stranger.example".to_owned()];
        origin.sending_ip = Some("192.0.2.9".parse().unwrap());
        world.intake.submit(submission).await.unwrap();
        let mut tx = world.read().await;
        let strangers = tx.senders_of(UNREGISTERED, world.now().minus(HOUR), 10).await.unwrap();
        let observed = tx.count_observed().await.unwrap();
        let shown = format!("{strangers:?}, {observed} observed");
        assert_eq!((strangers.len(), observed), if tells { (1, 4) } else { (0, 0) }, "{shown}");
    }
}

#[tokio::test]
async fn an_address_that_comes_near_apples_limit_is_counted_and_not_named() {
    let world = World::new().await;
    let told: Vec<_> = (0..79).map(|n| delivered(ANN).by(NEWS).identity(&n.to_string())).collect();
    world.receive_all(&told).await;
    world.receive_all(&told).await;
    let metrics = &world.intake.context().metrics;
    assert_eq!(metrics.intake.relay_addresses_near_daily_limit_total.get([]), 0, "repetitions do not count");
    world.receive(delivered(ANN).by(NEWS)).await;
    assert_eq!(metrics.intake.relay_addresses_near_daily_limit_total.get([]), 1);
}
