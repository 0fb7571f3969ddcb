//! Apple's times: numbers whose unit only their magnitude tells.

use serde_json::Value;

use crate::domain::time::Timestamp;

/// 2017-01-01, in seconds. Sign in with Apple is of 2019, but the sample in Apple's documentation is of October 2017.
const EARLIEST_SECS: i64 = 1_483_228_800;

/// Reads seconds or milliseconds, as a number or as text. `None` for anything else.
pub(super) fn read(value: &Value) -> Option<Timestamp> {
    match value {
        // A float saturates, and a timestamp is clamped, so no number is out of range.
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .map(Timestamp::from_secs_or_millis)
}

/// When an event happened, held between what can be and when Apple signed it; and why, if its own time did not do.
pub(super) fn of_event(event_time: Option<&Value>, issued_at: Timestamp) -> (Timestamp, Option<&'static str>) {
    // `iat` is whole seconds and `event_time` may be finer: the rest of that second is not the future.
    let latest = Timestamp::from_micros(issued_at.micros().saturating_add(999_999));
    match event_time.map(read) {
        None => (issued_at, Some("is missing")),
        Some(None) => (issued_at, Some("is not a time")),
        Some(Some(at)) if at > latest => (issued_at, Some("is later than /iat")),
        Some(Some(at)) if at.secs() < EARLIEST_SECS => (issued_at, Some("is too early")),
        Some(Some(at)) => (at, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_unit_is_told_by_magnitude() {
        let want = Some(Timestamp::from_secs(1_670_016_125));
        for value in
            [json!(1_670_016_125), json!(1_670_016_125_000_i64), json!(1_670_016_125.0), json!("1670016125000")]
        {
            assert_eq!(read(&value), want, "{value}");
        }
        for value in [json!(null), json!(true), json!("soon"), json!([1]), json!({})] {
            assert_eq!(read(&value), None, "{value}");
        }
    }

    #[test]
    fn absurd_times_cannot_win() {
        let iat = Timestamp::from_secs(1_700_000_000);
        for value in
            [json!(0), json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1e300), json!(1_700_000_001), json!("x")]
        {
            let (at, note) = of_event(Some(&value), iat);
            assert_eq!(at, iat, "{value}");
            assert!(note.is_some(), "{value}");
        }
        assert_eq!(of_event(None, iat), (iat, Some("is missing")));
        for millis in [1_508_184_845_000, 1_699_999_999_123, 1_700_000_000_999] {
            assert_eq!(of_event(Some(&json!(millis)), iat), (Timestamp::from_millis(millis), None));
        }
    }
}
