//! `[[bounce_rules]]`: an operator's own text rules, tried before the built-in ones.

use serde::Deserialize;

use super::findings::{Findings, Section};
use crate::domain::bounce::{Rule, RuleBook, RuleError};

/// The rules as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct BounceRules(pub Vec<Rule>);

impl BounceRules {
    /// The rules in force: these, then the built-in ones.
    ///
    /// # Errors
    /// The first rule that cannot stand.
    pub fn book(&self) -> Result<RuleBook, RuleError> {
        RuleBook::with_operator_rules(self.0.clone())
    }
}

impl Section for BounceRules {
    fn check(&self, findings: &mut Findings) {
        if let Err(error) = self.book() {
            findings.add(&format!("{}.{}", error.at, error.field), error.because);
        }
    }
}
