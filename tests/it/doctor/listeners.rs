//! The daemon's addresses: free, its own, or somebody else's.

use std::net::TcpListener;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::{Diagnosis, installed};
use crate::daemon::Home;

/// Answers on the operations address of `home`.
async fn stand_in(home: &Home, routes: Router) {
    let listener = tokio::net::TcpListener::bind(home.operations).await.unwrap();
    tokio::spawn(axum::serve(listener, routes).into_future());
}

/// The doctor blocks its thread, and the stand-in needs one.
async fn diagnosed(home: Home) -> Diagnosis {
    let toml = installed(&home, "");
    tokio::task::spawn_blocking(move || Diagnosis::of(&home, &toml)).await.unwrap()
}

#[test]
fn free_addresses_and_taken_ones() {
    let home = Home::new();
    let toml = installed(&home, "");
    let free = Diagnosis::of(&home, &toml);
    assert_eq!(free.failing(), [""; 0]);
    free.says("daemon", "info", &format!("does not run; its addresses are free: {}, {}", home.hooks, home.api));

    let _taken = TcpListener::bind(home.hooks).unwrap();
    let taken = Diagnosis::of(&home, &toml);
    assert_eq!(
        taken.lines("listeners"),
        [("fail", &*format!("server.hooks_listen: {} is taken by another program", home.hooks))]
    );
    assert!(taken.lines("daemon").is_empty());

    // An address for documentation (RFC 5737), which no machine has.
    let elsewhere = toml.replace(&format!("api_listen = \"{}\"", home.api), "api_listen = \"192.0.2.1:80\"");
    Diagnosis::of(&home, &elsewhere).says(
        "listeners",
        "fail",
        "server.api_listen: 192.0.2.1:80 is no address of this machine",
    );
}

#[tokio::test]
async fn a_daemon_that_is_not_ready_says_why() {
    let home = Home::new();
    let not_ready = r#"{"ready":false,"checks":[{"name":"store","ok":false,"because":"the disk is full"},{"name":"intake","ok":true}]}"#;
    stand_in(
        &home,
        Router::new().route("/readyz", get(move || async move { (StatusCode::SERVICE_UNAVAILABLE, not_ready) })),
    )
    .await;
    let diagnosis = diagnosed(home).await;
    assert_eq!(diagnosis.lines("daemon"), [("fail", "runs and is not ready: store: the disk is full")]);
    assert_eq!(diagnosis.code, 1);
}

#[tokio::test]
async fn a_stranger_on_the_operations_address_is_no_daemon() {
    let home = Home::new();
    stand_in(&home, Router::new().route("/", get(async || "welcome"))).await;
    diagnosed(home).await.says("daemon", "fail", "is taken by something else: it does not know /readyz");
}

#[test]
fn a_port_chosen_by_the_system_cannot_be_asked() {
    let home = Home::new();
    let toml = installed(&home, "").replace(&home.operations.to_string(), "127.0.0.1:0");
    Diagnosis::of(&home, &toml).says("daemon", "info", "cannot be asked");
}
