//! An operator's text rule: its form in the configuration, and what makes it refused.

use serde::Deserialize;

use super::{RELAY_NO_TEXT, RELAY_UNKNOWN_TEXT, Role, apple, esp, matching};
use crate::domain::event::{Kind, Scope};

/// Which party's address must stand beside the words of a rule: the last one named before them, or else the first behind
/// them. `550 5.1.1 <recipient>: user not found` and `<sender>: user not found` are opposite things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// No matter.
    #[default]
    Any,
    /// The recipient.
    Recipient,
    /// The envelope sender.
    Sender,
    /// The recipient, or nobody: no address at all, or only one that the ESP masked.
    RecipientOrNone,
}

impl Party {
    pub(super) fn admits(self, named: Option<Role>) -> bool {
        match self {
            Self::Any => true,
            Self::Recipient => named == Some(Role::Recipient),
            Self::Sender => named == Some(Role::Sender),
            Self::RecipientOrNone => matches!(named, None | Some(Role::Recipient)),
        }
    }
}

/// One text rule of an operator. It applies to Apple's domains and goes before the built-in ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in events, metrics and answers: `[a-z0-9_.]`, not one of the built-in names.
    pub name: String,
    /// Texts that must all occur in the reply, in any order and case. Addresses stand there as `<recipient>`, `<sender>`
    /// and `<other>`.
    pub all: Vec<String>,
    /// Who must be named beside the first of the texts.
    #[serde(default)]
    pub party: Party,
    /// 4 or 5: the first digit that the SMTP reply must have. A rule without it that says `hard_bounce` gives a
    /// `soft_bounce` for a 4xx reply.
    #[serde(default)]
    pub code_class: Option<u8>,
    /// `hard_bounce` or `soft_bounce`.
    pub kind: Kind,
    /// Whose fault. `esp` means that nobody asked Apple: such a bounce is no news.
    pub scope: Scope,
}

/// Why a rule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {at} (`{rule}`): {field}: {because}")]
pub struct RuleError {
    /// The rule's name, as far as it can be shown.
    pub rule: String,
    /// Its place in the list, from 0.
    pub at: usize,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it.
    pub because: &'static str,
}

/// Limits that keep one reply's reading cheap.
const MOST_RULES: usize = 256;
const MOST_TEXTS: usize = 16;
const LONGEST_TEXT: usize = 512;
const LONGEST_NAME: usize = 64;

/// Checks a list of rules and brings their texts into the form in which they are compared.
pub(super) fn checked(rules: Vec<Rule>) -> Result<Vec<Rule>, RuleError> {
    let mut good: Vec<Rule> = Vec::with_capacity(rules.len());
    for (at, mut rule) in rules.into_iter().enumerate() {
        for text in &mut rule.all {
            *text = matching::folded(text);
        }
        if let Some((field, because)) = fault(&rule, &good) {
            let shown = rule.name.chars().filter(|c| is_name_char(*c)).take(LONGEST_NAME).collect();
            return Err(RuleError { rule: shown, at, field, because });
        }
        good.push(rule);
    }
    Ok(good)
}

fn fault(rule: &Rule, before: &[Rule]) -> Option<(&'static str, &'static str)> {
    let name = rule.name.as_str();
    let built_in = apple::RULES.iter().chain(&esp::RULES).map(|r| r.name).chain([RELAY_UNKNOWN_TEXT, RELAY_NO_TEXT]);
    let faults = [
        (before.len() >= MOST_RULES, "name", "one rule too many"),
        (name.is_empty() || name.len() > LONGEST_NAME, "name", "must have 1 to 64 characters"),
        (!name.chars().all(is_name_char), "name", "may hold only a-z, 0-9, `_` and `.`"),
        (built_in.into_iter().any(|taken| taken == name), "name", "is the name of a built-in rule"),
        (before.iter().any(|other| other.name == name), "name", "is the name of an earlier rule"),
        (rule.all.is_empty(), "all", "must hold a text"),
        (rule.all.len() > MOST_TEXTS, "all", "holds more than 16 texts"),
        (rule.all.iter().any(String::is_empty), "all", "holds an empty text"),
        (rule.all.iter().any(|t| t.len() > LONGEST_TEXT), "all", "holds a text of more than 512 bytes"),
        (
            rule.all.iter().any(|t| t.contains('@')),
            "all",
            "holds an address, where a reply has `<recipient>` or `<sender>`",
        ),
        (!matches!(rule.code_class, None | Some(4 | 5)), "code_class", "must be 4 or 5"),
        (!matches!(rule.kind, Kind::HardBounce | Kind::SoftBounce), "kind", "must be hard_bounce or soft_bounce"),
    ];
    faults.into_iter().find(|(wrong, ..)| *wrong).map(|(_, field, because)| (field, because))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        serde_json::from_str(
            r#"{"name":"ops.held","all":["Account  Held"],"party":"recipient_or_none","kind":"hard_bounce","scope":"recipient"}"#,
        )
        .unwrap()
    }

    #[test]
    fn texts_are_brought_into_the_compared_form() {
        let good = checked(vec![rule()]).unwrap();
        assert_eq!(good[0].all, ["account held"]);
        assert_eq!((good[0].party, good[0].code_class), (Party::RecipientOrNone, None));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{"name":"a","all":["x"],"kind":"hard_bounce","scope":"sender","code":550}"#;
        assert!(serde_json::from_str::<Rule>(text).unwrap_err().to_string().contains("code"));
        let text = r#"{"name":"a","all":["x"],"kind":"hard_bounce","scope":"user"}"#;
        assert!(serde_json::from_str::<Rule>(text).is_err());
    }

    #[test]
    fn the_error_names_rule_and_field() {
        let cases: [(fn(&mut Rule), &str); 12] = [
            (|r| r.name.clear(), "name"),
            (|r| r.name = "Ops Held".into(), "name"),
            (|r| r.name = "x".repeat(65), "name"),
            (|r| r.name = "apple.user_not_found".into(), "name"),
            (|r| r.name = "relay.no_text".into(), "name"),
            (|r| r.name = "ops.first".into(), "name"),
            (|r| r.all.clear(), "all"),
            (|r| r.all = vec!["x".into(); 17], "all"),
            (|r| r.all.push(" \t".into()), "all"),
            (|r| r.all.push("jane@shop.example held".into()), "all"),
            (|r| r.code_class = Some(2), "code_class"),
            (|r| r.kind = Kind::Delivered, "kind"),
        ];
        for (n, (spoil, field)) in cases.into_iter().enumerate() {
            let first = Rule { name: "ops.first".into(), ..rule() };
            let mut bad = rule();
            spoil(&mut bad);
            let error = checked(vec![first, bad]).unwrap_err();
            assert_eq!((error.at, error.field), (1, field), "case {n}: {error}");
            assert!(error.to_string().contains(field), "case {n}");
            assert!(!error.to_string().contains("jane"), "case {n}: no value is shown");
        }
        let many: Vec<Rule> = (0..=MOST_RULES).map(|n| Rule { name: format!("ops.{n}"), ..rule() }).collect();
        assert_eq!(checked(many).unwrap_err().at, MOST_RULES);
    }
}
