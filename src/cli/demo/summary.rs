//! What came out, for a person who has never seen the product and for a machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::canaries::Canaries;
use super::progress::thousands;
use super::truth::{Judgement, OneStrike};
use crate::app::Bound;
use crate::domain::verdict::Reason;

/// The numbers of one demo.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The team's users.
    pub users: usize,
    /// Events that the daemon has on disk: sign-ins, reports and notifications, each once.
    pub events: usize,
    /// Events that came again and were known.
    pub repeated: usize,
    /// Requests refused: forged, foreign, without the secret.
    pub refused: usize,
    /// Parts of authentic requests that could not be read and were kept for a person to look at.
    pub quarantined: usize,
    /// Events a second, on disk, while the world was posting; signing included.
    pub events_per_second: u64,
    /// Addresses asked about.
    pub asked: usize,
    /// Healthy users whom the daemon would not have mailed. Must be 0.
    pub wrongly_marked: usize,
    /// People who left and would have been mailed. Must be 0.
    pub revoked_sendable: usize,
    /// Addresses on hold.
    pub held: usize,
    /// Addresses released from a hold.
    pub released: usize,
    /// Addresses by reason.
    pub by_reason: BTreeMap<&'static str, usize>,
    /// Addresses that may be mailed, but not by one stream or ESP, by reason.
    pub limits: BTreeMap<&'static str, usize>,
    /// Answers that differ from the world's truth in reason or limit. Empty when all is well.
    pub surprises: BTreeMap<String, usize>,
    /// Whether mail really arrived.
    pub canaries: Canaries,
    /// What simple rules would have done to the same people.
    pub one_strike: OneStrike,
    /// Seconds from the first import to the last verdict and the last canary.
    pub seconds: f64,
    /// Where to go on, unless the demo ends here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
}

/// Where the daemon goes on serving.
#[derive(Debug, Serialize)]
pub struct Serving {
    /// The hooks.
    pub hooks: String,
    /// The API.
    pub api: String,
    /// Metrics and readiness.
    pub operations: String,
    /// The file with the API's token.
    pub token_file: String,
    /// The configuration.
    pub config: String,
}

impl Serving {
    /// From where the daemon listens and where it keeps things.
    pub fn at(bound: &Bound, token_file: &Path, config: &Path) -> Self {
        let url = |address| format!("http://{address}");
        Self {
            hooks: url(bound.hooks),
            api: url(bound.api),
            operations: url(bound.operations),
            token_file: token_file.display().to_string(),
            config: config.display().to_string(),
        }
    }
}

/// Counts under the words of the reasons.
pub fn words(counts: &BTreeMap<Reason, usize>) -> BTreeMap<&'static str, usize> {
    counts.iter().map(|(reason, n)| (reason.as_str(), *n)).collect()
}

/// What a reason means in one plain sentence.
fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Ok => "nothing stands against them",
        Reason::ForwardingEnabled => "forwarding was off, and Apple says it is on again",
        Reason::Released => "bounced once, days ago; the hold has run out",
        Reason::NotRelay => "an ordinary address: not this daemon's business",
        Reason::RecentBounce => "\"user not found\", but not yet proved: wait, do not give up",
        Reason::AmbiguousBounce => "refused in words that name no fault: wait",
        Reason::NotSeen => "a relay address nobody has heard of: no marketing to it",
        Reason::Erased => "erased at their own wish",
        Reason::AccountDeleted => "Apple says the account was deleted: never again",
        Reason::Superseded => "the user has another address now",
        Reason::ConsentRevoked => "Apple says the user revoked consent for the app",
        Reason::ForwardingDisabled => "Apple says the user switched forwarding off",
        Reason::Complaint => "called the mail spam, alone and by name",
        Reason::Unsubscribed => "left the stream `news`; other mail may go to them",
        Reason::RecipientGone => "\"user not found\" twice, while others' mail got through",
        Reason::EspSuppressed => "the ESP's own list stops them; nobody else has to",
        Reason::WaveOpen => "in an open wave",
        Reason::SenderFault => "the sender's own fault",
        Reason::RelayIncident => "an incident at Apple's relay",
    }
}

const SENDABLE: [Reason; 4] = [Reason::Ok, Reason::ForwardingEnabled, Reason::Released, Reason::NotRelay];
const WAITING: [Reason; 3] = [Reason::RecentBounce, Reason::AmbiguousBounce, Reason::NotSeen];
const SUPPRESSED: [Reason; 7] = [
    Reason::ConsentRevoked,
    Reason::ForwardingDisabled,
    Reason::AccountDeleted,
    Reason::Complaint,
    Reason::RecipientGone,
    Reason::Superseded,
    Reason::Erased,
];

/// The summary for a person.
pub fn text(summary: &Summary, judged: &Judgement) -> String {
    let mut out = String::new();
    let total = |reasons: &[Reason]| reasons.iter().filter_map(|r| judged.by_reason.get(r)).sum::<usize>();
    let rows = |out: &mut String, counts: &BTreeMap<Reason, usize>, reasons: &[Reason]| {
        for reason in reasons {
            if let Some(n) = counts.get(reason) {
                let _ = writeln!(out, "    {:<20} {:>6}   {}", reason.as_str(), thousands(*n), sentence(*reason));
            }
        }
    };
    let _ = writeln!(out, "\nMay they be mailed? {} addresses were asked about.\n", thousands(summary.asked));
    let _ = writeln!(out, "  Yes: {}", thousands(total(&SENDABLE)));
    rows(&mut out, &judged.by_reason, &SENDABLE);
    let _ = writeln!(out, "  Yes, but not by every way (counted above):");
    rows(&mut out, &judged.by_limit, &[Reason::Unsubscribed, Reason::EspSuppressed]);
    let _ = writeln!(out, "  Not now: {}", thousands(total(&WAITING)));
    rows(&mut out, &judged.by_reason, &WAITING);
    let _ = writeln!(out, "  No: {}", thousands(total(&SUPPRESSED)));
    rows(&mut out, &judged.by_reason, &SUPPRESSED);
    let OneStrike { healthy_lost, doubtful_lost, left_unnoticed } = summary.one_strike;
    let _ = write!(
        out,
        "\nThe same fortnight with \"one bounce and you are out\":\n  \
         {healthy_lost} healthy users lost, most of them when offers went out from a domain that nobody\n  \
         had registered with Apple: Apple refuses those with the very code of a dead\n  \
         address (550 5.1.1), and only the words tell the two apart.\n  \
         {doubtful_lost} more given up on a single bounce that proves nothing yet.\n  \
         {left_unnoticed} people who left without any bounce would get mail for ever.\n\n\
         Healthy users marked wrongly:               {}\n\
         People who left and would still be mailed:  {}\n",
        summary.wrongly_marked, summary.revoked_sendable
    );
    let _ = write!(out, "{}", arrivals(&summary.canaries));
    for (surprise, n) in &summary.surprises {
        let _ = writeln!(out, "Not as the world has it: {n} x {surprise}");
    }
    let _ = writeln!(
        out,
        "\n{} events of {} users are on disk, {} came again and count once; {} a second,\n\
         each answered after its commit. {} forged or foreign requests were refused,\n\
         {} unreadable element waits in quarantine. {:.1} s in all.",
        thousands(summary.events),
        thousands(summary.users),
        thousands(summary.repeated),
        summary.events_per_second,
        summary.refused,
        summary.quarantined,
        summary.seconds
    );
    out
}

/// Whether mail really arrived, and what the last round says is broken.
fn arrivals(canaries: &Canaries) -> String {
    let Canaries { sent, arrived, lost, broken, because, routes } = canaries;
    let mut out = format!(
        "\nIs mail really arriving? {sent} canaries were sent to addresses of our own, {arrived} arrived, {lost} vanished.\n\n"
    );
    if *lost > 0 {
        out.push_str(
            "  The relay took it with 250, SparkPost reported it delivered, and it came nowhere. The last round:\n",
        );
    }
    for leg in routes {
        let _ = writeln!(out, "    {:<12} {:<14} {}", leg.role, leg.route, leg.state);
    }
    let _ = writeln!(out, "  Broken: {broken}");
    let _ = writeln!(out, "    {}", wrapped(because, 80).replace('\n', "\n    "));
    out
}

/// A text in lines of so many characters at most, broken between words.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// What to try next: one question per reason, and the other doors.
pub fn invitation(serving: &Serving, samples: &[(Reason, serde_json::Value)]) -> String {
    let Serving { api, operations, token_file, config, .. } = serving;
    let mut out = format!(
        "\nThe daemon goes on serving until Ctrl-C. To ask it yourself, in another terminal:\n\n  \
         TOKEN=$(cat '{token_file}')\n  \
         ask() {{ curl -s {api}/v1/sendability -H \"Authorization: Bearer $TOKEN\" -d \"$1\"; echo; }}\n\n"
    );
    let mut ask = |about: &str, question: &serde_json::Value| {
        let _ = writeln!(out, "  ask '{question}'   # {about}");
    };
    for (reason, question) in samples {
        let mut question = question.clone();
        if matches!(reason, Reason::Unsubscribed | Reason::EspSuppressed) {
            question["stream"] = "news".into();
        }
        ask(reason.as_str(), &question);
        if *reason == Reason::RecentBounce {
            question["class"] = "security".into();
            ask("on hold, but a password reset may go out", &question);
        }
    }
    let program = std::env::args().next().unwrap_or_else(|| "relaywatch".to_owned());
    let _ = write!(
        out,
        "\nWhat it counts, whether it is ready, and what it could not read:\n\n  \
         curl -s {operations}/metrics\n  curl -s {operations}/readyz\n  \
         {program} quarantine list --config '{config}'\n\n\
         How the canaries stand, and another round (the relay goes on dropping the newsletter's):\n\n  \
         curl -s {api}/v1/canaries -H \"Authorization: Bearer $TOKEN\"\n  \
         {program} canary status --config '{config}'\n  {program} canary send --config '{config}'\n\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("a-word-that-is-too-long b", 7), "a-word-that-is-too-long\nb");
        assert_eq!(wrapped("", 7), "");
    }
}
