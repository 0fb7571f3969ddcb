//! One kind of instant everywhere: microseconds since the Unix epoch, UTC.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, in microseconds since 1970-01-01T00:00:00Z. Stored as `BIGINT`, written as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Above this a bare number cannot be seconds (it would be the year 5138), so it is milliseconds.
const LARGEST_SECONDS: i64 = 100_000_000_000;

/// The last instant RFC 3339 can write, 9999-12-31T23:59:59Z.
const LATEST: i64 = 253_402_300_799_000_000;

impl Timestamp {
    /// From microseconds since the Unix epoch, held inside the years that RFC 3339 can write.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, LATEST))
    }

    /// From milliseconds since the Unix epoch.
    pub fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// From seconds since the Unix epoch.
    pub fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// From a bare number whose unit is told by its magnitude alone: Apple's `event_time` is milliseconds on the
    /// wire and seconds in Apple's samples.
    pub fn from_secs_or_millis(number: i64) -> Self {
        if number > LARGEST_SECONDS { Self::from_millis(number) } else { Self::from_secs(number) }
    }

    /// Reads RFC 3339, and the two near misses that providers print: a space in place of the `T` or before the
    /// offset, and an offset without its colon. A time without an offset is read as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::from_micros(at.timestamp_micros()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f %z", "%Y-%m-%d %H:%M:%S%.f%z"] {
            if let Ok(at) = DateTime::parse_from_str(text, format) {
                return Some(Self::from_micros(at.timestamp_micros()));
            }
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
            if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
                return Some(Self::from_micros(at.and_utc().timestamp_micros()));
            }
        }
        None
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// This much later, at most the year 9999.
    pub fn plus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier, at least 1970.
    pub fn minus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand, like `2026-11-20T08:00:00.000Z`: every answer holds several, and the general formatter takes ten times as long.
        let at = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let year = u32::try_from(at.year()).unwrap_or(0);
        let parts = [
            (0, 4, year),
            (5, 2, at.month()),
            (8, 2, at.day()),
            (11, 2, at.hour()),
            (14, 2, at.minute()),
            (17, 2, at.second()),
            (20, 3, at.timestamp_subsec_millis()),
        ];
        for (from, digits, mut number) in parts {
            for place in text[from..from + digits].iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    #[test]
    fn reads_what_providers_print() {
        let want = Timestamp::from_secs(1_539_007_545);
        for text in [
            "2018-10-08T14:05:45Z",
            "2018-10-08T14:05:45.000Z",
            "2018-10-08T14:05:45 +0000",
            "2018-10-08T16:05:45+0200",
            "2018-10-08 14:05:45",
        ] {
            assert_eq!(Timestamp::parse(text), Some(want), "{text}");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn tells_seconds_from_milliseconds_by_magnitude() {
        assert_eq!(Timestamp::from_secs_or_millis(1_508_184_845), Timestamp::from_secs(1_508_184_845));
        assert_eq!(Timestamp::from_secs_or_millis(1_608_693_364_100), Timestamp::from_millis(1_608_693_364_100));
    }

    #[test]
    fn is_written_as_rfc_3339_has_it() {
        let max = DateTime::parse_from_rfc3339("9999-12-31T23:59:59.999Z").unwrap().timestamp_micros();
        for micros in [0, 1, 999, 1_000, 951_826_554_321_000, 1_709_164_799_999_999, 1_763_625_600_000_000, max] {
            let at = Timestamp::from_micros(micros);
            let want =
                DateTime::from_timestamp_micros(at.micros()).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true);
            assert_eq!(at.to_string(), want);
        }
    }

    #[test]
    fn absurd_numbers_stay_writable() {
        for number in [i64::MIN, -1, 0, i64::MAX] {
            let text = Timestamp::from_secs_or_millis(number).to_string();
            assert!(Timestamp::parse(&text).is_some(), "{text}");
        }
    }
}
