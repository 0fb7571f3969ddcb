//! `[store]`: the database and the folder of everything else that is kept.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::findings::{Findings, Section};
use super::secret::Secret;

/// Where everything is kept.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder for the embedded database and generated secrets.
    pub data_dir: PathBuf,
    /// The database. By default SQLite in `data_dir`.
    pub url: StoreUrl,
}

impl Store {
    /// The embedded database in this folder.
    pub fn embedded(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let url = StoreUrl::sqlite(&data_dir.join("relaywatch.db"));
        Self { data_dir, url }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::embedded("./data")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    data_dir: Option<PathBuf>,
    url: Option<StoreUrl>,
}

/// By hand only because the default of `url` follows `data_dir`.
impl<'de> Deserialize<'de> for Store {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { data_dir, url } = Written::deserialize(deserializer)?;
        let mut store = data_dir.map_or_else(Self::default, Self::embedded);
        if let Some(url) = url {
            store.url = url;
        }
        Ok(store)
    }
}

impl Section for Store {
    fn check(&self, findings: &mut Findings) {
        findings.expect(!self.data_dir.as_os_str().is_empty(), "data_dir", "is empty");
    }
}

/// The kind of database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One file, one daemon.
    Sqlite,
    /// A server that several replicas share.
    Postgres,
}

/// The database's URL: `sqlite:PATH`, `sqlite::memory:`, `postgres://…` or `postgresql://…`, written as a secret may be
/// (literal, `{ file = … }`, `{ env = … }`). Printed with its passwords as `***`.
#[derive(Clone)]
pub struct StoreUrl {
    backend: Backend,
    text: SecretString,
}

/// A text that names no database we know. Holds nothing of it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a database URL; write sqlite:PATH, postgres://… or postgresql://…")]
pub struct NotAStoreUrl;

impl StoreUrl {
    /// Reads a URL. Another scheme is refused rather than guessed: a typing error must not create an empty database.
    ///
    /// # Errors
    /// When the scheme is not one of ours, or nothing follows it.
    pub fn parse(text: &str) -> Result<Self, NotAStoreUrl> {
        let text = text.trim();
        let backend = match text.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => Backend::Sqlite,
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") && Url::parse(text).is_ok() => {
                Backend::Postgres
            }
            _ => return Err(NotAStoreUrl),
        };
        Ok(Self { backend, text: SecretString::from(text) })
    }

    /// The URL of a SQLite file.
    pub fn sqlite(path: &Path) -> Self {
        Self { backend: Backend::Sqlite, text: SecretString::from(format!("sqlite:{}", path.display())) }
    }

    /// The kind of database.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Whether it names a SQLite file that is not there. Opening it would make one.
    pub fn is_missing(&self) -> bool {
        let path = self.expose().strip_prefix("sqlite:").unwrap_or_default();
        self.backend == Backend::Sqlite && !Path::new(path.strip_prefix("//").unwrap_or(path)).exists()
    }

    /// The URL with its password; only for connecting.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.backend == Backend::Sqlite {
            return f.write_str(self.expose());
        }
        let Ok(mut url) = Url::parse(self.expose()) else { return f.write_str("***") };
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return f.write_str("***");
        }
        // Of the parameters only the names: `password` and `sslpassword` may stand there, and so may what we do not know.
        let names: Vec<String> = url.query_pairs().map(|(name, _)| format!("{name}=***")).collect();
        url.set_query((!names.is_empty()).then(|| names.join("&")).as_deref());
        url.set_fragment(None);
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Secret::deserialize(deserializer)?.expose()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for (text, printed) in [
            ("postgres://relay:hunter2@db.example:5432/relay", "postgres://relay:***@db.example:5432/relay"),
            ("postgresql://relay@db.example/relay", "postgresql://relay@db.example/relay"),
            ("postgres:///relay?host=/run/pg&password=hunter2", "postgres:///relay?host=***&password=***"),
            ("sqlite:./data/relaywatch.db", "sqlite:./data/relaywatch.db"),
            ("sqlite::memory:", "sqlite::memory:"),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(format!("{url} {url:?}"), format!("{printed} {printed}"));
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn only_a_file_can_be_seen_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relaywatch.db");
        let url = StoreUrl::sqlite(&path);
        assert!(url.is_missing());
        std::fs::write(&path, "").unwrap();
        assert!(!url.is_missing());
        assert!(!StoreUrl::parse(&format!("sqlite://{}", path.display())).unwrap().is_missing());
        assert!(!StoreUrl::parse("postgres://db.example/relay").unwrap().is_missing());
    }

    #[test]
    fn another_scheme_is_refused_without_repeating_it() {
        for text in ["", "sqlite:", "sqlite://", "mysql://u:hunter2@h/d", "./data/x.db", "postgres:db", "Postgres"] {
            let refused = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn the_embedded_database_lies_in_the_data_folder() {
        let store: Store = toml::from_str(r#"data_dir = "/var/lib/relaywatch""#).unwrap();
        assert_eq!(store.url.expose(), "sqlite:/var/lib/relaywatch/relaywatch.db");
        assert_eq!(Store::default().url.expose(), "sqlite:./data/relaywatch.db");
        assert_eq!(Store::default().url.backend(), Backend::Sqlite);
    }
}
