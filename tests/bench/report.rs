//! The rows, and how they are printed.

/// All rows of a run.
#[derive(Default)]
pub struct Report(Vec<Row>);

struct Row {
    what: String,
    goal: &'static str,
    measured: String,
    met: Option<bool>,
}

impl Report {
    /// Adds a row whose goal was met or not.
    pub fn add(&mut self, what: impl Into<String>, goal: &'static str, measured: impl Into<String>, met: bool) {
        let row = Row { what: what.into(), goal, measured: measured.into(), met: Some(met) };
        eprintln!("{}: {}", row.what, row.measured);
        self.0.push(row);
    }

    /// Adds a row that only informs.
    pub fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        let row = Row { what: what.into(), goal: "", measured: measured.into(), met: None };
        eprintln!("{}: {}", row.what, row.measured);
        self.0.push(row);
    }

    /// Prints all rows as a table. A missed goal does not fail the run: the machine may be busy.
    pub fn print(&self) {
        println!("| what | goal | measured | |\n|---|---|---|---|");
        for row in &self.0 {
            let mark = match row.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            println!("| {} | {} | {} | {mark} |", row.what, row.goal, row.measured);
        }
    }
}
