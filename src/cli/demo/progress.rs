//! What can be watched while the demo plays: a line per act with a counter that moves, on stderr.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Stopwatch;

/// How often a terminal's line is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a long act says something where there is no terminal.
const SAY: Duration = Duration::from_secs(10);

/// One act under way.
pub struct Progress {
    title: &'static str,
    unit: &'static str,
    total: usize,
    terminal: bool,
    /// Whether it is seen while it goes on.
    shown: bool,
    watch: Stopwatch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    drawn_at: Duration,
}

impl Progress {
    /// Begins an act of so many units.
    pub fn begin(title: &'static str, total: usize, unit: &'static str) -> Self {
        let progress = Self { shown: true, ..Self::beside(title, total, unit) };
        if progress.terminal {
            progress.draw(0, false);
        }
        progress
    }

    /// Begins an act that plays beside others: its line is seen when it ends, for a terminal has room for one that moves.
    pub fn beside(title: &'static str, total: usize, unit: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { title, unit, total, terminal, shown: false, watch: Stopwatch::start(), state: Mutex::default() }
    }

    /// So many more are done.
    pub fn advance(&self, n: usize) {
        let Ok(mut state) = self.state.lock() else { return };
        state.done += n;
        let elapsed = self.watch.elapsed();
        if self.shown && elapsed.saturating_sub(state.drawn_at) >= if self.terminal { REDRAW } else { SAY } {
            state.drawn_at = elapsed;
            self.draw(state.done, false);
        }
    }

    /// Ends the act; gives the time it took.
    pub fn end(self) -> Duration {
        let done = self.state.lock().map_or(self.total, |state| state.done);
        self.draw(done, true);
        self.watch.elapsed()
    }

    /// A closed stderr is no reason to stop.
    fn draw(&self, done: usize, last: bool) {
        let line = line(self.title, done, self.total, self.unit, self.watch.elapsed());
        let mut err = std::io::stderr().lock();
        let _ = match (self.terminal, last) {
            (true, false) => write!(err, "\r{line}"),
            (true, true) => writeln!(err, "\r{line}"),
            (false, _) => writeln!(err, "{line}"),
        };
        let _ = err.flush();
    }
}

fn line(title: &str, done: usize, total: usize, unit: &str, took: Duration) -> String {
    let share = (done * 100).checked_div(total).unwrap_or(100);
    format!("{title:<45} {share:>3} % {:>7} {unit:<8} {:>5.1} s", thousands(done), took.as_secs_f64())
}

/// A number with its thousands apart.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (20_345, "20,345"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
    }

    #[test]
    fn a_line_has_the_same_width_from_beginning_to_end() {
        let width = |done| line("an act", done, 12_000, "events", Duration::from_secs(3)).len();
        assert_eq!(width(0), width(12_000));
        assert!(line("nothing to do", 0, 0, "events", Duration::ZERO).contains("100 %"));
    }
}
