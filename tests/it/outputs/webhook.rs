//! What a receiver of signed webhooks gets, and what becomes of its answers.

use std::time::Duration;

use relaywatch::domain::delivery::Mode;
use relaywatch::domain::time::Timestamp;
use relaywatch::domain::verdict::{Desired, DesiredState, Reason};
use relaywatch::outputs::{self, Change, OutputError, Retry, system_lookup};
use serde_json::json;
use tokio::net::TcpListener;

use super::destinations::{NOW, change, destination};
use super::receiver::{Answer, NEXT_SECRET, Receiver, SECRET};
use crate::privacy::{Marked, assert_nowhere};

const INSIDE: &str = "allow_private_addresses = true\ntimeout = '1s'\n";

async fn tell(url: &str, more: &str, change: &Change) -> Result<(), OutputError> {
    let output = outputs::open(&destination(url, more), system_lookup()).unwrap();
    output.deliver(change, Timestamp::from_secs(NOW)).await
}

fn revoked() -> Change {
    change("someone@privaterelay.appleid.com", "001122.aabb.3344")
}

#[tokio::test]
async fn a_change_arrives_whole_and_signed() {
    let receiver = Receiver::start().await;
    let url = format!("{}/in/crm?token=t", receiver.origin);
    tell(&url, INSIDE, &revoked()).await.unwrap();
    let previous = Desired {
        state: DesiredState::Sendable,
        reason: Reason::Ok,
        since: None,
        unsubscribed: vec![],
        evidence: vec![],
    };
    let bare = Change { app: None, mode: Mode::Advise, previous: Some(previous), reversal: true, ..revoked() };
    tell(&url, INSIDE, &bare).await.unwrap();
    let received = receiver.take();
    assert_eq!(received[0].uri, "/in/crm?token=t");
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("webhook-id"), "upd_00112233445566778899aabbccddeeff");
    assert_eq!(received[0].header("webhook-timestamp"), NOW.to_string());
    assert!(received[0].is_signed_with(SECRET) && !received[0].is_signed_with(NEXT_SECRET));
    let want = json!({
        "type": "user.updated",
        "mode": "enforce",
        "team": "team",
        "app": "com.example.shop",
        "subject": {
            "kind": "address",
            "key": "0123456789abcdef0123456789abcdef",
            "sub": "001122.aabb.3344",
            "address": "someone@privaterelay.appleid.com",
        },
        "change": {
            "state": "suppressed", "reason": "consent_revoked", "since": "2025-12-31T23:59:00.000Z", "unsubscribed": ["news"],
        },
        "previous": null,
        "why": [{"event": "evt_1", "kind": "consent_revoked", "at": "2025-12-31T23:59:00.000Z"}],
        "version": 42,
        "changed_at": "2025-12-31T23:59:00.000Z",
        "reversal": false,
        "idempotency_key": "upd_00112233445566778899aabbccddeeff",
    });
    assert_eq!(received[0].json(), want);
    let (second, mut want) = (received[1].json(), want);
    want.as_object_mut().unwrap().remove("app");
    want["mode"] = json!("advise");
    want["previous"] = json!({"state": "sendable", "reason": "ok"});
    want["reversal"] = json!(true);
    assert_eq!(second, want);
}

#[tokio::test]
async fn during_a_rotation_either_secret_checks() {
    let receiver = Receiver::start().await;
    let both = format!("secrets = ['{NEXT_SECRET}', '{SECRET}']\n{INSIDE}");
    tell(&receiver.origin, &both, &revoked()).await.unwrap();
    let received = receiver.take();
    assert!(received[0].is_signed_with(SECRET) && received[0].is_signed_with(NEXT_SECRET));
    assert_eq!(received[0].header("webhook-signature").split(' ').count(), 2);
    // A changed body is signed by neither.
    let mut forged = received[0].clone();
    forged.body[20] ^= 1;
    assert!(!forged.is_signed_with(SECRET) && !forged.is_signed_with(NEXT_SECRET));
}

#[tokio::test]
async fn the_answer_says_whether_to_try_again() {
    let receiver = Receiver::start().await;
    let later = |seconds: Option<u64>| Retry::Later(seconds.map(Duration::from_secs));
    for (answer, retry) in [
        (Answer::Status(500), later(None)),
        (Answer::Status(503), later(None)),
        (Answer::Status(408), later(None)),
        (Answer::Status(425), later(None)),
        (Answer::Wait(429, "120"), later(Some(120))),
        (Answer::Wait(503, "Thu, 01 Jan 2026 00:10:00 GMT"), later(Some(600))),
        (Answer::Status(400), Retry::Never),
        (Answer::Status(401), Retry::Never),
        (Answer::Status(404), Retry::Never),
        (Answer::Wait(410, "5"), Retry::Never),
        (Answer::Status(422), Retry::Never),
    ] {
        receiver.answer_next(&[answer]);
        let error = tell(&receiver.origin, INSIDE, &revoked()).await.unwrap_err();
        assert_eq!(error.retry(), retry, "{answer:?}");
    }
    for accepted in [200, 202, 204] {
        receiver.answer_next(&[Answer::Status(accepted)]);
        tell(&receiver.origin, INSIDE, &revoked()).await.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::start().await;
    receiver.answer_next(&[Answer::Redirect]);
    let error = tell(&receiver.origin, INSIDE, &revoked()).await.unwrap_err();
    assert_eq!((error.label(), error.retry()), ("redirect", Retry::Later(None)));
    assert_eq!(receiver.take().len(), 1, "nothing went elsewhere");
}

#[tokio::test]
async fn who_does_not_answer_is_tried_again() {
    let receiver = Receiver::start().await;
    receiver.answer_next(&[Answer::Silence]);
    assert_eq!(tell(&receiver.origin, INSIDE, &revoked()).await, Err(OutputError::Timeout));
    // A port nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    assert_eq!(tell(&nobody, INSIDE, &revoked()).await, Err(OutputError::Connect));
    // One that takes the request and hangs up.
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", rude.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = rude.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await;
        }
    });
    assert_eq!(tell(&url, INSIDE, &revoked()).await, Err(OutputError::Broken));
    for error in [OutputError::Timeout, OutputError::Connect, OutputError::Broken] {
        assert_eq!(error.retry(), Retry::Later(None));
    }
}

#[tokio::test]
async fn no_error_and_no_debug_shows_person_url_or_secret() {
    let marked = Marked::new();
    let change = change(&marked.address(1), &marked.sub(1));
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(418));
    let (token, host) = ("s3cret-token", "no-such-host.invalid");
    let mut said = format!("{change:?}");
    for url in [format!("{}/in?token={token}", receiver.origin), format!("http://{host}/in?token={token}")] {
        let error = tell(&url, INSIDE, &change).await.unwrap_err();
        said += &format!("{error} {error:?} {}", error.label());
        said += &format!("{:?}", destination(&url, INSIDE));
    }
    assert!(!said.contains(token) && !said.contains("AAECAw"), "{said}");
    assert!(said.contains("it answered 418") && said.contains("refused"), "and yet it says what happened: {said}");
    assert_nowhere(&[marked.stem()], &[("errors", said.as_bytes())]);
    let sent = String::from_utf8(receiver.take()[0].body.clone()).unwrap();
    assert!(sent.contains(marked.stem()), "only the destination learns who it is");
}
