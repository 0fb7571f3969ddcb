//! The days of the week of a crontab expression, written out by name: the reader behind it counts them from Sunday as 1.

/// By number, Sunday first.
const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The field as a list of names, or `*`. `None` when it is no field of days.
pub(super) fn written_out(field: &str) -> Option<String> {
    let mut days = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (item, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (0, 6),
            (_, Some((from, to))) => (day(from)?, day(to)?),
            (_, None) => {
                let from = day(range)?;
                // With a step, a single day begins a range to the end of the week.
                (from, if step.is_some() { from.max(6) } else { from })
            }
        };
        // Friday to Monday goes on over the end of the week; so does anything to Sunday.
        let to = if to < from { to + 7 } else { to };
        (from..=to).step_by(step.unwrap_or(1)).for_each(|day| days[day % 7] = true);
    }
    if days == [true; 7] {
        return Some("*".to_owned());
    }
    let names: Vec<_> = NAMES.iter().zip(days).filter(|(_, is_in)| *is_in).map(|(name, _)| *name).collect();
    Some(names.join(","))
}

/// A day by number (Sunday is 0 or 7) or by name.
fn day(text: &str) -> Option<usize> {
    let named = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
    named.or_else(|| text.parse().ok().filter(|day| *day <= 7 && text.len() == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_out_by_name() {
        for (field, want) in [
            ("*", Some("*")),
            ("?", Some("*")),
            ("0-7", Some("*")),
            ("0", Some("Sun")),
            ("7", Some("Sun")),
            ("5-7", Some("Sun,Fri,Sat")),
            ("fri-MON", Some("Sun,Mon,Fri,Sat")),
            ("*/2", Some("Sun,Tue,Thu,Sat")),
            ("1-5/2,Sat", Some("Mon,Wed,Fri,Sat")),
            ("3/2", Some("Wed,Fri")),
            ("", None),
            ("8", None),
            ("07", None),
            ("1-", None),
            ("*/0", None),
            ("5L", None),
            ("5#2", None),
        ] {
            assert_eq!(written_out(field).as_deref(), want, "{field}");
        }
    }
}
