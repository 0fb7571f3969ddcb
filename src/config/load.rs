//! Reads the configuration from a file and the environment, and says where what is wrong stands.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::environment::{Variable, variables};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file, at this line if it is known.
    File(PathBuf, Option<usize>),
    /// In an environment variable.
    Variable(String),
    /// Nowhere: it is a default.
    Default,
}

/// One thing that is wrong. Holds no value that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The full path of the field, e.g. `server.api_listen`; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path, Some(line)) => write!(f, "{}:{line}: ", path.display())?,
            Place::File(path, None) => write!(f, "{}: ", path.display())?,
            Place::Variable(name) => write!(f, "{name}: ")?,
            Place::Default => (),
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Why the configuration cannot be used: at least one problem, one per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
}

impl Config {
    /// Reads the file, if there is one, lays the `RELAYWATCH__…` variables of `environment` over it, and validates.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML, when a key or variable is unknown, when a value does not fit its
    /// field, or when [`Config::validate`] finds something.
    pub fn load(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let written = Written::read(path, environment).map_err(ConfigError::one)?;
        let config: Self = written.deserialize().map_err(ConfigError::one)?;
        config.validate().map_err(|findings| ConfigError {
            problems: findings
                .into_iter()
                .map(|finding| {
                    let path: Vec<_> = finding.field.split('.').map(str::to_owned).collect();
                    Problem { place: written.place(&path), field: finding.field, message: finding.message }
                })
                .collect(),
        })?;
        Ok(config)
    }
}

/// The variables of this process, for [`Config::load`]. What is not Unicode is left out.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
}

impl ConfigError {
    fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// What was written, and where.
struct Written {
    path: Option<PathBuf>,
    text: String,
    variables: Vec<Variable>,
    merged: Value,
}

impl Written {
    fn read(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, Problem> {
        let path = path.map(Path::to_owned);
        let text = match &path {
            Some(path) => std::fs::read_to_string(path).map_err(|error| Problem {
                place: Place::File(path.clone(), None),
                field: String::new(),
                message: format!("cannot be read: {error}"),
            })?,
            None => String::new(),
        };
        let merged = text.parse().map(Value::Table).map_err(|error: toml::de::Error| {
            let line = error.span().map(|span| line_of(&text, span.start));
            let place = path.clone().map_or(Place::Default, |path| Place::File(path, line));
            Problem { place, field: String::new(), message: error.message().to_owned() }
        })?;
        let mut written = Self { path, text, variables: variables(environment), merged };
        for variable in &written.variables {
            variable.set(&mut written.merged).map_err(|message| Problem {
                place: Place::Variable(variable.name.clone()),
                field: variable.path.join("."),
                message,
            })?;
        }
        Ok(written)
    }

    /// A value of a variable that is not text but should be (a password of digits) is tried once as text.
    fn deserialize<'de, T: Deserialize<'de>>(&self) -> Result<T, Problem> {
        let mut merged = self.merged.clone();
        let mut as_text: Vec<&str> = Vec::new();
        let mut first: Option<Problem> = None;
        loop {
            let error = match serde_path_to_error::deserialize(merged.clone()) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let path = segments(error.path());
            let problem = Problem {
                place: self.place(&path),
                field: path.join("."),
                message: without_value(error.inner().message()),
            };
            if first.as_ref().is_some_and(|first| first.field == problem.field) {
                return Err(first.unwrap_or(problem));
            }
            match self.variable(&path) {
                Some(variable) if !as_text.contains(&variable.name.as_str()) && variable.set_as_text(&mut merged) => {
                    as_text.push(&variable.name);
                    first = Some(problem);
                }
                _ => return Err(problem),
            }
        }
    }

    /// The variable that set the value at `path`, if one did. Later ones win.
    fn variable(&self, path: &[String]) -> Option<&Variable> {
        self.variables.iter().rev().find(|variable| path.starts_with(&variable.path))
    }

    fn place(&self, path: &[String]) -> Place {
        let (line, is_exact) = line_in(&self.text, path);
        let below = || self.variables.iter().rev().find(|variable| !is_exact && variable.path.starts_with(path));
        match (self.variable(path).or_else(below), &self.path) {
            (Some(variable), _) => Place::Variable(variable.name.clone()),
            (None, Some(file)) => Place::File(file.clone(), line),
            (None, None) => Place::Default,
        }
    }
}

fn segments(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// The line where the key at `path` stands, or the nearest table above it, and whether it was the key itself.
fn line_in(text: &str, path: &[String]) -> (Option<usize>, bool) {
    let Ok(document) = DeTable::parse(text) else { return (None, false) };
    let root = DeValue::Table(document.into_inner());
    let (mut value, mut found, mut depth) = (&root, None, 0);
    for segment in path {
        let below = match value {
            DeValue::Table(table) => {
                table.iter().find(|(key, _)| key.get_ref() == segment).map(|(key, value)| (key.span(), value))
            }
            DeValue::Array(list) => {
                segment.parse::<usize>().ok().and_then(|position| list.get(position)).map(|value| (value.span(), value))
            }
            _ => None,
        };
        let Some((span, next)) = below else { break };
        (value, found, depth) = (next.get_ref(), Some(span.start), depth + 1);
    }
    (found.map(|start| line_of(text, start)), depth == path.len())
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// serde repeats a text that has the wrong type, and the text may be a secret in the wrong place.
fn without_value(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(open), Some(close)) if open < close => {
            format!("{}string{}", &message[..open], &message[close + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::log::LogFormat;
    use crate::config::secret::Secret;

    fn from_environment(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(None, environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn without_file_and_variables_it_is_the_default() {
        let config = from_environment(&[("HOME", "/root"), ("RELAYWATCH_LOG", "")]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn variables_reach_every_section() {
        let config = from_environment(&[
            ("RELAYWATCH__SERVER__API_LISTEN", "127.0.0.1:1234"),
            ("RELAYWATCH__SERVER__HOOKS_LISTEN", "127.0.0.1:1234"),
            ("RELAYWATCH__SERVER__MAX_CONNECTIONS", "7"),
            ("RELAYWATCH__STORE__DATA_DIR", "1234"),
            ("RELAYWATCH__LIMITS__QUEUE_BYTES", "2097152"),
            ("RELAYWATCH__LOG__FORMAT", "json"),
        ])
        .unwrap();
        assert!(config.server.is_shared());
        assert_eq!((config.server.max_connections, config.limits.queue_bytes.get()), (7, 2 << 20));
        assert_eq!(config.store.data_dir, Path::new("1234"), "a number where text is wanted is text");
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn an_error_names_the_variable_and_the_field() {
        for (name, text, want) in [
            ("RELAYWATCH__SERVER__API_LISTEN", "here", "server.api_listen: invalid socket address syntax"),
            (
                "RELAYWATCH__SERVER__MAX_CONNECTIONS",
                "-1",
                "server.max_connections: invalid value: integer `-1`, expected usize",
            ),
            ("RELAYWATCH__SERVER__MAX_CONNECTIONS", "0", "server.max_connections: must be from 1 to 1048576"),
            (
                "RELAYWATCH__LIMITS__QUEUE",
                "1",
                "limits.queue: unknown field `queue`, expected one of `queue_bytes`, `retry_after`, `commit_timeout`",
            ),
            (
                "RELAYWATCH__SERVER__API_LISTEN__PORT",
                "1",
                "server.api_listen: invalid type: map, expected socket address",
            ),
        ] {
            let refused = from_environment(&[(name, text)]).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{name}: {want}")), "{refused}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let refused = from_environment(&[("RELAYWATCH__STORE", "postgres://u:hunter2@h/d")]).unwrap_err().to_string();
        assert!(refused.starts_with("RELAYWATCH__STORE: store: ") && !refused.contains("hunter2"), "{refused}");
        let refused = from_environment(&[("RELAYWATCH__STORE__URL", "mysql://u:hunter2@h/d")]).unwrap_err().to_string();
        assert!(refused.contains("store.url: not a database URL") && !refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn no_secret_is_in_the_debug_of_the_whole() {
        let config = from_environment(&[("RELAYWATCH__STORE__URL", "postgres://u:hunter2@h/d")]).unwrap();
        assert_eq!(config.store.url.expose(), "postgres://u:hunter2@h/d");
        let printed = format!("{config:?} {config:#?}");
        assert!(printed.contains("postgres://u:***@h/d") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_password_of_digits_is_text() {
        #[derive(Deserialize)]
        struct Endpoint {
            secret: Secret,
        }
        let environment = [("RELAYWATCH__SECRET".to_owned(), "0042".to_owned())];
        let endpoint: Endpoint = Written::read(None, environment.into_iter()).unwrap().deserialize().unwrap();
        assert_eq!(endpoint.secret.expose(), "0042");
        let environment = [("RELAYWATCH__SECRET".to_owned(), "1e3".to_owned())];
        let endpoint: Endpoint = Written::read(None, environment.into_iter()).unwrap().deserialize().unwrap();
        assert_eq!(endpoint.secret.expose(), "1e3");
    }

    #[test]
    fn a_path_leads_to_its_line_or_to_that_of_its_table() {
        let text = "[log]\nlevel = \"warn\"\n";
        assert_eq!(line_in(text, &["log".into(), "level".into()]), (Some(2), true));
        assert_eq!(line_in(text, &["log".into(), "format".into()]), (Some(1), false));
        assert_eq!(line_in("a = [\n1,\n2]", &["a".into(), "1".into()]), (Some(3), true));
        assert_eq!(line_in(text, &["store".into()]), (None, false));
    }
}
