//! A secret as configured: a literal, a file or an environment variable; printed as `***` everywhere.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A secret text. In TOML: `"literal"`, `{ file = "path" }` (trailing newline dropped) or `{ env = "NAME" }`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself; only for comparing and signing.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "a secret: text, { file = \"path\" } or { env = \"NAME\" }")]
enum Written {
    Literal(String),
    File(InFile),
    Env(InEnv),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InEnv {
    env: String,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = match Written::deserialize(deserializer)? {
            Written::Literal(text) => text,
            Written::File(InFile { file }) => std::fs::read_to_string(&file)
                .map_err(|e| D::Error::custom(format!("cannot read secret file {file}: {}", e.kind())))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            Written::Env(InEnv { env }) => {
                std::env::var(&env).map_err(|_| D::Error::custom(format!("environment variable {env} is not set")))?
            }
        };
        if text.is_empty() {
            return Err(D::Error::custom("the secret is empty"));
        }
        Ok(Self::new(text))
    }
}
