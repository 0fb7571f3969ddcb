//! How many of many streams are checked: one line on a terminal's stderr, drawn anew.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::clock::Stopwatch;

/// How often the line is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// The line.
pub struct Progress {
    done: usize,
    total: usize,
    shown: bool,
    watch: Stopwatch,
    drawn_at: Duration,
    on_screen: bool,
}

impl Progress {
    /// Of so many; without a terminal, or unless `wanted`, nothing is ever drawn.
    pub fn begin(total: usize, wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        Self { done: 0, total, shown, watch: Stopwatch::start(), drawn_at: Duration::ZERO, on_screen: false }
    }

    /// One more is done.
    pub fn advance(&mut self) {
        self.done += 1;
        let now = self.watch.elapsed();
        if self.shown && now.saturating_sub(self.drawn_at) >= REDRAW {
            self.drawn_at = now;
            self.on_screen = true;
            // A closed stderr is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} of {} streams", self.done, self.total);
        }
    }

    /// Takes the line away, for what is printed where it stands.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.on_screen) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
