//! What providers report of canaries: joined to them, and written on nobody.

use relaywatch::domain::address::Address;
use relaywatch::domain::ids::UNREGISTERED;
use relaywatch::domain::verdict::{Answer, Reason};
use relaywatch::intake::Handover;
use relaywatch::metrics::{Configured, Label};

use super::{
    BEHIND, FIRST, PLAIN, SECOND, begin, count, door, facts, found, log, plan, read_mailbox, section, send, told,
};
use crate::store::on_both;
use crate::world::{ANN, HOUR, MINUTE, NEWS, RECEIPTS, World, delivered, user_not_found};

/// An address that does not exist.
const NOBODY: &str = "nobody-canary@privaterelay.appleid.com";

on_both! {
    delivered_at_the_provider_and_never_arrived_is_a_state_of_its_own,
    a_bounce_of_a_canary_is_its_refusal_and_nobodys_hold,
    a_report_by_message_id_finds_its_canary_among_many,
    a_report_that_repeats_the_subject_finds_its_canary_whenever_it_comes,
    a_report_without_an_id_is_about_the_newest_that_was_on_its_way,
    what_never_left_or_has_arrived_is_not_what_a_report_is_about,
    what_ses_reports_of_another_message_is_about_no_canary,
    a_report_may_come_before_the_submission_has_answered,
    who_does_not_exist_is_never_lost,
    what_was_lost_and_is_reported_delivered_is_told_once,
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

async fn a_report_that_repeats_the_subject_finds_its_canary_whenever_it_comes(mut world: World) {
    world.intake = door(&world, &section("burst = '2m'\nidle = '2m'\ndaily = 80"));
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let rows = plan(&world.intake).await;
        tokens.push(send(&world.intake, &rows[0]).await);
        world.pass(2 * MINUTE);
    }
    for (token, report) in [(&tokens[1], user_not_found(FIRST)), (&tokens[0], delivered(PLAIN))] {
        let mut submission = world.submission(&[report.by(NEWS)]);
        submission.events[0].evidence.message_id = Some(token.clone());
        world.intake.submit(submission).await.unwrap();
    }
    world.intake.settle_canaries(100).await.unwrap();
    for (n, want) in [(1, "accepted"), (2, "refused"), (3, "accepted")] {
        assert_eq!(told(&world, n).await[0].1, want, "round {n}");
    }
    let mut tx = world.read().await;
    let rows = tx.canaries_of_rounds_after("news", 0).await.unwrap();
    assert!(rows.iter().all(|row| row.facts.delivered.is_none()), "not of that address");
}

async fn a_report_without_an_id_is_about_the_newest_that_was_on_its_way(mut world: World) {
    world.intake = door(&world, &section("burst = '2m'\nidle = '2m'\ndaily = 80"));
    let mut on_its_way = Vec::new();
    for _ in 0..3 {
        let rows = plan(&world.intake).await;
        send(&world.intake, &rows[0]).await;
        on_its_way.push(world.now().plus(MINUTE));
        world.pass(2 * MINUTE);
    }
    // In an order of their own, each with its time.
    world.receive(user_not_found(FIRST).by(NEWS).at(on_its_way[1])).await;
    world.receive(delivered(FIRST).by(NEWS).at(on_its_way[2])).await;
    world.receive(delivered(FIRST).by(NEWS).at(on_its_way[0])).await;
    world.intake.settle_canaries(100).await.unwrap();
    for (n, want) in [(1, "accepted"), (2, "refused"), (3, "accepted")] {
        assert_eq!(told(&world, n).await[0].1, want, "round {n}");
    }
    world.pass(HOUR);
    read_mailbox(&world).await;
    world.intake.settle_canaries(100).await.unwrap();
    for n in [1, 3] {
        assert_eq!(told(&world, n).await[0].1, "delivered_never_arrived", "round {n}");
    }
}

async fn what_never_left_or_has_arrived_is_not_what_a_report_is_about(mut world: World) {
    world.intake = door(&world, &section("burst = '2m'\nidle = '2m'\ndaily = 80"));
    let first = plan(&world.intake).await.remove(0);
    send(&world.intake, &first).await;
    world.pass(2 * MINUTE);
    let second = plan(&world.intake).await.remove(0);
    let token = send(&world.intake, &second).await;
    world.intake.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    world.pass(2 * MINUTE);
    let third = plan(&world.intake).await.remove(0);
    begin(&world.intake, &third).await.unwrap();
    let not_sent = Handover::NotSent("no connection".to_owned());
    world.intake.canary_was_handed_over(third.route_key, third.sequence, not_sent).await.unwrap();
    world.pass(MINUTE);
    world.receive(user_not_found(FIRST).by(NEWS)).await;
    world.intake.settle_canaries(100).await.unwrap();
    for (n, want) in [(1, "refused"), (2, "arrived"), (3, "not_sent")] {
        assert_eq!(told(&world, n).await[0].1, want, "round {n}");
    }
}

/// SES tells the id of what it takes. The account's own newsletter may go to the address of a canary.
async fn what_ses_reports_of_another_message_is_about_no_canary(mut world: World) {
    world.intake = door(&world, &section(""));
    let control = plan(&world.intake).await.remove(1);
    send(&world.intake, &control).await;
    world.pass(MINUTE);
    let mut submission = world.submission(&[delivered(SECOND).by(RECEIPTS)]);
    submission.events[0].evidence.message_id = Some("of-the-newsletter".to_owned());
    world.intake.submit(submission).await.unwrap();
    assert_eq!(facts(&world, &control).await.delivered, None);
}

async fn a_report_may_come_before_the_submission_has_answered(mut world: World) {
    world.intake = door(&world, &section(""));
    let rows = plan(&world.intake).await;
    let (production, control) = (&rows[0], &rows[1]);
    let token = begin(&world.intake, production).await.unwrap().write(&world.intake.context().keyring);
    begin(&world.intake, control).await.unwrap();
    // The one is in the mailbox, the other is refused by the relay, while their servers still take leave.
    world.intake.canaries_were_found(BEHIND, &[found(&world, &token)]).await.unwrap();
    world.pass(MINUTE);
    world.receive(user_not_found(SECOND).by(RECEIPTS)).await;
    for row in &rows[..2] {
        let accepted = Handover::Accepted(Some(format!("message-{}", row.role.as_str())));
        world.intake.canary_was_handed_over(row.route_key, row.sequence, accepted).await.unwrap();
    }
    world.intake.settle_canaries(100).await.unwrap();
    let states: Vec<String> = told(&world, 1).await.into_iter().take(2).map(|(_, state)| state).collect();
    assert_eq!(states, ["arrived", "refused"]);
    for kind in ["canary_arrived", "canary_refused"] {
        assert_eq!(count(&world, kind).await, 1, "{kind}");
    }
    let metrics = &world.intake.context().metrics.canaries;
    assert_eq!(metrics.canary_arrived_total.get([&Configured("news")]), 1);
    let refused = [&Configured("news.control") as &dyn Label, &Configured("apple.user_not_found")];
    assert_eq!(metrics.canary_refused_total.get(refused), 1);
}

async fn who_does_not_exist_is_never_lost(mut world: World) {
    let negative = r#"
        addresses = [{ name = "nobody", address = "nobody-canary@privaterelay.appleid.com" }]
        routes = [{ name = "nobody", round = "news", role = "negative", stream = "news", submission = "s", addresses = ["nobody"] }]"#;
    world.intake = door(&world, &toml::from_str(negative).unwrap());
    for (n, report) in [(1, None), (2, Some(delivered(NOBODY))), (3, Some(user_not_found(NOBODY)))] {
        let rows = plan(&world.intake).await;
        send(&world.intake, &rows[0]).await;
        world.pass(HOUR);
        world.intake.settle_canaries(100).await.unwrap();
        assert_eq!(told(&world, n).await[0].1, "unknown", "nobody looks, and the provider is silent");
        let Some(report) = report else { continue };
        world.receive(report.by(NEWS)).await;
        world.intake.settle_canaries(100).await.unwrap();
    }
    let last: Vec<String> =
        [told(&world, 2).await, told(&world, 3).await].concat().into_iter().map(|(_, s)| s).collect();
    assert_eq!(last, ["delivered_never_arrived", "refused"]);
}

async fn what_was_lost_and_is_reported_delivered_is_told_once(mut world: World) {
    world.intake = door(&world, &section(""));
    let rows = plan(&world.intake).await;
    send(&world.intake, &rows[0]).await;
    world.pass(HOUR);
    read_mailbox(&world).await;
    world.intake.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "lost");
    world.receive(delivered(FIRST).by(NEWS)).await;
    world.intake.settle_canaries(100).await.unwrap();
    assert_eq!(told(&world, 1).await[0].1, "delivered_never_arrived");
    assert_eq!(count(&world, "canary_lost").await, 1);
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
    let page = metrics.scrape().await.unwrap();
    let told: Vec<_> =
        page.lines().filter(|line| line.contains("near_daily_limit") && !line.starts_with('#')).collect();
    assert_eq!(told, ["relaywatch_relay_addresses_near_daily_limit_total 1"], "a number, and of whom in no label");
    let (name, _) = ANN.split_once('@').unwrap();
    let key = world.intake.context().keyring.address(&Address::parse(ANN).unwrap()).to_string();
    for trace in [name, "@", &key] {
        assert!(!page.contains(trace), "{trace} is in {page}");
    }
}
