//! Messages as bytes: the query that a question becomes, and which response belongs to it (RFC 1035 section 4, RFC 6891).
//!
//! Public, as [`super::answer`] is, for whoever feeds them bytes of his own: the fuzzer.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, RecordType};

use crate::domain::dns::{Kind, Name, Question};

/// The largest UDP response that is asked for: below any path's MTU, so that none is fragmented.
const UDP_PAYLOAD: u16 = 1232;

/// Type 99, which RFC 7208 section 3.1 retired.
pub(super) const SPF_TYPE: u16 = 99;

/// How a question is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// With EDNS: larger answers over UDP. A few old servers refuse it.
    pub edns: bool,
    /// With CD=1: a validating resolver answers although the signatures are broken (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
}

impl Manner {
    /// As every question is asked first.
    pub const PLAIN: Self = Self { edns: true, checking_disabled: false };
}

/// A query, ready to be sent.
pub struct Asking {
    id: u16,
    query: Query,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What arrived for a query.
pub enum Arrived {
    /// The response.
    Response(Box<Message>),
    /// The response does not fit into UDP: what came of it is not used.
    Truncated,
    /// The response, and it cannot be read.
    Malformed,
    /// Something else: wait on.
    Foreign,
}

/// The type's number on the wire.
pub(super) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Txt => RecordType::TXT,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Cname => RecordType::CNAME,
        Kind::Spf => RecordType::from(SPF_TYPE),
    }
}

/// The name in hickory's form. `None` only for what the domain's names cannot hold.
fn wire_name(name: &Name) -> Option<WireName> {
    let mut wire = WireName::from_labels(name.labels()).ok()?;
    wire.set_fqdn(true);
    Some(wire)
}

/// The name in the domain's form.
pub(super) fn name(wire: &WireName) -> Option<Name> {
    Name::from_labels(wire.iter()).ok()
}

/// The query, under an id of its own, which is random. `None` when the question cannot be written.
pub fn ask(question: &Question, manner: Manner) -> Option<Asking> {
    ask_under(Message::query().metadata.id, question, manner)
}

/// The same, under that id.
pub fn ask_under(id: u16, question: &Question, manner: Manner) -> Option<Asking> {
    let query = Query::query(wire_name(&question.name)?, record_type(question.kind));
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.op_code = OpCode::Query;
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = manner.checking_disabled;
    message.add_query(query.clone());
    if manner.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD).set_version(0);
        message.set_edns(edns);
    }
    Some(Asking { id, query, bytes: message.to_vec().ok()? })
}

impl Asking {
    /// Reads what came from the server that was asked.
    pub fn read(&self, bytes: &[u8]) -> Arrived {
        // The header is read by hand: a truncated message need not be readable.
        let [id_high, id_low, flags, ..] = *bytes else { return Arrived::Foreign };
        let (is_response, is_truncated) = (flags & 0x80 != 0, flags & 0x02 != 0);
        if u16::from_be_bytes([id_high, id_low]) != self.id || !is_response {
            return Arrived::Foreign;
        }
        if is_truncated {
            return Arrived::Truncated;
        }
        let Ok(message) = Message::from_vec(bytes) else { return Arrived::Malformed };
        if message.metadata.message_type != MessageType::Response || !self.is_echoed(&message) {
            return Arrived::Foreign;
        }
        Arrived::Response(Box::new(message))
    }

    /// Whether the response repeats the question. Some servers leave it out where they refuse.
    fn is_echoed(&self, message: &Message) -> bool {
        match message.queries.as_slice() {
            [] => !matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain),
            [query] => {
                query.name() == self.query.name()
                    && query.query_type() == self.query.query_type()
                    && query.query_class() == DNSClass::IN
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(name: &str) -> Question {
        Question::new(Name::parse(name).unwrap(), Kind::Txt)
    }

    fn response_to(asking: &Asking) -> Message {
        let mut message = Message::from_vec(&asking.bytes).unwrap();
        message.metadata.message_type = MessageType::Response;
        message
    }

    #[test]
    fn a_query_says_what_is_asked_and_how() {
        let label = b"a b\xff.c".as_slice();
        let raw = Question::new(Name::from_labels([label, b"test"]).unwrap(), Kind::Spf);
        let asking = ask(&raw, Manner { checking_disabled: true, ..Manner::PLAIN }).unwrap();
        let sent = Message::from_vec(&asking.bytes).unwrap();
        assert_eq!(name(sent.queries[0].name()).unwrap(), raw.name);
        assert_eq!(u16::from(sent.queries[0].query_type()), SPF_TYPE);
        assert!(sent.metadata.recursion_desired && sent.metadata.checking_disabled);
        assert_eq!(sent.edns.map(|e| e.max_payload()), Some(UDP_PAYLOAD));
        let plain = Manner { edns: false, ..Manner::PLAIN };
        let sent = Message::from_vec(&ask(&question("a.test"), plain).unwrap().bytes).unwrap();
        assert!(sent.edns.is_none() && !sent.metadata.checking_disabled);
    }

    #[test]
    fn only_the_response_to_the_question_is_taken() {
        let asking = ask(&question("a.test"), Manner::PLAIN).unwrap();
        let right = response_to(&asking);
        assert!(matches!(asking.read(&right.to_vec().unwrap()), Arrived::Response(_)));
        // The query itself, another id, another question, no question.
        assert!(matches!(asking.read(&asking.bytes), Arrived::Foreign));
        let mut other = right.clone();
        other.metadata.id ^= 1;
        assert!(matches!(asking.read(&other.to_vec().unwrap()), Arrived::Foreign));
        let mut other = right.clone();
        other.queries[0].set_query_type(RecordType::A);
        assert!(matches!(asking.read(&other.to_vec().unwrap()), Arrived::Foreign));
        let mut bare = right.clone();
        bare.queries.clear();
        assert!(matches!(asking.read(&bare.to_vec().unwrap()), Arrived::Foreign));
        bare.metadata.response_code = ResponseCode::Refused;
        assert!(matches!(asking.read(&bare.to_vec().unwrap()), Arrived::Response(_)));
        // Cut anywhere it is still ours, and is not read.
        let mut bytes = right.to_vec().unwrap();
        assert!(matches!(asking.read(&bytes[..14]), Arrived::Malformed));
        bytes[2] |= 0x02;
        assert!(matches!(asking.read(&bytes[..14]), Arrived::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_return(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), ours: bool) {
            let asking = ask(&question("a.test"), Manner::PLAIN).unwrap();
            if ours && bytes.len() > 2 {
                bytes[..2].copy_from_slice(&asking.id.to_be_bytes());
                bytes[2] = 0x80;
            }
            asking.read(&bytes);
        }
    }
}
