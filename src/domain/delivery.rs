//! How a decision goes out: whether at all, under which name, and when again after a failure.

use std::time::Duration;

use ring::digest;
use serde::{Deserialize, Serialize};

use super::ids::TeamId;

/// What is done with the desired states of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Written down only: shadow mode, before there is trust.
    #[default]
    Observe,
    /// Delivered as advice, to be seen and not acted on.
    Advise,
    /// Delivered, to be acted on.
    Enforce,
}

impl Mode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Advise => "advise",
            Self::Enforce => "enforce",
        }
    }

    /// Whether anything leaves.
    pub fn delivers(self) -> bool {
        self != Self::Observe
    }
}

/// What passes before each further try, in seconds: 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, 12 h. The tenth and last try comes
/// 22 h 42 min after the first, give or take the jitter.
const SCHEDULE: [u64; 9] = [5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200];

/// How long to wait after the `attempts`-th try failed (from 1); `None` when it was the last. `random` spreads the wait evenly over
/// 80 % to 120 %, so that what failed together does not come back together.
pub fn retry_delay(attempts: u32, random: u16) -> Option<Duration> {
    let step = usize::try_from(attempts.max(1) - 1).ok()?;
    let millis = SCHEDULE.get(step)? * 1_000;
    let spread = millis * 2 / 5;
    Some(Duration::from_millis(millis - spread / 2 + spread * u64::from(random) / u64::from(u16::MAX)))
}

/// The name of one version of one user's state at one destination: the same at every retry, and nobody's key can be read from it.
pub fn idempotency_key(team: &TeamId, who: &str, destination: &str, version: i64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [team.as_str(), who, destination, &version.to_string()] {
        context.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref()[..16].iter().fold("upd_".to_owned(), |name, byte| name + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_take_a_day() {
        let waits = |random| (1..).map_while(move |attempts| retry_delay(attempts, random)).collect::<Vec<_>>();
        for (random, hours) in [(0, 18.0..18.5), (u16::MAX / 2, 22.5..23.0), (u16::MAX, 27.0..27.5)] {
            let total: Duration = waits(random).iter().sum();
            assert_eq!(waits(random).len(), 9);
            assert!(hours.contains(&(total.as_secs_f64() / 3_600.0)), "{total:?}");
        }
        assert_eq!(retry_delay(1, 0), Some(Duration::from_secs(4)));
        assert_eq!(retry_delay(1, u16::MAX), Some(Duration::from_secs(6)));
        assert_eq!(retry_delay(10, 0), None);
        assert_eq!(retry_delay(u32::MAX, 0), None);
    }

    #[test]
    fn a_key_is_of_its_parts_and_of_nothing_else() {
        let key = |team: &str, who, to, version| idempotency_key(&TeamId::new(team), who, to, version);
        let one = key("t", "a:1", "crm", 7);
        assert_eq!(one, key("t", "a:1", "crm", 7));
        assert!(one.len() == 36 && one.starts_with("upd_"));
        let others = [
            key("u", "a:1", "crm", 7),
            key("t", "a:2", "crm", 7),
            key("t", "a:1", "cr", 7),
            key("t", "a:1", "crm", 8),
            key("ta", ":1", "crm", 7),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
