//! The configuration: one file per section, unknown keys refused, errors that name the field.
//!
//! To add a section, add a file with its struct (`Deserialize` with `deny_unknown_fields`, `Default`, `Debug`), implement
//! [`Section`] for it, add one line to [`Config`] below, and its keys to `deploy/config.example.toml` (a test insists).

pub mod apple;
pub mod braze;
pub mod duration;
pub mod endpoint;
mod environment;
pub mod findings;
pub mod hook_auth;
pub mod limits;
mod load;
pub mod log;
pub mod secret;
pub mod server;
pub mod ses;
pub mod size;
pub mod sparkpost;
pub mod store;
pub mod teams;

pub use findings::{Finding, Findings, Section};
pub use load::{ConfigError, Place, Problem, environment};

/// Declares a table of sections: each line is a key of the configuration, checked under its own name.
macro_rules! sections {
    ($(#[doc = $about:literal])+ pub struct $table:ident {
        $( $(#[doc = $help:literal])+ $key:ident : $section:ty ),+ $(,)?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {
            $( $(#[doc = $help])+ pub $key: $section, )+
        }

        impl $crate::config::Section for $table {
            fn check(&self, findings: &mut $crate::config::Findings) {
                $( findings.within(stringify!($key), &self.$key); )+
            }
        }
    };
}

sections! {
    /// The whole configuration. Its default is what the daemon runs with when it is given none.
    pub struct Config {
        /// Listeners, and what they allow.
        server: server::Server,
        /// Where everything is kept.
        store: store::Store,
        /// What is logged.
        log: log::Log,
        /// What may wait in memory.
        limits: limits::Limits,
    }
}

impl Config {
    /// Checks what no single value tells: ranges, and values that contradict each other.
    ///
    /// # Errors
    /// All findings, each with its field.
    pub fn validate(&self) -> Result<(), Vec<Finding>> {
        let mut findings = Findings::default();
        self.check(&mut findings);
        findings.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn every_finding_is_told_with_its_field() {
        let mut config = Config::default();
        config.server.max_connections = 0;
        config.server.operations_listen = config.server.api_listen;
        let fields: Vec<_> = config.validate().unwrap_err().into_iter().map(|finding| finding.field).collect();
        assert_eq!(fields, ["server.operations_listen", "server.max_connections"]);
    }
}
