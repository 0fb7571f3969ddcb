//! Streams and tokens registered over the API, and who did what.

use relaywatch::domain::ids::StreamName;
use relaywatch::store::{AuditRow, StreamRow, TokenRow};

use super::{ODD, at, on_both, team};
use crate::world::World;

on_both! {
    a_stream_is_registered_and_replaced,
    a_token_is_revoked_once,
    what_was_done_is_written_down_once,
}

async fn a_stream_is_registered_and_replaced(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let row = |name: &str, spec: &str, seconds| StreamRow {
        name: StreamName::new(name),
        team: team(),
        spec: spec.into(),
        changed_at: at(seconds),
    };
    assert!(tx.streams().await.unwrap().is_empty());
    for (n, text) in (0..).zip(ODD) {
        tx.put_stream(&row(&format!("s{n}"), text, n)).await.unwrap();
    }
    tx.put_stream(&row("s0", "{}", 99)).await.unwrap();
    let streams = tx.streams().await.unwrap();
    let read: Vec<_> = streams.iter().map(|s| (s.name.as_str(), s.spec.as_str(), s.changed_at)).collect();
    let want: Vec<_> = (0..ODD.len()).map(|n| format!("s{n}")).collect();
    assert_eq!(read.iter().map(|s| s.0).collect::<Vec<_>>(), want);
    assert_eq!(read[0], ("s0", "{}", at(99)));
    assert_eq!((read[3].1, read[3].2), (ODD[3], at(3)));
    assert!(streams.iter().all(|s| s.team == team()));
}

async fn a_token_is_revoked_once(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let row = |id: &str, seconds, expires: Option<i64>| TokenRow {
        id: id.into(),
        name: "O'Hara's laptop".into(),
        digest: vec![0, 255],
        scopes: "sendability users".into(),
        created_at: at(seconds),
        expires_at: expires.map(at),
        revoked_at: None,
    };
    tx.put_token(&row("tok_2", 2, Some(99))).await.unwrap();
    tx.put_token(&row("tok_1", 1, None)).await.unwrap();
    assert!(tx.revoke_token("tok_1", at(5)).await.unwrap());
    assert!(!tx.revoke_token("tok_1", at(6)).await.unwrap());
    assert!(!tx.revoke_token("tok_9", at(6)).await.unwrap());
    let tokens = tx.tokens().await.unwrap();
    let read: Vec<_> = tokens.iter().map(|t| (t.id.as_str(), t.expires_at, t.revoked_at)).collect();
    assert_eq!(read, [("tok_1", None, Some(at(5))), ("tok_2", Some(at(99)), None)], "in the order they were made");
    let (name, digest, scopes) = (&tokens[0].name, &tokens[0].digest, &tokens[0].scopes);
    assert_eq!(
        (name.as_str(), digest.as_slice(), scopes.as_str()),
        ("O'Hara's laptop", [0, 255].as_slice(), "sendability users")
    );
    assert!(tx.put_token(&row("tok_1", 9, None)).await.is_err(), "an id is nobody else's");
}

async fn what_was_done_is_written_down_once(world: World) {
    let row = AuditRow { id: "1".into(), at: at(1), who: ODD[3].into(), action: "erase".into(), detail: "{}".into() };
    let mut tx = world.store.write().await.unwrap();
    tx.put_audit(&row).await.unwrap();
    tx.commit().await.unwrap();
    let refused = world.store.write().await.unwrap().put_audit(&row).await.unwrap_err();
    assert!(!refused.is_unavailable(), "the data's fault: {refused}");
}
