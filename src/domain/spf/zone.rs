//! DNS for the tests of this room, written as DNS: a line is a name, a type and data.

use std::collections::BTreeMap;

use crate::domain::dns::{Data, Failure, Inquiry, Kind, Name, Outcome, Question, Reply, Unanswered};

/// What is asked of a name that no line names is NXDOMAIN, another type of one that is there NODATA.
#[derive(Default)]
pub struct Zone {
    replies: BTreeMap<Question, Reply>,
}

impl Zone {
    /// Reads the lines. In place of data `TIMEOUT`, `SERVFAIL` or `NODATA` may stand, and `TCP` before the data.
    pub fn read(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let mut parts = line.splitn(3, ' ');
            let [name, kind, data] = [(); 3].map(|()| parts.next().expect("name, type, data"));
            zone.add(name, kind, data);
        }
        zone
    }

    fn add(&mut self, name: &str, kind: &str, data: &str) {
        let of = |text: &str| Name::parse(text).expect("a name");
        let kinds = [Kind::Txt, Kind::A, Kind::Aaaa, Kind::Mx, Kind::Ptr, Kind::Cname, Kind::Spf];
        let kind = kinds.into_iter().find(|known| known.to_string() == kind).expect("a type");
        let reply = self.replies.entry(Question::new(of(name), kind)).or_insert_with(|| Reply::of(Outcome::NoData));
        let data = match data.strip_prefix("TCP ") {
            Some(data) => {
                reply.over_tcp = true;
                data
            }
            None => data,
        };
        let failure = [("TIMEOUT", Failure::Timeout), ("SERVFAIL", Failure::Servfail)]
            .into_iter()
            .find(|(word, _)| *word == data);
        if let Some((_, failure)) = failure {
            reply.outcome = Outcome::Failed(failure);
        } else if data != "NODATA" {
            let data = match kind {
                Kind::Txt | Kind::Spf => Data::Txt(data.as_bytes().chunks(255).map(Into::into).collect()),
                Kind::A => Data::A(data.parse().expect("an address")),
                Kind::Aaaa => Data::Aaaa(data.parse().expect("an address")),
                Kind::Mx => {
                    let (preference, exchange) = data.split_once(' ').expect("preference and exchange");
                    Data::Mx { preference: preference.parse().expect("a preference"), exchange: of(exchange) }
                }
                Kind::Ptr => Data::Ptr(of(data)),
                Kind::Cname => Data::Cname(of(data)),
            };
            let mut records = reply.records().to_vec();
            records.push(data);
            reply.outcome = Outcome::Records(records);
        }
    }

    /// The same answers, each in the opposite order.
    pub fn reversed(mut self) -> Self {
        for reply in self.replies.values_mut() {
            if let Outcome::Records(records) = &mut reply.outcome {
                records.reverse();
            }
        }
        self
    }

    fn reply(&self, question: &Question) -> Reply {
        self.replies.get(question).cloned().unwrap_or_else(|| {
            let exists = self.replies.keys().any(|known| known.name == question.name);
            Reply::of(if exists { Outcome::NoData } else { Outcome::NxDomain })
        })
    }

    /// Runs the judge until it ends, in as many rounds as it takes.
    pub fn run<T>(&self, judge: impl FnMut(&mut Inquiry<'_>) -> Result<T, Unanswered>) -> T {
        self.rounds(judge).0
    }

    /// Runs the judge until it ends; with what it asked, round by round.
    pub fn rounds<T>(&self, mut judge: impl FnMut(&mut Inquiry<'_>) -> Result<T, Unanswered>) -> (T, Vec<usize>) {
        let (mut known, mut rounds) = (BTreeMap::new(), Vec::new());
        loop {
            let mut inquiry = Inquiry::new(&known);
            let judged = judge(&mut inquiry);
            let missing = inquiry.missing().clone();
            if let Ok(judged) = judged {
                return (judged, rounds);
            }
            assert!(!missing.is_empty() && rounds.len() < 1000, "it gives up without a question, or never ends");
            rounds.push(missing.len());
            known.extend(missing.into_iter().map(|question| {
                let reply = self.reply(&question);
                (question, reply)
            }));
        }
    }
}
