//! The environment as an overlay: `RELAYWATCH__SERVER__API_LISTEN` is the key `server.api_listen`.
//!
//! Two underscores part the levels, a number picks an element of a list that the file has. A value is read as a TOML value
//! when it is one, and as text otherwise. `RELAYWATCH_LOG` is short for `RELAYWATCH__LOG__LEVEL` and wins over it.

use toml::{Table, Value};

const PREFIX: &str = "RELAYWATCH__";
const SHORT_FOR_LEVEL: &str = "RELAYWATCH_LOG";

/// One variable that overlays the configuration. Its value may be a secret, so it is not printed.
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The path it sets, in lower case.
    pub(super) path: Vec<String>,
    text: String,
    typed: Value,
}

impl Variable {
    fn read((name, text): (String, String)) -> Option<Self> {
        let (path, typed) = match name.strip_prefix(PREFIX) {
            Some(levels) => {
                let path = levels.split("__").map(str::to_lowercase).collect();
                (path, text.parse().unwrap_or_else(|_| Value::String(text.clone())))
            }
            None if name == SHORT_FOR_LEVEL && !text.is_empty() => {
                (vec!["log".to_owned(), "level".to_owned()], Value::String(text.clone()))
            }
            None => return None,
        };
        Some(Self { name, path, text, typed })
    }

    /// Puts its value at its path.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn set(&self, root: &mut Value) -> Result<(), String> {
        put(root, &self.path, self.typed.clone())
    }

    /// Puts its text at its path, where its value was not text: a password may look like a number.
    pub(super) fn set_as_text(&self, root: &mut Value) -> bool {
        !self.typed.is_str() && put(root, &self.path, Value::String(self.text.clone())).is_ok()
    }
}

/// Those of `environment` that are ours, in the order in which they apply.
pub(super) fn variables(environment: impl Iterator<Item = (String, String)>) -> Vec<Variable> {
    let mut ours: Vec<_> = environment.filter_map(Variable::read).collect();
    ours.sort_by(|a, b| (a.name == SHORT_FOR_LEVEL, &a.name).cmp(&(b.name == SHORT_FOR_LEVEL, &b.name)));
    ours
}

fn put(at: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        *at = value;
        return Ok(());
    };
    if key.is_empty() {
        return Err("the variable's name has an empty level".to_owned());
    }
    match at {
        Value::Table(table) => put(table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())), rest, value),
        Value::Array(list) => {
            let length = list.len();
            match key.parse::<usize>().ok().and_then(|position| list.get_mut(position)) {
                Some(element) => put(element, rest, value),
                None => Err(format!("no element {key} in a list of {length}")),
            }
        }
        _ => Err(format!("there is nothing below this field that {key} could name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(file: &str, environment: &[(&str, &str)]) -> Result<Value, String> {
        let mut root = Value::Table(file.parse().unwrap());
        for variable in variables(environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))) {
            variable.set(&mut root)?;
        }
        Ok(root)
    }

    #[test]
    fn a_value_is_toml_when_it_can_be() {
        let root = overlaid(
            "[a]\nlist = [{ n = 1 }, { n = 2 }]",
            &[
                ("RELAYWATCH__A__NUMBER", "12"),
                ("RELAYWATCH__A__FLAG", "true"),
                ("RELAYWATCH__A__ADDRESS", "127.0.0.1:1"),
                ("RELAYWATCH__A__QUOTED", "\"12\""),
                ("RELAYWATCH__A__LINES", "1\n[b]"),
                ("RELAYWATCH__A__LIST__1__N", "3"),
                ("RELAYWATCH_OTHER", "x"),
                ("PATH", "x"),
            ],
        );
        let want = "[a]\nnumber = 12\nflag = true\naddress = \"127.0.0.1:1\"\nquoted = \"12\"\nlines = \"1\\n[b]\"
            list = [{ n = 1 }, { n = 3 }]";
        assert_eq!(root, Ok(Value::Table(want.parse().unwrap())));
    }

    #[test]
    fn the_short_name_of_the_level_wins() {
        let root = overlaid("", &[("RELAYWATCH_LOG", "debug"), ("RELAYWATCH__LOG__LEVEL", "warn")]).unwrap();
        assert_eq!(root["log"]["level"].as_str(), Some("debug"));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let file = "a = 1\nlist = []";
        assert!(overlaid(file, &[("RELAYWATCH__A__B", "1")]).is_err());
        assert!(overlaid(file, &[("RELAYWATCH__LIST__0", "1")]).is_err());
        assert!(overlaid(file, &[("RELAYWATCH__", "1")]).is_err());
        assert!(overlaid(file, &[("RELAYWATCH__A____B", "1")]).is_err());
    }
}
