//! The whole receive path of every source, and what must hold of any translation.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use http::HeaderMap;
use libfuzzer_sys::Corpus;
use relaywatch::cli::demo::world::apple::{AppleSigner, body};
use relaywatch::cli::demo::world::sns::SnsSigner;
use relaywatch::config::braze::BrazeEndpoint;
use relaywatch::config::hook_auth::HookAuth;
use relaywatch::config::ses::SesEndpoint;
use relaywatch::config::sparkpost::SparkpostEndpoint;
use relaywatch::config::teams::Teams;
use relaywatch::domain::address::Address;
use relaywatch::domain::bounce::RuleBook;
use relaywatch::domain::event::Event;
use relaywatch::domain::ids::{StreamName, TeamId};
use relaywatch::domain::keyring::{Keyring, Root};
use relaywatch::domain::record::{Join, Keys, event_time, fold};
use relaywatch::domain::time::Timestamp;
use relaywatch::sources::apple::{AppleSource, Audiences, KeySet, translate_unverified};
use relaywatch::sources::braze::BrazeSource;
use relaywatch::sources::fetch::NoNetwork;
use relaywatch::sources::ses::{Context, SesSource, translate};
use relaywatch::sources::sns::{Trust, Verifier};
use relaywatch::sources::sparkpost::SparkpostSource;
use relaywatch::sources::{HookSource, Refusal, Request, Translation};
use serde_json::json;

/// The topic of the seeds.
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:ses-events";
const MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// 2026-11-20, shortly after the fixtures.
fn now() -> Timestamp {
    Timestamp::from_secs(1_795_176_000)
}

struct Sources {
    ses: SesSource,
    raw: SesSource,
    sparkpost: SparkpostSource,
    braze: BrazeSource,
    apple: AppleSource,
    audiences: Arc<Audiences>,
    keyring: Keyring,
    sns: SnsSigner,
    signer: AppleSigner,
}

static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let (team, rules) = (TeamId::new("TEAM1"), Arc::new(RuleBook::default()));
    let auth: HookAuth = serde_json::from_value(json!("none")).expect("an open hook");
    let sns = SnsSigner::new(now());
    let mut trust = Trust::default();
    let url = sns.certificate_url();
    trust.add_certificate(url, sns.certificate_pem().as_bytes()).expect("a certificate");
    let verifier = Arc::new(Verifier::new(trust, Arc::new(NoNetwork)));
    let endpoint = |raw_delivery| SesEndpoint {
        name: "main".into(),
        team: team.clone(),
        topics: vec![TOPIC.into()],
        raw_delivery,
    };
    let source = |raw| SesSource::new(&endpoint(raw), verifier.clone(), rules.clone()).expect("an endpoint");
    let teams = json!([{"id": "TEAM1", "apps": [{"id": "com.example.app", "audiences": ["com.example.app", "com.example.web"]}]}]);
    let teams: Teams = serde_json::from_value(teams).expect("teams");
    let audiences = Arc::new(Audiences::of(&teams));
    let signer = AppleSigner::new();
    let keys = Arc::new(KeySet::fixed(&signer.jwks()).expect("a key set"));
    let braze = json!({"name": "main", "team": "TEAM1", "auth": "none", "external_user_id": "apple_sub"});
    let braze: BrazeEndpoint = serde_json::from_value(braze).expect("an endpoint");
    Sources {
        ses: source(None),
        raw: source(Some(auth.clone())),
        sparkpost: SparkpostSource::new(
            &SparkpostEndpoint { name: "main".into(), team: team.clone(), auth },
            rules.clone(),
        ),
        braze: BrazeSource::new(&braze, rules.clone()),
        apple: AppleSource::new(keys, audiences.clone(), MAX_AGE),
        audiences,
        keyring: Keyring::new(&[Root { id: 1, secret: [7; 32] }]).expect("a keyring"),
        sns,
        signer,
    }
});

/// Whatever is posted to an SES hook.
pub fn sns_envelope(input: &[u8]) -> Corpus {
    check(receive(&SOURCES.ses, input))
}

/// The fields of a message that SNS did sign: `Message`, and behind a line with a NUL what else it may hold.
pub fn sns_fields(input: &[u8]) -> Corpus {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\0');
    let message = parts.next().unwrap_or_default();
    let subject = parts.next();
    let id = parts.next().unwrap_or("5f1d0a2b-3c4d-5e6f-8a9b-0c1d2e3f4a5b");
    let sources = &*SOURCES;
    let signed = match parts.next() {
        Some(token) => sources.sns.subscription_confirmation(TOPIC, token, now(), id),
        None => sources.sns.notification(TOPIC, message, subject, now(), id),
    };
    check(receive(&sources.ses, &signed))
}

/// Whatever is posted to an SES hook that takes raw delivery.
pub fn ses_raw(input: &[u8]) -> Corpus {
    check(receive(&SOURCES.raw, input))
}

/// The inner event of SES.
pub fn ses_inner(input: &[u8]) -> Corpus {
    let (team, rules) = (TeamId::new("TEAM1"), RuleBook::default());
    check(Ok(translate(input, &Context { team: &team, rules: &rules, signed_at: now() })))
}

/// A SparkPost batch.
pub fn sparkpost(input: &[u8]) -> Corpus {
    check(receive(&SOURCES.sparkpost, input))
}

/// A Braze batch.
pub fn braze(input: &[u8]) -> Corpus {
    check(receive(&SOURCES.braze, input))
}

/// Whatever is posted to an Apple hook, verified and as `explain` reads it without a key.
pub fn apple_notification(input: &[u8]) -> Corpus {
    let unverified = translate_unverified(input, &SOURCES.audiences, MAX_AGE, now());
    if let (Err(refused), Ok(_)) = (&unverified, receive(&SOURCES.apple, input)) {
        panic!("taken when signed, and not without a look at the signature: {refused:?}");
    }
    check(unverified)
}

/// The three segments of a token, as written.
pub fn apple_token(input: &[u8]) -> Corpus {
    apple_notification(&body(&String::from_utf8_lossy(input)))
}

/// The claims of a token that Apple did sign.
pub fn apple_claims(input: &[u8]) -> Corpus {
    let sources = &*SOURCES;
    let header = URL_SAFE_NO_PAD.encode(sources.signer.header().to_string());
    let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(input));
    check(translate_unverified(&body(&token), &sources.audiences, MAX_AGE, now()))
}

fn receive(source: &dyn HookSource, body: &[u8]) -> Result<Translation, Refusal> {
    let headers = HeaderMap::new();
    // None of these asks for a secret, except raw delivery, which is configured open.
    source.admit(&headers)?;
    let receiving = source.receive(Request { headers: &headers, body, received_at: now() });
    receiving.now_or_never().expect("nothing is fetched, so nothing is waited for")
}

fn check(translated: Result<Translation, Refusal>) -> Corpus {
    let translation = match translated {
        Ok(translation) => translation,
        Err(refusal) => {
            assert!([400, 401, 403, 413, 503].contains(&refusal.answer), "{refusal:?}");
            expect_no_address(&refusal.because);
            return Corpus::Keep;
        }
    };
    expect_no_address(&format!("{translation:?}"));
    for event in &translation.events {
        expect_sound(event);
    }
    for part in &translation.quarantined {
        assert!(part.at.is_empty() || part.at.starts_with('/'), "{} is no JSON pointer", part.at);
    }
    assert!(translation.unknown.iter().all(|name| name.len() <= 96), "{:?}", translation.unknown);
    Corpus::Keep
}

/// An event can be stored and folded, and says nothing of people but in its sealed fields.
pub fn expect_sound(event: &Event) {
    let sources = &*SOURCES;
    assert!(event.occurred_at <= now().plus(MAX_AGE), "an event of the far future: {}", event.occurred_at);
    assert!(!event.identity.bytes().is_empty());
    if let (Some(diagnostic), Some(address)) = (&event.evidence.diagnostic, &event.who.address) {
        let (said, whole) = (diagnostic.to_lowercase(), Address::expose(address));
        assert!(!said.contains(whole), "the recipient stands in the diagnostic");
    }
    let at = event_time(event.occurred_at, now());
    let keys = Keys {
        event: sources.keyring.event(&event.identity),
        address: event.who.address.as_ref().map(|address| sources.keyring.address(address)),
        sub: event.who.sub.as_ref().map(|sub| sources.keyring.sub(sub)),
    };
    let delta = fold(event, keys, at, &StreamName::new("news"));
    if let Some((_, record)) = delta.address {
        let mut twice = record.clone();
        twice.join(&record);
        assert_eq!(twice, record, "said twice is not said once");
    }
    if let Some((_, record)) = delta.subject {
        let mut twice = record.clone();
        twice.join(&record);
        assert_eq!(twice, record, "said twice is not said once");
    }
}

/// Nothing that looks like an address: a sign between a letter or digit and a letter or digit. Masks are dots.
pub fn expect_no_address(text: &str) {
    let bytes = text.as_bytes();
    let word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    for (at, _) in text.match_indices('@') {
        assert!(!(at > 0 && word(at - 1) && word(at + 1)), "an address: {text}");
    }
}
