//! A destination must not lead into the network we run in: judged on the address that is connected to, in every spelling.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relaywatch::domain::time::Timestamp;
use relaywatch::outputs::{self, Lookup, OutputError, Retry, system_lookup};

use super::destinations::{NOW, change, destination, leads_to};
use super::receiver::Receiver;

const QUICK: &str = "timeout = '1s'\n";

async fn tell(url: &str, more: &str, lookup: Lookup) -> Result<(), OutputError> {
    let output = outputs::open(&destination(url, more), lookup).unwrap();
    output.deliver(&change("a@privaterelay.appleid.com", "1.2.3"), Timestamp::from_secs(NOW)).await
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let receiver = Receiver::start().await;
    let url = format!("https://crm.example:{}/", receiver.port());
    for inside in [
        ["127.0.0.1"].as_slice(),
        &["169.254.169.254"],
        &["10.0.0.1"],
        &["172.16.5.4"],
        &["192.168.0.1"],
        &["100.64.0.1"],
        &["0.0.0.0"],
        &["224.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["fe80::1"],
        &["fd00:ec2::254"],
        &["64:ff9b::7f00:1"],
        // One good address among them does not help: that is how a rebinding looks.
        &["1.1.1.1", "127.0.0.1"],
    ] {
        assert_eq!(tell(&url, QUICK, leads_to(inside)).await, Err(OutputError::PrivateAddress), "{inside:?}");
    }
    assert!(receiver.take().is_empty());
    assert_eq!(tell("https://localhost/", QUICK, system_lookup()).await, Err(OutputError::PrivateAddress));
}

#[tokio::test]
async fn a_literal_address_inside_is_refused_in_every_spelling() {
    let receiver = Receiver::start().await;
    let port = receiver.port();
    for host in ["127.0.0.1", "127.1", "0x7f000001", "017700000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let error = tell(&format!("{scheme}://{host}:{port}/"), QUICK, system_lookup()).await.unwrap_err();
            assert_eq!((error, error.retry()), (OutputError::Unusable, Retry::Never), "{scheme}://{host}");
        }
    }
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn where_it_is_allowed_it_is_reached() {
    let receiver = Receiver::start().await;
    let allowed = format!("{QUICK}allow_private_addresses = true\n");
    let port = receiver.port();
    tell(&format!("http://crm.internal:{port}/"), &allowed, leads_to(&["127.0.0.1"])).await.unwrap();
    tell(&format!("http://127.1:{port}/"), &allowed, system_lookup()).await.unwrap();
    assert_eq!(receiver.take().len(), 2);
}

#[tokio::test]
async fn plain_http_leaves_only_where_private_addresses_are_allowed() {
    let receiver = Receiver::start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(vec!["1.1.1.1".parse().unwrap()]) })
    });
    let url = format!("http://crm.example:{}/", receiver.port());
    assert_eq!(tell(&url, QUICK, lookup).await, Err(OutputError::Unusable));
    assert_eq!(asked.load(Ordering::SeqCst), 0, "refused before the name is even asked for");
}

#[tokio::test]
async fn a_name_without_address_is_tried_again() {
    let nothing: Lookup = Arc::new(|_| Box::pin(async { Err(std::io::Error::other("SERVFAIL")) }));
    let error = tell("https://crm.example/", QUICK, nothing).await.unwrap_err();
    assert_eq!((error, error.retry()), (OutputError::Resolve, Retry::Later(None)));
    assert_eq!(tell("https://crm.example/", QUICK, leads_to(&[])).await, Err(OutputError::Resolve));
}
