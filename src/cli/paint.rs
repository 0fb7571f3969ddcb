//! Colours for people: only on a terminal, and not where NO_COLOR asks for none.

use std::fmt::{self, Display, Formatter};
use std::io::IsTerminal;

use crate::domain::finding::{Severity, State};
use crate::domain::posture::Posture;

/// Whether there is colour.
#[derive(Debug, Clone, Copy)]
pub struct Paint(bool);

/// A text in a colour, or as it is.
pub struct Painted<'a> {
    text: &'a str,
    code: Option<&'static str>,
}

impl Paint {
    /// For standard output.
    pub fn stdout() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb)
    }

    /// None.
    #[cfg(test)]
    pub fn none() -> Self {
        Self(false)
    }

    /// Always, to be looked at by tests.
    #[cfg(test)]
    pub fn always() -> Self {
        Self(true)
    }

    fn with<'a>(self, code: &'static str, text: &'a str) -> Painted<'a> {
        Painted { text, code: self.0.then_some(code) }
    }

    /// A title.
    pub fn bold(self, text: &str) -> Painted<'_> {
        self.with("1", text)
    }

    /// What matters less.
    pub fn faint(self, text: &str) -> Painted<'_> {
        self.with("2", text)
    }

    /// In the colour of a posture.
    pub fn posture(self, posture: Posture, text: &str) -> Painted<'_> {
        let code = match posture {
            Posture::Pass => "1;32",
            Posture::AtRisk => "1;33",
            Posture::Unknown => "1;35",
            Posture::Failing => "1;31",
        };
        self.with(code, text)
    }

    /// In the colour of a state.
    pub fn state(self, state: State, text: &str) -> Painted<'_> {
        let code = match state {
            State::Pass => "32",
            State::Warn => "33",
            State::Unknown => "35",
            State::Fail => "31",
        };
        self.with(code, text)
    }

    /// In the colour of a severity.
    pub fn severity(self, severity: Severity, text: &str) -> Painted<'_> {
        let code = match severity {
            Severity::Critical => "1;31",
            Severity::Error => "31",
            Severity::Warning => "33",
            Severity::Info => "36",
        };
        self.with(code, text)
    }
}

/// What is published by others must not steer the terminal: control characters are shown, not sent.
impl Display for Painted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "\x1b[{code}m")?;
        }
        write!(f, "{}", Harmless(self.text))?;
        // Padding is asked of what is seen, not of the codes around it.
        if let Some(width) = f.width() {
            let seen = self.text.chars().count();
            write!(f, "{:1$}", "", width.saturating_sub(seen))?;
        }
        if self.code.is_some() { f.write_str("\x1b[0m") } else { Ok(()) }
    }
}

/// A text without its control characters.
pub struct Harmless<'a>(pub &'a str);

impl Display for Harmless<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if char.is_control() { write!(f, "{}", char.escape_default())? } else { write!(f, "{char}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_published_steers_the_terminal() {
        assert_eq!(Harmless("a\x1b[2Jb\r\n\u{fc}").to_string(), "a\\u{1b}[2Jb\\r\\n\u{fc}");
        assert_eq!(Paint::none().bold("x\x07").to_string(), "x\\u{7}");
        assert_eq!(format!("[{:<5}]", Paint::always().severity(Severity::Error, "ab")), "[\x1b[31mab   \x1b[0m]");
        assert_eq!(format!("[{:<5}]", Paint::none().severity(Severity::Error, "ab")), "[ab   ]");
    }
}
