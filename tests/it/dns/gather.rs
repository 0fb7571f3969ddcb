//! Judges on a sweep: they end, they share, and none waits for another's silence.

use std::time::Duration;

use futures_util::StreamExt;
use hickory_proto::op::ResponseCode;
use relaywatch::clock::Stopwatch;
use relaywatch::dns::{Gathered, Limits, Places, Resolver, Resolvers, Sweep, for_each, gather};
use relaywatch::domain::dns::{Failure, Inquiry, Known, Unanswered};
use relaywatch::domain::time::Timestamp;

use super::txt;
use crate::dns_server::{resolvers, shared};
use crate::scripted_dns::{Answer, ScriptedDns};

const LONG: Duration = Duration::from_secs(20);

/// On one server, with so many questions in flight.
fn sweep_on(server: &ScriptedDns, in_flight: usize, timeout: Duration) -> Sweep {
    let limits = Limits { timeout, attempts: 1 };
    let first = Resolver::new(&[server.address()], limits, Places::new(in_flight)).unwrap();
    Sweep::new(Resolvers { first, second: None }, Timestamp::from_secs(0))
}

/// Asks `names` at once, then `last`; says what it has heard.
async fn ask_all(sweep: &Sweep, deadline: Duration, names: Vec<String>, last: &str) -> Gathered<Vec<Option<Failure>>> {
    gather(sweep, deadline, |inquiry: &mut Inquiry<'_>| {
        let asked: Vec<_> = names.iter().map(|name| inquiry.ask(txt(name))).collect();
        let mut heard = Vec::new();
        for reply in asked {
            heard.push(reply?.failure());
        }
        heard.push(inquiry.ask(txt(last))?.failure());
        Ok::<_, Unanswered>(heard)
    })
    .await
}

#[tokio::test]
async fn a_judge_hears_the_real_answers_and_ends() {
    let sweep = Sweep::new(resolvers(shared()), Timestamp::from_secs(0));
    let names = ["ok.test", "none.test", "bogus.faulty.test"].map(String::from).to_vec();
    let gathered = ask_all(&sweep, LONG, names, "two.ok.test").await;
    assert_eq!(gathered.value, [None, None, Some(Failure::Bogus), None]);
    assert_eq!((gathered.queries, gathered.replies.len(), sweep.queries()), (4, 4, 4));
    assert_eq!(gathered.replies.reply(&txt("two.ok.test")).unwrap().texts().len(), 2);
    let again = ask_all(&sweep, LONG, vec!["ok.test".into()], "none.test").await;
    assert_eq!((again.queries, sweep.queries()), (2, 4), "all of it was known");
}

#[tokio::test]
async fn independent_questions_are_in_flight_together() {
    let server =
        ScriptedDns::start(|_, _| Answer::code(ResponseCode::NXDomain).after(Duration::from_millis(200))).await;
    let sweep = sweep_on(&server, 64, LONG);
    ask_all(&sweep, LONG, (0..30).map(|n| format!("n{n}.test")).collect(), "last.test").await;
    assert_eq!((server.most_at_once(), server.total()), (30, 31));
    // No more than there is room for.
    let narrow = sweep_on(&server, 7, LONG);
    let server_before = server.most_at_once();
    let names = (0..28).map(|n| format!("m{n}.test")).collect();
    let watch = Stopwatch::start();
    ask_all(&narrow, LONG, names, "last.test").await;
    assert!(watch.elapsed() >= Duration::from_millis(4 * 200), "seven at a time: {:?}", watch.elapsed());
    assert_eq!(server.most_at_once(), server_before);
}

#[tokio::test]
async fn after_the_deadline_what_is_missing_is_a_timeout_for_that_judge_only() {
    let server = ScriptedDns::start(|question, _| match question {
        "late.test. TXT" => Answer::texts("late.test.", ["x"]).after(Duration::from_millis(400)),
        _ => Answer::code(ResponseCode::NXDomain),
    })
    .await;
    let sweep = sweep_on(&server, 64, LONG);
    let names = || vec!["late.test".to_owned(), "quick.test".to_owned()];
    let hasty = ask_all(&sweep, Duration::from_millis(100), names(), "never.test").await;
    assert_eq!(hasty.value, [Some(Failure::Timeout), None, Some(Failure::Timeout)]);
    assert!(hasty.elapsed >= Duration::from_millis(100) && hasty.elapsed < Duration::from_millis(390));
    assert_eq!(server.asked("never.test. TXT"), 0, "nothing is asked after the deadline");
    // Who is patient, at the same time or later, hears the same answer.
    let patient = ask_all(&sweep, LONG, names(), "quick.test").await;
    assert_eq!((patient.value, server.asked("late.test. TXT")), (vec![None, None, None], 1));
}

#[tokio::test]
async fn silent_domains_delay_no_other() {
    let server = ScriptedDns::start(|question, _| {
        if question.contains("silent") { Answer::silence() } else { Answer::code(ResponseCode::NXDomain) }
    })
    .await;
    let deadline = Duration::from_secs(3);
    // Room for eight questions, and the first two domains alone have twice as many that nobody answers.
    let sweep = sweep_on(&server, 8, deadline);
    let domains = (0..40).map(|n| if n < 2 { format!("silent{n}.test") } else { format!("d{n}.test") });
    let watch = Stopwatch::start();
    let mut ended: Vec<_> = for_each(domains, 40, |domain| {
        let (sweep, watch) = (&sweep, &watch);
        async move {
            let names = (0..8).map(|n| format!("n{n}.{domain}")).collect();
            ask_all(sweep, deadline, names, &domain).await;
            (domain, watch.elapsed())
        }
    })
    .collect()
    .await;
    assert_eq!(ended.len(), 40);
    let silent = ended.split_off(38);
    assert!(silent.iter().all(|(domain, took)| domain.starts_with("silent") && *took < deadline * 2), "{silent:?}");
    assert!(ended.iter().all(|(_, took)| *took < deadline), "results come as they are: {ended:?}");
}

#[tokio::test]
#[should_panic(expected = "gave up although nothing is missing")]
async fn a_judge_that_can_never_end_is_found_at_once() {
    let server = ScriptedDns::start(|_, _| Answer::silence()).await;
    let sweep = sweep_on(&server, 1, LONG);
    gather(&sweep, LONG, |_: &mut Inquiry<'_>| Err::<(), _>(Unanswered)).await;
}
