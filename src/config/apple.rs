//! The `[apple]` and `[[endpoints.apple]]` sections: where Apple's keys come from and which hooks take its notifications.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::{Host, Url};

/// Where Apple publishes the keys that sign notifications and ID tokens.
pub const KEYS_URL: &str = "https://appleid.apple.com/auth/keys";

/// The `[apple]` section. Every key may be left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apple {
    /// Where the key set is fetched. Plain http only on this machine.
    #[serde(deserialize_with = "secure_url")]
    pub keys_url: String,
    /// A file that holds the key set. Then nothing is fetched.
    pub keys_file: Option<PathBuf>,
    /// The shortest time between two fetches, in seconds, whatever arrives.
    pub keys_refetch_seconds: NonZeroU32,
    /// The age, in hours, at which a key set that still serves is fetched anew.
    pub keys_refresh_hours: NonZeroU32,
    /// The greatest age of a notification, in days since `iat`; an older one goes to quarantine. Apple documents no
    /// retry schedule, so this is generous.
    pub max_age_days: NonZeroU32,
}

impl Default for Apple {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            keys_url: KEYS_URL.to_owned(),
            keys_file: None,
            keys_refetch_seconds: number(60),
            keys_refresh_hours: number(24),
            max_age_days: number(30),
        }
    }
}

impl Apple {
    /// The shortest time between two fetches.
    pub fn keys_refetch(&self) -> Duration {
        Duration::from_secs(self.keys_refetch_seconds.get().into())
    }

    /// The age at which the key set is fetched anew.
    pub fn keys_refresh(&self) -> Duration {
        Duration::from_secs(u64::from(self.keys_refresh_hours.get()) * 3_600)
    }

    /// The greatest age of a notification.
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(u64::from(self.max_age_days.get()) * 86_400)
    }
}

/// One `[[endpoints.apple]]`: a hook at `/hooks/apple/{name}`. It names no team, because `aud` does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppleEndpoint {
    /// The last segment of its path.
    pub name: String,
}

impl super::Section for Apple {
    fn check(&self, _: &mut super::Findings) {}
}

impl super::Section for AppleEndpoint {
    fn check(&self, findings: &mut super::Findings) {
        super::endpoint::check_name("name", &self.name, findings);
    }
}

fn secure_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |problem: &str| Err(serde::de::Error::custom(format!("keys_url: {problem}")));
    let Ok(url) = Url::parse(&text) else { return wrong("not an absolute URL") };
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(text),
        "http" if local => Ok(text),
        _ => wrong("keys must come over https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_apple_itself() {
        let apple: Apple = toml::from_str("").unwrap();
        assert_eq!(apple.keys_url, "https://appleid.apple.com/auth/keys");
        assert_eq!(apple.keys_refetch(), Duration::from_secs(60));
        assert_eq!(apple.keys_refresh(), Duration::from_secs(86_400));
        assert_eq!(apple.max_age(), Duration::from_secs(2_592_000));
    }

    #[test]
    fn errors_name_the_field() {
        for (text, part) in [
            ("keys_url = 'http://appleid.apple.com/auth/keys'", "keys_url: keys must come over https"),
            ("keys_url = 'appleid.apple.com'", "keys_url: not an absolute URL"),
            ("keys_url = 'http://localhost.example/keys'", "keys_url: keys must come over https"),
            ("max_age_days = 0", "max_age_days"),
            ("max_age = 3", "unknown field `max_age`"),
        ] {
            let error = toml::from_str::<Apple>(text).unwrap_err().to_string();
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(toml::from_str::<Apple>("keys_url = 'http://127.0.0.1:9/keys'").is_ok());
        assert!(toml::from_str::<AppleEndpoint>("name = 'main'\nsecret = 'x'").is_err());
    }
}
