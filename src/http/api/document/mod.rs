//! The shapes of what the API takes and answers, for `/openapi.json`.
//!
//! The domain writes its own JSON and knows nothing of documents. These types repeat its shapes; a test reads what the domain writes with
//! them, strictly, and finds nothing missing and nothing more.

mod canaries;
mod check;
mod stream;
mod users;
mod verdict;

pub(super) use canaries::Canaries;
pub(super) use check::{Check, History, Known};
pub(super) use stream::{Registered, Registrations, Shown};
pub(super) use users::{Erased, Ruled, Tally, User, instants};
pub(super) use verdict::{BatchAnswer, BatchQuestion, Change, GateOfStream, Verdict};

use utoipa::IntoResponses;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::problem::Problem;

/// What every route may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum Refused {
    /// The request is wrong: `field` names where.
    #[response(status = 400)]
    Wrong(Problem),
    /// No good bearer token.
    #[response(status = 401)]
    Unauthorized(Problem),
    /// The token lacks the scope.
    #[response(status = 403)]
    MissingScope(Problem),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Slow(Problem),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(Problem),
    /// No store to ask, or too much at once: come again after `Retry-After`.
    #[response(status = 503)]
    Unavailable(Problem),
}

fn words(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::canaries::Canaries;
    use super::check::Check;
    use super::stream::Registration;
    use super::users::{Erased, Tally};
    use super::verdict::Verdict;
    use crate::domain::canary::{Negative, Part, Role};
    use crate::domain::event::Kind;
    use crate::domain::event::Scope;
    use crate::domain::finding::{Code, State};
    use crate::domain::ids::TeamId;
    use crate::domain::ids::{AppId, Esp, StreamName};
    use crate::domain::posture::{Apple, AppleVerdict, CheckReport, Posture, Status};
    use crate::domain::stream::Stream;
    use crate::domain::time::Timestamp;
    use crate::domain::verdict::{self, Answer, Limit, Proof, Reach, Reason};
    use crate::intake::{self, ErasureDone, Matrix, RoundStanding, RouteStanding};
    use crate::mail::{self, Authentication, Hop, Signature, Survived, Way};
    use crate::sources::import;
    use crate::sources::written::Wrong;

    /// What the documented shape makes of what is really written: the same, nothing missing and nothing more.
    fn expect_shape<T: Serialize + DeserializeOwned>(written: &impl Serialize) {
        let written = serde_json::to_value(written).unwrap();
        let read: T = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }

    #[test]
    fn the_shapes_are_those_that_are_written() {
        let limit = Limit {
            scope: Reach::Cell,
            esp: Some(Esp::new("ses")),
            stream: Some(StreamName::new("news")),
            app: Some(AppId::new("app")),
            reason: Reason::WaveOpen,
            wave: Some("wav_1".into()),
        };
        let bare = Limit { esp: None, stream: None, app: None, wave: None, ..limit.clone() };
        let at = Timestamp::from_secs(1_760_000_000);
        expect_shape::<Verdict>(&verdict::Verdict {
            verdict: Answer::Hold,
            send: false,
            reason: Reason::RecentBounce,
            scope: Reach::User,
            limits: vec![limit, bare],
            as_of: at,
            valid_until: at,
            evidence: vec![Proof { event: "evt_1".into(), kind: Kind::HardBounce, at }],
            cursor: "7".into(),
            policy_version: "1:9f2c".into(),
        });
        let short = r#"{"name":"news","team":"T","from_domain":"a.example"}"#;
        let mut stream: Stream = serde_json::from_str(short).unwrap();
        expect_shape::<Registration>(&stream);
        stream.region = Some("eu-west-1".into());
        stream.sending_ips = vec![[192, 0, 2, 1].into()];
        stream.dkim = serde_json::from_str(r#"[{"domain":"a.example","selector":"s"}]"#).unwrap();
        expect_shape::<Registration>(&stream);
        let evidence = "two records";
        let name = crate::domain::dns::Name::parse("a.example").unwrap();
        let finding = crate::domain::finding::Finding::new(Code::SpfMultiple, &name, evidence, "leave one");
        let report = CheckReport {
            stream: stream.name.clone(),
            from_domain: "a.example".into(),
            checked_at: at,
            posture: Posture::AtRisk,
            status: Status::of(&[]),
            apple: Apple {
                verdict: AppleVerdict::Accept,
                spf_path: State::Fail,
                dkim_path: State::Pass,
                because: "DKIM is open".into(),
            },
            findings: vec![finding.clone(), finding.offset(b"v=spf1", 3)],
            queries: 7,
            seconds: 0.25,
        };
        expect_shape::<Check>(&report);
        expect_shape::<Canaries>(&canaries(at));
        expect_shape::<Erased>(&ErasureDone { addresses: 1, subjects: 2, head: 3 });
        let mut tally = import::Tally::default();
        tally.reject(import::LineError::new(1, Wrong::field("sub", "is missing")));
        tally.reject(import::LineError::too_long(2, 10));
        expect_shape::<Tally>(&tally);
    }

    fn way(at: Timestamp) -> Way {
        let signature = Signature { verdict: mail::Verdict::Pass, domain: Some("relay.example".into()) };
        Way {
            authentication: Authentication {
                spf: Some(mail::Verdict::Pass),
                dkim: vec![signature],
                dmarc: Some(mail::Verdict::None),
            },
            from_domain: Some("relay.example".into()),
            return_domain: Some("relay.example".into()),
            survived: Survived { message_id: true, marker: false, auto_submitted: true },
            hops: vec![Hop { by: Some("mx.example".into()), at: Some(at) }, Hop { by: None, at: None }],
        }
    }

    /// A route of which everything is known, and one of which nothing is.
    fn canaries(at: Timestamp) -> Matrix {
        let refused = intake::Refused {
            rule: "apple.user_not_found".into(),
            kind: Kind::HardBounce,
            scope: Scope::Recipient,
            code: Some(550),
            status: Some("5.1.1".into()),
            text: Some("550 5.1.1 <recipient>: user does not exist".into()),
        };
        let route = RouteStanding {
            route: "news".into(),
            role: Role::Production,
            stream: StreamName::new("news"),
            team: TeamId::new("T"),
            mailbox: Some("behind".into()),
            mailbox_read_at: Some(at),
            mailbox_error: Some("no answer".into()),
            state: Some("refused"),
            sent_at: Some(at),
            arrived_at: Some(at),
            seconds: Some(2.5),
            refused: Some(refused),
            states: vec!["refused", "arrived"],
            timeout_seconds: 1_800.0,
            learned: false,
            last_arrived_at: Some(at),
            last_way: serde_json::to_value(way(at)).ok(),
        };
        let bare = RouteStanding {
            mailbox: None,
            mailbox_read_at: None,
            mailbox_error: None,
            state: None,
            sent_at: None,
            arrived_at: None,
            seconds: None,
            refused: None,
            states: Vec::new(),
            last_arrived_at: None,
            last_way: None,
            ..route.clone()
        };
        let round = RoundStanding {
            round: "news".into(),
            n: 7,
            next_at: at,
            burst_until: Some(at),
            rounds_left: 12,
            broken: Part::Relay,
            because: Part::Relay.because(),
            negative: Negative::Refused,
            told_by: Some(6),
            routes: vec![route, bare],
        };
        Matrix { as_of: at, rounds: vec![round] }
    }

    #[test]
    fn the_words_are_all_there_are() {
        let document = serde_json::to_value(crate::http::api::openapi_document()).unwrap();
        let verdict = &document["components"]["schemas"]["Verdict"]["properties"];
        let words = |field: &str| -> Vec<String> {
            verdict[field]["enum"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
        };
        // Each word is read back by the type that writes it, and there are as many as variants.
        let read = |word: String| serde_json::from_value::<Answer>(Value::String(word)).unwrap();
        let answers: std::collections::HashSet<_> = words("verdict").into_iter().map(read).collect();
        assert_eq!(answers.len(), 4);
        let read = |word: String| serde_json::from_value::<Reach>(Value::String(word)).unwrap();
        assert_eq!(words("scope").into_iter().map(read).collect::<std::collections::HashSet<_>>().len(), 4);
        assert_eq!(words("reason"), Reason::ALL.map(|reason| reason.as_str().to_owned()));
    }
}
