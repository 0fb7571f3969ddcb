//! What name servers send: the response to a question as bytes, and what it leads to.

use libfuzzer_sys::Corpus;
use relaywatch::dns::answer::{LONGEST_CHAIN, Step, Way};
use relaywatch::dns::message::{Arrived, Manner, ask_under};
use relaywatch::domain::dns::{Data, Kind, Name, Outcome, Question};

/// What was asked, but for the type.
const ASKED: &str = "a.test";
const LABELS: &[u8] = b"\x01a\x04test\x00";
/// Under which id: seeds begin with it.
const ID: u16 = u16::from_be_bytes(*b"id");

const HEADER: usize = 12;
/// Flags of the header's third octet.
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
/// The least that a record takes: the root or a pointer to a name, type, class, lifetime and length.
const LEAST_RECORD: usize = 11;

/// A letter for the type that was asked for, then what came.
pub fn response(input: &[u8]) -> Corpus {
    let Some((letter, bytes)) = input.split_first() else { return Corpus::Reject };
    let (kind, number) = match letter {
        b't' => (Kind::Txt, 16),
        b'a' => (Kind::A, 1),
        b'q' => (Kind::Aaaa, 28),
        b'm' => (Kind::Mx, 15),
        b'p' => (Kind::Ptr, 12),
        b'c' => (Kind::Cname, 5),
        b's' => (Kind::Spf, 99),
        _ => return Corpus::Reject,
    };
    let name = Name::parse(ASKED).expect("a name");
    let asking = ask_under(ID, &Question::new(name.clone(), kind), Manner::PLAIN).expect("it can be written");
    let message = match asking.read(bytes) {
        Arrived::Response(message) => message,
        Arrived::Truncated | Arrived::Malformed => {
            assert!(is_ours(bytes), "what is somebody else's ends the waiting");
            return Corpus::Keep;
        }
        Arrived::Foreign => return Corpus::Keep,
    };
    assert!(is_ours(bytes) && bytes[2] & TRUNCATED == 0, "half a response is taken");
    let repeats = repeats_question(bytes, number);
    let mut way = Way::from(name.clone());
    let step = way.read(&message, kind);
    if !repeats {
        assert!(is_without_question(bytes), "the answer to another question is taken");
        assert!(matches!(step, Step::Done(Outcome::Failed(_))), "nobody knows to which question this is the answer");
    }
    assert!(way.chain.len() <= LONGEST_CHAIN + 1, "an alias is followed without end");
    assert!(way.ttl.is_none_or(|ttl| i32::try_from(ttl).is_ok()), "a lifetime beyond all bounds");
    if let Step::Done(Outcome::Records(records)) = &step {
        assert!(!records.is_empty() && records.len() * LEAST_RECORD <= bytes.len(), "records out of nothing");
        let text: usize = records.iter().map(text).sum();
        assert!(text <= bytes.len(), "text out of nothing");
        assert!(records.iter().all(|data| is_of(kind, data)), "records of another type");
    }
    let mut again = Way::from(name);
    assert_eq!((again.read(&message, kind), again), (step, way));
    Corpus::Keep
}

fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&ID.to_be_bytes()) && bytes.get(2).is_some_and(|flags| flags & RESPONSE != 0)
}

fn is_without_question(bytes: &[u8]) -> bool {
    bytes[4..6] == [0, 0]
}

/// Whether the one question is the one that was asked, read by hand.
fn repeats_question(bytes: &[u8], kind: u16) -> bool {
    let Some((name, rest)) = expanded(bytes, HEADER) else { return false };
    let wanted = [kind.to_be_bytes(), [0, 1]].concat();
    bytes[4..6] == [0, 1] && name.eq_ignore_ascii_case(LABELS) && bytes[rest..].starts_with(&wanted)
}

/// The labels of the name that stands there, without compression, and where what follows it begins.
fn expanded(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut labels = Vec::new();
    let mut rest = None;
    // Pointers only lead back, so there are no more of them than octets.
    for _ in 0..bytes.len() {
        let length = *bytes.get(at)?;
        match length {
            0 => {
                labels.push(0);
                return Some((labels, rest.unwrap_or(at + 1)));
            }
            1..=63 => {
                let after = at + 1 + usize::from(length);
                labels.extend_from_slice(bytes.get(at..after)?);
                at = after;
            }
            _ => {
                rest.get_or_insert(at + 2);
                at = usize::from(u16::from_be_bytes([length & 0x3f, *bytes.get(at + 1)?]));
            }
        }
    }
    None
}

fn text(data: &Data) -> usize {
    match data {
        Data::Txt(strings) => strings.iter().map(|string| string.len()).sum(),
        _ => 0,
    }
}

fn is_of(kind: Kind, data: &Data) -> bool {
    match kind {
        Kind::Txt | Kind::Spf => matches!(data, Data::Txt(_)),
        Kind::A => matches!(data, Data::A(_)),
        Kind::Aaaa => matches!(data, Data::Aaaa(_)),
        Kind::Mx => matches!(data, Data::Mx { .. }),
        Kind::Ptr => matches!(data, Data::Ptr(_)),
        Kind::Cname => matches!(data, Data::Cname(_)),
    }
}
