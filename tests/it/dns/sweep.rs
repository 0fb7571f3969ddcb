//! One snapshot for many: each question once, and gone only on the word of two.

use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use relaywatch::dns::{Memo, Resolvers, Sweep};
use relaywatch::domain::dns::{Failure, Kind, Outcome};
use relaywatch::domain::time::Timestamp;

use super::{question, resolver, txt};
use crate::scripted_dns::{Answer, ScriptedDns};

const LONG: Duration = Duration::from_secs(5);

fn of(first: &ScriptedDns, second: Option<&ScriptedDns>) -> Resolvers {
    let asked = |server: &ScriptedDns| resolver(&[server.address()], 1, LONG);
    Resolvers { first: asked(first), second: second.map(asked) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

#[tokio::test]
async fn what_many_ask_is_asked_once() {
    let server = ScriptedDns::start(|_, _| Answer::texts("a.test.", ["x"]).after(Duration::from_millis(20))).await;
    let sweep = Sweep::new(of(&server, None), at(0));
    assert_eq!(sweep.known(&txt("a.test")), None);
    // At once, in another spelling, of another type, and later.
    let (one, two, other) = (txt("a.test"), txt("A.Test."), question("a.test", Kind::Mx));
    let replies = join_all([&one, &one, &two, &two, &other].map(|q| sweep.ask(q))).await;
    assert_eq!(replies[0], replies[3]);
    sweep.ask(&one).await;
    assert_eq!((server.asked("a.test. TXT"), server.asked("a.test. MX"), sweep.queries()), (1, 1, 2));
    assert_eq!(sweep.known(&one), Some(replies[0].clone()));
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_stop_the_question() {
    let server = ScriptedDns::start(|_, _| Answer::texts("a.test.", ["x"]).after(Duration::from_millis(60))).await;
    let sweep = Sweep::new(of(&server, None), at(0));
    let question = txt("a.test");
    assert!(tokio::time::timeout(Duration::from_millis(10), sweep.ask(&question)).await.is_err());
    assert_eq!(sweep.ask(&question).await.records().len(), 1);
    assert_eq!(server.total(), 1);
}

#[tokio::test]
async fn answers_are_carried_over_while_they_live_and_failures_never() {
    let server = ScriptedDns::start(|question, _| match question {
        "failed.test. TXT" => Answer::code(ResponseCode::ServFail),
        "gone.test. TXT" => Answer::code(ResponseCode::NXDomain),
        _ => Answer::texts("a.test.", ["x"]),
    })
    .await;
    let questions = ["a.test", "gone.test", "failed.test"].map(txt);
    let mut memo = Memo::default();
    // A record lives 60 s; the absence here has no SOA that says how long.
    for (now, want) in [(0, [1, 1, 2]), (40, [1, 2, 4]), (59, [1, 3, 6]), (61, [2, 4, 8])] {
        let sweep = Sweep::after(of(&server, None), at(now), |_| false, memo);
        join_all(questions.iter().map(|question| sweep.ask(question))).await;
        memo = sweep.memo();
        assert_eq!(memo.len(), 1);
        // A SERVFAIL is asked a second time, unchecked.
        let asked = ["a", "gone", "failed"].map(|name| server.asked(&format!("{name}.test. TXT")));
        assert_eq!(asked, want, "at {now} s");
    }
}

#[tokio::test]
async fn gone_is_believed_when_two_say_so() {
    let first = ScriptedDns::start(|question, _| match question {
        "there.test. TXT" => Answer::texts("there.test.", ["x"]),
        _ => Answer::code(ResponseCode::NXDomain),
    })
    .await;
    let second = ScriptedDns::start(|question, _| match question {
        "gone.test. TXT" => Answer::code(ResponseCode::NXDomain),
        "emptied.test. TXT" => Answer::code(ResponseCode::NoError),
        "failing.test. TXT" => Answer::code(ResponseCode::Refused),
        _ => Answer::texts("disputed.test.", ["x"]),
    })
    .await;
    let expected = |question: &relaywatch::domain::dns::Question| question.name.relative() != "new.test";
    let sweep = Sweep::after(of(&first, Some(&second)), at(0), expected, Memo::default());
    for (name, want, confirmed) in [
        ("gone.test", Outcome::NxDomain, 1),
        ("emptied.test", Outcome::NxDomain, 1),
        ("disputed.test", Outcome::Failed(Failure::Disputed), 1),
        ("failing.test", Outcome::Failed(Failure::Refused), 1),
        // Never was there, so nothing is confirmed; is there, so nothing is to be.
        ("new.test", Outcome::NxDomain, 0),
    ] {
        assert_eq!(sweep.ask(&txt(name)).await.outcome, want, "{name}");
        assert_eq!(second.asked(&format!("{name}. TXT")), confirmed, "{name}");
    }
    assert_eq!(sweep.ask(&txt("there.test")).await.records().len(), 1);
    assert_eq!((second.total(), sweep.queries()), (4, 10));
}

#[tokio::test]
async fn without_a_second_resolver_the_first_is_asked_again() {
    let server = ScriptedDns::start(|question, before| match (question, before) {
        ("wavering.test. TXT", 1) => Answer::texts("wavering.test.", ["x"]),
        _ => Answer::code(ResponseCode::NXDomain),
    })
    .await;
    let sweep = Sweep::after(of(&server, None), at(0), |_| true, Memo::default());
    assert_eq!(sweep.ask(&txt("wavering.test")).await.failure(), Some(Failure::Disputed));
    assert!(sweep.ask(&txt("gone.test")).await.is_nxdomain());
    assert_eq!(server.asked("gone.test. TXT"), 2);
}
