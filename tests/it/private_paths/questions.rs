//! Marked people where nobody should put them: in URLs, headers, wrong fields and broken HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Request;
use crate::feeds::TEAM;
use crate::privacy::Marked;
use crate::stage::Stage;

/// The endpoints of the API that take people, whether this version has them or not.
const ENDPOINTS: &[(Method, &str)] = &[
    (Method::POST, "/v1/sendability"),
    (Method::POST, "/v1/sendability/batch"),
    (Method::PUT, "/v1/users"),
    (Method::POST, "/v1/users/override"),
    (Method::PUT, "/v1/streams"),
];

/// Asks everything, and gives every answer that is no list of people, with its headers.
pub async fn ask_everything(stage: &Stage, people: &Marked) -> Vec<(String, Vec<u8>)> {
    let mut said = Vec::new();
    // Known and unknown people: a verdict names nobody.
    for n in [0, 8, 30, 50, 51, 80] {
        let answer = stage.verdict(&people.address(n)).await;
        said.push((format!("verdict {n}"), answer.to_string().into_bytes()));
    }
    for (method, path) in ENDPOINTS {
        for (n, body) in wrong_bodies(people).into_iter().enumerate() {
            let request = stage.api(method.clone(), path).body(body);
            keep(&mut said, format!("{method} {path} with body {n}"), request).await;
        }
    }
    let question = json!({"team": TEAM, "address": people.address(81)}).to_string();
    let wrong = stage.daemon.api(Method::POST, "/v1/sendability").bearer(&people.sub(81)).body(question.clone());
    keep(&mut said, "token".to_owned(), wrong).await;
    let address = people.address(81).replace('@', "%40");
    for (method, path) in [
        (Method::GET, format!("/v1/sendability/{address}")),
        (Method::GET, format!("/v1/sendability?address={address}")),
        (Method::DELETE, format!("/v1/users/{address}")),
        (Method::GET, format!("/v1/gate/{address}")),
        (Method::GET, format!("/v1/changes?after={address}")),
        (Method::GET, format!("/{}", people.sub(81))),
    ] {
        keep(&mut said, path.clone(), stage.api(method, &path)).await;
    }
    let operations = stage.daemon.operations(Method::GET, &format!("/metrics/{address}"));
    keep(&mut said, "operations".to_owned(), operations).await;
    let ready = stage.daemon.operations(Method::POST, &format!("/readyz?address={address}")).body(question);
    keep(&mut said, "readyz".to_owned(), ready).await;
    for path in [format!("/hooks/ses/{address}"), format!("/hooks/{address}/main"), format!("/hooks/{address}")] {
        keep(&mut said, path.clone(), stage.daemon.hook(&path).body(people.address(82))).await;
    }
    let home = stage.daemon.home();
    for listener in [home.hooks, home.api, home.operations] {
        for request in broken_requests(people) {
            said.push((format!("raw to {listener}"), raw(listener, &request).await));
        }
    }
    said
}

/// Sends the request; a list of people that was asked for with success is not kept.
async fn keep(said: &mut Vec<(String, Vec<u8>)>, what: String, request: Request) {
    let (status, answer) = request.send().await.expect("an answer");
    assert!(status != 500 && status != 503, "{what}: {status}: {}", answer.text());
    said.push((what, [format!("{:?}", answer.headers).as_bytes(), &answer.body].concat()));
}

/// Bodies with a person at every wrong place.
fn wrong_bodies(people: &Marked) -> Vec<String> {
    let (address, sub) = (people.address(83), people.sub(83));
    let valid = json!({"team": TEAM, "address": address});
    let mut bodies: Vec<Value> = vec![
        json!(address),
        json!([address]),
        json!({"team": TEAM, "address": [address]}),
        json!({"team": TEAM, "address": {&address: sub}}),
        json!({"team": TEAM, "address": format!("{address} {address}")}),
        json!({"team": TEAM, "address": address, &address: 1}),
        json!({"team": TEAM, "address": address, "sub": {"a": sub}}),
        json!({"team": TEAM, "address": address, "key": address}),
        json!({"team": TEAM, "key": sub}),
        json!({"team": TEAM, "sub": sub, "is_private_email": address}),
    ];
    for field in
        ["team", "app", "stream", "class", "authorized_at", "action", "until", "name", "from_domain", "provider"]
    {
        let mut body = valid.clone();
        body[field] = json!(address);
        bodies.push(body);
    }
    let mut bodies: Vec<String> = bodies.iter().map(Value::to_string).collect();
    let text = valid.to_string();
    bodies.push(text[..text.len() - 1].to_owned());
    bodies.push(text[..text.len() - 3].to_owned());
    bodies.push(format!("{text} {address}"));
    bodies.push(format!("{{\"team\":\"{TEAM}\",\"address\":{address}}}"));
    bodies.push(address);
    bodies
}

/// Requests that are no HTTP, or more of it than is taken.
fn broken_requests(people: &Marked) -> Vec<String> {
    let address = people.address(84);
    vec![
        format!("{address}\r\n\r\n"),
        format!("GET {address} HTTP/1.1\r\nhost: t\r\n\r\n"),
        format!("{address} / HTTP/1.1\r\nhost: t\r\n\r\n"),
        format!("GET / HTTP/{address}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: t\r\n{address}: 1\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: {address}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: {address}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", address.repeat(4_000)),
        format!("POST /hooks/apple/main HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{address}\r\n"),
        // Cut off in the middle of its body.
        format!("POST /hooks/apple/main HTTP/1.1\r\nhost: t\r\ncontent-length: 900\r\n\r\n{{\"payload\":\"{address}"),
    ]
}

/// Writes, closes its half, and reads whatever comes.
async fn raw(to: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut answer).await
    };
    // A reset is an answer too.
    let _ = tokio::time::timeout(Duration::from_secs(5), exchange).await.expect("the listener ends the connection");
    answer
}
