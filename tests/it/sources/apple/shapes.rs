//! Every documented and captured form of a notification, and what each means.

use proptest::prelude::*;
use relaywatch::cli::demo::world::apple::{AppleSigner, EventsForm, body, forwarding};
use relaywatch::domain::event::{Effect, Event, Kind, Scope, Source};
use relaywatch::sources::apple::{Audiences, translate_unverified};
use relaywatch::sources::{HookSource, Translation};
use serde_json::{Value, json};

use super::*;

fn only(translation: &Translation) -> &Event {
    let [event] = translation.events.as_slice() else { panic!("not one event: {translation:?}") };
    event
}

async fn one(claims: &Value) -> Event {
    let translation = read(claims).await.unwrap();
    assert!(translation.quarantined.is_empty(), "{translation:?}");
    only(&translation).clone()
}

#[tokio::test]
async fn a_body_signed_by_openssl_is_believed() {
    let body = include_bytes!("../../../fixtures/apple/email-disabled.json");
    let keys = KeySet::fixed(include_bytes!("../../../fixtures/apple/keys.json")).unwrap();
    let translation = receive(&source(keys), body, signed_at().plus(seconds(3_600))).await.unwrap();
    assert_eq!(translation.authentic, Some(true));
    assert_eq!(translation.because, "RS256 signature verified");
    assert!(translation.batch.is_none() && translation.actions.is_empty() && translation.unknown.is_empty());
    let event = only(&translation);
    assert_eq!((event.source, event.kind, event.scope), (Source::Apple, Kind::ForwardingDisabled, Scope::Recipient));
    assert_eq!((event.rule.as_ref(), event.fresh, event.effect()), ("apple.email_disabled", true, Effect::Suppress));
    assert_eq!(event.who.address.as_ref().unwrap().expose(), EMAIL);
    assert_eq!(event.who.sub.as_ref().unwrap().expose(), SUB);
    assert_eq!((event.who.is_private, event.who.named), (Some(true), 1));
    assert_eq!(event.origin.team.as_str(), "TEAMA");
    assert_eq!(event.origin.app.as_ref().unwrap().as_str(), APP);
    assert_eq!(event.evidence.provider_id.as_deref(), Some("jT1mzq0aXk2bVw-s7cYd1A"));
    assert_eq!(event.occurred_at, Timestamp::from_millis(1_795_089_599_250));
}

#[tokio::test]
async fn every_type_in_every_form() {
    for (claims, kind, rule, effect) in [
        (
            include_str!("../../../fixtures/apple/claims/email-disabled.json"),
            Kind::ForwardingDisabled,
            "apple.email_disabled",
            Effect::Suppress,
        ),
        (
            include_str!("../../../fixtures/apple/claims/email-enabled.json"),
            Kind::ForwardingEnabled,
            "apple.email_enabled",
            Effect::Lift,
        ),
        (
            include_str!("../../../fixtures/apple/claims/consent-revoked.json"),
            Kind::ConsentRevoked,
            "apple.consent_revoked",
            Effect::Suppress,
        ),
        (
            include_str!("../../../fixtures/apple/claims/account-deleted.json"),
            Kind::AccountDeleted,
            "apple.account_deleted",
            Effect::Suppress,
        ),
        (
            include_str!("../../../fixtures/apple/claims/account-delete.json"),
            Kind::AccountDeleted,
            "apple.account_deleted",
            Effect::Suppress,
        ),
    ] {
        let written: Value = serde_json::from_str(claims).unwrap();
        let event = match &written["events"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            Value::Array(list) => list[0].clone(),
            object => object.clone(),
        };
        let addressed = event.get("email").is_some();
        for events in [Value::String(event.to_string()), event.clone(), json!([event]), json!([event.to_string()])] {
            let mut claims = written.clone();
            claims["events"] = events;
            let read = one(&claims).await;
            assert_eq!((read.kind, read.rule.as_ref(), read.effect()), (kind, rule, effect), "{claims}");
            assert_eq!(read.who.sub.as_ref().unwrap().expose(), SUB);
            assert_eq!(read.who.address.is_some(), addressed);
            assert_eq!(read.who.is_private, addressed.then_some(true));
            assert!(signed_at().since(read.occurred_at) <= seconds(1));
        }
    }
}

#[tokio::test]
async fn the_flag_is_a_boolean_or_text() {
    for (flag, want) in [
        (json!(true), Some(true)),
        (json!("true"), Some(true)),
        (json!(false), Some(false)),
        (json!("False"), Some(false)),
        (json!("maybe"), None),
        (json!(1), None),
    ] {
        let mut event = disabled();
        event["is_private_email"] = flag;
        // On icloud.com the flag alone tells a relay address from a mailbox.
        event["email"] = json!("hidden.person.0a@icloud.com");
        assert_eq!(one(&spec(EventsForm::Text, vec![event]).claims()).await.who.is_private, want);
    }
}

#[tokio::test]
async fn times_are_seconds_or_milliseconds_and_never_absurd() {
    let iat = signed_at();
    for (event_time, want, remark) in [
        (json!(1_795_089_599), Timestamp::from_secs(1_795_089_599), None),
        (json!(1_795_089_599_250_i64), Timestamp::from_millis(1_795_089_599_250), None),
        (json!("1795089599250"), Timestamp::from_millis(1_795_089_599_250), None),
        (json!(1_795_089_600_900_i64), Timestamp::from_millis(1_795_089_600_900), None),
        (json!(0), iat, Some("is too early")),
        (json!(1_795_089_600_000_000_i64), iat, Some("is later than /iat")),
        (json!("yesterday"), iat, Some("is not a time")),
        (json!(null), iat, Some("is not a time")),
    ] {
        let mut event = revoked();
        event["event_time"] = event_time.clone();
        let translation = read(&spec(EventsForm::Text, vec![event]).claims()).await.unwrap();
        assert_eq!(only(&translation).occurred_at, want, "{event_time}");
        match remark {
            None => assert_eq!(translation.because, "RS256 signature verified"),
            Some(remark) => assert_eq!(
                translation.because,
                format!("RS256 signature verified; /events/event_time {remark}, so /iat was used")
            ),
        }
    }
    let mut event = revoked();
    event.as_object_mut().unwrap().remove("event_time");
    assert_eq!(one(&spec(EventsForm::Object, vec![event]).claims()).await.occurred_at, iat);
}

#[tokio::test]
async fn exp_is_neither_required_nor_fatal_and_age_is_generous() {
    let signer = AppleSigner::new();
    let mut claims = spec(EventsForm::Text, vec![disabled()]).claims();
    for exp in [json!(signed_at().secs() - 86_400), json!(null), json!("never")] {
        claims["exp"] = exp;
        one(&claims).await;
    }
    claims.as_object_mut().unwrap().remove("exp");
    one(&claims).await;

    let sent = signer.notification(&spec(EventsForm::Text, vec![disabled()]));
    let late = receive(&demo_source(), &sent, signed_at().plus(MAX_AGE)).await.unwrap();
    assert_eq!((late.events.len(), late.quarantined.len()), (1, 0), "a retry 29 days after exp still counts");
    let early = receive(&demo_source(), &sent, signed_at().minus(seconds(600))).await.unwrap();
    assert_eq!((early.events.len(), early.quarantined.len()), (1, 0), "our clock may be ten minutes slow");
    for (at, remark) in [
        (signed_at().plus(MAX_AGE).plus(seconds(1)), "/iat is more than 30 days old"),
        (signed_at().minus(seconds(601)), "/iat lies more than 10 minutes in the future: one of the clocks is wrong"),
    ] {
        let kept = receive(&demo_source(), &sent, at).await.unwrap();
        assert!(kept.events.is_empty());
        assert_eq!(kept.authentic, Some(true));
        assert_eq!((kept.quarantined[0].at.as_str(), kept.quarantined[0].because.as_str()), ("", remark));
        assert_eq!(kept.quarantined[0].body, sent);
    }
}

#[tokio::test]
async fn one_bad_event_never_costs_its_siblings() {
    let events = vec![
        disabled(),
        json!({"type": "passkey-added", "sub": SUB, "event_time": 1}),
        json!(7),
        json!({"type": "consent-revoked", "event_time": 1_795_089_599}),
        json!({"type": "email-disabled", "email": "not an address", "event_time": 1_795_089_599}),
        json!({"type": "email-disabled", "email": "not an address", "sub": SUB, "event_time": 1_795_089_599}),
        json!({"sub": SUB}),
        json!({"type": "account-delete", "sub": ["x"]}),
        json!({"type": "email-disabled", "email": EMAIL, "event_time": 1_795_089_599}),
        json!("{broken"),
        revoked(),
    ];
    let spec = spec(EventsForm::Array, events);
    let translation = read(&spec.claims()).await.unwrap();
    let kinds: Vec<_> = translation.events.iter().map(|event| event.kind).collect();
    let off = Kind::ForwardingDisabled;
    assert_eq!(kinds, [off, off, off, Kind::ConsentRevoked]);
    assert!(translation.events[1].who.address.is_none() && translation.events[1].who.sub.is_some());
    assert!(translation.events[2].who.address.is_some() && translation.events[2].who.sub.is_none());
    assert_eq!(translation.unknown, ["passkey-added"]);
    let quarantined: Vec<_> =
        translation.quarantined.iter().map(|part| (part.at.as_str(), part.because.as_str())).collect();
    assert_eq!(
        quarantined,
        [
            ("/events/1", "/events/1/type is unknown to this version"),
            ("/events/2", "/events/2 is not an object"),
            ("/events/3", "/events/3/sub is missing or unreadable"),
            ("/events/4", "/events/4/email and /events/4/sub are both missing or unreadable"),
            ("/events/5/email", "/events/5/email is no address"),
            ("/events/6", "/events/6/type is missing or not text"),
            ("/events/7", "/events/7/sub is missing or unreadable"),
            ("/events/9", "/events/9 is not an object"),
        ]
    );
    let sent = AppleSigner::new().notification(&spec);
    assert!(translation.quarantined.iter().all(|part| part.body == sent), "kept whole, so that it can be read again");
    assert_sealed(&format!("{translation:?}"));
}

#[tokio::test]
async fn what_is_authentic_but_unreadable_is_kept() {
    let whole = spec(EventsForm::Text, vec![disabled()]).claims();
    for (name, value, remark) in [
        ("events", json!("{"), "/events is text that is not JSON"),
        ("events", json!(""), "/events is text that is not JSON"),
        ("events", json!(3), "/events is neither text, object nor list"),
        ("events", json!("\"twice\""), "/events is neither text, object nor list"),
        ("events", json!(vec![0; 101]), "/events is a list of more than 100"),
        ("iat", json!("soon"), "/iat is missing or not a time"),
        ("iat", json!(null), "/iat is missing or not a time"),
        ("aud", json!(null), "/aud is neither text nor a list of texts"),
        ("aud", json!([APP, 1]), "/aud is neither text nor a list of texts"),
    ] {
        let mut claims = whole.clone();
        claims[name] = value;
        let kept = read(&claims).await.unwrap();
        assert!(kept.events.is_empty());
        assert_eq!(kept.quarantined.len(), 1, "{claims}");
        assert_eq!((kept.quarantined[0].at.as_str(), kept.quarantined[0].because.as_str()), ("", remark));
        assert_eq!(kept.because, format!("RS256 signature verified; {remark}"));
        assert_sealed(&format!("{kept:?}"));
    }
    let signer = AppleSigner::new();
    let token = signer.sign(&signer.header(), b"not json");
    let kept = receive(&demo_source(), &body(&token), signed_at()).await.unwrap();
    assert_eq!(kept.quarantined[0].because, "the claims are not a JSON object");
    let empty = read(&spec(EventsForm::Array, vec![]).claims()).await.unwrap();
    assert!(empty.events.is_empty() && empty.quarantined.is_empty());
}

#[tokio::test]
async fn a_repeated_notification_has_the_same_identity_and_different_ones_do_not() {
    let two = [disabled(), disabled()];
    let first = read(&spec(EventsForm::Array, two.to_vec()).claims()).await.unwrap();
    let again = read(&spec(EventsForm::Array, two.to_vec()).claims()).await.unwrap();
    for (a, b) in first.events.iter().zip(&again.events) {
        assert!(a.identity == b.identity);
    }
    assert!(first.events[0].identity != first.events[1].identity, "two events of one token are two");

    let mut spec = spec(EventsForm::Text, vec![disabled()]);
    let mine = one(&spec.claims()).await;
    spec.jti = "jti-2".to_owned();
    assert!(one(&spec.claims()).await.identity != mine.identity);

    // Without a jti: what happened to whom and when.
    let mut claims = spec.claims();
    claims.as_object_mut().unwrap().remove("jti");
    let nameless = one(&claims).await;
    claims["iat"] = json!(signed_at().secs() + 60);
    assert!(one(&claims).await.identity == nameless.identity, "signed anew, the same event");
    assert_eq!(nameless.evidence.provider_id, None);
    let later = forwarding(false, SUB, EMAIL, signed_at());
    claims["events"] = json!([later]);
    assert!(one(&claims).await.identity != nameless.identity);
    claims["events"] = json!([revoked()]);
    assert!(one(&claims).await.identity != nameless.identity);
}

#[tokio::test]
async fn nothing_printable_holds_an_address_or_a_subject() {
    let mut claims = spec(EventsForm::Array, vec![disabled(), revoked(), json!({"type": SUB.repeat(9)})]).claims();
    let translation = read(&claims).await.unwrap();
    assert_eq!(translation.unknown[0].len(), 64, "a foreign type name is cut");
    let mut printed = format!("{:?} {:?}", translation.events, translation.quarantined);
    claims["aud"] = json!("com.example.other");
    printed += &format!("{:?}", read(&claims).await);
    claims["iss"] = json!(EMAIL);
    printed += &format!("{:?}", read(&claims).await);
    assert_sealed(&printed);
}

#[tokio::test]
async fn the_endpoint_is_apples() {
    let source = demo_source();
    assert_eq!((source.name(), source.body_limit()), ("apple", 256 * 1024));
}

#[test]
fn without_keys_a_body_is_explained_and_not_believed() {
    let body = include_bytes!("../../../fixtures/apple/email-disabled.json");
    let any = Audiences::any(TeamId::new("example"));
    let shown = translate_unverified(body, &any, MAX_AGE, signed_at()).unwrap();
    assert_eq!(shown.authentic, None);
    assert_eq!(shown.because, "signature not checked: no key set was given");
    assert_eq!(only(&shown).origin.app.as_ref().unwrap().as_str(), APP);
}

proptest! {
    #[test]
    fn any_claims_return(claims in any_claims(), text in any::<bool>()) {
        let mut claims = claims;
        if text && let Some(events) = claims.get("events").cloned() {
            claims["events"] = Value::String(events.to_string());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let translation = runtime.block_on(read(&claims));
        if let Ok(translation) = translation {
            let iat = signed_at().plus(seconds(700));
            prop_assert!(translation.events.iter().all(|event| event.occurred_at <= iat));
        }
    }
}

/// Claims that are nearly right: any value may stand in any place.
fn any_claims() -> impl Strategy<Value = Value> {
    let leaf = || {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (1_795_080_000_i64..1_795_090_000).prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(json!(APP)),
            Just(json!(SUB)),
            Just(json!(EMAIL)),
            Just(json!("consent-revoked")),
            Just(json!("email-disabled")),
        ]
    };
    let event = (leaf(), leaf(), leaf(), leaf(), leaf()).prop_map(
        |(kind, sub, email, flag, time)| json!({"type": kind, "sub": sub, "email": email, "is_private_email": flag, "event_time": time}),
    );
    let events = prop_oneof![
        leaf(),
        event.clone(),
        proptest::collection::vec(prop_oneof![leaf(), event], 0..4).prop_map(Value::from)
    ];
    let aud = prop_oneof![Just(json!(APP)), leaf(), proptest::collection::vec(leaf(), 0..3).prop_map(Value::from)];
    let iat = prop_oneof![Just(json!(1_795_089_600)), leaf()];
    (aud, iat, leaf(), events).prop_map(|(aud, iat, jti, events)| {
        json!({"iss": "https://appleid.apple.com", "aud": aud, "iat": iat, "jti": jti, "events": events})
    })
}
