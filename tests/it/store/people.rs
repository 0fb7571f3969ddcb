//! Sealed values, tombstones and quarantine.

use std::collections::HashMap;

use relaywatch::domain::ids::TeamId;
use relaywatch::domain::keyring::Sealed;
use relaywatch::store::{QuarantineRow, QuarantineSummary, SealedRow, Tombstone};

use super::{ODD, at, key, on_both, sub, team};
use crate::world::World;

on_both! {
    a_sealed_value_stays_as_first_written,
    a_tombstone_moves_only_forward,
    a_quarantined_part_is_one_row_and_says_when_it_was_read,
    odd_words_about_a_part_come_back,
}

fn sealed(kind: &'static str, key: String, bytes: &[u8]) -> SealedRow {
    SealedRow { team: team(), kind, key, value: Sealed { key_id: u32::MAX, bytes: bytes.to_vec() } }
}

async fn a_sealed_value_stays_as_first_written(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let name = key(1).to_string();
    let all: Vec<u8> = (0..=255).collect();
    tx.put_sealed(&[sealed("address", name.clone(), &all), sealed("sub", name.clone(), b"")]).await.unwrap();
    tx.put_sealed(&[sealed("address", name.clone(), b"another")]).await.unwrap();
    tx.put_sealed(&[]).await.unwrap();
    let asked = [name.clone(), key(2).to_string()];
    let want = |bytes: &[u8]| HashMap::from([(name.clone(), Sealed { key_id: u32::MAX, bytes: bytes.to_vec() })]);
    assert_eq!(tx.sealed(&team(), "address", &asked).await.unwrap(), want(&all));
    assert_eq!(tx.sealed(&team(), "sub", &asked).await.unwrap(), want(b""));
    assert!(tx.sealed(&TeamId::new("other"), "sub", &asked).await.unwrap().is_empty());
    assert!(tx.sealed(&team(), "sub", &[]).await.unwrap().is_empty());
}

async fn a_tombstone_moves_only_forward(world: World) {
    let mut tx = world.store.write().await.unwrap();
    let stone = |kind, key: String| Tombstone { team: team(), kind, key, hash_key_id: 1 };
    let mark = |kind: &'static str, key: String| (team(), kind, key);
    let asked = [mark("address", key(1).to_string()), mark("sub", sub(1).to_string()), mark("sub", sub(2).to_string())];
    assert!(tx.tombstones(&asked).await.unwrap().is_empty(), "when there are none at all");
    tx.put_tombstones(&[stone("address", key(1).to_string()), stone("sub", sub(1).to_string())], at(10)).await.unwrap();
    tx.put_tombstones(&[stone("address", key(1).to_string())], at(5)).await.unwrap();
    tx.put_tombstones(&[stone("sub", sub(1).to_string())], at(20)).await.unwrap();
    let found = tx.tombstones(&asked).await.unwrap();
    assert_eq!(found, HashMap::from([(asked[0].clone(), at(10)), (asked[1].clone(), at(20))]));
    let swapped = [mark("sub", key(1).to_string()), (TeamId::new("other"), "address", key(1).to_string())];
    assert!(tx.tombstones(&swapped).await.unwrap().is_empty());
    assert!(tx.tombstones(&[]).await.unwrap().is_empty());
}

fn part(id: &str, seconds: i64) -> QuarantineRow {
    QuarantineRow {
        summary: QuarantineSummary {
            id: id.into(),
            received_at: at(seconds),
            source: "sparkpost".into(),
            endpoint: "main".into(),
            at: "/3/msys".into(),
            because: "/rcpt_to is missing".into(),
            rerun_at: None,
        },
        body: Sealed { key_id: 1, bytes: vec![1, 2, 0, 255] },
    }
}

async fn a_quarantined_part_is_one_row_and_says_when_it_was_read(world: World) {
    let mut tx = world.store.write().await.unwrap();
    for part in [part("qua_2", 20), part("qua_1", 10), part("qua_1", 99), part("qua_3", 20)] {
        tx.put_quarantine(&part).await.unwrap();
    }
    assert_eq!(tx.count_quarantined().await.unwrap(), 3);
    let ids = |rows: Vec<QuarantineRow>| rows.into_iter().map(|row| row.summary.id).collect::<Vec<_>>();
    assert_eq!(ids(tx.quarantined(10).await.unwrap()), ["qua_1", "qua_2", "qua_3"], "the oldest first");
    assert_eq!(ids(tx.quarantined(1).await.unwrap()), ["qua_1"]);
    let one = tx.quarantined_one("qua_1").await.unwrap().unwrap();
    assert_eq!((one.summary, one.body), (part("qua_1", 10).summary, part("qua_1", 10).body), "as first written");
    tx.mark_rerun("qua_1", at(50)).await.unwrap();
    assert_eq!(tx.quarantined_one("qua_1").await.unwrap().unwrap().summary.rerun_at, Some(at(50)));
    assert_eq!(tx.count_quarantined().await.unwrap(), 2, "what was read does not wait");
    assert!(tx.quarantined_one("qua_9").await.unwrap().is_none());
}

async fn odd_words_about_a_part_come_back(world: World) {
    let mut tx = world.store.write().await.unwrap();
    for (n, text) in ODD.iter().enumerate() {
        let mut odd = part(&format!("qua_{n}"), 1);
        odd.summary.at = (*text).into();
        odd.summary.because = (*text).into();
        tx.put_quarantine(&odd).await.unwrap();
        assert_eq!(tx.quarantined_one(&odd.summary.id).await.unwrap().unwrap().summary, odd.summary);
    }
}
