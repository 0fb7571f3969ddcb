//! Fields whose JSON type wobbles between deliveries: a number or a string of it, Unix seconds or ISO 8601. Kept as
//! written until somebody asks, so ids above 2^53 stay exact and a field nobody reads cannot fail.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;
use crate::domain::time::Timestamp;

/// 2010-01-01T00:00:00Z, in seconds. No event of these providers is older: an earlier time is a fault of the report.
const EARLIEST: i64 = 1_262_304_000;

/// An element larger than this is not repaired: no event of these providers reaches it, and repair costs memory.
const LARGEST_REPAIR: usize = 1 << 20;

/// One JSON value as written.
#[derive(Debug, Clone, Copy)]
pub struct Loose<'a>(pub &'a RawValue);

/// A member name.
#[derive(Deserialize)]
pub struct Key<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> Loose<'a> {
    /// The content of a string, or a number digit by digit. `None` for an empty string and for any other type.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let written = self.0.get();
        let text = match written.as_bytes().first()? {
            b'"' if !written.contains('\\') => Cow::Borrowed(written.trim_matches('"').trim()),
            b'"' => Cow::Owned(json::parse_lossy(written.as_bytes()).ok()?.as_str()?.trim().to_owned()),
            b'-' | b'0'..=b'9' => Cow::Borrowed(written),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// A whole number, whether written as one, as a string or as `10.0`.
    pub fn integer(self) -> Option<i64> {
        let text = self.text()?;
        text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok()?;
            (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
        })
    }

    /// `true`, `"true"`, `1` or `"1"`.
    pub fn is_true(self) -> bool {
        self.0.get() == "true" || self.text().is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// An instant: Unix seconds (or milliseconds, told by magnitude) with or without a fraction, or ISO 8601.
    pub fn instant(self) -> Option<Timestamp> {
        let text = self.text()?;
        if let Ok(number) = text.parse::<i64>() {
            return Some(Timestamp::from_secs_or_millis(number));
        }
        if let Ok(number) = text.parse::<f64>() {
            let seconds = if number > 1e11 { number / 1e3 } else { number };
            return number.is_finite().then(|| Timestamp::from_micros((seconds * 1e6).round() as i64));
        }
        Timestamp::parse(&text)
    }
}

/// When an unsigned report says it happened, held between 2010 and the moment it came. Without a readable time: then.
pub fn event_time(written: Option<Loose<'_>>, received_at: Timestamp) -> Timestamp {
    let sane = Timestamp::from_secs(EARLIEST)..=received_at;
    written.and_then(Loose::instant).filter(|at| sane.contains(at)).unwrap_or(received_at)
}

/// Parses an element that could not be read as it is, mending lone surrogates and invalid UTF-8.
///
/// # Errors
/// Why it cannot be mended, without a value.
pub fn mend(element: &[u8]) -> Result<Value, String> {
    if element.len() > LARGEST_REPAIR {
        return Err("not readable as it is, and too large to repair".to_owned());
    }
    json::parse_lossy(element).map_err(|e| e.to_string())
}

/// The first of several fields that holds a text.
pub fn first_text<'a>(fields: impl IntoIterator<Item = Option<Loose<'a>>>) -> Option<Cow<'a, str>> {
    fields.into_iter().flatten().find_map(Loose::text)
}

/// The first field that can serve as the provider's id in the evidence: short, printable, and no address.
pub fn provider_id<'a>(fields: impl IntoIterator<Item = Option<Loose<'a>>>) -> Option<String> {
    let id = first_text(fields)?;
    let sound = id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
    sound.then(|| id.into_owned())
}

/// Declares a struct of [`Loose`] fields and its tolerant reader: other members are skipped unread, a member given twice
/// counts as given last, and `null` is absence.
macro_rules! loose_fields {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $key:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: Option<$crate::sources::loose::Loose<'a>>),+
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fill;
                impl<'de> serde::de::Visitor<'de> for Fill {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut fields = $name::default();
                        while let Some($crate::sources::loose::Key(key)) = map.next_key()? {
                            match &*key {
                                $($key => {
                                    let value: Option<&'de serde_json::value::RawValue> = map.next_value()?;
                                    fields.$field = value.map($crate::sources::loose::Loose);
                                })+
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(fields)
                    }
                }
                deserializer.deserialize_map(Fill)
            }
        }
    };
}
pub(super) use loose_fields;

#[cfg(test)]
mod tests {
    use super::*;

    loose_fields!(
        /// Two fields.
        Two { a = "a", b = "type" }
    );

    fn loose(written: &str) -> Loose<'_> {
        Loose(serde_json::from_str(written).unwrap())
    }

    #[test]
    fn a_number_and_its_string_are_one_text_at_any_size() {
        for written in ["92356927693813856", "\"92356927693813856\""] {
            assert_eq!(loose(written).text().as_deref(), Some("92356927693813856"));
        }
        let long = "123456789012345678901234567890";
        assert_eq!(loose(long).text().as_deref(), Some(long));
        for nothing in ["\"\"", "\" \"", "true", "[1]", "{\"a\":1}"] {
            assert_eq!(loose(nothing).text(), None, "{nothing}");
        }
    }

    #[test]
    fn escapes_are_read_and_a_lone_surrogate_is_mended() {
        assert_eq!(loose(r#""a\u0040b \"c\"""#).text().as_deref(), Some("a@b \"c\""));
        assert_eq!(loose(r#""x\ud800y""#).text().as_deref(), Some("x\u{fffd}y"));
    }

    #[test]
    fn whole_numbers() {
        for (written, want) in
            [("10", Some(10)), ("\"10\"", Some(10)), ("10.0", Some(10)), ("10.5", None), ("\"x\"", None)]
        {
            assert_eq!(loose(written).integer(), want, "{written}");
        }
    }

    #[test]
    fn every_spelling_of_an_instant() {
        let want = Timestamp::from_secs(1_460_989_507);
        for written in [
            "1460989507",
            "\"1460989507\"",
            "1460989507.0",
            "\"1460989507.000\"",
            "1460989507000",
            "1460989507000.0",
            "\"2016-04-18T14:25:07.000+00:00\"",
            "\"2016-04-18T14:25:07Z\"",
        ] {
            assert_eq!(loose(written).instant(), Some(want), "{written}");
        }
        for written in ["\"soon\"", "null", "\"NaN\"", "\"inf\"", "{}"] {
            assert_eq!(loose(written).instant(), None, "{written}");
        }
    }

    #[test]
    fn neither_1970_nor_the_far_future_win() {
        let now = Timestamp::from_secs(1_700_000_000);
        for (written, want) in [
            ("0", now),
            ("\"1970-01-01T00:00:00Z\"", now),
            ("99999999999", now),
            ("1700000001", now),
            ("1600000000", Timestamp::from_secs(1_600_000_000)),
            ("\"never\"", now),
        ] {
            assert_eq!(event_time(Some(loose(written)), now), want, "{written}");
        }
        assert_eq!(event_time(None, now), now);
    }

    #[test]
    fn a_member_given_twice_or_escaped_is_no_fault() {
        let two: Two<'_> = serde_json::from_str(r#"{"a":1,"ty\u0070e":"x","deep":[[{}]],"a":null,"a":2}"#).unwrap();
        assert_eq!((two.a.unwrap().integer(), two.b.unwrap().text().as_deref()), (Some(2), Some("x")));
    }
}
