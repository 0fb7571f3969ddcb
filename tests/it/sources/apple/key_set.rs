//! The key set: fetched when needed, seldom, once at a time, and never forgotten because a fetch failed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use relaywatch::cli::demo::world::apple::EventsForm;
use relaywatch::config::apple::Apple;
use relaywatch::sources::apple::Pace;
use relaywatch::sources::fetch::{Fetch, FetchError, Fetching};
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;

/// An Apple whose key set the test changes, and which counts.
struct KeyServer {
    serves: Mutex<Option<Vec<u8>>>,
    asked: AtomicUsize,
    /// A fetch ends when it gets a permit.
    gate: Semaphore,
}

impl KeyServer {
    fn serving(document: Option<Vec<u8>>) -> Arc<Self> {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { serves: Mutex::new(document), asked: AtomicUsize::new(0), gate })
    }

    fn serve(&self, document: Option<Vec<u8>>) {
        *self.serves.lock().unwrap() = document;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetch for KeyServer {
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> Fetching<'a> {
        Box::pin(async move {
            assert_eq!((url, limit), ("https://appleid.apple.com/auth/keys", 64 * 1024));
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _permit = self.gate.acquire().await;
            self.serves.lock().unwrap().clone().ok_or_else(|| FetchError("connection refused".to_owned()))
        })
    }
}

struct Hook {
    server: Arc<KeyServer>,
    keys: Arc<KeySet>,
    source: AppleSource,
}

fn hook(document: Option<Vec<u8>>) -> Hook {
    let server = KeyServer::serving(document);
    let config = Apple::default();
    let pace = Pace { at_most_every: config.keys_refetch(), anew_after: config.keys_refresh() };
    let keys = Arc::new(KeySet::fetched(server.clone(), config.keys_url.clone(), pace));
    let source = AppleSource::new(keys.clone(), Arc::new(audiences()), config.max_age());
    Hook { server, keys, source }
}

impl Hook {
    /// The status that a notification of `signer` gets this many seconds after it was signed.
    async fn answer(&self, signer: &AppleSigner, after: u64) -> u16 {
        match receive(&self.source, &sent(signer), signed_at().plus(seconds(after))).await {
            Ok(translation) => {
                assert_eq!(translation.events.len(), 1);
                200
            }
            Err(refusal) => {
                let reason = if refusal.answer == 503 { "key_set_unavailable" } else { "unknown_key" };
                assert_eq!(refusal.reason, reason);
                refusal.answer
            }
        }
    }
}

fn sent(signer: &AppleSigner) -> Vec<u8> {
    signer.notification(&spec(EventsForm::Text, vec![disabled()]))
}

fn other(kid: &str) -> AppleSigner {
    AppleSigner::with_key(include_str!("../../../fixtures/apple/other_key.pem"), kid).unwrap()
}

fn set(signers: &[&AppleSigner]) -> Option<Vec<u8>> {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    Some(json!({ "keys": keys }).to_string().into_bytes())
}

#[tokio::test]
async fn one_fetch_serves_a_day() {
    let signer = AppleSigner::new();
    let hook = hook(set(&[&signer]));
    for after in [0, 1, 3_600, 86_399] {
        assert_eq!(hook.answer(&signer, after).await, 200);
    }
    assert_eq!(hook.server.asked(), 1);
    assert_eq!(hook.keys.fetched_at(), Some(signed_at()));
    assert_eq!(hook.answer(&signer, 86_400).await, 200);
    assert_eq!(hook.server.asked(), 2);
    assert_eq!(hook.keys.fetched_at(), Some(signed_at().plus(seconds(86_400))));
}

#[tokio::test]
async fn a_set_fetched_at_start_is_not_fetched_again() {
    let signer = AppleSigner::new();
    let hook = hook(set(&[&signer]));
    hook.keys.refresh(signed_at()).await;
    hook.keys.refresh(signed_at()).await;
    assert_eq!(hook.answer(&signer, 1).await, 200);
    assert_eq!(hook.server.asked(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_by_its_id() {
    let (old, new) = (AppleSigner::new(), other("next"));
    let hook = hook(set(&[&old]));
    assert_eq!(hook.answer(&old, 0).await, 200);
    hook.server.serve(set(&[&new, &old]));
    assert_eq!(hook.answer(&new, 61).await, 200, "an unknown kid fetches");
    assert_eq!(hook.answer(&old, 62).await, 200);
    assert_eq!(hook.server.asked(), 2);
    hook.server.serve(set(&[&new]));
    assert_eq!(hook.answer(&old, 61 + 86_400).await, 403, "a withdrawn key verifies nothing after the next fetch");
    assert_eq!(hook.answer(&new, 61 + 86_400).await, 200);
    assert_eq!(hook.server.asked(), 3);
}

#[tokio::test]
async fn unknown_keys_cannot_make_a_storm() {
    let signer = AppleSigner::new();
    let hook = hook(set(&[&signer]));
    assert_eq!(hook.answer(&signer, 0).await, 200);
    for after in 0..600 {
        let stranger = other(&format!("unknown-{after}"));
        assert_eq!(hook.answer(&stranger, after).await, 403);
    }
    assert_eq!(hook.server.asked(), 10, "at most one a minute");
}

#[tokio::test]
async fn a_stale_set_serves_when_the_fetch_fails() {
    let signer = AppleSigner::new();
    let hook = hook(set(&[&signer]));
    assert_eq!(hook.answer(&signer, 0).await, 200);
    let empty = Some(br#"{"keys":[]}"#.to_vec());
    for (day, broken) in [None, empty, Some(b"<html>".to_vec()), Some(Vec::new())].into_iter().enumerate() {
        hook.server.serve(broken);
        let after = 86_400 * (day as u64 + 1);
        assert_eq!(hook.answer(&signer, after).await, 200);
        assert_eq!(hook.answer(&signer, after + 1).await, 200);
        assert_eq!(hook.answer(&other("new"), after + 2).await, 503, "it may be in the set we could not fetch");
        assert_eq!(hook.server.asked(), day + 2, "failures are bounded too");
    }
    hook.server.serve(set(&[&signer]));
    assert_eq!(hook.answer(&other("new"), 86_400 * 4 + 61).await, 403, "fetched again, and it is not in it");
}

#[tokio::test]
async fn without_any_set_the_answer_is_try_again() {
    let signer = AppleSigner::new();
    let hook = hook(None);
    for after in 0..60 {
        assert_eq!(hook.answer(&signer, after).await, 503);
    }
    assert_eq!(hook.server.asked(), 1);
    hook.server.serve(set(&[&signer]));
    assert_eq!(hook.answer(&signer, 60).await, 200);
    assert_eq!(hook.server.asked(), 2);
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_fetching() {
    let signer = AppleSigner::new();
    let hook = hook(None);
    hook.keys.refresh(signed_at().plus(seconds(86_400 * 365))).await;
    hook.server.serve(set(&[&signer]));
    assert_eq!(hook.answer(&signer, 0).await, 200);
}

#[tokio::test]
async fn many_requests_make_one_fetch() {
    let signer = AppleSigner::new();
    let hook = Arc::new(hook(set(&[&signer])));
    hook.server.gate.forget_permits(Semaphore::MAX_PERMITS);
    let crowd: Vec<_> = (0..40)
        .map(|_| {
            let hook = hook.clone();
            tokio::spawn(async move { hook.answer(&AppleSigner::new(), 0).await })
        })
        .collect();
    while hook.server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    hook.server.gate.add_permits(1);
    for request in crowd {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(hook.server.asked(), 1);
}

#[tokio::test]
async fn while_one_refreshes_the_others_go_on() {
    let signer = AppleSigner::new();
    let hook = Arc::new(hook(set(&[&signer])));
    assert_eq!(hook.answer(&signer, 0).await, 200);
    hook.server.gate.forget_permits(Semaphore::MAX_PERMITS);
    let slow = tokio::spawn({
        let hook = hook.clone();
        async move { hook.answer(&AppleSigner::new(), 90_000).await }
    });
    while hook.server.asked() == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hook.answer(&signer, 90_000).await, 200, "not kept waiting for the fetch");
    assert!(!slow.is_finished());
    hook.server.gate.add_permits(1);
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(hook.server.asked(), 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_turn_and_no_free_try() {
    let signer = AppleSigner::new();
    let hook = hook(set(&[&signer]));
    hook.server.gate.forget_permits(Semaphore::MAX_PERMITS);
    let given_up = tokio::time::timeout(Duration::from_millis(20), hook.answer(&signer, 0)).await;
    assert!(given_up.is_err());
    hook.server.gate.add_permits(Semaphore::MAX_PERMITS);
    assert_eq!(hook.answer(&signer, 1).await, 503);
    assert_eq!(hook.server.asked(), 1);
    assert_eq!(hook.answer(&signer, 60).await, 200);
}

#[tokio::test]
async fn a_set_from_a_file_is_never_fetched() {
    let source = demo_source();
    let stranger = receive(&source, &sent(&other("next")), signed_at()).await.unwrap_err();
    assert_eq!((stranger.answer, stranger.reason), (403, "unknown_key"));
    assert!(KeySet::fixed(br#"{"keys":[{"kty":"EC","kid":"a"}]}"#).is_err());
}
