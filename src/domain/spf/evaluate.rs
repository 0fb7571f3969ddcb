//! `check_host()`: whether a client may send for a domain (RFC 7208 section 4).

use serde::{Deserialize, Serialize};

use crate::domain::dns::{Inquiry, Name, Unanswered};
use crate::domain::finding::printable;

use super::explain::explanation;
use super::macros::MacroString;
use super::matching::Client;
use super::publication::Publication;
use super::record::{Record, text_of};
use super::sender::{Identity, Sender};
use super::term::{Mechanism, Qualifier, Term, TermKind};
use super::tree::{Counts, MOST_LOOKUPS, Tree};

/// The result of an evaluation (RFC 7208 section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// The client may send.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    Softfail,
    /// The domain does not say.
    Neutral,
    /// There is no domain, or no record.
    None,
    /// An answer of the DNS is missing.
    Temperror,
    /// The record cannot be evaluated.
    Permerror,
}

/// What an evaluation came to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// The result.
    pub result: SpfResult,
    /// What the domain says about its `fail` (`exp=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The term that matched, in the record that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Why there is no result but an error or `none`, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The lookups and voids until the end of the evaluation.
    pub counts: Counts,
    /// The records that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Tree>,
}

/// Why an evaluation ends before it has a result.
pub enum Stop {
    /// A reply has to be asked for first.
    Unanswered,
    /// `temperror`, and why.
    Temporary(String),
    /// `permerror`, and why.
    Permanent(String),
}

impl From<Unanswered> for Stop {
    fn from(_: Unanswered) -> Self {
        Self::Unanswered
    }
}

/// What one record came to.
struct Decision {
    result: SpfResult,
    matched: Option<String>,
    /// `exp=` of the record that decided, and the name at which that record stands.
    explanation: Option<(MacroString, Name)>,
}

/// Evaluates the policy of the sender's domain for the client's address.
pub fn evaluate(inquiry: &mut Inquiry<'_>, question: &Sender<'_>) -> Result<Evaluation, Unanswered> {
    let who = Identity::of(question);
    let Some(domain) = who.domain() else {
        let problem = "the sender's domain is no domain name of several labels".to_owned();
        return Ok(Evaluation::without_record(SpfResult::None, problem, None));
    };
    let mut tree = Tree::new(&domain, None);
    let mut walk = Walk { client: Client::new(inquiry, &who) };
    let decided = walk.check_host(&domain, &mut tree);
    let counts = walk.client.counts;
    let evaluation = match decided {
        Err(Stop::Unanswered) => return Err(Unanswered),
        Err(Stop::Temporary(problem)) => Evaluation::without_record(SpfResult::Temperror, problem, Some(tree)),
        Err(Stop::Permanent(problem)) => Evaluation::without_record(SpfResult::Permerror, problem, Some(tree)),
        Ok(None) => {
            let problem = format!("no SPF record at {domain}");
            Evaluation::without_record(SpfResult::None, problem, Some(tree))
        }
        Ok(Some(decision)) => {
            let explanation = match (&decision.explanation, decision.result) {
                (Some((target, at)), SpfResult::Fail) => explanation(&mut walk.client, target, at)?,
                _ => None,
            };
            let Decision { result, matched, .. } = decision;
            Evaluation { result, explanation, matched, problem: None, counts, tree: Some(tree) }
        }
    };
    Ok(Evaluation { counts, ..evaluation })
}

impl Evaluation {
    fn without_record(result: SpfResult, problem: String, tree: Option<Tree>) -> Self {
        let problem = Some(problem);
        Self { result, explanation: None, matched: None, problem, counts: Counts::default(), tree }
    }
}

struct Walk<'a, 'k> {
    client: Client<'a, 'k>,
}

impl Walk<'_, '_> {
    /// The decision of the record at that domain; `None` where there is none. Depth is bounded by the limit of lookups.
    fn check_host(&mut self, domain: &Name, node: &mut Tree) -> Result<Option<Decision>, Stop> {
        let decided = self.read(domain, node);
        if let Err(Stop::Temporary(problem) | Stop::Permanent(problem)) = &decided {
            // The problem stands at the record that has it, not at those that lead there.
            if !node.children.iter().any(|child| child.problem.is_some()) {
                node.problem = Some(problem.clone());
            }
        }
        node.sum_up();
        decided
    }

    fn read(&mut self, domain: &Name, node: &mut Tree) -> Result<Option<Decision>, Stop> {
        // A name of one label is not asked for (RFC 7208 section 4.3).
        if domain.depth() < 2 {
            return Ok(None);
        }
        let raw = match Publication::ask(self.client.inquiry, domain)?.0 {
            Publication::None => return Ok(None),
            Publication::One(raw) => raw,
            Publication::Several(records) => {
                return Err(Stop::Permanent(format!("{} SPF records at {domain}", records.len())));
            }
            Publication::Failed(failure) => {
                return Err(Stop::Temporary(format!("TXT of {domain}: {}", failure.as_str())));
            }
        };
        node.record = Some(printable(&raw));
        let record = Record::parse(&raw)
            .map_err(|wrong| Stop::Permanent(format!("in the record of {domain} there is {wrong}")))?;
        for term in record.live() {
            let TermKind::Directive(qualifier, mechanism) = &term.kind else { continue };
            let text = text_of(&raw, term);
            if self.matches(term, mechanism, &text, domain, node)? {
                node.matched = Some(text.clone());
                let explanation = record.explanation().map(|target| (target.clone(), domain.clone()));
                let result = SpfResult::of(*qualifier);
                return Ok(Some(Decision { result, matched: Some(text), explanation }));
            }
        }
        if let Some((term, target)) = record.redirect().filter(|_| record.all().is_none()) {
            let text = text_of(&raw, term);
            return self
                .follow(term, target, &text, domain, node)?
                .map(Some)
                .ok_or_else(|| Stop::Permanent(format!("`{text}` in the record of {domain} leads to no SPF record")));
        }
        Ok(Some(Decision { result: SpfResult::Neutral, matched: None, explanation: None }))
    }

    fn matches(
        &mut self,
        term: &Term,
        mechanism: &Mechanism,
        text: &str,
        domain: &Name,
        node: &mut Tree,
    ) -> Result<bool, Stop> {
        if let Mechanism::Include(target) = mechanism {
            let decision = self
                .follow(term, target, text, domain, node)?
                .ok_or_else(|| Stop::Permanent(format!("`{text}` in the record of {domain} leads to no SPF record")))?;
            return Ok(decision.result == SpfResult::Pass);
        }
        self.count(term, text, domain, node)?;
        let before = self.client.counts.voids;
        let matches = self.client.matches(mechanism, text, domain);
        node.voids += self.client.counts.voids - before;
        matches
    }

    /// The decision of the record that an `include` or `redirect` names.
    fn follow(
        &mut self,
        term: &Term,
        target: &MacroString,
        text: &str,
        domain: &Name,
        node: &mut Tree,
    ) -> Result<Option<Decision>, Stop> {
        self.count(term, text, domain, node)?;
        let Some(target) = self.client.target(target, domain)? else { return Ok(None) };
        let mut child = Tree::new(&target, Some(text.to_owned()));
        let decided = self.check_host(&target, &mut child);
        if matches!(decided, Ok(None)) {
            child.problem = Some("no SPF record".to_owned());
        }
        node.children.push(child);
        decided
    }

    fn count(&mut self, term: &Term, text: &str, domain: &Name, node: &mut Tree) -> Result<(), Stop> {
        if !term.is_lookup() {
            return Ok(());
        }
        self.client.counts.lookups += 1;
        node.own_lookups += 1;
        if self.client.counts.lookups > MOST_LOOKUPS {
            return Err(Stop::Permanent(format!(
                "more than {MOST_LOOKUPS} lookups, at `{text}` in the record of {domain}"
            )));
        }
        Ok(())
    }
}

impl SpfResult {
    /// The word for it in RFC 7208.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Softfail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::Temperror => "temperror",
            Self::Permerror => "permerror",
        }
    }

    fn of(qualifier: Qualifier) -> Self {
        match qualifier {
            Qualifier::Pass => Self::Pass,
            Qualifier::Fail => Self::Fail,
            Qualifier::Softfail => Self::Softfail,
            Qualifier::Neutral => Self::Neutral,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::zone::Zone;
    use super::*;

    fn check(zone: &str, ip: &str) -> Evaluation {
        let sender = Sender {
            ip: ip.parse().unwrap(),
            mail_from: "a@own.test",
            helo: "mail.own.test",
            receiver: "",
            now_seconds: 0,
        };
        Zone::read(zone).run(|inquiry| evaluate(inquiry, &sender))
    }

    const PROVIDER: &str = "
        own.test TXT v=spf1 mx include:p.test exists:%{i}._spf.macro.test -all
        own.test MX 10 mail.own.test
        mail.own.test A 198.51.100.1
        p.test TXT v=spf1 ip4:192.0.2.0/24 ~all
        203.0.113.7._spf.macro.test A 127.0.0.2";

    #[test]
    fn what_was_reached_is_counted_until_the_client_matches() {
        let passed = check(PROVIDER, "192.0.2.9");
        assert_eq!((passed.result, passed.counts), (SpfResult::Pass, Counts { lookups: 2, voids: 0 }));
        assert_eq!(passed.matched.as_deref(), Some("include:p.test"));
        let tree = passed.tree.unwrap();
        assert_eq!((tree.own_lookups, tree.total_lookups, tree.children.len()), (2, 2, 1));
        assert_eq!(tree.children[0].matched.as_deref(), Some("ip4:192.0.2.0/24"));
        assert_eq!(tree.children[0].via.as_deref(), Some("include:p.test"));

        let by_macro = check(PROVIDER, "203.0.113.7");
        assert_eq!((by_macro.result, by_macro.counts), (SpfResult::Pass, Counts { lookups: 3, voids: 0 }));
        let failed = check(PROVIDER, "203.0.113.8");
        assert_eq!((failed.result, failed.counts), (SpfResult::Fail, Counts { lookups: 3, voids: 1 }));
        assert_eq!(failed.matched.as_deref(), Some("-all"));
    }

    #[test]
    fn a_host_without_an_address_of_the_clients_family_is_void() {
        let hosts = "
            own.test TXT v=spf1 mx -all
            own.test MX 10 m1.own.test
            own.test MX 20 m2.own.test
            own.test MX 30 m3.own.test
            m1.own.test A 192.0.2.1
            m2.own.test A 192.0.2.2
            m3.own.test A 192.0.2.3";
        let four = check(hosts, "192.0.2.3");
        assert_eq!((four.result, four.counts), (SpfResult::Pass, Counts { lookups: 1, voids: 0 }));
        let six = check(hosts, "2001:db8::1");
        assert_eq!((six.result, six.counts.voids), (SpfResult::Permerror, 3));
        assert!(six.problem.unwrap().contains("`mx` in the record of own.test."));
        let mapped = check(hosts, "::ffff:192.0.2.1");
        assert_eq!(mapped.result, SpfResult::Pass);
    }

    #[test]
    fn no_answer_is_temperror_and_says_where() {
        let silent = check("own.test TXT v=spf1 include:p.test -all\np.test TXT TIMEOUT", "192.0.2.1");
        assert_eq!(silent.result, SpfResult::Temperror);
        assert_eq!(silent.problem.as_deref(), Some("TXT of p.test.: timeout"));
        let tree = silent.tree.unwrap();
        assert_eq!((tree.problem, tree.children[0].problem.as_deref()), (None, Some("TXT of p.test.: timeout")));
        assert_eq!(check("own.test TXT SERVFAIL", "192.0.2.1").result, SpfResult::Temperror);
        let later = check("own.test TXT v=spf1 ip4:192.0.2.1 a:x.test -all\nx.test A TIMEOUT", "192.0.2.1");
        assert_eq!(later.result, SpfResult::Pass, "what comes after the match is not asked");
    }

    #[test]
    fn a_broken_record_is_told_with_its_place() {
        let broken = check("own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 moo", "192.0.2.1");
        assert_eq!(broken.result, SpfResult::Permerror);
        assert_eq!(
            broken.problem.as_deref(),
            Some("in the record of p.test. there is `moo`, which is no mechanism, at byte 7")
        );
        let two = check("own.test TXT v=spf1 -all\nown.test TXT v=spf1 +all", "192.0.2.1");
        assert_eq!((two.result, two.problem.as_deref()), (SpfResult::Permerror, Some("2 SPF records at own.test.")));
        let nowhere = check("own.test TXT v=spf1 include:p.test -all", "192.0.2.1");
        assert_eq!(nowhere.result, SpfResult::Permerror);
        assert!(nowhere.problem.unwrap().contains("`include:p.test` in the record of own.test."));
    }

    #[test]
    fn a_loop_ends_at_the_limit() {
        let looped = check("own.test TXT v=spf1 include:p.test -all\np.test TXT v=spf1 include:own.test", "192.0.2.1");
        assert_eq!((looped.result, looped.counts.lookups), (SpfResult::Permerror, 11));
        assert!(looped.problem.unwrap().starts_with("more than 10 lookups"));
    }

    #[test]
    fn mx_counts_once_and_its_exchanges_have_a_limit_of_their_own() {
        let hosts = |n: u32| {
            let mut zone = "own.test TXT v=spf1 mx -all".to_owned();
            for i in 0..n {
                zone += &format!("\nown.test MX {i} m{i}.own.test\nm{i}.own.test A 192.0.2.{i}");
            }
            zone
        };
        let ten = check(&hosts(10), "192.0.2.9");
        assert_eq!((ten.result, ten.counts.lookups), (SpfResult::Pass, 1));
        let eleven = check(&hosts(11), "192.0.2.0");
        assert_eq!((eleven.result, eleven.counts.lookups), (SpfResult::Permerror, 1));
    }

    #[test]
    fn exists_asks_for_ipv4_addresses_only() {
        let zone = "own.test TXT v=spf1 exists:e.test -all\ne.test AAAA 2001:db8::1";
        assert_eq!(check(zone, "2001:db8::1").result, SpfResult::Fail);
    }

    #[test]
    fn the_domain_in_a_macro_is_the_one_evaluated() {
        let zone = "
            own.test TXT v=spf1 include:p.test -all exp=why.%{d}
            p.test TXT v=spf1 exists:%{d}.x.test
            p.test.x.test A 127.0.0.2
            why.own.test TXT %{i} is not one of %{d}";
        assert_eq!(check(zone, "192.0.2.1").result, SpfResult::Pass);
        let explained = check(&zone.replace("127.0.0.2", "NODATA"), "192.0.2.1");
        assert_eq!(explained.explanation.as_deref(), Some("192.0.2.1 is not one of own.test"));
    }
}
