//! Consent, as Apple tells of it: revoked, given again, given elsewhere, ended with the account.

use relaywatch::domain::policy::Class;
use relaywatch::domain::verdict::{Answer, Reach, Reason};

use crate::world::*;

/// Ann came by the shop, a day ago.
async fn ann() -> World {
    let world = World::new().await;
    world.receive(authorized(ANN_SUB, ANN)).await;
    world.pass(DAY);
    world
}

const REVOKED: (Answer, Reason) = (Answer::Suppressed, Reason::ConsentRevoked);
const OK: (Answer, Reason) = (Answer::Sendable, Reason::Ok);

#[tokio::test]
async fn a_revocation_ends_the_mail_without_any_bounce() {
    let world = ann().await;
    assert_eq!(world.says(ANN).await, OK);
    world.receive(revoked(ANN_SUB)).await;
    let verdict = world.verdict(ANN).await;
    assert_eq!(
        (verdict.verdict, verdict.reason, verdict.send, verdict.scope),
        (REVOKED.0, REVOKED.1, false, Reach::User)
    );
    assert_eq!(verdict.evidence.len(), 1);
    assert_eq!(verdict.evidence[0].at, world.now());
    assert!(verdict.evidence[0].event.starts_with("evt_"));
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::ConsentRevoked));
}

#[tokio::test]
async fn a_revocation_explains_a_bounce_that_came_before_or_comes_after() {
    let world = ann().await;
    world.receive(user_not_found(ANN)).await;
    assert_eq!(world.says(ANN).await, (Answer::Hold, Reason::RecentBounce));
    assert_eq!(world.suppressed_at(CRM, ANN).await, None, "a hold is not pushed");
    world.pass(HOUR);
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.says(ANN).await, REVOKED);
    world.pass(HOUR);
    world.receive(user_not_found(ANN)).await;
    assert_eq!(world.says(ANN).await, REVOKED);
    world.pass(60 * DAY);
    assert_eq!(world.says(ANN).await, REVOKED, "no time ends it");
}

#[tokio::test]
async fn a_revocation_counts_although_it_comes_before_the_address_is_known() {
    let world = World::new().await;
    world.pass(DAY);
    world.receive(revoked(ANN_SUB)).await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN).at(start())).await;
    assert_eq!(world.says(ANN).await, REVOKED);
}

#[tokio::test]
async fn a_new_sign_in_brings_the_user_back() {
    let world = ann().await;
    world.receive(revoked(ANN_SUB)).await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN)).await;
    assert_eq!(world.says(ANN).await, OK);
    assert_eq!(world.suppressed_at(CRM, ANN).await, None);
}

#[tokio::test]
async fn a_revocation_shortly_before_the_sign_in_still_wins() {
    for (before, want) in [(4 * MINUTE, REVOKED), (5 * MINUTE, REVOKED), (6 * MINUTE, OK)] {
        for late_revocation in [false, true] {
            let world = ann().await;
            let mut told = [revoked(ANN_SUB), authorized(ANN_SUB, ANN).at(world.now().plus(before))];
            told[0] = told[0].clone().at(world.now());
            world.pass(before);
            if late_revocation {
                told.reverse();
            }
            for told in told {
                world.receive(told).await;
            }
            assert_eq!(world.says(ANN).await, want, "{before:?} before, late: {late_revocation}");
        }
    }
}

#[tokio::test]
async fn another_app_is_untouched_by_a_revocation() {
    let world = ann().await;
    world.receive(authorized(ANN_SUB, ANN).app("game")).await;
    world.receive(revoked(ANN_SUB).app("shop")).await;
    assert_eq!(world.says(may(ANN).app("shop")).await, REVOKED);
    assert_eq!(world.says(may(ANN).app("game")).await, OK);
    // Asked without an app, one that still has consent is enough, and the limit is told.
    let verdict = world.verdict(ANN).await;
    assert_eq!((verdict.verdict, verdict.send), (Answer::Sendable, true));
    let limits: Vec<_> = verdict.limits.iter().map(|l| (l.app.as_ref().map(|a| a.as_str()), l.reason)).collect();
    assert_eq!(limits, [(Some("shop"), Reason::ConsentRevoked)]);
    assert_eq!((world.suppressed_at(CRM, ANN).await, world.suppressed_at(SHOP, ANN).await), (None, Some(REVOKED.1)));
    world.receive(revoked(ANN_SUB).app("game")).await;
    assert_eq!(world.says(ANN).await, REVOKED, "now no app is left");
}

#[tokio::test]
async fn a_deleted_account_never_comes_back() {
    for deletion_first in [true, false] {
        let world = World::new().await;
        let sign_in = authorized(ANN_SUB, ANN).at(start().plus(DAY));
        let deletion = deleted(ANN_SUB).at(start());
        world.pass(2 * DAY);
        let told = if deletion_first { [deletion, sign_in] } else { [sign_in, deletion] };
        for told in told {
            world.receive(told).await;
        }
        for class in [Class::Security, Class::Transactional, Class::Marketing] {
            let verdict = world.verdict(may(ANN).class(class)).await;
            assert_eq!((verdict.reason, verdict.send), (Reason::AccountDeleted, false), "{class:?}");
        }
        assert_eq!(world.suppressed_at(SHOP, ANN).await, Some(Reason::AccountDeleted));
    }
}

#[tokio::test]
async fn signing_in_anew_with_the_real_address_supersedes_the_relay_address() {
    let world = ann().await;
    const REAL: &str = "ann@mail.example";
    world.receive(revoked(ANN_SUB)).await;
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, REAL).private(false)).await;
    assert_eq!(world.says(ANN).await, (Answer::Suppressed, Reason::Superseded));
    assert_eq!(world.says(REAL).await, (Answer::Sendable, Reason::NotRelay));
    assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Superseded));
    assert_eq!(world.suppressed_at(CRM, REAL).await, None);
    // A revocation concerns the person, so the real address too.
    world.pass(DAY);
    world.receive(revoked(ANN_SUB)).await;
    assert_eq!(world.says(REAL).await, REVOKED);
    // And back to hiding it, as the same relay address.
    world.pass(DAY);
    world.receive(authorized(ANN_SUB, ANN).private(true)).await;
    assert_eq!(world.says(ANN).await, OK);
    assert_eq!(world.says(REAL).await, (Answer::Suppressed, Reason::Superseded));
}

#[tokio::test]
async fn a_new_relay_address_supersedes_the_old_in_either_order_of_arrival() {
    const NEWER: &str = "n5t8w2r6y1@privaterelay.appleid.com";
    for newer_first in [true, false] {
        let world = World::new().await;
        world.pass(2 * DAY);
        let mut told =
            [authorized(ANN_SUB, ANN).at(start()), linked(ANN_SUB, NEWER).at(start().plus(DAY)).private(true)];
        if newer_first {
            told.reverse();
        }
        for told in told {
            world.receive(told).await;
        }
        assert_eq!(world.says(ANN).await.1, Reason::Superseded);
        assert_eq!(world.says(NEWER).await, OK);
        assert_eq!(world.suppressed_at(CRM, ANN).await, Some(Reason::Superseded));
    }
}

#[tokio::test]
async fn a_forwarding_notice_about_the_old_address_does_not_take_the_new_one_away() {
    let world = ann().await;
    const REAL: &str = "ann@mail.example";
    world.receive(authorized(ANN_SUB, REAL).private(false)).await;
    world.pass(DAY);
    world.receive(forwarding_off(ANN_SUB, ANN)).await;
    assert_eq!(world.says(REAL).await, (Answer::Sendable, Reason::NotRelay));
    assert_eq!(world.says(ANN).await, (Answer::Suppressed, Reason::Superseded));
    world.pass(DAY);
    world.receive(forwarding_on(ANN_SUB, ANN)).await;
    assert_eq!(world.says(REAL).await, (Answer::Sendable, Reason::NotRelay));
}
