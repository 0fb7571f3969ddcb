//! What the endpoints of every provider have in common: a name that stands in a URL, and a team.

use super::Findings;
use crate::domain::ids::TeamId;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// Adds a finding unless the name can stand as the last part of `/hooks/{source}/{name}` as it is written.
pub fn check_name(name: &str, findings: &mut Findings) {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(sound);
    findings.expect(fits, "name", "takes 1 to 64 letters, digits, `-` and `_`");
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
        for (name, fits) in
            [("main", true), ("eu-2_b", true), ("", false), ("a/b", false), ("a b", false), ("é", false)]
        {
            let mut findings = Findings::default();
            check_name(name, &mut findings);
            assert_eq!(findings.into_result().is_ok(), fits, "{name}");
        }
        let mut findings = Findings::default();
        check_name(&"x".repeat(65), &mut findings);
        check_team(&TeamId::new(" "), &mut findings);
        assert_eq!(findings.into_result().unwrap_err().len(), 2);
    }
}
