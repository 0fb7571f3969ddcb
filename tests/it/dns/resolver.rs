//! One question at a time, of real servers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use relaywatch::clock::Stopwatch;
use relaywatch::dns::{DnsMetrics, Resolver};
use relaywatch::domain::dns::{Data, Failure, Kind, Name, Outcome, Question, Reply};
use relaywatch::domain::time::Timestamp;
use relaywatch::metrics::Metrics;

use super::{name_of, question, resolver, txt};
use crate::dns_server::{recursive, shared};
use crate::scripted_dns::{Answer, ScriptedDns};

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(100);

fn real() -> Resolver {
    resolver(&[shared()], 1, LONG)
}

fn texts(reply: &Reply) -> Vec<String> {
    reply.texts().iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn chain(reply: &Reply) -> Vec<String> {
    reply.chain.iter().map(Name::relative).collect()
}

#[tokio::test]
async fn records_of_every_kind() {
    let asked = real();
    let reply = asked.ask(&txt("two.ok.test")).await;
    assert_eq!(texts(&reply), ["another", "one and two"]);
    assert!(reply.records().contains(&Data::Txt(vec![b"one".as_slice().into(), b" and two".as_slice().into()])));
    assert_eq!((reply.ttl, reply.over_tcp), (Some(30), false));
    let reply = asked.ask(&txt("BYTES.ok.test")).await;
    assert_eq!(reply.texts(), [b"\xff\x00 ;\"\\"]);
    let of = async |name: &str, kind| {
        let mut records = asked.ask(&question(name, kind)).await.records().to_vec();
        records.sort();
        records
    };
    assert_eq!(of("mx.ok.test", Kind::A).await, [Data::A(Ipv4Addr::new(192, 0, 2, 1))]);
    assert_eq!(of("mx.ok.test", Kind::Aaaa).await, [Data::Aaaa("2001:db8::1".parse::<Ipv6Addr>().unwrap())]);
    let mx = |preference, host: &str| Data::Mx { preference, exchange: name_of(host) };
    assert_eq!(of("ok.test", Kind::Mx).await, [mx(10, "mx.ok.test"), mx(20, "backup.mx.ok.test")]);
    assert_eq!(of("1.2.0.192.ok.test", Kind::Ptr).await, [Data::Ptr(name_of("mx.ok.test"))]);
    assert_eq!(of("alias.ok.test", Kind::Cname).await, [Data::Cname(name_of("next.ok.test"))]);
    assert_eq!(of("old.ok.test", Kind::Spf).await, [Data::Txt(vec![b"v=spf1".as_slice().into()])]);
}

#[tokio::test]
async fn a_name_that_is_not_there_and_one_without_such_a_record() {
    let asked = real();
    for name in ["none.ok.test", "none.test", "_dmarc.test", "a.none.ok.test"] {
        let reply = asked.ask(&txt(name)).await;
        assert_eq!((&reply.outcome, reply.ttl), (&Outcome::NxDomain, Some(30)), "{name}");
    }
    for name in ["mx.ok.test", "terminal.ok.test", "non.terminal.ok.test"] {
        let reply = asked.ask(&txt(name)).await;
        assert_eq!((&reply.outcome, reply.ttl), (&Outcome::NoData, Some(30)), "{name}");
    }
    // A name of bytes that no host has.
    let odd = Name::from_labels([b"a b\xff.".as_slice(), b"ok", b"test"]).unwrap();
    assert!(asked.ask(&Question::new(odd, Kind::A)).await.is_nxdomain());
}

#[tokio::test]
async fn chains_are_followed_to_where_they_end() {
    let asked = real();
    let reply = asked.ask(&txt("alias.ok.test")).await;
    assert_eq!((chain(&reply), reply.ttl), (vec!["next.ok.test".into(), "two.ok.test".into()], Some(20)));
    assert_eq!(texts(&reply), ["another", "one and two"]);
    // Into a zone that takes a question of its own.
    let reply = asked.ask(&txt("elsewhere.ok.test")).await;
    assert_eq!((chain(&reply), texts(&reply)), (vec!["text.other.test".into()], vec!["from another zone".into()]));
    assert_eq!(reply.ttl, Some(15));
    for (name, outcome, way) in [
        ("dangling", Outcome::NxDomain, vec!["gone.ok.test"]),
        ("nowhere", Outcome::NxDomain, vec!["text.none.test"]),
        ("nodata", Outcome::NoData, vec!["mx.ok.test"]),
        ("loop", Outcome::NoData, vec!["pool.ok.test", "loop.ok.test"]),
        ("self", Outcome::NoData, vec!["self.ok.test"]),
    ] {
        let reply = asked.ask(&txt(&format!("{name}.ok.test"))).await;
        assert_eq!((reply.outcome.clone(), chain(&reply)), (outcome, way.into_iter().map(String::from).collect()));
    }
    let reply = asked.ask(&txt("alias.faulty.test")).await;
    assert_eq!(reply.outcome, Outcome::Records(vec![Data::Txt(vec![b"servfail".as_slice().into()])]));
}

#[tokio::test]
async fn what_does_not_fit_into_udp_comes_over_tcp_whole() {
    let asked = real();
    let reply = asked.ask(&txt("large.test")).await;
    assert_eq!((reply.records().len(), reply.over_tcp), (40, true));
    let reply = asked.ask(&txt("truncated.faulty.test")).await;
    assert_eq!((texts(&reply), reply.over_tcp), (vec!["truncated".into()], true));
    // Without a listener on TCP the part that came is not taken for the whole.
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let serve = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
        buffer[2] |= 0x82;
        udp.send_to(&buffer[..length], from).await.unwrap();
        udp
    });
    assert_eq!(resolver(&[address], 1, LONG).ask(&txt("a.test")).await, Reply::of(Outcome::Failed(Failure::Other)));
    serve.await.unwrap();
}

#[tokio::test]
async fn a_failure_says_which_and_nothing_about_the_record() {
    let asked = real();
    for (name, failure) in [
        ("servfail.faulty.test", Failure::Servfail),
        ("refused.faulty.test", Failure::Refused),
        ("bogus.faulty.test", Failure::Bogus),
        ("lame.faulty.test", Failure::Other),
        ("deep.lame.faulty.test", Failure::Other),
    ] {
        assert_eq!(asked.ask(&txt(name)).await, Reply::of(Outcome::Failed(failure)), "{name}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_last_try_and_slow_is_not_silent() {
    let watch = Stopwatch::start();
    let reply = resolver(&[shared()], 2, SHORT).ask(&txt("drop.faulty.test")).await;
    assert_eq!(reply, Reply::of(Outcome::Failed(Failure::Timeout)));
    assert!(watch.elapsed() >= SHORT * 2, "tried twice: {:?}", watch.elapsed());
    let watch = Stopwatch::start();
    assert_eq!(texts(&real().ask(&txt("slow.faulty.test")).await), ["slow"]);
    assert!(watch.elapsed() >= Duration::from_millis(290));
}

#[tokio::test]
async fn what_fails_now_and_then_is_tried_again() {
    // Forty tries at one half each.
    assert_eq!(texts(&resolver(&[shared()], 40, LONG).ask(&txt("flaky.faulty.test")).await), ["flaky"]);
    let server = ScriptedDns::start(|question, before| match (question, before) {
        ("a.test. TXT", 0) => Answer::code(ResponseCode::ServFail),
        _ => Answer::texts("a.test.", ["there"]),
    })
    .await;
    let reply = resolver(&[server.address()], 2, LONG).ask(&txt("a.test")).await;
    assert_eq!((texts(&reply), server.total()), (vec!["there".into()], 2));
}

#[tokio::test]
async fn a_second_server_answers_where_the_first_does_not_and_is_asked_first_from_then_on() {
    let dead = ScriptedDns::start(|_, _| Answer::silence()).await;
    let alive = ScriptedDns::start(|_, _| Answer::code(ResponseCode::NXDomain)).await;
    let both = resolver(&[dead.address(), alive.address()], 1, SHORT);
    for name in ["a.test", "b.test", "c.test"] {
        assert!(both.ask(&txt(name)).await.is_nxdomain());
    }
    assert_eq!((dead.total(), alive.total()), (1, 3));
    // What one of them said is told before what another did not say.
    let refusing = ScriptedDns::start(|_, _| Answer::code(ResponseCode::Refused)).await;
    let reply = resolver(&[refusing.address(), dead.address()], 1, SHORT).ask(&txt("a.test")).await;
    assert_eq!(reply.failure(), Some(Failure::Refused));
}

#[tokio::test]
async fn a_server_too_old_for_edns_is_asked_without() {
    let server = ScriptedDns::start(|_, before| match before {
        0 => Answer::code(ResponseCode::FormErr),
        _ => Answer::texts("a.test.", ["old"]),
    })
    .await;
    assert_eq!(texts(&resolver(&[server.address()], 1, LONG).ask(&txt("a.test")).await), ["old"]);
}

#[tokio::test]
async fn nobody_at_the_port_is_no_answer() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reply = resolver(&[free], 1, LONG).ask(&txt("a.test")).await;
    assert_eq!(reply, Reply::of(Outcome::Failed(Failure::Other)));
}

#[tokio::test]
async fn without_servers_the_system_is_asked() {
    let of_system = resolver(&[], 1, LONG);
    assert!(!of_system.servers().is_empty() && of_system.servers().iter().all(|server| server.port() == 53));
    let one: SocketAddr = "192.0.2.53:5353".parse().unwrap();
    assert_eq!(resolver(&[one], 1, LONG).servers(), [one]);
}

#[tokio::test]
async fn every_question_is_counted_by_its_outcome() {
    let metrics = Metrics::new(Timestamp::from_secs(0)).unwrap();
    let counts = DnsMetrics::register(metrics.registry()).unwrap();
    let asked = real().counted(counts.clone());
    for name in ["ok.test", "two.ok.test", "none.test", "bogus.faulty.test", "alias.ok.test"] {
        asked.ask(&txt(name)).await;
    }
    for (outcome, count) in [("records", 3), ("nxdomain", 1), ("bogus", 1), ("servfail", 0)] {
        assert_eq!(counts.dns_queries_total.get([&outcome]), count, "{outcome}");
    }
    assert_eq!(counts.dns_query_seconds.count([]), 5);
}

/// What a daemon asks in earnest: Unbound answers, and what it makes of faults behind it is told as that.
#[tokio::test]
async fn a_recursive_resolver_that_validates() {
    let asked = resolver(&[recursive()], 1, LONG);
    assert_eq!(texts(&asked.ask(&txt("two.ok.test")).await), ["another", "one and two"]);
    let reply = asked.ask(&txt("elsewhere.ok.test")).await;
    assert_eq!((chain(&reply), texts(&reply)), (vec!["text.other.test".into()], vec!["from another zone".into()]));
    let reply = asked.ask(&txt("large.test")).await;
    assert_eq!((reply.records().len(), reply.over_tcp), (40, true));
    for (name, outcome, way) in [
        ("none.test", Outcome::NxDomain, None),
        ("mx.ok.test", Outcome::NoData, None),
        ("dangling.ok.test", Outcome::NxDomain, Some("gone.ok.test")),
        ("nowhere.ok.test", Outcome::NxDomain, Some("text.none.test")),
        ("nodata.ok.test", Outcome::NoData, Some("mx.ok.test")),
        ("bogus.test", Outcome::Failed(Failure::Bogus), None),
        ("none.bogus.test", Outcome::Failed(Failure::Bogus), None),
        ("servfail.faulty.test", Outcome::Failed(Failure::Servfail), None),
        ("lame.faulty.test", Outcome::Failed(Failure::Servfail), None),
        ("loop.ok.test", Outcome::Failed(Failure::Servfail), None),
    ] {
        let reply = asked.ask(&txt(name)).await;
        assert_eq!((&reply.outcome, reply.chain.last()), (&outcome, way.map(name_of).as_ref()), "{name}");
    }
}
