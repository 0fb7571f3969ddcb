//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or an HTTP date.

use std::time::Duration;

use chrono::DateTime;
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::domain::time::Timestamp;

/// No destination makes us wait longer: the schedule gives up after about a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long the destination asks us to wait; `None` when it does not say so, or says it in words nobody knows.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // The preferred form of an HTTP date is one of RFC 2822's.
        Err(_) => Timestamp::from_micros(DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros()).since(now),
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates_up_to_a_day() {
        // 1994-11-06T08:49:37Z, the example of RFC 9110.
        let now = Timestamp::from_secs(784_111_777 - 30);
        for (text, want) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:00:00 GMT", Some(86_400)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), want.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
