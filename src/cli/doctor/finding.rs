//! What the doctor found: one line, and what to do about it.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// Will bite sooner or later.
    Warn,
    /// Broken: mail is watched wrongly, or not at all.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    check: &'static str,
    state: State,
    finding: String,
    /// What to do; nothing where nothing is wrong.
    remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, state: State::Ok, finding: finding.into(), remedy: None }
    }

    /// Worth knowing.
    pub fn info(check: &'static str, finding: impl Into<String>) -> Self {
        Self { state: State::Info, ..Self::ok(check, finding) }
    }

    /// Will bite sooner or later; `remedy` says what to do.
    pub fn warn(check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Warn, remedy: Some(remedy.into()), ..Self::ok(check, finding) }
    }

    /// Broken; `remedy` says what to do.
    pub fn fail(check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(check, finding, remedy) }
    }
}

/// Everything found, in the order of the checks.
#[derive(Debug, Serialize)]
pub struct Report {
    ok: bool,
    fails: usize,
    warnings: usize,
    checks: Vec<Finding>,
}

impl Report {
    /// Counts what was found.
    pub fn of(checks: Vec<Finding>) -> Self {
        let count = |state| checks.iter().filter(|finding| finding.state == state).count();
        let (fails, warnings) = (count(State::Fail), count(State::Warn));
        Self { ok: fails == 0, fails, warnings, checks }
    }

    /// Whether nothing fails.
    pub fn is_ok(&self) -> bool {
        self.ok
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for Finding { check, state, finding, remedy } in &self.checks {
            let state = match state {
                State::Ok => "ok",
                State::Info => "info",
                State::Warn => "warn",
                State::Fail => "FAIL",
            };
            // A finding of several lines stays in its column.
            writeln!(f, "{state:<5} {check:<14} {}", finding.replace('\n', &format!("\n{:21}", "")))?;
            if let Some(remedy) = remedy {
                writeln!(f, "{:21}-> {remedy}", "")?;
            }
        }
        let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
        let warnings = plural(self.warnings, "warning");
        match self.fails {
            0 if self.warnings == 0 => writeln!(f, "\nAll is well."),
            0 => writeln!(f, "\nNothing fails; {warnings}."),
            fails => writeln!(f, "\n{}, {warnings}.", plural(fails, "failure")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_in_columns_and_counted() {
        let all = vec![
            Finding::ok("store", "reachable"),
            Finding::warn("sns", "one\ntwo", "do this"),
            Finding::info("streams", "none"),
        ];
        let report = Report::of(all.clone());
        let wanted = "\
ok    store          reachable
warn  sns            one
                     two
                     -> do this
info  streams        none

Nothing fails; 1 warning.
";
        assert_eq!(report.to_string(), wanted);
        assert!(report.is_ok());
        let broken = Report::of([all, vec![Finding::fail("keys", "gone", "restore it")]].concat());
        assert!(!broken.is_ok() && broken.to_string().ends_with("\n1 failure, 1 warning.\n"));
        assert!(Report::of(Vec::new()).to_string().ends_with("All is well.\n"));
    }
}
