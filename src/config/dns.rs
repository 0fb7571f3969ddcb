//! `[dns]`: who is asked about DNS records, and for how long.

use std::net::SocketAddr;

use serde::Deserialize;

use super::duration::{Span, check_span};
use super::findings::{Findings, Section};

/// How questions are asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The recursive resolvers. None: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Others, run by somebody else, that confirm when a record has gone. None: the first are asked again.
    pub second_resolvers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Span,
    /// How often a question is tried; every resolver is tried at least once.
    pub attempts: usize,
    /// How long the check of one stream may take. What has not come by then is unknown.
    pub deadline: Span,
    /// Questions in flight at once. Those that are slow to be answered make room for others.
    pub in_flight: usize,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            second_resolvers: Vec::new(),
            timeout: Span::secs(2),
            attempts: 2,
            deadline: Span::secs(20),
            in_flight: 64,
        }
    }
}

impl Section for Dns {
    fn check(&self, findings: &mut Findings) {
        for (field, servers) in [("resolvers", &self.resolvers), ("second_resolvers", &self.second_resolvers)] {
            findings.expect(servers.iter().all(|server| server.port() != 0), field, "has an address with port 0");
        }
        let shared = self.second_resolvers.iter().any(|server| self.resolvers.contains(server));
        findings.expect(!shared, "second_resolvers", "names one of dns.resolvers, which cannot confirm itself");
        check_span("timeout", self.timeout, Span::millis(50), Span::secs(30), findings);
        findings.expect((1..=10).contains(&self.attempts), "attempts", "must be from 1 to 10");
        let most = Span::secs(300);
        let fits = self.deadline >= self.timeout && self.deadline <= most;
        findings.expect(fits, "deadline", format!("must be from dns.timeout to {most}"));
        findings.expect((1..=1024).contains(&self.in_flight), "in_flight", "must be from 1 to 1024");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dns: &Dns) -> Vec<String> {
        let mut findings = Findings::default();
        dns.check(&mut findings);
        findings.into_result().err().unwrap_or_default().into_iter().map(|finding| finding.field).collect()
    }

    #[test]
    fn what_cannot_work_is_found() {
        assert!(found(&Dns::default()).is_empty());
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let dns = Dns {
            resolvers: vec![address("192.0.2.53:53"), address("[2001:db8::53]:0")],
            second_resolvers: vec![address("192.0.2.53:53")],
            timeout: Span::millis(1),
            attempts: 0,
            deadline: Span::hours(1),
            in_flight: 0,
        };
        assert_eq!(found(&dns), ["resolvers", "second_resolvers", "timeout", "attempts", "deadline", "in_flight"]);
        let dns = Dns { deadline: Span::secs(1), ..Dns::default() };
        assert_eq!(found(&dns), ["deadline"]);
    }
}
