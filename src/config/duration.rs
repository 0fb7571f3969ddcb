//! A length of time as written in the configuration: `"250ms"`, `"30s"`, `"5m"`, `"24h"`, `"90d"`, or `"1h30m"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::findings::Findings;

/// A length of time. A bare number is refused: its unit would be a guess.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// From long to short, as they may follow each other in one text.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A text that is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a length of time; write a number and a unit (ms, s, m, h, d), such as \"30s\" or \"1h30m\"")]
pub struct NotASpan;

impl Span {
    /// This many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// This many seconds.
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// This many hours.
    pub const fn hours(n: u64) -> Self {
        Self::secs(n * 3600)
    }

    /// This many days of 24 hours.
    pub const fn days(n: u64) -> Self {
        Self::hours(n * 24)
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// Adds a finding unless `least <= span <= most`.
pub(super) fn check_span(field: &str, span: Span, least: Span, most: Span, findings: &mut Findings) {
    findings.expect(span >= least && span <= most, field, format!("must be from {least} to {most}"));
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let (mut rest, mut units, mut total) = (text.trim(), UNITS.as_slice(), 0_u64);
        if rest.is_empty() {
            return Err(NotASpan);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotASpan)?;
            let number: u64 = rest[..digits].parse().map_err(|_| NotASpan)?;
            rest = &rest[digits..];
            let word = &rest[..rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())];
            let unit = units.iter().position(|(name, _)| *name == word).ok_or(NotASpan)?;
            total = number.checked_mul(units[unit].1).and_then(|n| n.checked_add(total)).ok_or(NotASpan)?;
            (rest, units) = (&rest[word.len()..], &units[unit + 1..]);
        }
        Ok(Self::millis(total))
    }
}

/// The shortest text that reads back as the same.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        for (name, millis) in UNITS {
            if left >= millis {
                write!(f, "{}{name}", left / millis)?;
                left %= millis;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Says what is wanted when a bare number is given.
struct Written;

impl Visitor<'_> for Written {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length of time with its unit, such as \"30s\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_each_unit() {
        for (text, millis, written) in [
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("5m", 300_000, "5m"),
            ("24h", 86_400_000, "1d"),
            ("90d", 7_776_000_000, "90d"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1m500ms", 60_500, "1m500ms"),
            (" 0s ", 0, "0s"),
            ("90s", 90_000, "1m30s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span, span.to_string().as_str()), (Span::millis(millis), written), "{text}");
            assert_eq!(written.parse(), Ok(span));
        }
    }

    #[test]
    fn both_ends_of_a_range_are_in_it() {
        for (millis, fits) in [(999, false), (1_000, true), (60_000, true), (60_001, false)] {
            let mut findings = Findings::default();
            check_span("timeout", Span::millis(millis), Span::secs(1), Span::secs(60), &mut findings);
            let found: Vec<_> = findings.into_result().err().into_iter().flatten().map(|f| f.to_string()).collect();
            let want: &[&str] = if fits { &[] } else { &["timeout: must be from 1s to 1m"] };
            assert_eq!(found, want, "{millis}");
        }
    }

    #[test]
    fn refuses_what_has_no_unit_or_two_meanings() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5h",
            "1 h",
            "1w",
            "30m1h",
            "1s1s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text}");
        }
    }
}
