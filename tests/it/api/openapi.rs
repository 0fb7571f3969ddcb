//! `/openapi.json`: it names every route and no other, and its snapshot is what the last reader saw.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use relaywatch::http::api::{ROUTES, openapi_document};
use serde_json::Value;

use crate::stage::Stage;

/// Set, the snapshot is written and not compared.
const WRITE: &str = "RELAYWATCH_TEST_WRITE_OPENAPI";

fn described() -> Value {
    serde_json::to_value(openapi_document()).unwrap()
}

#[test]
fn every_route_is_in_the_document_and_the_reverse() {
    let document = described();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = ["get", "put", "post", "delete", "patch", "head", "options"];
        documented.extend(methods.into_iter().filter(|m| item.get(m).is_some()).map(|m| (m.to_owned(), path.clone())));
    }
    let routes: BTreeSet<_> = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, routes);
}

#[test]
fn every_operation_names_its_scope_and_its_refusals() {
    let document = described();
    for (method, path) in ROUTES.iter().filter(|(_, path)| *path != "/openapi.json") {
        let operation = &document["paths"][path][method];
        let scope = operation["security"][0]["token"][0].as_str().unwrap_or_else(|| panic!("{path} names no scope"));
        assert!(relaywatch::http::api::auth::Scope::parse(scope).is_some(), "{path}: {scope}");
        for status in ["200", "400", "401", "403", "503"] {
            assert!(operation["responses"][status].is_object(), "{method} {path} has no {status}");
        }
    }
}

#[test]
fn the_document_is_the_one_in_the_snapshot() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openapi.json");
    let now = openapi_document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &now).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap();
    assert!(now == before, "the API has changed: look at the difference after a run with {WRITE}=1");
}

#[tokio::test]
async fn it_is_served_to_everybody() {
    let stage = Stage::sqlite().await;
    let served: Value = stage.daemon.api(Method::GET, "/openapi.json").expect(200).await.json();
    assert_eq!(served, described());
}
