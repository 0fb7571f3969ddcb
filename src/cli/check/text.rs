//! A report for people: Apple's two paths first, then what was found, area by area, with the record and what to publish.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use super::{FAILING, UNKNOWN};
use crate::cli::paint::{Harmless, Paint};
use crate::cli::spf::tree::Drawn;
use crate::domain::finding::{Area, Finding, Severity, State};
use crate::domain::posture::{AppleVerdict, Checked, Judged, Posture};

/// How much of a long record is shown around the byte that is wrong, in characters.
const AROUND: usize = 50;

/// The order in which areas are told: what decides first.
const AREAS: [(Area, &str); 6] = [
    (Area::Relay, "Apple"),
    (Area::Dns, "Domain"),
    (Area::Spf, "SPF"),
    (Area::Dkim, "DKIM"),
    (Area::Dmarc, "DMARC"),
    (Area::Mailfrom, "Envelope domain"),
];

/// A check to be printed.
pub struct Text<'a> {
    /// What was found.
    pub checked: &'a Checked,
    /// Whether it is one of many: then without remarks on what works, and without trees.
    pub is_short: bool,
    /// In which colours.
    pub paint: Paint,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Checked { stream, judged, queries, elapsed, .. } = self.checked;
        let posture = judged.posture.as_str().replace('_', " ");
        let name = stream.name.as_str();
        let domains = match (stream.from_domain.as_str(), stream.mail_from_domain.as_str()) {
            (from, envelope) if from == envelope && from == name => String::new(),
            (from, envelope) if from == envelope => format!("  From and envelope {from}"),
            (from, envelope) => format!("  From {from}, envelope {envelope}"),
        };
        writeln!(
            f,
            "{}: {}{}",
            self.paint.bold(name),
            self.paint.posture(judged.posture, &posture),
            self.paint.faint(&domains)
        )?;
        self.apple(f, judged)?;
        for (area, title) in AREAS {
            self.area(f, area, title, &judged.findings)?;
        }
        if self.is_short {
            return writeln!(f);
        }
        for policy in &judged.spf {
            if let Some(tree) = policy.lint.tree.as_ref().filter(|tree| tree.record.is_some()) {
                writeln!(f)?;
                write!(f, "{}", Drawn { tree, counts: policy.lint.counts, paint: self.paint })?;
            }
            for tried in &policy.evaluations {
                let (ip, result) = (tried.ip, tried.evaluation.result.as_str());
                writeln!(f, "  {ip}: {result}, {} lookups", tried.evaluation.counts.lookups)?;
            }
        }
        let asked = format!("{queries} questions, {:.2} s, {}", elapsed.as_secs_f64(), self.checked.at);
        writeln!(f, "\n{}", self.paint.faint(&asked))
    }
}

impl Text<'_> {
    fn apple(&self, f: &mut Formatter<'_>, judged: &Judged) -> fmt::Result {
        let (apple, reasons) = (&judged.apple, &judged.reasons);
        let verdict = match apple.verdict {
            AppleVerdict::Accept => "Apple's relay would take this mail",
            AppleVerdict::Reject => "Apple's relay would reject this mail",
            AppleVerdict::Unknown => "Whether Apple's relay would take this mail is not known",
        };
        writeln!(f, "  {verdict}.")?;
        for (title, state, why) in [("SPF", apple.spf_path, &reasons.spf), ("DKIM", apple.dkim_path, &reasons.dkim)] {
            let word = match state {
                State::Pass | State::Warn => "open",
                State::Unknown => "unknown",
                State::Fail => "closed",
            };
            writeln!(f, "    {title:<4} path  {:<8} {}", self.paint.state(state, word), Harmless(why))?;
        }
        if let Some(granted) = reasons.granted.filter(|_| !self.is_short) {
            writeln!(f, "    {}", self.paint.faint(&format!("({granted})")))?;
        }
        Ok(())
    }

    fn area(&self, f: &mut Formatter<'_>, area: Area, title: &str, findings: &[Finding]) -> fmt::Result {
        let mut own: Vec<&Finding> = findings.iter().filter(|finding| finding.area == area).collect();
        if self.is_short {
            own.retain(|finding| finding.severity > Severity::Info || finding.code.is_unanswered());
        }
        if own.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{}", self.paint.bold(title))?;
        own.iter().try_for_each(|finding| self.finding(f, finding))
    }

    fn finding(&self, f: &mut Formatter<'_>, finding: &Finding) -> fmt::Result {
        let Finding { code, severity, name, record, offset, evidence, remedy, rfc, .. } = finding;
        let rfc = if rfc == "Apple" { "(Apple's rule)".to_owned() } else { format!("(RFC {rfc})") };
        writeln!(
            f,
            "  {:<8} {}  {} {}",
            self.paint.severity(*severity, severity.as_str()),
            self.paint.bold(code.as_str()),
            Harmless(name),
            self.paint.faint(&rfc)
        )?;
        if let Some(record) = record {
            let (shown, caret) = excerpt(record, *offset);
            writeln!(f, "           {}", Harmless(&shown))?;
            if let (Some(caret), Some(offset)) = (caret, offset) {
                let mark = self.paint.severity(*severity, "^");
                writeln!(f, "           {:caret$}{mark} {}", "", self.paint.faint(&format!("at byte {offset}")))?;
            }
        }
        writeln!(f, "           {}", Harmless(evidence))?;
        if !remedy.is_empty() {
            writeln!(f, "           -> {}", Harmless(remedy))?;
        }
        Ok(())
    }
}

/// A record, or what stands around the byte that is wrong, and how many characters before that byte are shown.
fn excerpt(record: &str, offset: Option<usize>) -> (String, Option<usize>) {
    let chars: Vec<char> = record.chars().collect();
    let place = offset.map(|offset| record.char_indices().take_while(|(at, _)| *at < offset).count());
    let middle = place.unwrap_or(0);
    let from = if chars.len() <= 2 * AROUND { 0 } else { middle.saturating_sub(AROUND) };
    let to = (from + 2 * AROUND).min(chars.len());
    let (before, after) = (if from > 0 { "… " } else { "" }, if to < chars.len() { " …" } else { "" });
    let shown: String = chars[from..to].iter().collect();
    (format!("{before}{shown}{after}"), place.map(|place| before.chars().count() + place - from))
}

/// How many streams stand how.
#[derive(Debug, Default)]
pub struct Summary {
    pass: usize,
    at_risk: usize,
    failing: usize,
    unknown: usize,
}

impl Summary {
    /// One more.
    pub fn count(&mut self, posture: Posture) {
        *match posture {
            Posture::Pass => &mut self.pass,
            Posture::AtRisk => &mut self.at_risk,
            Posture::Failing => &mut self.failing,
            Posture::Unknown => &mut self.unknown,
        } += 1;
    }

    /// The exit code: failing beats unknown, and unknown the rest.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self { failing: 1.., .. } => ExitCode::from(FAILING),
            Self { unknown: 1.., .. } => ExitCode::from(UNKNOWN),
            _ => ExitCode::SUCCESS,
        }
    }

    /// All of it in a line.
    pub fn text(&self, paint: Paint) -> String {
        let total = self.pass + self.at_risk + self.failing + self.unknown;
        let kinds = [
            (self.failing, Posture::Failing, "failing"),
            (self.unknown, Posture::Unknown, "unknown"),
            (self.at_risk, Posture::AtRisk, "at risk"),
            (self.pass, Posture::Pass, "pass"),
        ];
        let shown = kinds.iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<String> = shown
            .map(|(count, posture, word)| paint.posture(*posture, &format!("{count} {word}")).to_string())
            .collect();
        let plural = if total == 1 { "stream" } else { "streams" };
        if parts.is_empty() { "No streams.".to_owned() } else { format!("{total} {plural}: {}", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_byte_that_is_wrong() {
        assert_eq!(excerpt("v=spf1 x", Some(7)), ("v=spf1 x".to_owned(), Some(7)));
        assert_eq!(excerpt("v=spf1 x", None), ("v=spf1 x".to_owned(), None));
        // Offsets are bytes, columns are characters; the end of the record has a column too.
        assert_eq!(excerpt("\u{fc}\u{fc}x", Some(4)), ("\u{fc}\u{fc}x".to_owned(), Some(2)));
        assert_eq!(excerpt("ab", Some(2)).1, Some(2));
        let long = format!("{}!{}", "a".repeat(300), "b".repeat(300));
        let (shown, caret) = excerpt(&long, Some(300));
        assert_eq!(shown.chars().nth(caret.unwrap()), Some('!'));
        assert!(shown.starts_with("… a") && shown.ends_with("b …"));
        let (shown, caret) = excerpt(&long, Some(601));
        assert_eq!(caret, Some(shown.chars().count()));
    }

    #[test]
    fn failing_beats_unknown() {
        let of = |postures: &[Posture]| {
            let mut summary = Summary::default();
            postures.iter().for_each(|posture| summary.count(*posture));
            (format!("{:?}", summary.exit()), summary.text(Paint::none()))
        };
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(of(&[]), (code(0), "No streams.".to_owned()));
        assert_eq!(of(&[Posture::Pass]), (code(0), "1 stream: 1 pass".to_owned()));
        assert_eq!(of(&[Posture::AtRisk, Posture::Pass]), (code(0), "2 streams: 1 at risk, 1 pass".to_owned()));
        assert_eq!(of(&[Posture::Unknown, Posture::Pass]).0, code(2));
        let all = of(&[Posture::Unknown, Posture::Failing, Posture::Pass]);
        assert_eq!(all, (code(1), "3 streams: 1 failing, 1 unknown, 1 pass".to_owned()));
    }
}
