//! What a response says about a question: records at the end of a chain, none, or nothing that can be used.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, RData, Record};

use super::message::{SPF_TYPE, name, record_type};
use crate::domain::dns::{Data, Failure, Kind, Name, Outcome};

/// How many CNAME records are followed. Resolvers stop at about as many.
pub const LONGEST_CHAIN: usize = 16;

/// The way from the asked name so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    start: Name,
    /// The names that CNAME records led to.
    pub chain: Vec<Name>,
    /// The least lifetime of what was seen, in seconds.
    pub ttl: Option<u32>,
}

/// What a response leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The end.
    Done(Outcome),
    /// The server knows of a CNAME and not where it leads: the last name of the way has to be asked for itself.
    Follow,
}

impl Way {
    /// The way that starts at a name.
    pub fn from(start: Name) -> Self {
        Self { start, chain: Vec::new(), ttl: None }
    }

    /// Where it has led so far.
    pub fn end(&self) -> &Name {
        self.chain.last().unwrap_or(&self.start)
    }

    /// Goes on by the records of a response that was asked for the end of the way.
    pub fn read(&mut self, message: &Message, kind: Kind) -> Step {
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            code => return Step::Done(Outcome::Failed(failure(code))),
        }
        let came_with = self.chain.len();
        loop {
            let records = self.take(message, kind);
            if !records.is_empty() {
                return Step::Done(Outcome::Records(records));
            }
            // Who asks for a CNAME wants this one, not what stands behind it.
            let Some(target) =
                (kind != Kind::Cname).then(|| self.take(message, Kind::Cname)).into_iter().flatten().next()
            else {
                break;
            };
            let Data::Cname(target) = target else { break };
            let is_loop = target == self.start || self.chain.contains(&target);
            self.chain.push(target);
            if is_loop || self.chain.len() > LONGEST_CHAIN {
                // It leads nowhere, and that is certain: there are no records.
                return Step::Done(Outcome::NoData);
            }
        }
        let soa = message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some((record.ttl.min(soa.minimum), name(&record.name))),
            _ => None,
        });
        let is_void_here = matches!(&soa, Some((_, Some(zone))) if self.end().is_within(zone));
        // Without authority and without recursion a server's "there is none" is worth nothing: it is lame. So is one that
        // only names other servers (RFC 2308 section 2.2).
        let speaks_for_it = message.metadata.authoritative || message.metadata.recursion_available;
        let refers = !message.metadata.authoritative
            && soa.is_none()
            && message.authorities.iter().any(|record| matches!(record.data, RData::NS(_)));
        if let Some((ttl, _)) = soa {
            self.lives(ttl);
        }
        if message.metadata.response_code == ResponseCode::NXDomain {
            // Of the last name of the chain (RFC 6604 section 3).
            return Step::Done(if speaks_for_it { Outcome::NxDomain } else { Outcome::Failed(Failure::Other) });
        }
        if self.chain.len() > came_with && !is_void_here {
            return Step::Follow;
        }
        Step::Done(if speaks_for_it && !refers { Outcome::NoData } else { Outcome::Failed(Failure::Other) })
    }

    /// The records of that type at the end of the way.
    fn take(&mut self, message: &Message, kind: Kind) -> Vec<Data> {
        let wanted = record_type(kind);
        let mut taken = Vec::new();
        for record in &message.answers {
            if record.dns_class != DNSClass::IN || record.data.record_type() != wanted {
                continue;
            }
            if name(&record.name).as_ref() == Some(self.end())
                && let Some(data) = data(record)
            {
                taken.push(data);
                self.lives(record.ttl);
            }
        }
        taken
    }

    fn lives(&mut self, ttl: u32) {
        // A lifetime with the highest bit set is none (RFC 2181 section 8).
        let ttl = if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
        self.ttl = Some(self.ttl.map_or(ttl, |least| least.min(ttl)));
    }
}

/// An RCODE other than 0 and 3.
fn failure(code: ResponseCode) -> Failure {
    match code {
        ResponseCode::ServFail => Failure::Servfail,
        ResponseCode::Refused => Failure::Refused,
        _ => Failure::Other,
    }
}

fn data(record: &Record) -> Option<Data> {
    Some(match &record.data {
        RData::TXT(txt) => Data::Txt(txt.txt_data.to_vec()),
        RData::A(address) => Data::A(address.0),
        RData::AAAA(address) => Data::Aaaa(address.0),
        RData::MX(mx) => Data::Mx { preference: mx.preference, exchange: name(&mx.exchange)? },
        RData::PTR(target) => Data::Ptr(name(&target.0)?),
        RData::CNAME(target) => Data::Cname(name(&target.0)?),
        RData::Unknown { code, rdata } if u16::from(*code) == SPF_TYPE => Data::Txt(strings(&rdata.anything)?),
        _ => return None,
    })
}

/// The character-strings of a record (RFC 1035 section 3.3.14).
fn strings(mut bytes: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let mut strings = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let (string, rest) = rest.split_at_checked(length.into())?;
        strings.push(string.into());
        bytes = rest;
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, CNAME, NS, NULL, SOA, TXT};
    use hickory_proto::rr::{Name as WireName, RecordType};
    use proptest::prelude::*;

    use super::*;

    fn wire(text: &str) -> WireName {
        WireName::from_ascii(text).unwrap()
    }

    fn of(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn alias(from: &str, to: &str, ttl: u32) -> Record {
        Record::from_rdata(wire(from), ttl, RData::CNAME(CNAME(wire(to))))
    }

    fn text(at: &str, ttl: u32) -> Record {
        Record::from_rdata(wire(at), ttl, RData::TXT(TXT::from_bytes(vec![b"a\xff", b""])))
    }

    fn soa(zone: &str, ttl: u32, minimum: u32) -> Record {
        let soa = SOA::new(wire("ns.test."), wire("h.test."), 1, 1, 1, 1, minimum);
        Record::from_rdata(wire(zone), ttl, RData::SOA(soa))
    }

    /// From a resolver, as most are.
    fn response(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.recursion_available = true;
        message.answers = answers;
        message.authorities = authorities;
        message
    }

    fn read(message: &Message) -> (Step, Way) {
        let mut way = Way::from(of("a.test"));
        (way.read(message, Kind::Txt), way)
    }

    #[test]
    fn records_stand_at_the_end_of_a_chain_in_any_order() {
        let answers = vec![
            text("c.test.", 20),
            alias("B.test.", "c.test.", 10),
            text("x.test.", 1),
            alias("a.test.", "b.test.", 30),
        ];
        let (step, way) = read(&response(ResponseCode::NoError, answers, vec![]));
        let strings: Vec<Box<[u8]>> = vec![b"a\xff".as_slice().into(), b"".as_slice().into()];
        assert_eq!(step, Step::Done(Outcome::Records(vec![Data::Txt(strings)])));
        assert_eq!((way.chain, way.ttl), (vec![of("b.test"), of("c.test")], Some(10)));
    }

    #[test]
    fn nothing_lives_as_long_as_the_zone_says() {
        for (code, outcome) in [(ResponseCode::NXDomain, Outcome::NxDomain), (ResponseCode::NoError, Outcome::NoData)] {
            let (step, way) = read(&response(code, vec![], vec![soa("test.", 300, 60)]));
            assert_eq!((step, way.ttl), (Step::Done(outcome.clone()), Some(60)));
            let (step, way) = read(&response(code, vec![], vec![]));
            assert_eq!((step, way.ttl), (Step::Done(outcome), None));
        }
    }

    #[test]
    fn a_lifetime_beyond_all_bounds_is_none() {
        let (_, way) = read(&response(ResponseCode::NoError, vec![text("a.test.", 1 << 31)], vec![]));
        assert_eq!(way.ttl, Some(0));
    }

    #[test]
    fn a_chain_that_dangles_keeps_its_names() {
        let answers = || vec![alias("a.test.", "gone.example.", 30)];
        let (step, way) = read(&response(ResponseCode::NXDomain, answers(), vec![soa("example.", 900, 900)]));
        assert_eq!((step, way.chain, way.ttl), (Step::Done(Outcome::NxDomain), vec![of("gone.example")], Some(30)));
        let (step, _) = read(&response(ResponseCode::NoError, answers(), vec![soa("example.", 900, 900)]));
        assert_eq!(step, Step::Done(Outcome::NoData));
        // Only the alias: whoever answered does not serve the other zone.
        let (step, _) = read(&response(ResponseCode::NoError, answers(), vec![]));
        assert_eq!(step, Step::Follow);
        let (step, _) = read(&response(ResponseCode::NoError, answers(), vec![soa("test.", 900, 900)]));
        assert_eq!(step, Step::Follow);
    }

    #[test]
    fn a_loop_and_an_endless_chain_have_no_records() {
        let answers = vec![alias("a.test.", "b.test.", 5), alias("b.test.", "a.test.", 5)];
        let (step, way) = read(&response(ResponseCode::NoError, answers, vec![]));
        assert_eq!((step, way.chain), (Step::Done(Outcome::NoData), vec![of("b.test"), of("a.test")]));
        let mut answers: Vec<_> =
            (0..40).map(|n| alias(&format!("n{n}.test."), &format!("n{}.test.", n + 1), 5)).collect();
        answers.push(alias("a.test.", "n0.test.", 5));
        let (step, way) = read(&response(ResponseCode::NoError, answers, vec![]));
        assert_eq!((step, way.chain.len()), (Step::Done(Outcome::NoData), LONGEST_CHAIN + 1));
    }

    #[test]
    fn a_cname_that_was_asked_for_is_not_followed() {
        let message = response(ResponseCode::NoError, vec![alias("a.test.", "b.test.", 5)], vec![]);
        let mut way = Way::from(of("a.test"));
        assert_eq!(way.read(&message, Kind::Cname), Step::Done(Outcome::Records(vec![Data::Cname(of("b.test"))])));
        assert!(way.chain.is_empty());
    }

    #[test]
    fn a_lame_server_proves_nothing() {
        let ns = Record::from_rdata(wire("test."), 60, RData::NS(NS(wire("ns.test."))));
        let lame = Step::Done(Outcome::Failed(Failure::Other));
        assert_eq!(read(&response(ResponseCode::NoError, vec![], vec![ns])).0, lame);
        for code in [ResponseCode::NoError, ResponseCode::NXDomain] {
            let mut message = response(code, vec![], vec![]);
            message.metadata.recursion_available = false;
            assert_eq!(read(&message).0, lame);
            message.metadata.authoritative = true;
            assert_ne!(read(&message).0, lame);
        }
    }

    #[test]
    fn other_codes_are_failures() {
        for (code, failure) in [
            (ResponseCode::ServFail, Failure::Servfail),
            (ResponseCode::Refused, Failure::Refused),
            (ResponseCode::NotImp, Failure::Other),
        ] {
            let answers = vec![text("a.test.", 20)];
            assert_eq!(read(&response(code, answers, vec![])).0, Step::Done(Outcome::Failed(failure)));
        }
    }

    proptest! {
        /// Bytes of a response changed here and there: what can still be read leads somewhere.
        #[test]
        fn any_response_returns(changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8)) {
            let answers = vec![alias("a.test.", "b.test.", 10), text("b.test.", 20), alias("b.test.", "a.test.", 1)];
            let mut bytes = response(ResponseCode::NoError, answers, vec![soa("test.", 300, 60)]).to_vec().unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(message) = Message::from_vec(&bytes) {
                for kind in [Kind::Txt, Kind::Cname, Kind::Spf, Kind::Mx] {
                    let mut way = Way::from(of("a.test"));
                    way.read(&message, kind);
                    prop_assert!(way.chain.len() <= LONGEST_CHAIN + 1);
                }
            }
        }
    }

    #[test]
    fn every_kind_is_read() {
        let record = |rdata: RData| data(&Record::from_rdata(wire("a.test."), 1, rdata));
        assert_eq!(record(RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))), Some(Data::A(Ipv4Addr::new(192, 0, 2, 1))));
        let spf = |bytes: &[u8]| {
            record(RData::Unknown { code: RecordType::from(SPF_TYPE), rdata: NULL::with(bytes.to_vec()) })
        };
        let strings: Vec<Box<[u8]>> = vec![b"ab".as_slice().into(), b"c".as_slice().into()];
        assert_eq!(spf(b"\x02ab\x01c"), Some(Data::Txt(strings)));
        assert_eq!(spf(b"\x05ab"), None);
        assert_eq!(record(RData::NS(NS(wire("ns.test.")))), None);
    }
}
