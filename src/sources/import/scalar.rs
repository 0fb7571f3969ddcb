//! Single values as people's databases write them: times, flags and numbers, also as text.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::time::Timestamp;

/// An instant: RFC 3339, a date (its first instant, UTC), or whole seconds or milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When(pub Timestamp);

/// A yes or no. Apple's own identity tokens say it as text or as a Boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub bool);

/// A small number, such as a reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub u16);

impl When {
    /// Reads any of these forms.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return Some(Self(Timestamp::from_secs_or_millis(number)));
        }
        Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z"))).map(Self)
    }
}

macro_rules! scalar {
    ($name:ident, $expected:literal, $($from:ident($type:ty) => $read:expr),+) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reading;
                impl Visitor<'_> for Reading {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    $(fn $from<E: Error>(self, value: $type) -> Result<$name, E> {
                        let read: fn($type) -> Option<$name> = $read;
                        read(value).ok_or_else(|| E::invalid_value(Unexpected::Other("another value"), &self))
                    })+
                }
                deserializer.deserialize_any(Reading)
            }
        }
    };
}

scalar!(
    When,
    "RFC 3339 text, a date, or whole seconds or milliseconds since 1970",
    visit_str(&str) => When::parse,
    visit_i64(i64) => |number| Some(When(Timestamp::from_secs_or_millis(number))),
    visit_u64(u64) => |number| Some(When(Timestamp::from_secs_or_millis(i64::try_from(number).ok()?)))
);
scalar!(
    Flag,
    "true or false",
    visit_bool(bool) => |flag| Some(Flag(flag)),
    visit_str(&str) => |text| match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(Flag(true)),
        "false" | "0" => Some(Flag(false)),
        _ => None,
    }
);
scalar!(
    Number,
    "a number from 0 to 65535",
    visit_u64(u64) => |number| u16::try_from(number).ok().map(Number),
    visit_str(&str) => |text| text.trim().parse().ok().map(Number)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_may_be_written_in_many_ways() {
        let at = |text: &str| serde_json::from_str::<When>(text).map(|when| when.0.to_string()).ok();
        for text in [r#""2024-05-01T00:00:00Z""#, r#""2024-05-01""#, r#"" 1714521600 ""#, "1714521600", "1714521600000"]
        {
            assert_eq!(at(text).as_deref(), Some("2024-05-01T00:00:00.000Z"), "{text}");
        }
        for text in [r#""yesterday""#, r#""""#, "1714521600.5", "true", "[1]"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn flags_and_numbers_may_be_text() {
        let flag = |text: &str| serde_json::from_str::<Flag>(text).map(|flag| flag.0).ok();
        assert_eq!(
            [flag("true"), flag(r#""TRUE""#), flag(r#""0""#), flag(r#""maybe""#)],
            [Some(true), Some(true), Some(false), None]
        );
        let number = |text: &str| serde_json::from_str::<Number>(text).map(|n| n.0).ok();
        assert_eq!(
            [number("550"), number(r#""550""#), number("70000"), number("-1")],
            [Some(550), Some(550), None, None]
        );
    }
}
