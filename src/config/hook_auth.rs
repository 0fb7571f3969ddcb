//! How a provider that signs nothing proves itself: a secret sent with every request, two values of it during a rotation.

use http::HeaderName;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::secret::Secret;

/// The `auth` of an endpoint. In TOML: `"none"`, `{ basic = { user = "…", passwords = ["…"] } }`,
/// `{ bearer = { tokens = ["…"] } }` or `{ header = { name = "…", values = ["…"] } }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HookAuth {
    /// Anybody who knows the URL is believed. Has to be written out; never a default.
    None,
    /// HTTP Basic (RFC 7617).
    Basic {
        /// The user name.
        #[serde(deserialize_with = "basic_user")]
        user: String,
        /// The accepted passwords.
        passwords: Rotation,
    },
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer {
        /// The accepted tokens.
        tokens: Rotation,
    },
    /// A custom header whose value is the secret.
    Header {
        /// Its name.
        #[serde(deserialize_with = "header_name")]
        name: HeaderName,
        /// The accepted values.
        values: Rotation,
    },
}

/// One secret, or the present and the next one.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<Secret>")]
pub struct Rotation(Vec<Secret>);

impl Rotation {
    /// The accepted secrets.
    pub fn secrets(&self) -> &[Secret] {
        &self.0
    }
}

impl TryFrom<Vec<Secret>> for Rotation {
    type Error = &'static str;

    fn try_from(secrets: Vec<Secret>) -> Result<Self, Self::Error> {
        match secrets.len() {
            1 | 2 => Ok(Self(secrets)),
            _ => Err("give one secret, or two while it is being rotated"),
        }
    }
}

fn basic_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let user = String::deserialize(deserializer)?;
    if user.contains(':') {
        return Err(D::Error::custom("`user` holds a colon, which ends a Basic user name (RFC 7617 section 2)"));
    }
    Ok(user)
}

fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(deserializer)?;
    HeaderName::try_from(name.as_str()).map_err(|_| D::Error::custom("`name` is no header name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Section {
        auth: HookAuth,
    }

    fn read(text: &str) -> Result<HookAuth, String> {
        toml::from_str::<Section>(text).map(|section| section.auth).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_every_way() {
        assert!(matches!(read(r#"auth = "none""#), Ok(HookAuth::None)));
        let HookAuth::Basic { user, passwords } =
            read(r#"auth = { basic = { user = "hook", passwords = ["old", "new"] } }"#).unwrap()
        else {
            panic!("not basic")
        };
        assert_eq!((user.as_str(), passwords.secrets().len()), ("hook", 2));
        assert!(matches!(read(r#"auth = { bearer = { tokens = ["t"] } }"#), Ok(HookAuth::Bearer { .. })));
        let HookAuth::Header { name, .. } =
            read(r#"auth = { header = { name = "X-Hook-Secret", values = ["v"] } }"#).unwrap()
        else {
            panic!("not header")
        };
        assert_eq!(name.as_str(), "x-hook-secret");
    }

    #[test]
    fn refuses_what_would_let_anybody_in_or_nobody() {
        for text in [
            "",
            r#"auth = "basic""#,
            r#"auth = { bearer = { tokens = [] } }"#,
            r#"auth = { bearer = { tokens = ["a", "b", "c"] } }"#,
            r#"auth = { bearer = { tokens = [""] } }"#,
            r#"auth = { bearer = { tokens = ["a"], extra = 1 } }"#,
            r#"auth = { basic = { user = "a:b", passwords = ["c"] } }"#,
            r#"auth = { header = { name = "not a header", values = ["v"] } }"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_no_secret() {
        let auth = read(r#"auth = { header = { name = "x-s", values = ["hush-hush"] } }"#).unwrap();
        assert!(!format!("{auth:?}").contains("hush"));
        let error = read(r#"auth = { bearer = { tokens = ["hush-1", "hush-2", "hush-3"] } }"#).unwrap_err();
        assert!(error.contains("one secret, or two"), "{error}");
    }
}
