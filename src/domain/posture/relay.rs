//! Apple's two paths into the relay, and what is missing for each.
//!
//! SPF counts when the envelope domain passes and is registered, exactly. DKIM counts when a signature's `d=` is the From domain and that
//! is registered. Either will do (Apple's account help, as quoted by its engineers).

use super::plan::Plan;
use super::report::{Apple, AppleVerdict};
use super::sender_policy::SenderPolicy;
use crate::domain::dkim::{Key, Usable};
use crate::domain::dmarc::Alignment;
use crate::domain::dns::{Name, Reply};
use crate::domain::finding::{Code, Finding, State};

/// Why each path stands as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons {
    /// The SPF path.
    pub spf: String,
    /// The DKIM path.
    pub dkim: String,
    /// What was taken for granted.
    pub granted: Option<&'static str>,
}

/// Said where a registration leaves `apple_sources` out.
const GRANTED: &str = "taken for granted that these domains are registered with Apple: apple_sources does not say";

/// A path, and why it stands so.
struct Path {
    state: State,
    because: String,
}

/// Judges both paths of a stream that sends mail.
pub fn examine(
    plan: &Plan,
    envelope: Option<&SenderPolicy>,
    envelope_gone: bool,
    keys: &[Key],
    alignment: &Alignment,
) -> (Apple, Reasons, Vec<Finding>) {
    let spf = spf_path(plan, envelope, envelope_gone);
    let dkim = dkim_path(plan, keys, alignment);
    let open = |state: State| matches!(state, State::Pass | State::Warn);
    let verdict = match (spf.state, dkim.state) {
        (spf, dkim) if open(spf) || open(dkim) => AppleVerdict::Accept,
        (State::Fail, State::Fail) => AppleVerdict::Reject,
        _ => AppleVerdict::Unknown,
    };
    let word = |state: State| match state {
        State::Pass | State::Warn => "open",
        State::Unknown => "unknown",
        State::Fail => "closed",
    };
    let mut because =
        format!("SPF path {}: {}; DKIM path {}: {}", word(spf.state), spf.because, word(dkim.state), dkim.because);
    let granted = plan.is_registered(&plan.from).is_none().then_some(GRANTED);
    if let Some(granted) = granted {
        because.push_str("; ");
        because.push_str(granted);
    }
    let mut findings = unregistered(plan);
    findings.extend(broken(plan, &spf, &dkim, verdict));
    let apple = Apple { verdict, spf_path: spf.state, dkim_path: dkim.state, because };
    (apple, Reasons { spf: spf.because, dkim: dkim.because, granted }, findings)
}

fn spf_path(plan: &Plan, envelope: Option<&SenderPolicy>, envelope_gone: bool) -> Path {
    let path = |state, because: String| Path { state, because };
    let Some(domain) = &plan.sent_as else {
        return match plan.envelope_is_registered() {
            Some(false) => path(State::Fail, "no envelope domain of your own is registered with Apple".to_owned()),
            _ => path(State::Unknown, "the envelope domain is the provider's, and it is not known which".to_owned()),
        };
    };
    let registered = plan.is_registered(domain);
    let Some(policy) = envelope else {
        // The provider's own envelope: SPF passes there, and Apple wants that very domain registered.
        return match registered {
            Some(true) => path(State::Pass, format!("{domain} is the provider's own envelope, and it is registered")),
            _ => path(
                State::Fail,
                format!("the envelope is {domain}, the provider's own, which is not registered with Apple"),
            ),
        };
    };
    if registered == Some(false) {
        return path(State::Fail, format!("{domain} is not registered with Apple"));
    }
    if envelope_gone {
        return path(State::Fail, format!("{domain} does not exist"));
    }
    let is_observed = policy.evaluations.iter().any(|tried| tried.last_seen.is_some());
    let known = if is_observed { "registered or observed" } else { "registered" };
    let how = match policy.passes {
        State::Pass if policy.evaluations.is_empty() => {
            "publishes a sound record; no sending address is registered to try it with".to_owned()
        }
        State::Pass => format!("passes every {known} sending address"),
        State::Warn => format!("passes only some of the {known} sending addresses"),
        State::Unknown => "could not be judged: an answer is missing".to_owned(),
        State::Fail => "does not pass".to_owned(),
    };
    let why = policy.breaks.filter(|_| policy.passes == State::Fail).map_or(String::new(), |code| format!(" ({code})"));
    path(policy.passes, format!("{domain} {how}{why}"))
}

fn dkim_path(plan: &Plan, keys: &[Key], alignment: &Alignment) -> Path {
    let from = &plan.from;
    let path = |state, because: String| Path { state, because };
    if plan.is_registered(from) == Some(false) {
        return path(State::Fail, format!("the From domain {from} is not registered with Apple"));
    }
    if keys.is_empty() {
        return path(State::Unknown, "no selector is registered with relaywatch".to_owned());
    }
    let exact = || keys.iter().filter(|key| key.domain == *from);
    if let Some(key) = exact().find(|key| key.usable == Usable::Yes && !key.testing) {
        return path(State::Pass, format!("the key at {} signs for {from}", place(key)));
    }
    if let Some(key) = exact().find(|key| key.usable == Usable::Yes) {
        return path(
            State::Warn,
            format!("the key at {} signs for {from}, and says that it is only a test", place(key)),
        );
    }
    let related = || keys.iter().zip(&alignment.dkim).filter(|(key, _)| key.domain != *from);
    if let Some((key, _)) = related().find(|(key, id)| key.usable == Usable::Yes && id.relaxed == Some(true)) {
        let because = format!(
            "the key at {} is of the same organization as {from}; Apple may want d={}",
            place(key),
            from.relative()
        );
        return path(State::Warn, because);
    }
    let open = exact().any(|key| key.usable == Usable::Unknown)
        || related().any(|(key, id)| key.usable != Usable::No && id.relaxed != Some(false));
    if open {
        return path(State::Unknown, format!("whether a key signs for {from} is not known: an answer is missing"));
    }
    if exact().next().is_none() {
        return path(State::Fail, format!("no signature has d={}", from.relative()));
    }
    path(State::Fail, format!("no key that signs for {from} works"))
}

fn place(key: &Key) -> String {
    key.name.as_ref().map_or_else(|| key.selector.clone(), Name::to_string)
}

fn unregistered(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |code, domain: &Name, what: &str| {
        if plan.is_registered(domain) != Some(false) {
            return;
        }
        let above = plan
            .registered_above(domain)
            .map_or(String::new(), |above| format!("; {above} is, and Apple does not count it for names below"));
        let evidence = format!("{what} {domain} is not among the registered email sources{above}");
        let remedy = format!(
            "Add {} under Certificates, Identifiers & Profiles, Services, Sign in with Apple for Email Communication, Email Sources",
            domain.relative()
        );
        findings.push(Finding::new(code, domain, evidence, remedy));
    };
    check(Code::RelayFromUnregistered, &plan.from, "the From domain");
    if let Some(envelope) = plan.envelope.as_ref().filter(|envelope| **envelope != plan.from) {
        check(Code::RelayMailfromUnregistered, envelope, "the envelope domain");
    }
    findings
}

fn broken(plan: &Plan, spf: &Path, dkim: &Path, verdict: AppleVerdict) -> Vec<Finding> {
    let from = &plan.from;
    let envelope = plan.sent_as.as_ref().unwrap_or(from);
    let mut findings = Vec::new();
    let mend_spf = "Register the envelope domain with Apple, exactly as it stands in MAIL FROM, and let its SPF record pass the sending addresses";
    let mend_dkim = format!(
        "Register {} with Apple and sign with d={} and a key that receivers can read",
        from.relative(),
        from.relative()
    );
    if spf.state == State::Fail {
        findings.push(Finding::new(Code::RelaySpfPathBroken, envelope, spf.because.clone(), mend_spf));
    }
    if dkim.state == State::Fail {
        findings.push(Finding::new(Code::RelayDkimPathBroken, from, dkim.because.clone(), mend_dkim.clone()));
    }
    if verdict == AppleVerdict::Reject {
        let evidence = format!("{}; {}", spf.because, dkim.because);
        let remedy = format!("{mend_dkim}; or: {mend_spf}");
        findings.push(Finding::new(Code::RelayNoPath, from, evidence, remedy));
    }
    findings
}

/// TXT records that people publish for the relay and that have nothing to do with it.
pub fn irrelevant(domain: &Name, reply: &Reply) -> Vec<Finding> {
    const PREFIX: &[u8] = b"apple-domain-verification=";
    /// Apple's documentation writes this where the organization's own token goes.
    const PLACEHOLDER: &[u8] = b"RaNdOmLeTtErSaNdNuMbErS";
    let texts = reply.texts();
    let ours = texts.iter().filter(|text| text.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX)));
    ours.map(|text| {
        let evidence = if text[PREFIX.len()..].eq_ignore_ascii_case(PLACEHOLDER) {
            "Apple's documentation placeholder, copied literally: it verifies nothing, and the relay asks for no such record"
        } else {
            "verifies a domain for Apple Business; the relay does not look at it"
        };
        let remedy = "Nothing to publish for the relay: registering the domain and SPF or DKIM are what counts";
        Finding::new(Code::RelayTxtIrrelevant, domain, evidence, remedy).record(text)
    })
    .collect()
}
