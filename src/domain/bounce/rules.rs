//! Text rules as data: Apple's own first, an operator's before them, the ESP's class last.

use super::{Reading, Report};

/// Which party's address must stand in the angle brackets for a rule to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// No matter.
    Any,
}

/// One text rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule;

/// The rules in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct RuleBook {}

impl RuleBook {
    /// What the report means.
    pub fn read(&self, report: &Report<'_>) -> Reading {
        Reading {
            kind: crate::domain::event::Kind::HardBounce,
            scope: crate::domain::event::Scope::Ambiguous,
            fresh: true,
            rule: report.class_rule.to_owned().into(),
        }
    }
}
