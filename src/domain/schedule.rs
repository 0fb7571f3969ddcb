//! When something is due: crontab expressions in a time zone, and the spread that keeps many from being due at once. Time is an argument.
//!
//! The `cron` crate reads the fields; what differs from crontab(5) is settled here: five fields are enough, Sunday is 0 or 7, a
//! fixed hour that the clocks skip or repeat comes exactly once, and "any hour" means every hour that passes.

mod weekday;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use ring::digest;
use serde::{Deserialize, Deserializer};

use super::time::Timestamp;

/// A time zone by its IANA name, such as `Europe/Berlin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// A crontab expression that comes round again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    written: String,
    cron: cron::Schedule,
    /// Whether the hour is left open. Then an hour that is repeated counts twice and one that is skipped not at all.
    every_hour: bool,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASchedule {
    /// Another number of fields.
    #[error(
        "takes 5 fields (minute, hour, day of month, month, day of week), 6 with the second before them, or @hourly and the like"
    )]
    Fields,
    /// More than one second of the minute.
    #[error("takes one number as the second: more than once a minute is not possible")]
    Seconds,
    /// Not a day of the week.
    #[error("takes as days of the week 0 to 7, Sun to Sat, lists, ranges and steps of these")]
    Weekday,
    /// crontab(5) would join both, this would intersect them: nobody means either for sure.
    #[error("names days of the month and days of the week: restrict one of them")]
    BothDays,
    /// The rest.
    #[error("is not a schedule such as \"17 * * * *\": a field holds what it does not take")]
    Unreadable,
    /// The 30th of February.
    #[error("never comes round")]
    Never,
}

/// Not a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a time zone such as \"UTC\" or \"Europe/Berlin\"")]
pub struct NotAZone;

/// The most that clocks are ever set back, and then some: so far around an instant its neighbours are looked for.
const FOLD: TimeDelta = TimeDelta::hours(3);

/// From where on a schedule is tried when it is read; any instant would do.
const TRIED_FROM: i64 = 1_704_067_200;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);
}

impl FromStr for Zone {
    type Err = NotAZone;

    fn from_str(text: &str) -> Result<Self, NotAZone> {
        text.parse().map(Self).map_err(|_| NotAZone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Schedule {
    type Err = NotASchedule;

    fn from_str(written: &str) -> Result<Self, NotASchedule> {
        let text = match written.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let mut fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [second, minute, hour, day, month, weekday] = fields[..] else { return Err(NotASchedule::Fields) };
        if !second.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotASchedule::Seconds);
        }
        let is_open = |field: &str| field.starts_with(['*', '?']);
        if !is_open(day) && !is_open(weekday) {
            return Err(NotASchedule::BothDays);
        }
        let weekday = weekday::written_out(weekday).ok_or(NotASchedule::Weekday)?;
        let cron = format!("{second} {minute} {hour} {day} {month} {weekday}");
        let cron = cron::Schedule::from_str(&cron).map_err(|_| NotASchedule::Unreadable)?;
        let schedule = Self { written: written.trim().to_owned(), cron, every_hour: is_open(hour) };
        schedule.next(Zone::UTC, Timestamp::from_secs(TRIED_FROM)).ok_or(NotASchedule::Never)?;
        Ok(schedule)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Schedule {
    /// `@hourly`.
    ///
    /// # Panics
    /// Never: it is a schedule.
    pub fn hourly() -> Self {
        "@hourly".parse().expect("a schedule")
    }

    /// The first slot after an instant. `None` beyond the end of the calendar.
    pub fn next(&self, zone: Zone, after: Timestamp) -> Option<Timestamp> {
        let after = DateTime::from_timestamp_micros(after.micros())?;
        // What the clock on the wall shows is read as if it were UTC, where no hour is skipped or repeated.
        let wall = after.with_timezone(&zone.0).naive_local().checked_sub_signed(FOLD)?.and_utc();
        let mut first: Option<DateTime<Utc>> = None;
        for slot in self.cron.after(&wall) {
            let slot = slot.naive_utc();
            if first.is_some_and(|first| slot > first.with_timezone(&zone.0).naive_local() + FOLD) {
                break;
            }
            let instants = self.instants(zone.0, slot).into_iter().flatten();
            first = first.into_iter().chain(instants.filter(|instant| *instant > after)).min();
        }
        first.map(|first| Timestamp::from_micros(first.timestamp_micros()))
    }

    /// When the clock on the wall shows this: once; twice where it was set back, never where it was set forward.
    fn instants(&self, zone: Tz, wall: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(instant) => [Some(instant.to_utc()), None],
            LocalResult::Ambiguous(early, late) => [Some(early.to_utc()), self.every_hour.then(|| late.to_utc())],
            LocalResult::None if self.every_hour => [None, None],
            // As if the clock had not been set forward: what is due at half past two comes at half past three.
            LocalResult::None => {
                let before = wall.checked_sub_signed(FOLD).and_then(|early| zone.from_local_datetime(&early).latest());
                [before.and_then(|before| before.to_utc().checked_add_signed(FOLD)), None]
            }
        }
    }

    /// When `name` is next due after an instant: its slot and, behind it, its own part of the spread. The same for everybody who asks;
    /// never so late that it would meet the next slot.
    pub fn due(&self, zone: Zone, spread: Duration, name: &str, after: Timestamp) -> Option<Timestamp> {
        let mut slot = self.next(zone, after.minus(spread))?;
        loop {
            let following = self.next(zone, slot)?;
            let due = slot.plus(share(spread.min(following.since(slot)), name, slot));
            if due > after {
                return Some(due);
            }
            slot = following;
        }
    }
}

/// A part of `spread` that looks random and is the same for everybody: by the name and the slot, in whole seconds, less than all of it.
pub fn share(spread: Duration, name: &str, slot: Timestamp) -> Duration {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&slot.micros().to_be_bytes());
    context.update(name.as_bytes());
    let digest = context.finish();
    let number = digest.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_secs(number % spread.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// The slots after an instant, as RFC 3339.
    fn slots(schedule: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
        let (schedule, zone): (Schedule, Zone) = (schedule.parse().unwrap(), zone.parse().unwrap());
        let next = |at: &Timestamp| schedule.next(zone, *at);
        let all = std::iter::successors(next(&at(after)), next).take(n);
        all.map(|slot| slot.to_string().replace(".000Z", "Z")).collect()
    }

    #[test]
    fn five_fields_are_those_of_crontab() {
        assert_eq!(
            slots("*/20 * * * *", "UTC", "2026-05-01T10:05:00Z", 3),
            ["2026-05-01T10:20:00Z", "2026-05-01T10:40:00Z", "2026-05-01T11:00:00Z"]
        );
        assert_eq!(slots("30 17 5 * * *", "UTC", "2026-05-01T10:00:00Z", 1), ["2026-05-02T05:17:30Z"]);
        // 2026-05-01 is a Friday.
        for (weekday, day) in [("0", 3), ("7", 3), ("1", 4), ("5", 8), ("Sat", 2), ("1-5", 4), ("fri-mon", 2)] {
            let want = format!("2026-05-{day:02}T00:00:00Z");
            assert_eq!(slots(&format!("0 0 * * {weekday}"), "UTC", "2026-05-01T12:00:00Z", 1), [want], "{weekday}");
        }
        assert_eq!(slots("@weekly", "UTC", "2026-05-01T12:00:00Z", 1), ["2026-05-03T00:00:00Z"]);
        assert_eq!(slots("@monthly", "UTC", "2026-05-01T12:00:00Z", 1), ["2026-06-01T00:00:00Z"]);
        assert_eq!(slots("0 0 29 2 *", "UTC", "2026-05-01T12:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(slots("0 9 * * *", "Asia/Kathmandu", "2026-05-01T12:00:00Z", 1), ["2026-05-02T03:15:00Z"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, why) in [
            ("", NotASchedule::Fields),
            ("* * * *", NotASchedule::Fields),
            ("0 0 0 1 1 * 2030", NotASchedule::Fields),
            ("@reboot", NotASchedule::Fields),
            ("* * * * * *", NotASchedule::Seconds),
            ("*/5 0 * * * *", NotASchedule::Seconds),
            ("0 0 13 * 5", NotASchedule::BothDays),
            ("0 0 * * 8", NotASchedule::Weekday),
            ("0 0 * * 5L", NotASchedule::Weekday),
            ("0 0 L * *", NotASchedule::Unreadable),
            ("60 * * * *", NotASchedule::Unreadable),
            ("0 25 * * *", NotASchedule::Unreadable),
            ("0 0 30 2 *", NotASchedule::Never),
        ] {
            assert_eq!(Schedule::from_str(text), Err(why), "{text}");
        }
        assert_eq!(Zone::from_str("Mars/Olympus"), Err(NotAZone));
    }

    #[test]
    fn a_fixed_hour_comes_once_a_day_also_when_the_clocks_change() {
        // 2026-03-29 02:00 becomes 03:00 in Berlin; half past two does not exist and comes at half past three.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        // 2026-10-25 03:00 becomes 02:00; half past two exists twice.
        assert_eq!(
            slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Half an hour on Lord Howe Island, two hours at Troll.
        assert_eq!(
            slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", 2),
            ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]
        );
        assert_eq!(slots("30 1 * * *", "Antarctica/Troll", "2026-10-24T12:00:00Z", 2).len(), 2);
    }

    #[test]
    fn an_open_hour_is_every_hour_that_passes() {
        for after in ["2026-03-29T00:10:00Z", "2026-10-24T23:10:00Z"] {
            let slots = slots("0 * * * *", "Europe/Berlin", after, 4);
            let pairs = slots.windows(2).map(|pair| at(&pair[1]).since(at(&pair[0])).as_secs());
            assert_eq!(pairs.collect::<Vec<_>>(), [3_600, 3_600, 3_600], "{slots:?}");
        }
    }

    #[test]
    fn everybody_has_one_turn_a_slot_and_all_agree_when() {
        let schedule: Schedule = "*/10 * * * *".parse().unwrap();
        let spread = Duration::from_secs(3_600);
        let begin = at("2026-05-01T00:00:00Z");
        let mut firsts = std::collections::BTreeSet::new();
        for n in 0..50 {
            let name = format!("stream-{n}");
            let mut now = begin;
            for slot in 0..12 {
                let due = schedule.due(Zone::UTC, spread, &name, now).unwrap();
                // From any instant before it, the answer is the same.
                assert_eq!(schedule.due(Zone::UTC, spread, &name, due.minus(Duration::from_micros(1))), Some(due));
                let of = due.since(begin).as_secs() / 600;
                // The slot of the beginning itself may have been shared out to before or at that instant.
                assert!(of == slot || of == slot + 1, "{name}: {due} in slot {of}, not {slot}");
                if slot == 3 {
                    firsts.insert(due);
                }
                now = due;
            }
        }
        assert!(firsts.len() > 30, "they are spread: {}", firsts.len());
        assert_eq!(share(Duration::ZERO, "x", begin), Duration::ZERO);
    }
}
