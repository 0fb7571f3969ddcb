//! `[log]`: how the log looks and how much it says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::findings::{Findings, Section};

/// The log, on stderr.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
    /// What is logged, by target; the variable `RELAYWATCH_LOG` wins over it.
    pub level: LogLevel,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// A level, or a list such as `info,relaywatch::dns=debug`.
#[derive(Clone)]
pub struct LogLevel {
    text: String,
    targets: Targets,
}

/// A text that is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a log filter; write a level (error, warn, info, debug, trace, off) or a list such as \"info,relaywatch::dns=debug\""
)]
pub struct NotALevel;

impl LogLevel {
    /// The filter.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self { text: "info".to_owned(), targets: Targets::new().with_default(tracing::Level::INFO) }
    }
}

impl FromStr for LogLevel {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Self, NotALevel> {
        // A bare word that is no level would be read as a target, and silence everything else.
        let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        if !text.split(',').map(str::trim).all(|part| part.contains('=') || is_level(part)) {
            return Err(NotALevel);
        }
        let targets = text.parse().map_err(|_| NotALevel)?;
        Ok(Self { text: text.to_owned(), targets })
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Section for Log {
    fn check(&self, _: &mut Findings) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_level_or_a_list_by_target() {
        let level: LogLevel = "warn,relaywatch::dns=debug".parse().unwrap();
        assert!(level.targets().would_enable("relaywatch::dns", &Level::DEBUG));
        assert!(!level.targets().would_enable("relaywatch::http", &Level::INFO));
        assert!(LogLevel::default().targets().would_enable("relaywatch", &Level::INFO));
        for text in ["", "loud", "info,", "relaywatch", "relaywatch=loud"] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
