//! What a valid-looking configuration gets wrong, each finding with the path of its field.

use std::collections::BTreeSet;
use std::fmt;

/// A part of the configuration that can check itself.
pub trait Section {
    /// Adds what is wrong. Says nothing when all is well.
    fn check(&self, findings: &mut Findings);
}

/// A list of sections, such as `[[endpoints.ses]]`; its findings carry the position.
impl<S: Section> Section for Vec<S> {
    fn check(&self, findings: &mut Findings) {
        for (position, section) in self.iter().enumerate() {
            findings.within(&position.to_string(), section);
        }
    }
}

/// A section that may be left out.
impl<S: Section> Section for Option<S> {
    fn check(&self, findings: &mut Findings) {
        if let Some(section) = self {
            section.check(findings);
        }
    }
}

/// One thing that is wrong. Holds no value that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path of the field, e.g. `server.api_listen` or `endpoints.ses.0.topics`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The findings so far, and the path of the section being checked.
#[derive(Debug, Default)]
pub struct Findings {
    path: Vec<String>,
    found: Vec<Finding>,
}

impl Findings {
    /// Checks a section under its key.
    pub fn within(&mut self, key: &str, section: &impl Section) {
        self.path.push(key.to_owned());
        section.check(self);
        self.path.pop();
    }

    /// Adds a finding about a field of the present section.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        let mut path = self.path.join(".");
        if !path.is_empty() && !field.is_empty() {
            path.push('.');
        }
        self.found.push(Finding { field: path + field, message: message.into() });
    }

    /// Adds a finding about a field unless `holds`.
    pub fn expect(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Adds a finding about each value that stands already further up its list. `field` is its path, by its position.
    pub fn expect_unique<V: Ord>(
        &mut self,
        values: impl IntoIterator<Item = V>,
        field: impl Fn(usize) -> String,
        message: &str,
    ) {
        let mut seen = BTreeSet::new();
        for (position, value) in values.into_iter().enumerate() {
            self.expect(seen.insert(value), &field(position), message);
        }
    }

    /// All of them, if there are any.
    ///
    /// # Errors
    /// The findings, in the order of the checks.
    pub fn into_result(self) -> Result<(), Vec<Finding>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endpoint(bool);

    impl Section for Endpoint {
        fn check(&self, findings: &mut Findings) {
            findings.expect(self.0, "name", "is empty");
        }
    }

    #[test]
    fn a_finding_in_a_list_names_its_position() {
        let mut findings = Findings::default();
        findings.within("ses", &vec![Endpoint(true), Endpoint(false)]);
        findings.within("braze", &None::<Endpoint>);
        findings.add("", "two endpoints have the same name");
        let found: Vec<_> = findings.into_result().unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["ses.1.name: is empty", ": two endpoints have the same name"]);
    }

    #[test]
    fn each_repetition_is_found_and_no_first_one() {
        let mut findings = Findings::default();
        findings.expect_unique(["a", "b", "a", "c", "a"], |i| format!("{i}.name"), "names two");
        let found: Vec<_> = findings.into_result().unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2.name: names two", "4.name: names two"]);
    }
}
