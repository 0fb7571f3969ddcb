//! What named sections have in common: a name that can stand in a URL, a metric and a command as it is written, and a team.

use super::Findings;
use crate::domain::ids::TeamId;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// What a name may be.
pub(super) const NAME: &str = "takes 1 to 64 letters, digits, `-`, `_` and `.`, no `.` in front";

/// Whether it can be the name of an endpoint, a stream, a route and so on. Part of a path as it is, so never `.` or `..`.
pub(super) fn is_name(name: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.bytes().all(sound)
}

/// Adds a finding unless it is a name.
pub fn check_name(field: &str, name: &str, findings: &mut Findings) {
    findings.expect(is_name(name), field, NAME);
}

/// Adds a finding when the team is empty.
pub fn check_team(team: &TeamId, findings: &mut Findings) {
    findings.expect(!team.as_str().trim().is_empty(), "team", "is empty");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_a_url_as_it_is() {
        let longest = "x".repeat(LONGEST);
        for name in ["main", "eu-2_b", "news.control", "_", &longest] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a/b", "a b", "é", ".", "..", ".hidden"] {
            assert!(!is_name(name), "{name}");
        }
        let mut findings = Findings::default();
        check_name("name", &"x".repeat(LONGEST + 1), &mut findings);
        check_team(&TeamId::new(" "), &mut findings);
        assert_eq!(findings.into_result().unwrap_err().len(), 2);
    }
}
