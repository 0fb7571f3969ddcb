//! Whether a mechanism matches the client (RFC 7208 section 5), and the questions that takes.

use std::net::IpAddr;

use crate::domain::dns::{Data, Inquiry, Kind, Name, Question, Reply, Unanswered};

use super::evaluate::Stop;
use super::macros::{Letter, MacroString};
use super::network::{DualCidr, within4, within6};
use super::publication::{bytes_of, target_name};
use super::sender::Identity;
use super::term::Mechanism;
use super::tree::{Counts, MOST_EXCHANGES, MOST_NAMES, MOST_VOIDS};

/// A client, and what has been counted for it so far.
pub struct Client<'a, 'k> {
    pub inquiry: &'a mut Inquiry<'k>,
    pub who: &'a Identity<'a>,
    pub counts: Counts,
}

impl<'a, 'k> Client<'a, 'k> {
    pub fn new(inquiry: &'a mut Inquiry<'k>, who: &'a Identity<'a>) -> Self {
        Self { inquiry, who, counts: Counts::default() }
    }

    /// Whether a mechanism other than `include` matches. `text` is the term as written, `domain` where its record stands.
    pub fn matches(&mut self, mechanism: &Mechanism, text: &str, domain: &Name) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => {
                Ok(matches!(self.who.ip, IpAddr::V4(client) if within4(client, *network, *bits)))
            }
            Mechanism::Ip6(network, bits) => {
                Ok(matches!(self.who.ip, IpAddr::V6(client) if within6(client, *network, *bits)))
            }
            Mechanism::A(target, cidr) => {
                let Some(name) = self.target_or(target.as_ref(), domain)? else { return Ok(false) };
                let reply = self.ask(name, self.address_kind(), text, domain)?;
                Ok(self.is_listed(reply, *cidr))
            }
            Mechanism::Exists(target) => {
                let Some(name) = self.target(target, domain)? else { return Ok(false) };
                // An A lookup, whatever the client's family (RFC 7208 section 5.7).
                let reply = self.ask(name, Kind::A, text, domain)?;
                Ok(addresses(reply).next().is_some())
            }
            Mechanism::Mx(target, cidr) => {
                let Some(name) = self.target_or(target.as_ref(), domain)? else { return Ok(false) };
                self.mx(name, *cidr, text, domain)
            }
            Mechanism::Ptr(target) => {
                let Some(name) = self.target_or(target.as_ref(), domain)? else { return Ok(false) };
                let (names, voids) = self.validated_names()?;
                for _ in 0..voids {
                    self.count_void(text, domain)?;
                }
                Ok(names.iter().any(|validated| validated.is_within(&name)))
            }
            // Evaluated by the walk, which reads the record it names.
            Mechanism::Include(_) => Ok(false),
        }
    }

    fn mx(&mut self, name: Name, cidr: DualCidr, text: &str, domain: &Name) -> Result<bool, Stop> {
        let reply = self.ask(name, Kind::Mx, text, domain)?;
        let exchanges = exchanges(reply);
        if exchanges.len() > MOST_EXCHANGES {
            return Err(Stop::Permanent(format!(
                "`{text}` in the record of {domain} has {} exchanges, more than {MOST_EXCHANGES}",
                exchanges.len()
            )));
        }
        let kind = self.address_kind();
        let mut questions: Vec<_> = Vec::new();
        for question in exchanges.into_iter().map(|(_, host)| Question::new(host, kind)) {
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
        // All at once; each is then looked at in the order of preference.
        for question in &questions {
            let _ = self.inquiry.ask(question.clone());
        }
        for question in questions {
            let reply = self.ask(question.name, kind, text, domain)?;
            if self.is_listed(reply, cidr) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The names that the client's address has and that have the client's address (RFC 7208 section 5.5), sorted, and how many of the
    /// questions came back void. A failed answer takes away the names it would have given, and nothing else.
    pub fn validated_names(&mut self) -> Result<(Vec<Name>, u32), Unanswered> {
        let reply = self.inquiry.ask(Question::new(self.who.reverse_name(), Kind::Ptr))?;
        let mut names: Vec<_> = reply
            .records()
            .iter()
            .filter_map(|data| match data {
                Data::Ptr(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names.truncate(MOST_NAMES);
        let kind = self.address_kind();
        let replies: Vec<_> = names.iter().map(|name| self.inquiry.ask(Question::new(name.clone(), kind))).collect();
        let replies = replies.into_iter().collect::<Result<Vec<_>, _>>()?;
        let voids = u32::from(reply.is_void()) + replies.iter().map(|reply| u32::from(reply.is_void())).sum::<u32>();
        let has_client = |reply: &Reply| addresses(reply).any(|address| address == self.who.ip);
        let validated = names.into_iter().zip(replies).filter(|(_, reply)| has_client(reply)).map(|(name, _)| name);
        Ok((validated.collect(), voids))
    }

    /// The name that the `p` macro stands for: the domain itself before those below it, those before any other (RFC 7208 section 7.3).
    pub fn validated_name(&mut self, domain: &Name) -> Result<Vec<u8>, Unanswered> {
        let (names, _) = self.validated_names()?;
        let rank = |name: &&Name| (*name != domain, !name.is_within(domain));
        Ok(names.iter().min_by_key(rank).map_or_else(|| b"unknown".to_vec(), bytes_of))
    }

    /// What a macro string becomes in the record of `domain`.
    pub fn expand(&mut self, text: &MacroString, domain: &Name) -> Result<Vec<u8>, Unanswered> {
        let validated = match text.uses(Letter::ValidatedName) {
            true => Some(self.validated_name(domain)?),
            false => None,
        };
        let own = bytes_of(domain);
        Ok(text.expand(|letter| self.who.value(letter, &own, validated.as_deref())).unwrap_or_default())
    }

    /// The name that a domain-spec stands for; `None` where the DNS can have no such name, which then matches nothing.
    pub fn target(&mut self, spec: &MacroString, domain: &Name) -> Result<Option<Name>, Unanswered> {
        Ok(target_name(&self.expand(spec, domain)?))
    }

    fn target_or(&mut self, spec: Option<&MacroString>, domain: &Name) -> Result<Option<Name>, Unanswered> {
        match spec {
            Some(spec) => self.target(spec, domain),
            None => Ok(Some(domain.clone())),
        }
    }

    fn address_kind(&self) -> Kind {
        if self.who.ip.is_ipv4() { Kind::A } else { Kind::Aaaa }
    }

    fn is_listed(&self, reply: &Reply, cidr: DualCidr) -> bool {
        addresses(reply).any(|address| cidr.matches(self.who.ip, address))
    }

    /// Asks, counts a void, and gives up where no answer came.
    fn ask(&mut self, name: Name, kind: Kind, text: &str, domain: &Name) -> Result<&'k Reply, Stop> {
        let reply = self.inquiry.ask(Question::new(name.clone(), kind))?;
        if let Some(failure) = reply.failure() {
            let problem = format!("`{text}` in the record of {domain}: {kind} of {name}: {}", failure.as_str());
            return Err(Stop::Temporary(problem));
        }
        if reply.is_void() {
            self.count_void(text, domain)?;
        }
        Ok(reply)
    }

    fn count_void(&mut self, text: &str, domain: &Name) -> Result<(), Stop> {
        self.counts.voids += 1;
        if self.counts.voids > MOST_VOIDS {
            return Err(Stop::Permanent(format!(
                "more than {MOST_VOIDS} lookups without an answer, at `{text}` in the record of {domain}"
            )));
        }
        Ok(())
    }
}

/// The addresses in a reply.
pub fn addresses(reply: &Reply) -> impl Iterator<Item = IpAddr> {
    reply.records().iter().filter_map(|data| match data {
        Data::A(ip) => Some(IpAddr::V4(*ip)),
        Data::Aaaa(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    })
}

/// The mail exchanges in a reply, by preference and name. The root is none (RFC 7505).
pub fn exchanges(reply: &Reply) -> Vec<(u16, Name)> {
    let mut exchanges: Vec<_> = reply
        .records()
        .iter()
        .filter_map(|data| match data {
            Data::Mx { preference, exchange } if exchange.depth() > 0 => Some((*preference, exchange.clone())),
            _ => None,
        })
        .collect();
    exchanges.sort();
    exchanges
}
