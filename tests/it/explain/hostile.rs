//! Any bytes: every source returns an explanation, and none of them repeats what it could not read.

use http::HeaderMap;
use proptest::prelude::*;
use relaywatch::app::explain::{Explainer, Given, Provider};
use relaywatch::cli::demo::world::apple::AppleSigner;
use relaywatch::domain::time::Timestamp;

use super::run;
use crate::sources::sns::endpoint::fixture;

const ALL: [Provider; 5] = [Provider::Sns, Provider::Ses, Provider::Sparkpost, Provider::Braze, Provider::Apple];

fn explainers() -> Vec<Explainer> {
    let mut all: Vec<_> = ALL.iter().map(|provider| Explainer::new(*provider, Given::default()).unwrap()).collect();
    let given = Given { key_set: Some(AppleSigner::new().jwks()), ..Given::default() };
    all.push(Explainer::new(Provider::Apple, given).unwrap());
    all
}

/// Every explainer answers, with a status that a hook may give; without a proof nothing is called authentic.
fn returns(body: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for explainer in explainers() {
        let now = Timestamp::parse("2026-05-01T10:00:00Z").unwrap();
        let explained = runtime.block_on(explainer.explain(&HeaderMap::new(), body, now));
        let (provider, answer) = (explained.provider, explained.answer());
        assert!([200, 400, 403, 503].contains(&answer), "{provider:?}: {answer}");
        assert_ne!(explained.authentic(), Some(true), "{provider:?}");
        assert!(!explained.because().is_empty(), "{provider:?}");
    }
}

/// JSON of the names that the sources know, with any value under them.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[ -~]{0,12}".prop_map(|s| serde_json::Value::String(s).to_string()),
    ];
    let names = [
        "eventType",
        "notificationType",
        "mail",
        "bounce",
        "bouncedRecipients",
        "emailAddress",
        "Type",
        "Message",
        "Signature",
        "TopicArn",
        "msys",
        "message_event",
        "type",
        "rcpt_to",
        "events",
        "event_type",
        "properties",
        "email_address",
        "payload",
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let member =
            (prop::sample::select(names.to_vec()), inner.clone()).prop_map(|(name, value)| format!("{name:?}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_explained(body in prop::collection::vec(any::<u8>(), 0..600)) {
        returns(&body);
    }

    #[test]
    fn any_json_is_explained(body in json_like()) {
        returns(body.as_bytes());
    }

    #[test]
    fn a_damaged_event_is_explained(at in any::<prop::sample::Index>(), byte in any::<u8>(), keep in any::<prop::sample::Index>()) {
        let mut body = fixture("bounce_several.json").into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        returns(&body);
        returns(&body[..keep.index(body.len())]);
    }
}

#[test]
fn deep_nesting_and_large_bodies_return() {
    for open in ["[", "{\"msys\":", "{\"mail\":", "{\"events\":["] {
        returns(open.repeat(20_000).as_bytes());
    }
    returns(&vec![b'['; 200_000]);
}

#[test]
fn the_program_itself_ends_well_on_noise() {
    let noise: Vec<u8> = (0..=255).cycle().take(4_000).collect();
    for source in ["sns", "ses", "sparkpost", "braze", "apple"] {
        for format in ["text", "json"] {
            let output = run(&["--source", source, "--format", format], &noise);
            assert_eq!(output.status.code(), Some(0), "{source}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{source}");
        }
    }
}
