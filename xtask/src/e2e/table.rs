//! One row for each check: printed when it is done, and all of them at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::Interrupted;

/// As many characters of an error are shown.
const LONGEST: usize = 600;

/// What was checked so far.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

struct Row {
    check: String,
    /// What was measured, or what is wrong.
    found: Result<String, String>,
    took: Duration,
}

impl Table {
    /// Runs a check that says what it measured; whether it held. An error only when a signal ends them all.
    pub(super) fn check(
        &mut self,
        name: &str,
        run: impl FnOnce() -> Result<String>,
    ) -> Result<bool> {
        let start = Instant::now();
        let found = match run() {
            Ok(figure) => Ok(figure),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Err(format!("{error:#}").chars().take(LONGEST).collect()),
        };
        let row = Row {
            check: name.to_owned(),
            found,
            took: start.elapsed(),
        };
        row.print();
        let held = row.found.is_ok();
        self.rows.push(row);
        Ok(held)
    }

    /// The whole table; an error if anything did not hold.
    pub(super) fn finish(&self, title: &str) -> Result<()> {
        println!(
            "\n{title}\n\n{:<42} {:<7} {:>8}  figure",
            "check", "result", "seconds"
        );
        self.rows.iter().for_each(Row::print);
        let took: Duration = self.rows.iter().map(|row| row.took).sum();
        let failed = self.rows.iter().filter(|row| row.found.is_err()).count();
        println!(
            "{} checks, {failed} failed, {:.0} s",
            self.rows.len(),
            took.as_secs_f64()
        );
        if failed > 0 {
            bail!("{failed} checks failed");
        }
        Ok(())
    }
}

impl Row {
    fn print(&self) {
        let (result, figure) = match &self.found {
            Ok(figure) => ("ok", figure),
            Err(error) => ("FAILED", error),
        };
        println!(
            "{:<42} {result:<7} {:>8.1}  {figure}",
            self.check,
            self.took.as_secs_f64()
        );
    }
}
