//! The fetcher that goes over the network, against a server on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use relaywatch::sources::fetch::{Fetch, WebFetcher};
use tokio::net::TcpListener;

/// Serves a small document, a large one, a redirect and a fault; counts what reaches it.
async fn server() -> (String, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let counting = move |request, next: axum::middleware::Next| {
        counted.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    };
    let app = Router::new()
        .route("/small", get(|| async { "small" }))
        .route("/large", get(|| async { "x".repeat(100_000) }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [("location", "/small")]) }))
        .route("/fault", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .layer(axum::middleware::from_fn(counting));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, seen)
}

#[tokio::test]
async fn fetches_what_is_allowed_and_follows_nothing() {
    let (base, seen) = server().await;
    let allowed = base.clone();
    let fetcher = WebFetcher::new(move |url| url.starts_with(&allowed)).unwrap();
    let fetch = |path: &str, limit| {
        let (fetcher, url) = (&fetcher, format!("{base}{path}"));
        async move { fetcher.get(&url, limit).await.map_err(|e| e.to_string()) }
    };
    assert_eq!(fetch("/small", 5).await, Ok(b"small".to_vec()));
    assert_eq!(fetch("/small", 4).await, Err("the document is larger than 4 bytes".into()));
    assert_eq!(fetch("/large", 65_536).await, Err("the document is larger than 65536 bytes".into()));
    assert_eq!(fetch("/moved", 100).await, Err("the host answered 302".into()));
    assert_eq!(fetch("/fault", 100).await, Err("the host answered 500".into()));
    assert_eq!(seen.load(Ordering::SeqCst), 5, "the redirect was not followed");
}

#[tokio::test]
async fn what_is_not_on_the_list_is_not_even_asked() {
    let (base, seen) = server().await;
    let fetcher = WebFetcher::for_hosts(["keys.example"]).unwrap();
    for url in [
        format!("{base}/small"),
        "http://keys.example/".to_owned(),
        "https://keys.example:8443/".to_owned(),
        "https://user@keys.example/".to_owned(),
        "https://keys.example@127.0.0.1/".to_owned(),
        "https://keys.example\\@127.0.0.1/".to_owned(),
        "https://keys.example.evil.example/".to_owned(),
        "https://KEYS.example/".to_owned(),
    ] {
        let error = fetcher.get(&url, 100).await.unwrap_err().to_string();
        assert!(error.contains("not on the list"), "{url}: {error}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_error_does_not_repeat_the_url() {
    let fetcher = WebFetcher::new(|_| true).unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fetcher.get(&format!("http://{closed}/?Token=hush"), 100).await.unwrap_err().to_string();
    assert!(!error.contains("hush") && !error.contains("127.0.0.1"), "{error}");
}
