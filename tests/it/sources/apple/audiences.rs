//! Which team and app a notification is for.

use relaywatch::cli::demo::world::apple::EventsForm;
use serde_json::json;

use super::*;

async fn owner(aud: Value, event: Value) -> Result<(String, String), String> {
    let mut claims = spec(EventsForm::Text, vec![event]).claims();
    claims["aud"] = aud;
    let translation = read(&claims).await.unwrap();
    assert_eq!(translation.authentic, Some(true));
    match (translation.events.as_slice(), translation.quarantined.as_slice()) {
        ([event], []) => {
            Ok((event.origin.team.as_str().to_owned(), event.origin.app.as_ref().unwrap().as_str().to_owned()))
        }
        ([], [part]) => Err(part.because.clone()),
        other => panic!("{other:?}"),
    }
}

fn owned(team: &str, app: &str) -> Result<(String, String), String> {
    Ok((team.to_owned(), app.to_owned()))
}

#[tokio::test]
async fn several_audiences_are_one_app() {
    for aud in [json!(APP), json!("com.example.web"), json!([APP, "com.example.web"]), json!(["other", APP])] {
        assert_eq!(owner(aud, disabled()).await, owned("TEAMA", APP));
    }
}

#[tokio::test]
async fn a_transfer_moves_the_app_from_its_day_on() {
    let at = |secs| departure("consent-revoked", SUB, Timestamp::from_secs(secs));
    let transferred = Timestamp::parse("2026-11-19T11:00:00Z").unwrap().secs();
    let moved = json!("com.example.moved");
    assert_eq!(owner(moved.clone(), at(transferred - 1)).await, owned("TEAMA", "com.example.moved"));
    assert_eq!(owner(moved.clone(), at(transferred)).await, owned("TEAMB", "com.example.moved"));
    let before = Timestamp::parse("2024-12-31T23:59:59Z").unwrap().secs();
    let none = owner(moved, at(before)).await.unwrap_err();
    assert_eq!(none, "/events: /aud was no known audience when it happened");
}

#[tokio::test]
async fn an_unknown_audience_is_kept_and_answered() {
    for aud in [json!("com.example.other"), json!([]), json!("com.example.app "), json!("COM.EXAMPLE.APP")] {
        assert_eq!(owner(aud, disabled()).await.unwrap_err(), "/aud is no known audience");
    }
    let torn = owner(json!([APP, "com.example.moved"]), disabled()).await.unwrap_err();
    assert_eq!(torn, "/events: /aud names audiences of several apps");
}

#[tokio::test]
async fn a_listed_audience_is_its_own_app() {
    let signer = AppleSigner::new();
    let listed = Audiences::listed(&TeamId::new("example"), ["com.example.other".to_owned()]);
    let source = AppleSource::new(Arc::new(KeySet::fixed(&signer.jwks()).unwrap()), Arc::new(listed), MAX_AGE);
    let mut sent = spec(EventsForm::Object, vec![revoked()]);
    let refused = receive(&source, &signer.notification(&sent), signed_at()).await.unwrap();
    assert_eq!((refused.events.len(), refused.quarantined.len()), (0, 1));
    sent.audience = "com.example.other".to_owned();
    let taken = receive(&source, &signer.notification(&sent), signed_at()).await.unwrap();
    assert_eq!(taken.events[0].origin.app.as_ref().unwrap().as_str(), "com.example.other");
}
